"""Reads a configuration file, and the settings of connectors and sources that it names."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pfi.engine.connector import ConnectorSettings
from pfi.engine.settings import Settings
from pfi.model.errors import ConfigurationError
from pfi.standards import nomenclature
from pfi.standards.yaml import Fault, Location, YamlFile, faults_of

Model = TypeVar("Model", bound=BaseModel)


def anchor(model: Model, base: Path) -> Model:
    """A copy in which every relative path starts from `base`: the folder of the file that names it."""
    changed = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        anchored = _anchored(value, base)
        if anchored is not value:
            changed[name] = anchored
    return model.model_copy(update=changed) if changed else model


def _anchored(value: Any, base: Path) -> Any:
    if isinstance(value, Path):
        return base / value
    if isinstance(value, BaseModel):
        return anchor(value, base)
    if isinstance(value, tuple):
        anchored = tuple(_anchored(each, base) for each in value)
        return anchored if any(a is not b for a, b in zip(anchored, value, strict=True)) else value
    return value


class Configuration:
    """Settings with the file they come from, so that late faults still name their line."""

    def __init__(self, settings: Settings, source: YamlFile | None = None) -> None:
        self.settings = settings
        self._source = source
        self._base = source.path.resolve().parent if source is not None else Path.cwd()

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        """Reads and checks a file; relative paths in it are relative to it. Puts its code tables in force, for later
        settings are checked against them. Raises ConfigurationError."""
        source = YamlFile.read(path)
        settings = anchor(source.validate(Settings), path.resolve().parent)
        nomenclature.use(settings.nomenclature)
        return cls(settings, source)

    def connector(self, name: str, settings: dict[str, Any], location: Location) -> tuple[type[Any], ConnectorSettings]:
        """The class of a connector (entry point group `pfi.connectors`) and its checked settings."""
        return self._load("pfi.connectors", name, settings, location)

    def neighbour(self, name: str, settings: dict[str, Any], location: Location) -> tuple[type[Any], ConnectorSettings]:
        """A connector that will be used: it must serve the environment of this engine, so that no INS of test ever
        reaches a production service, nor the contrary."""
        return self._of_our_environment(*self.connector(name, settings, location), location)

    def verifier(self, name: str, settings: dict[str, Any], location: Location) -> tuple[type[Any], ConnectorSettings]:
        """The class of a verifier (entry point group `pfi.verifiers`), of the environment of this engine, and its
        checked settings."""
        return self._of_our_environment(*self._load("pfi.verifiers", name, settings, location), location)

    def directory(self, name: str, settings: dict[str, Any], location: Location) -> tuple[type[Any], ConnectorSettings]:
        """The class of a directory (entry point group `pfi.directories`) and its checked settings."""
        return self._load("pfi.directories", name, settings, location)

    def _of_our_environment(
        self, connector_class: type[Any], checked: ConnectorSettings, location: Location
    ) -> tuple[type[Any], ConnectorSettings]:
        declared = getattr(checked, "environment", None)
        if declared is not None and declared != self.settings.ins.environment:
            raise self._error(
                "ENVIRONMENT_MISMATCH",
                Fault(
                    (*location, "settings", "environment"),
                    f"« environment: {declared} » contredit « ins.environment: {self.settings.ins.environment} »",
                    "Donner la même valeur aux deux.",
                ),
            )
        return connector_class, checked

    def source(self, name: str, settings: dict[str, Any], location: Location) -> tuple[type[Any], ConnectorSettings]:
        """The class of a source (entry point group `pfi.sources`) and its checked settings."""
        return self._load("pfi.sources", name, settings, location)

    def _load(
        self, group: str, name: str, settings: dict[str, Any], location: Location
    ) -> tuple[type[Any], ConnectorSettings]:
        known: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=group)}
        if name not in known:
            installed = f"Connecteurs installés : {', '.join(sorted(known)) or 'aucun'}."
            raise self._error("CONNECTOR_UNKNOWN", Fault(location, f"connecteur « {name} » inconnu", installed))
        loaded: type[Any] = known[name].load()
        model: type[ConnectorSettings] = loaded.settings_model
        try:
            return loaded, anchor(model.model_validate(settings), self._base)
        except ValidationError as error:
            raise self._error("CONFIGURATION_INVALID", *faults_of(error, model, (*location, "settings"))) from None

    def _error(self, code: str, *faults: Fault) -> ConfigurationError:
        if self._source is None:
            return ConfigurationError(code, "\n".join(str(fault) for fault in faults))
        return self._source.error(code, *faults)
