"""What the sandbox's DMP holds: documents on disk, their entries in memory."""

import json
import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path


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
            "status": self.status.name.lower(),
            "received_at": self.received_at.isoformat(),
            "path": str(self.path),
        }


class Registry:
    """Entries by uniqueId. A uniqueId is never free again, not even after deletion."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._by_unique_id: dict[str, StoredDocument] = {}
        self._used_ids: set[str] = set()

    def documents(self, patient: str | None = None) -> tuple[StoredDocument, ...]:
        """All documents ever taken, oldest first; of one patient when a matricule is given."""
        return tuple(one for one in self._by_unique_id.values() if patient is None or one.patient == patient)

    def get(self, unique_id: str) -> StoredDocument | None:
        return self._by_unique_id.get(unique_id)

    def by_entry(self, entry_uuid: str) -> StoredDocument | None:
        return next((one for one in self._by_unique_id.values() if one.entry_uuid == entry_uuid), None)

    def is_used(self, unique_id: str) -> bool:
        """Whether a submission set, a signature or a document already bears this uniqueId."""
        return unique_id in self._used_ids

    def add(self, document: StoredDocument, *used: str) -> None:
        """Stores one document; `used` are the other uniqueIds of its lot."""
        document.path.parent.mkdir(parents=True, exist_ok=True)
        document.path.write_bytes(document.content)
        document.path.with_suffix(".json").write_text(json.dumps(document.summary(), ensure_ascii=False, indent=1))
        self._by_unique_id[document.unique_id] = document
        self._used_ids.update((document.unique_id, *used))

    def use(self, unique_id: str) -> None:
        """Remembers the uniqueId of a submission set that carried no document."""
        self._used_ids.add(unique_id)

    def set_status(self, unique_id: str, status: EntryStatus) -> None:
        """Deprecates or deletes an entry; its entryUUID changes, as the DMP's does (DMP digest §1.5)."""
        self._by_unique_id[unique_id] = replace(
            self._by_unique_id[unique_id], status=status, entry_uuid=new_entry_uuid()
        )

    def path_of(self, unique_id: str) -> Path:
        """Where a document is written; uniqueIds are OIDs, so the name is safe."""
        return self._directory / f"{unique_id}.xml"


def new_entry_uuid() -> str:
    return f"urn:uuid:{uuid.uuid4()}"
