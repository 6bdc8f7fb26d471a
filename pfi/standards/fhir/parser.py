"""From bytes to a checked Bundle: JSON with bounds, then the R4 models of `fhir.resources`.

Nothing that a sender writes may cost more than its size: depth and number of elements are looked at before the models
see them, and the documents (`Binary.data`) never go through the models.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError

from pfi.model.finding import Finding, Severity
from pfi.standards.fhir.element import Element

if TYPE_CHECKING:
    from fhir.resources.R4B.bundle import Bundle

MAX_DEPTH: Final = 64
"""Levels of JSON. The profiles need about fifteen."""
MAX_OBJECTS: Final = 10_000
"""Objects and arrays in one Bundle."""
MAX_VALUES: Final = 50_000
"""Commas, those of texts included: no Bundle of documents comes near."""
MAX_ENTRIES: Final = 50
_MOST_ERRORS: Final = 20

_STRUCTURE_RULE: Final = "FHIR R4, Bundle"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_TEXTS: Final = {
    "missing": "Élément obligatoire absent.",
    "extra_forbidden": "Élément qui n'existe pas en FHIR R4.",
}
_OTHER_TEXT: Final = "Valeur ou forme non conforme à FHIR R4."


class UnreadableBundleError(Exception):
    """The bytes are no Bundle that can be read; `findings` say why."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(findings[0].code)
        self.findings = findings


def is_json(raw: bytes) -> bool:
    """True when the first character is that of a JSON object: HL7 v2 and XML never begin so."""
    return raw[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def load_models() -> None:
    """Imports the models now rather than at the first Bundle: half a second."""
    _bundle_model()


def parse_bundle(raw: bytes) -> Element:
    """The Bundle, whose shape is that of R4. Raises UnreadableBundleError, never anything else for what `raw` is."""
    content = _read_json(raw)
    bundle = Element(content, "Bundle")
    if bundle.kind != "Bundle":
        raise _unreadable("BUNDLE_EXPECTED", "Bundle", "Un Bundle FHIR est attendu.")
    if bundle.text("type") != "transaction":
        raise _unreadable("BUNDLE_TYPE", "Bundle.type", "Le Bundle doit être de type « transaction » (ITI-65).")
    entries = content.get("entry")
    if not isinstance(entries, list) or not entries:
        raise _unreadable("BUNDLE_EMPTY", "Bundle.entry", "Le Bundle ne contient aucune entrée.")
    if len(entries) > MAX_ENTRIES:
        raise _unreadable("BUNDLE_TOO_LONG", "Bundle.entry", f"Le Bundle a plus de {MAX_ENTRIES} entrées.")
    _validate(content, entries)
    return bundle


def _read_json(raw: bytes) -> dict[str, Any]:
    if raw.count(b"{") + raw.count(b"[") > MAX_OBJECTS or raw.count(b",") > MAX_VALUES:
        raise _unreadable("JSON_TOO_MANY_ELEMENTS", "Bundle", "Le contenu JSON a trop d'éléments pour un Bundle.")
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            raise _unreadable("JSON_NOT_UTF8", "Bundle", "Le contenu n'est pas en UTF-8.") from None
        raise _unreadable("JSON_UNREADABLE", "Bundle", "Le contenu n'est pas du JSON lisible.") from None
    if not isinstance(content, dict):
        raise _unreadable("BUNDLE_EXPECTED", "Bundle", "Un Bundle FHIR est attendu.")
    _check_depth(content)
    return content


def _check_depth(content: dict[str, Any]) -> None:
    level: list[dict[str, Any] | list[Any]] = [content]
    for _ in range(MAX_DEPTH):
        level = [each for container in level for each in _children(container)]
        if not level:
            return
    raise _unreadable("JSON_TOO_DEEP", "Bundle", f"Le contenu JSON a plus de {MAX_DEPTH} niveaux.")


def _children(container: dict[str, Any] | list[Any]) -> list[dict[str, Any] | list[Any]]:
    values = container.values() if isinstance(container, dict) else container
    return [each for each in values if isinstance(each, (dict, list))]


def _validate(content: Mapping[str, Any], entries: list[Any]) -> None:
    """The models look at everything but the documents themselves."""
    light = {**content, "entry": [_without_data(entry) for entry in entries]}
    try:
        _bundle_model().model_validate(light)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise UnreadableBundleError(
            *dict.fromkeys(_finding(each["loc"], each["type"]) for each in details[:_MOST_ERRORS])
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        # How the models say that a resource type does not exist, or is not even a text.
        raise _unreadable(
            "RESOURCE_UNKNOWN", "Bundle.entry", "Une ressource du Bundle n'est pas d'un type de FHIR R4."
        ) from None


def _without_data(entry: object) -> object:
    if not isinstance(entry, dict) or not isinstance(entry.get("resource"), dict):
        return entry
    resource = entry["resource"]
    if resource.get("resourceType") != "Binary" or not isinstance(resource.get("data"), str):
        return entry
    return {**entry, "resource": {name: value for name, value in resource.items() if name != "data"}}


def _finding(location: tuple[int | str, ...], kind: str) -> Finding:
    """Names of elements come from the sender: only what looks like one is repeated."""
    where = "Bundle"
    for step in location:
        if isinstance(step, int):
            where += f"[{step}]"
        elif _NAME.fullmatch(step):
            where += f".{step}"
        else:
            break
    return Finding(
        "RESOURCE_INVALID", Severity.ERROR, where, _TEXTS.get(kind, _OTHER_TEXT), _STRUCTURE_RULE, err3="102"
    )


def _unreadable(code: str, where: str, text: str) -> UnreadableBundleError:
    return UnreadableBundleError(Finding(code, Severity.ERROR, where, text, _STRUCTURE_RULE, err3="102"))


@cache
def _bundle_model() -> "type[Bundle]":
    """R4B: the same as R4 for every resource of the profiles. Half a second to import: only who reads FHIR pays it."""
    from fhir.resources.R4B.bundle import Bundle

    return Bundle
