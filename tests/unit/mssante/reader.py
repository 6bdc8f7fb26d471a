"""A reader of our mails that shares nothing with what writes them: standard zipfile and email, plain XML look-ups."""

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from urllib.parse import unquote

from lxml import etree

_RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
PATIENT_ID = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
SET_PATIENT_ID = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
SET_UNIQUE_ID = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
SET_SOURCE_ID = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"


@dataclass(frozen=True)
class Entry:
    """One ExtrinsicObject of METADATA.XML."""

    slots: dict[str, list[str]]
    identifiers: dict[str, str]


@dataclass(frozen=True)
class Archive:
    """An IHE_XDM.ZIP: members by name, in order, and its metadata."""

    members: dict[str, bytes]
    entries: tuple[Entry, ...]
    set_identifiers: dict[str, str]
    has_members: int

    def document(self, entry: Entry) -> bytes:
        return self.members[f"IHE_XDM/SUBSET01/{entry.slots['URI'][0]}"]


def read_archive(content: bytes) -> Archive:
    """Opens an archive and checks what any reader would: CRC, hash, size, one patient, one HasMember per document."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    root = etree.fromstring(members["IHE_XDM/SUBSET01/METADATA.XML"])
    entries = tuple(_entry(element) for element in root.iter(f"{_RIM}ExtrinsicObject"))
    (package,) = list(root.iter(f"{_RIM}RegistryPackage"))
    whole = _entry(package)
    associations = list(root.iter(f"{_RIM}Association"))
    read = Archive(members, entries, whole.identifiers, len(associations))
    assert read.has_members == len(entries)
    for entry in entries:
        bytes_of_it = read.document(entry)
        assert entry.slots["hash"][0].lower() == hashlib.sha1(bytes_of_it, usedforsecurity=False).hexdigest()
        assert entry.slots["size"] == [str(len(bytes_of_it))]
        assert entry.identifiers[PATIENT_ID] == whole.identifiers[SET_PATIENT_ID]
    return read


def read_mail(content: bytes) -> EmailMessage:
    """Parses a mail, every defect an error, and checks its lines."""
    lines = content.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert not any(line.startswith(b".") for line in lines)
    assert content.isascii()
    mail = BytesParser(policy=policy.SMTP.clone(raise_on_defect=True)).parsebytes(content)
    assert isinstance(mail, EmailMessage)
    assert not any(part.defects for part in mail.walk())
    return mail


def attachments(mail: EmailMessage) -> dict[str, bytes]:
    """Attachments by file name as a mail reader shows it (RFC 2231 form first)."""
    found = {}
    for part in mail.iter_attachments():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found[file_name(part)] = payload
    return found


def file_name(part: Message) -> str:
    """`filename*` wins over `filename` (RFC 6266 §4.3); the standard library takes whichever comes first."""
    raw = next(str(value) for name, value in part.raw_items() if name == "Content-Disposition")
    extended = re.search(r"filename\*=UTF-8''([^;\s]+)", raw)
    return unquote(extended[1], errors="strict") if extended else part.get_filename() or ""


def _entry(element: etree._Element) -> Entry:
    slots = {
        str(slot.get("name")): [value.text or "" for value in slot.iter(f"{_RIM}Value")]
        for slot in element.findall(f"{_RIM}Slot")
    }
    identifiers = {
        str(each.get("identificationScheme")): str(each.get("value"))
        for each in element.findall(f"{_RIM}ExternalIdentifier")
    }
    return Entry(slots, identifiers)
