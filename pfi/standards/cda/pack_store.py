"""Validation packs installed for the engine: imported whole or not at all, kept by their digest, one in force.

packs/
  current                    name of the pack in force (one line)
  <16 first hex digits>/     infrastructure/ jeuxDeValeurs/ schematrons/ pack.json
"""

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

import orjson

from pfi.model.errors import ConfigurationError, system_reason
from pfi.standards.cda.pack import PARTS, Fault, FaultKind, ValidationPack
from pfi.standards.cda.schema import SCHEMA

_CURRENT: Final = "current"
_RECORD: Final = "pack.json"
_NAME_LENGTH: Final = 16
_MAX_FILES: Final = 50_000
_MAX_BYTES: Final = 512 * 1024 * 1024
_DEPTH: Final = 4
_UTF8_FLAG: Final = 0x800

_Folder = TypeVar("_Folder", Path, PurePosixPath)


@dataclass(frozen=True, slots=True)
class InstalledPack:
    """`digest`: SHA-256 of the pack. `source`: name of the folder or archive it came from. `imported_at`: ISO 8601."""

    folder: Path
    digest: str
    source: str
    imported_at: str
    files: int
    current: bool


class PackStore:
    """The packs under `data_dir/validation/packs`."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "validation" / "packs"

    def current(self) -> Path | None:
        """Folder of the pack in force; None when none is installed."""
        try:
            name = (self._folder / _CURRENT).read_text().strip()
        except OSError:
            return None
        folder = self._folder / name
        return folder if name and folder.is_dir() else None

    def installed(self) -> tuple[InstalledPack, ...]:
        """Every installed pack, the latest import first."""
        current = self.current()
        found = []
        for record in self._folder.glob(f"*/{_RECORD}"):
            told = orjson.loads(record.read_bytes())
            folder = record.parent
            pack = InstalledPack(
                folder, told["digest"], told["source"], told["imported_at"], told["files"], folder == current
            )
            found.append(pack)
        return tuple(sorted(found, key=lambda pack: pack.imported_at, reverse=True))

    def install(self, source: Path, now: datetime) -> tuple[InstalledPack, tuple[Fault, ...]]:
        """Copies a pack (folder or zip), checks it, and puts it in force. What was in force stays until the last step.

        Raises ConfigurationError: `VALIDATION_PACK_UNREADABLE` (not a pack, hostile archive, no room) or
        `VALIDATION_PACK_UNUSABLE` (no XML schema, no common structure).
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        being_made = Path(tempfile.mkdtemp(prefix=".import-", dir=self._folder))
        try:
            files = _unzip(source, being_made) if source.is_file() else _copy(source, being_made)
            pack = ValidationPack(being_made)
            pack.schema()
            faults = pack.faults()
            _refuse_unusable(pack, faults)
            installed = InstalledPack(
                self._folder / pack.digest[:_NAME_LENGTH], pack.digest, source.name, now.isoformat(), files, True
            )
            record = {key: value for key, value in asdict(installed).items() if key not in ("folder", "current")}
            record["faults"] = [[each.kind, each.subject, each.text] for each in faults]
            (being_made / _RECORD).write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2))
            self._put_in_force(being_made, installed.folder)
        except OSError as error:
            raise _unreadable(source, system_reason(error)) from error
        finally:
            shutil.rmtree(being_made, ignore_errors=True)
        return installed, faults

    def _put_in_force(self, being_made: Path, folder: Path) -> None:
        if folder.is_dir():  # the same pack again: its files are the same, its record is new
            os.replace(being_made / _RECORD, folder / _RECORD)
        else:
            being_made.chmod(0o755)
            os.rename(being_made, folder)
        being_named = self._folder / f".{_CURRENT}-{os.getpid()}"
        being_named.write_text(f"{folder.name}\n")
        os.replace(being_named, self._folder / _CURRENT)


def _refuse_unusable(pack: ValidationPack, faults: tuple[Fault, ...]) -> None:
    common = pack.common
    subject = common.relative_to(pack.folder).as_posix() if common is not None else ""
    broken = [each for each in faults if each.kind is not FaultKind.REPAIRED and each.subject == subject]
    if common is None or broken:
        reason = broken[0].text if broken else "le schematron de la structuration minimale est absent."
        raise ConfigurationError(
            "VALIDATION_PACK_UNUSABLE",
            f"Le pack ne permet pas de valider les documents : {reason}",
            "Se procurer un pack complet (docs/validation.md).",
        )


def _copy(source: Path, target: Path) -> int:
    """Copies the parts of a pack from a folder; returns the number of files."""
    found = _root_among(source, (path for path in _levels(source, _DEPTH) if (path / SCHEMA).is_file()))
    count = 0
    for part in PARTS:
        for path in sorted((found / part).rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            count += 1
            place = target / path.relative_to(found)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    return count


def _levels(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth and folder.is_dir():
        for each in sorted(folder.iterdir()):
            if each.is_dir() and not each.is_symlink():
                yield from _levels(each, depth - 1)


def _unzip(source: Path, target: Path) -> int:
    """Extracts the parts of a pack from an archive; returns the number of files."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = {_member_name(info): info for info in archive.infolist() if not info.is_dir()}
            roots = (name.parents[2] for name in members if name.parts[-3:] == SCHEMA.parts)
            root = _root_among(source, roots)
            kept = {
                name.relative_to(root): info
                for name, info in members.items()
                if name.is_relative_to(root) and name.relative_to(root).parts[0] in PARTS
            }
            if len(kept) > _MAX_FILES or sum(info.file_size for info in kept.values()) > _MAX_BYTES:
                raise _unreadable(source, "archive trop volumineuse")
            for name, info in kept.items():
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as packed, place.open("wb") as plain:
                    # Never more than announced: an archive that lies about its sizes ends as a bad checksum.
                    plain.write(packed.read(info.file_size))
            return len(kept)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _unreadable(source, "archive zip illisible") from error


def _member_name(info: zipfile.ZipInfo) -> PurePosixPath:
    """Name of a member. Raises ConfigurationError for one that would leave the folder."""
    name = info.filename
    if not info.flag_bits & _UTF8_FLAG:  # UTF-8 that does not say so: read by zipfile as cp437
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(info.external_attr >> 16):
        raise _unreadable(Path(name), "nom de fichier interdit dans l'archive")
    return path


def _root_among(source: Path, candidates: Iterator[_Folder]) -> _Folder:
    """The only folder that holds a pack, the shallowest first."""
    found = sorted(candidates, key=lambda path: len(path.parts))
    if not found:
        raise _unreadable(source, f"{SCHEMA.as_posix()} ne s'y trouve pas")
    return found[0]


def _unreadable(source: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        "VALIDATION_PACK_UNREADABLE",
        f"{source.name} n'est pas un pack de validation utilisable : {reason}.",
        "Indiquer le dossier ou l'archive zip de TestContenuCDA (docs/validation.md).",
    )
