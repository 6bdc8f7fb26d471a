"""Opens a received IHE_XDM.ZIP: its subsets, their METADATA.XML, their documents as they came (MSSanté digest §5).

What real products do otherwise is taken with a finding: no README nor INDEX, backslashes between folders, another
folder than `IHE_XDM/SUBSETnn`, files that METADATA.XML does not name (a PDF copy, a style sheet). What leaves a doubt
on which document is meant refuses the archive.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from pfi.model.finding import Finding, Severity
from pfi.model.submission import Request
from pfi.standards.xdm.guards import DEFAULT_LIMITS, ArchiveLimits, ArchiveRefusedError, path_key, safe_path
from pfi.standards.xdm.metadata_reader import read_metadata
from pfi.standards.xdm.zip_reader import Entry, ZipReader
from pfi.standards.xds.metadata import DocumentEntry, SubmissionSet

_RULE: Final = "MSSanté digest §5"
_METADATA: Final = "metadata.xml"
_FOLDER: Final = "ihe_xdm"
_USUAL_SUBSET: Final = re.compile(r"ihe_xdm/subset[0-9]{2}")
_AT_ROOT: Final = ("readme.txt", "index.htm")
_DEPTH: Final = 3
"""`IHE_XDM`, subset, file."""

ACTIONS: Final = {"": Request.INITIAL, "C": Request.REPLACE, "D": Request.DELETE}
"""Extra-metadata "action" (MSSanté digest §5.3)."""


@dataclass(frozen=True, slots=True)
class ArchivedDocument:
    """One DocumentEntry and the file that it names. `content` is never altered; `path` is the one in the archive."""

    entry: DocumentEntry
    content: bytes = field(repr=False)
    path: str = field(repr=False)

    @property
    def request(self) -> Request | None:
        """Initial, replacement or deletion; `None` when the action is none of those known."""
        return ACTIONS.get(self.entry.action)


@dataclass(frozen=True, slots=True)
class Subset:
    """One submission set. `submission_set` is `None` when METADATA.XML marks no package as one."""

    submission_set: SubmissionSet | None
    documents: tuple[ArchivedDocument, ...]


@dataclass(frozen=True, slots=True)
class ReceivedArchive:
    """An archive that could be opened; `findings` tell its deviations and are never errors."""

    subsets: tuple[Subset, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def documents(self) -> tuple[ArchivedDocument, ...]:
        """All documents, in the order of METADATA.XML."""
        return tuple(document for subset in self.subsets for document in subset.documents)


def read_archive(data: bytes, limits: ArchiveLimits = DEFAULT_LIMITS) -> ReceivedArchive:
    """Opens an archive within `limits`; only METADATA.XML and the files that it names are inflated.

    Raises ArchiveRefusedError, whose docstring lists the codes.
    """
    reader = ZipReader(data, limits)
    places = _metadata_entries(reader.entries)
    named: set[int] = {place.number for place in places}
    subsets = tuple(_subset(reader, place, limits, named) for place in places)
    if not any(subset.documents for subset in subsets):
        raise ArchiveRefusedError("XDM_DOCUMENTS_NONE", "METADATA.XML ne décrit aucun document.")
    return ReceivedArchive(subsets, tuple(_deviations(reader, places, named, subsets)))


def _metadata_entries(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """One METADATA.XML for each folder of IHE_XDM; or only one, wherever it is."""
    found = tuple(entry for entry in entries if PurePosixPath(entry.path).name.lower() == _METADATA)
    if not found:
        raise ArchiveRefusedError(
            "XDM_METADATA_MISSING",
            "L'archive ne contient pas de METADATA.XML.",
            "Vérifier que la pièce jointe est bien une archive IHE_XDM.",
        )
    if len(found) > 1 and not all(_in_layout(entry) for entry in found):
        raise ArchiveRefusedError(
            "XDM_METADATA_SEVERAL",
            "L'archive contient plusieurs METADATA.XML ailleurs que dans les sous-dossiers de IHE_XDM : on ne peut "
            "savoir lequel fait foi.",
        )
    return found


def _in_layout(entry: Entry) -> bool:
    parts = PurePosixPath(entry.path.lower()).parts
    return len(parts) == _DEPTH and parts[0] == _FOLDER


def _subset(reader: ZipReader, place: Entry, limits: ArchiveLimits, named: set[int]) -> Subset:
    metadata = read_metadata(reader.read(place, limits.metadata), max_bytes=limits.metadata)
    folder = PurePosixPath(place.path).parent
    documents = []
    for rank, entry in enumerate(metadata.entries, 1):
        file = _file_of(reader, folder, entry, rank)
        if file.number in named:
            text = f"METADATA.XML désigne deux fois le fichier {file.name}."
            raise ArchiveRefusedError("XDM_URI_REPEATED", text)
        named.add(file.number)
        documents.append(ArchivedDocument(entry, reader.read(file), file.path))
    return Subset(metadata.submission_set, tuple(documents))


def _file_of(reader: ZipReader, folder: PurePosixPath, entry: DocumentEntry, rank: int) -> Entry:
    """The file that an URI names, relative to METADATA.XML."""
    if not entry.uri:
        text = f"METADATA.XML ne dit pas dans quel fichier est le document n° {rank} (URI absente)."
        raise ArchiveRefusedError("XDM_URI_MISSING", text)
    relative = safe_path(entry.uri)
    if relative is None:
        text = f"L'URI du document n° {rank} sort de son dossier ou est inutilisable."
        raise ArchiveRefusedError("XDM_URI_UNSAFE", text)
    file = reader.find(str(folder / relative))
    if file is None:
        text = f"Le fichier du document n° {rank} de METADATA.XML n'est pas dans l'archive."
        raise ArchiveRefusedError("XDM_DOCUMENT_MISSING", text)
    return file


def _deviations(
    reader: ZipReader, places: tuple[Entry, ...], named: set[int], subsets: tuple[Subset, ...]
) -> Iterator[Finding]:
    if reader.backslashes:
        text = "Des noms de l'archive séparent leurs dossiers par des barres obliques inverses : elle est lue ainsi."
        yield _finding("XDM_BACKSLASHES", Severity.WARNING, text)
    if not all(_USUAL_SUBSET.fullmatch(path_key(str(PurePosixPath(place.path).parent))) for place in places):
        text = "METADATA.XML n'est pas dans un dossier IHE_XDM/SUBSETnn : l'archive est lue là où il se trouve."
        yield _finding("XDM_LAYOUT", Severity.WARNING, text)
    missing = [name.upper() for name in _AT_ROOT if reader.find(name) is None]
    if missing:
        yield _finding("XDM_ROOT_FILES_MISSING", Severity.INFO, f"L'archive n'a pas de {' ni de '.join(missing)}.")
    if not all(subset.documents for subset in subsets):
        text = "Un METADATA.XML ne décrit aucun document : il est ignoré."
        yield _finding("XDM_SUBSET_EMPTY", Severity.WARNING, text)
    if any(subset.submission_set is None for subset in subsets):
        text = "METADATA.XML ne décrit pas le lot de soumission."
        yield _finding("XDM_SUBMISSION_SET_MISSING", Severity.WARNING, text)
    unnamed = [entry for entry in reader.entries if entry.number not in named and entry.path.lower().endswith(".xml")]
    if unnamed:
        text = f"METADATA.XML ne désigne pas tous les fichiers XML de l'archive : {len(unnamed)} sont ignorés."
        yield _finding("XDM_FILES_IGNORED", Severity.WARNING, text)


def _finding(code: str, severity: Severity, text: str) -> Finding:
    return Finding(code, severity, "IHE_XDM.ZIP", text, _RULE)
