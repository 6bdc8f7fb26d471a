"""What the sandbox's DMP holds, on disk: each document with its versions' lineage, its entry as it was fed, and every
uniqueId ever used. A sandbox that is told to keep them knows them again when it starts in the same folder."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

_USED: Final = "identifiers.txt"


class EntryStatus(StrEnum):
    APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
    DEPRECATED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
    DELETED = "urn:asip:ci-sis:2010:StatusType:Deleted"


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document that the DMP took. `patient` is the matricule; `entry_uuid` the registry's own identifier."""

    unique_id: str
    entry_uuid: str
    submission_set: str
    patient: str
    type_code: str
    title: str
    sha1: str
    size: int
    structure: str
    """Struct_IdNat of the submitter."""
    confidentiality: tuple[str, ...]
    replaces: str
    """uniqueId of the document that this one replaced, empty when none."""
    received_at: datetime
    path: Path
    content: bytes = field(repr=False)
    status: EntryStatus = EntryStatus.APPROVED
    authors: tuple[str, ...] = ()
    """Identifiers of the persons and devices that wrote it."""
    set_id: str = ""
    """`root^extension` of the CDA's setId, which all versions share."""
    version: int | None = None
    """The CDA's versionNumber."""
    logical_id: str = ""
    """`lid`: unlike `entry_uuid`, the same over updates."""
    entry: bytes = field(default=b"", repr=False)
    """The ExtrinsicObject as it was fed."""

    def summary(self) -> dict[str, object]:
        """What the control endpoint shows: no content."""
        return {
            "unique_id": self.unique_id,
            "entry_uuid": self.entry_uuid,
            "submission_set": self.submission_set,
            "patient": self.patient,
            "type_code": self.type_code,
            "title": self.title,
            "size": self.size,
            "sha1": self.sha1,
            "confidentiality": list(self.confidentiality),
            "replaces": self.replaces,
            "set_id": self.set_id,
            "version": self.version,
            "status": self.status.name.lower(),
            "received_at": self.received_at.isoformat(),
            "path": str(self.path),
        }

    def save(self) -> None:
        """Writes the document, its entry and what is known of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(self.content)
        self.path.with_suffix(".entry.xml").write_bytes(self.entry)
        self.save_state()

    def save_state(self) -> None:
        """Writes what changes: the state and the registry's identifiers."""
        known = {
            **self.summary(),
            "structure": self.structure,
            "authors": list(self.authors),
            "logical_id": self.logical_id,
        }
        self.path.with_suffix(".json").write_text(json.dumps(known, ensure_ascii=False, indent=1), encoding="utf-8")


def _loaded(path: Path, known: Mapping[str, Any]) -> StoredDocument:
    """A document from its three files. Raises KeyError, OSError or ValueError when one is not ours."""
    content = path.with_suffix(".xml")
    return StoredDocument(
        unique_id=known["unique_id"],
        entry_uuid=known["entry_uuid"],
        submission_set=known["submission_set"],
        patient=known["patient"],
        type_code=known["type_code"],
        title=known["title"],
        sha1=known["sha1"],
        size=known["size"],
        structure=known["structure"],
        confidentiality=tuple(known["confidentiality"]),
        replaces=known["replaces"],
        received_at=datetime.fromisoformat(known["received_at"]),
        path=content,
        content=content.read_bytes(),
        status=EntryStatus[known["status"].upper()],
        authors=tuple(known["authors"]),
        set_id=known["set_id"],
        version=known["version"],
        logical_id=known["logical_id"],
        entry=path.with_suffix(".entry.xml").read_bytes(),
    )


class Registry:
    """Entries by uniqueId. A uniqueId is never free again, not even after deletion.

    `keep`: takes up what an earlier registry left in the folder; else it is erased.
    """

    def __init__(self, directory: Path, *, keep: bool = False) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._by_unique_id: dict[str, StoredDocument] = {}
        self._used_ids: set[str] = set()
        if keep:
            self._load()
        else:
            self._erase()

    def documents(self, patient: str | None = None) -> tuple[StoredDocument, ...]:
        """All documents ever taken, oldest first; of one patient when a matricule is given."""
        return tuple(one for one in self._by_unique_id.values() if patient is None or one.patient == patient)

    def get(self, unique_id: str) -> StoredDocument | None:
        return self._by_unique_id.get(unique_id)

    def by_entry(self, entry_uuid: str) -> StoredDocument | None:
        return next((one for one in self._by_unique_id.values() if one.entry_uuid == entry_uuid), None)

    def versions(self, patient: str, set_id: str) -> tuple[StoredDocument, ...]:
        """Every version of a document that was ever taken, oldest first."""
        return tuple(one for one in self.documents(patient) if set_id and one.set_id == set_id)

    def is_used(self, unique_id: str) -> bool:
        """Whether a submission set, a signature or a document already bears this uniqueId."""
        return unique_id in self._used_ids

    def add(self, document: StoredDocument, *used: str) -> None:
        """Stores one document; `used` are the other uniqueIds of its lot."""
        document.save()
        self._by_unique_id[document.unique_id] = document
        self._remember(document.unique_id, *used)

    def use(self, unique_id: str) -> None:
        """Remembers the uniqueId of a submission set that carried no document."""
        self._remember(unique_id)

    def set_status(self, unique_id: str, status: EntryStatus) -> None:
        """Deprecates or deletes an entry; its entryUUID changes, as the DMP's does (DMP digest §1.5)."""
        changed = replace(self._by_unique_id[unique_id], status=status, entry_uuid=new_entry_uuid())
        changed.save_state()
        self._by_unique_id[unique_id] = changed

    def path_of(self, unique_id: str) -> Path:
        """Where a document is written; uniqueIds are OIDs, so the name is safe."""
        return self._directory / f"{unique_id}.xml"

    def _remember(self, *unique_ids: str) -> None:
        fresh = [one for one in unique_ids if one not in self._used_ids]
        self._used_ids.update(fresh)
        if fresh:
            with (self._directory / _USED).open("a", encoding="utf-8") as stream:
                stream.writelines(f"{one}\n" for one in fresh)

    def _erase(self) -> None:
        for pattern in ("*.json", "*.xml", _USED):
            for path in self._directory.glob(pattern):
                path.unlink()

    def _load(self) -> None:
        found: list[StoredDocument] = []
        for path in self._directory.glob("*.json"):
            try:
                found.append(_loaded(path, json.loads(path.read_text(encoding="utf-8"))))
            except (KeyError, OSError, TypeError, ValueError) as error:
                raise ValueError(f"dossier du DMP du bac à sable illisible : {path.name}") from error
        for document in sorted(found, key=lambda one: one.received_at):
            self._by_unique_id[document.unique_id] = document
        used = self._directory / _USED
        if used.exists():
            self._used_ids.update(used.read_text(encoding="utf-8").split())


def new_entry_uuid() -> str:
    return f"urn:uuid:{uuid.uuid4()}"
