"""Archives for the tests of reception: sound ones by our writer, odd ones by the standard library or by hand."""

import io
import struct
import zipfile
from collections.abc import Iterable
from typing import Any, Final

from pfi.model.document import Document
from pfi.model.submission import Orders, Request
from pfi.standards.xdm.archive import Issuer, build
from pfi.standards.xdm.checks import CheckedArchive, check_received
from pfi.standards.xdm.metadata import write_metadata
from pfi.standards.xdm.reader import read_archive
from tests.unit.mssante.material import MOMENT, PATIENT, cda, document

METADATA: Final = "IHE_XDM/SUBSET01/METADATA.XML"
DOCUMENT: Final = "IHE_XDM/SUBSET01/DOC0001.XML"
CENTRAL: Final = b"PK\x01\x02"
LOCAL: Final = b"PK\x03\x04"


def metadata(*documents: Document, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "request": Request.INITIAL,
        "orders": Orders(),
        "patient": PATIENT,
        "qualified": True,
        "patient_class": "I",
        "sender": None,
        "unique_id": "2.25.101",
        "source_id": "1.2.250.1.999.1",
        "submitted_at": MOMENT,
    }
    return write_metadata(documents or (document(),), **{**values, **changes})


def archive(*documents: Document, **changes: Any) -> bytes:
    """What our own writer sends."""
    documents = documents or (document(),)
    contents = [each.content for each in documents]
    return build(contents, metadata(*documents, **changes), issuer=Issuer("CH d'Exemple"), moment=MOMENT)


def members(**changes: bytes | None) -> dict[str, bytes]:
    """A sound tree, with files replaced (`METADATA=b"..."`, `DOC0001=...`), `None` to leave one out."""
    parts: dict[str, bytes | None] = {"METADATA": metadata(), "DOC0001": cda_bytes(), **changes}
    return {f"IHE_XDM/SUBSET01/{name}.XML": content for name, content in parts.items() if content is not None}


def cda_bytes() -> bytes:
    return document().content


def zipped(
    files: dict[str, bytes] | Iterable[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """By the standard library; names may repeat."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as target:
        for name, content in files.items() if isinstance(files, dict) else files:
            target.writestr(name, content, None if isinstance(name, zipfile.ZipInfo) else method)
    return written.getvalue()


def patched(data: bytes, signature: bytes, rank: int, offset: int, form: str, value: int) -> bytes:
    """One number of the header number `rank` (from 0) of that signature, changed."""
    place = -1
    for _ in range(rank + 1):
        place = data.index(signature, place + 1)
    return data[: place + offset] + struct.pack(form, value) + data[place + offset + struct.calcsize(form) :]


def checked(*documents: Document, entry: tuple[str, str] | None = None, **changes: Any) -> CheckedArchive:
    """The checks on an archive of ours; `entry` replaces a text of METADATA.XML, which must be there."""
    documents = documents or (document(),)
    written = metadata(*documents, **changes).decode()
    if entry is not None:
        assert entry[0] in written
        written = written.replace(*entry)
    contents = [each.content for each in documents]
    return check_received(read_archive(build(contents, written.encode(), issuer=Issuer("x"), moment=MOMENT)))


def replacing(old: str, new: str, **changes: Any) -> Document:
    """A sound document in which a text, which must be there, gave way to another."""
    source = cda(**changes).decode()
    assert old in source
    return document(source.replace(old, new).encode())
