"""Import of the extraction: read as it streams, checked against the one in use, put in its place in one step."""

import os
import re
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Final

import httpx

from connectors.annuaire.client import trust
from connectors.annuaire.extract import FORMAT, INDEXES, SCHEMA, Edition, Extract, ExtractError
from connectors.annuaire.rows import ExtractionRefusedError, RowReader
from connectors.annuaire.settings import ExtractSettings
from pfi.model.clock import Clock
from pfi.model.errors import ConfigurationError, TransportError, system_reason

_NAME: Final = re.compile(r"(?:.*/)?(Extraction_Correspondance_MSSante_?([0-9]{12})?[^/]*\.txt)", re.IGNORECASE)
_MAX_ARCHIVE: Final = 500 * 1024 * 1024
_MAX_TEXT: Final = 2 * 1024 * 1024 * 1024
_MAX_LINE: Final = 64 * 1024
_LEAST_SHARE: Final = 0.8
"""Of the mailboxes of the edition in use: fewer are a truncated file (directory digest §3)."""
_WORST_SHARE: Final = 0.01
"""Of lines that cannot be used: more are another format."""
_BATCH: Final = 10_000
_PATIENCE: Final = 120.0


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `before` is the number of mailboxes of the edition that it replaced."""

    edition: Edition
    unusable: int
    before: int | None


def import_file(source: Path, settings: ExtractSettings, clock: Clock) -> Imported:
    """Replaces the edition in use by that of `source` (ZIP or text). Blocking, some seconds. Raises
    ExtractionRefusedError, ConfigurationError; the edition in use then stays."""
    before = _in_use(settings)
    target = settings.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise _not_writable(target, error) from None
    os.close(descriptor)
    try:
        with _text_of(source) as (stream, name):
            edition, unusable = _build(Path(temporary), stream, name, clock())
        if before is not None and edition.rows < _LEAST_SHARE * before:
            raise ExtractionRefusedError(
                f"{edition.rows} boîtes seulement, contre {before} dans l'extraction en service, qui le reste.",
                f"Si cette baisse est réelle, supprimer {target} et recommencer.",
            )
        _sync(Path(temporary))
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
        _sync(target.parent)
    except OSError as error:
        raise _not_writable(target, error) from None
    finally:
        Path(temporary).unlink(missing_ok=True)
    return Imported(edition, unusable, before)


def fetch(settings: ExtractSettings, into: Path, proxy: str | None = None) -> None:
    """Downloads the extraction to `into`. Blocking. Raises ConfigurationError, TransportError."""
    if settings.ca is None:
        raise ConfigurationError(
            "ANNUAIRE_EXTRACT_CA",
            "Le téléchargement de l'extraction demande les autorités de confiance de son serveur (IGC Santé).",
            "Renseigner « extract.ca », ou télécharger le fichier et le donner à « pfi annuaire import ».",
        )
    taken = 0
    try:
        with (
            httpx.Client(verify=trust(settings.ca), trust_env=False, proxy=proxy, timeout=_PATIENCE) as client,
            client.stream("GET", settings.url) as response,
            into.open("wb") as file,
        ):
            if response.status_code != httpx.codes.OK:
                raise _not_fetched(f"HTTP {response.status_code}")
            for chunk in response.iter_bytes():
                taken += file.write(chunk)
                if taken > _MAX_ARCHIVE:
                    raise _not_fetched("fichier anormalement gros")
    except httpx.HTTPError as error:
        raise _not_fetched(type(error).__name__) from None
    except OSError as error:
        raise _not_fetched(system_reason(error)) from None


def _in_use(settings: ExtractSettings) -> int | None:
    try:
        return Extract(settings).edition().rows
    except ExtractError:
        return None


def _build(path: Path, stream: IO[bytes], name: str, now: datetime) -> tuple[Edition, int]:
    lines = _lines(stream)
    reader = RowReader(next(lines, ""))
    rows = reader.read(lines)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA}")
            connection.execute("BEGIN")
            while batch := [astuple(row) for row in islice(rows, _BATCH)]:
                connection.executemany("INSERT OR IGNORE INTO mailbox VALUES (?, ?, ?, ?, ?, ?)", batch)
            (count,) = connection.execute("SELECT count(*) FROM mailbox").fetchone()
            edition = Edition(_made_at(name, now), count, name)
            connection.execute(
                "INSERT INTO edition VALUES (?, ?, ?, ?)", (FORMAT, edition.made_at.isoformat(), count, name)
            )
            connection.execute("COMMIT")
            connection.executescript(INDEXES)
    except sqlite3.Error:
        raise ExtractionRefusedError(
            "Le fichier de travail de l'import n'a pas pu être écrit.", "Vérifier la place libre sur le disque."
        ) from None
    if not count:
        raise ExtractionRefusedError("L'extraction ne contient aucune boîte.")
    if reader.unusable > _WORST_SHARE * reader.seen:
        raise ExtractionRefusedError(
            f"{reader.unusable} lignes inutilisables sur {reader.seen} : ce n'est pas l'extraction attendue."
        )
    return edition, reader.unusable


@contextmanager
def _text_of(source: Path) -> Iterator[tuple[IO[bytes], str]]:
    """The text of a source and its name. Raises ExtractionRefusedError."""
    try:
        with source.open("rb") as file:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                yield file, source.name
                return
            with zipfile.ZipFile(file) as archive:
                member, name = _member(archive)
                try:
                    opened = archive.open(member)
                except RuntimeError:  # what zipfile says of encryption and of a compression that it does not know
                    raise zipfile.BadZipFile from None
                with opened as stream:
                    yield stream, name
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise ExtractionRefusedError("L'archive de l'extraction est endommagée, ou d'une forme inconnue.") from None
    except FileNotFoundError:
        raise ExtractionRefusedError(f"Fichier absent : {source}.") from None


def _member(archive: zipfile.ZipFile) -> tuple[zipfile.ZipInfo, str]:
    found = [(each, match[1]) for each in archive.infolist() if (match := _NAME.fullmatch(each.filename))]
    if len(found) != 1:
        raise ExtractionRefusedError(
            "L'archive ne contient pas un fichier « Extraction_Correspondance_MSSante_….txt », et un seul."
        )
    return found[0]


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines of a text in UTF-8, whatever an archive claims of its size."""
    taken = 0
    while line := stream.readline(_MAX_LINE):
        taken += len(line)
        if taken > _MAX_TEXT or (len(line) == _MAX_LINE and not line.endswith(b"\n")):
            raise ExtractionRefusedError("L'extraction est anormalement longue.")
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            raise ExtractionRefusedError("L'extraction n'est pas un texte en UTF-8.") from None


def _made_at(name: str, now: datetime) -> datetime:
    """The moment that the name tells (AAAAMMJJhhmm), else now. Taken as UTC: an hour or two do not matter in days."""
    found = _NAME.fullmatch(name)
    try:
        return datetime.strptime(found[2], "%Y%m%d%H%M").replace(tzinfo=UTC) if found and found[2] else now
    except ValueError:
        return now


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_writable(target: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        "ANNUAIRE_EXTRACT_NOT_WRITABLE",
        f"L'extraction ne peut pas être écrite dans {target.parent} ({system_reason(error)}).",
        "Vérifier « extract.file », les droits et la place libre.",
    )


def _not_fetched(reason: str) -> TransportError:
    return TransportError(
        "ANNUAIRE_EXTRACT_NOT_FETCHED",
        f"L'extraction n'a pas pu être téléchargée ({reason}).",
        "Vérifier « extract.url », « extract.ca » et l'accès à Internet.",
    )
