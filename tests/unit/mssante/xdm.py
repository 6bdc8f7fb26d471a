"""A reader of IHE_XDM.ZIP written from the IHE XDM layout and the MSSanté digest §5, with the standard library alone.

It shares nothing with what writes the archives: zipfile, xml.etree, html.parser. Whatever a careful reader would refuse
fails here.
"""

import hashlib
import io
import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

LCM = "{urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0}"
RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
V3 = "{urn:hl7-org:v3}"
ROOT = "IHE_XDM/SUBSET01/"
METADATA = f"{ROOT}METADATA.XML"

DOCUMENT_ENTRY = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
SUBMISSION_SET = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
PATIENT_ID = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
SET_PATIENT_ID = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
SET_UNIQUE_ID = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
SET_SOURCE_ID = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
SET_AUTHOR = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
CONTENT_TYPE = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
CLASS = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
TYPE = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
CONFIDENTIALITY = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
EVENT = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
FORMAT = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
FACILITY = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
PRACTICE = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
_ONCE = (CLASS, TYPE, FORMAT, FACILITY, PRACTICE)
_INS = re.compile(r"1\.2\.250\.1\.213\.1\.4\.(8|9|10|11)\Z")


@dataclass(frozen=True)
class Entry:
    """One object of METADATA.XML: a RegistryPackage or an ExtrinsicObject."""

    id: str
    title: str
    slots: dict[str, list[str]]
    identifiers: dict[str, str]
    codes: dict[str, list[tuple[str, str]]]
    """(code, label) by classification scheme, in order."""
    authors: list[dict[str, list[str]]]


@dataclass(frozen=True)
class Archive:
    """An IHE_XDM.ZIP: members by name, in order, and its metadata."""

    members: dict[str, bytes]
    entries: tuple[Entry, ...]
    whole: Entry
    """The submission set."""

    @property
    def set_identifiers(self) -> dict[str, str]:
        return self.whole.identifiers

    def document(self, entry: Entry) -> bytes:
        return self.members[ROOT + entry.slots["URI"][0]]


def read_archive(content: bytes) -> Archive:
    """Opens an archive and checks what any reader would: layout, CRC, hash, size, one patient, one set of documents."""
    members = _members(content)
    root = _xml(members[METADATA])
    assert root.tag == f"{LCM}SubmitObjectsRequest"
    (objects,) = root
    assert objects.tag == f"{RIM}RegistryObjectList"
    kinds = [str(element.tag).removeprefix(RIM) for element in objects]
    documents = kinds.count("ExtrinsicObject")
    assert documents == len(members) - 3
    assert kinds == [
        "RegistryPackage",
        "Classification",
        *["ExtrinsicObject"] * documents,
        *["Association"] * documents,
    ]
    ids = [element.get("id") for element in objects.iter() if element.get("id") is not None]
    assert len(ids) == len(set(ids))

    package, marker = objects[0], objects[1]
    assert (marker.get("classificationNode"), marker.get("classifiedObject")) == (SUBMISSION_SET, package.get("id"))
    whole = _entry(package)
    assert re.fullmatch(r"\d{14}", _one(whole.slots["submissionTime"]))
    assert set(whole.identifiers) == {SET_PATIENT_ID, SET_UNIQUE_ID, SET_SOURCE_ID}
    assert len(whole.codes[CONTENT_TYPE]) == 1

    entries = tuple(_entry(element) for element in objects.findall(f"{RIM}ExtrinsicObject"))
    archive = Archive(members, entries, whole)
    assert [entry.slots["URI"] for entry in entries] == [[f"DOC{number:04d}.XML"] for number in range(1, documents + 1)]
    for entry, element in zip(entries, objects.findall(f"{RIM}ExtrinsicObject"), strict=True):
        held = archive.document(entry)
        presents_itself = str(_xml(held).tag).endswith("}stylesheet")
        assert element.get("objectType") == DOCUMENT_ENTRY
        assert element.get("mimeType") == ("application/xslt+xml" if presents_itself else "text/xml")
        assert _one(entry.slots["hash"]) == hashlib.sha1(held, usedforsecurity=False).hexdigest()
        assert _one(entry.slots["size"]) == str(len(held))
        assert set(entry.identifiers) == {PATIENT_ID, UNIQUE_ID}
        assert entry.identifiers[PATIENT_ID] == whole.identifiers[SET_PATIENT_ID]
        assert [len(entry.codes[scheme]) for scheme in _ONCE] == [1] * len(_ONCE)
        assert entry.codes[CONFIDENTIALITY]  # more than one when masked or invisible
        assert entry.authors

    links = objects.findall(f"{RIM}Association")
    assert {(link.get("associationType"), link.get("sourceObject")) for link in links} == {(HAS_MEMBER, whole.id)}
    assert [link.get("targetObject") for link in links] == [entry.id for entry in entries]
    assert all(_slots(link) == {"SubmissionSetStatus": ["Original"]} for link in links)
    return archive


def agrees_with_cda(entry: Entry, content: bytes) -> None:
    """The metadata say what the header of the document says."""
    document = next(_xml(content).iter(f"{V3}ClinicalDocument"))
    identifier = _found(document, "id")
    extension = identifier.get("extension")
    assert entry.identifiers[UNIQUE_ID] == f"{identifier.get('root')}" + (f"^{extension}" if extension else "")
    code = _found(document, "code")
    assert entry.codes[TYPE][0][0] == code.get("code")
    assert entry.codes[CONFIDENTIALITY][0][0] == _found(document, "confidentialityCode").get("code")
    title = " ".join("".join(_found(document, "title").itertext()).split())
    assert entry.title in (title, code.get("displayName"))
    assert _one(entry.slots["languageCode"]) == _found(document, "languageCode").get("code")
    assert _one(entry.slots["creationTime"]) == utc(str(_found(document, "effectiveTime").get("value")))

    role = _found(document, "recordTarget/patientRole")
    known = {(each.get("extension"), each.get("root")) for each in role.findall(f"{V3}id")}
    number, _, authority = entry.identifiers[PATIENT_ID].partition("^^^&")
    oid, _, kind = authority.partition("&ISO^")
    assert (number, oid) in known
    assert kind == ("NH" if _INS.match(oid) else "PI")
    told = [value.partition("|")[::2] for value in entry.slots["sourcePatientInfo"]]
    info = {name: value for name, value in told if name != "PID-5"}
    assert info["PID-7"] == str(_found(role, "patient/birthTime").get("value"))[:8]
    assert info["PID-8"] == _found(role, "patient/administrativeGenderCode").get("code")
    written = {"".join(name.itertext()).strip() for name in role.iter(f"{V3}family")}
    shown = [value.split("^")[0] for name, value in told if name == "PID-5"]
    assert shown
    assert set(shown) <= written

    signers = [_family(document, "legalAuthenticator/assignedEntity/assignedPerson/name/family")]
    assert [value.split("^")[1] for value in entry.slots["legalAuthenticator"]] == signers
    people = [_family(each, "assignedAuthor/assignedPerson/name/family") for each in document.findall(f"{V3}author")]
    named = [author["authorPerson"][0].split("^")[1] for author in entry.authors]
    assert [name for name, person in zip(named, people, strict=True) if person] == [name for name in people if name]


def utc(moment: str) -> str:
    """An HL7 TS as an XDS time, its precision kept: in UTC, from Paris when it has no offset; a day stays a day."""
    found = re.fullmatch(r"(\d{4,8}|\d{12}(?:\d\d)?)(?:\.\d+)?([+-]\d{4})?", moment)
    assert found is not None, moment
    digits, offset = found.groups()
    if len(digits) <= len("AAAAMMJJ"):
        return digits
    local = datetime.strptime(digits.ljust(14, "0") + (offset or "+0000"), "%Y%m%d%H%M%S%z")
    aware = local if offset else local.replace(tzinfo=ZoneInfo("Europe/Paris"))
    return f"{aware.astimezone(UTC):%Y%m%d%H%M%S}"[: len(digits)]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        infos = archive.infolist()
        assert not archive.comment
        members = {info.filename: archive.read(info) for info in infos}
    documents = [f"{ROOT}DOC{number:04d}.XML" for number in range(1, len(infos) - 2)]
    assert [info.filename for info in infos] == ["README.TXT", "INDEX.HTM", METADATA, *documents]
    assert documents
    for info in infos:
        assert info.flag_bits == 0  # neither encrypted nor streamed nor named in UTF-8
        assert info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        assert not info.extra
        assert info.date_time == infos[0].date_time
    assert infos[0].header_offset == 0
    readme = members["README.TXT"].decode("utf-8")
    assert "\n" not in readme.replace("\r\n", "")
    page = _Links()
    page.feed(members["INDEX.HTM"].decode("utf-8"))
    assert sorted(page.found) == sorted(["README.TXT", *documents])
    _xml(members["INDEX.HTM"])
    return members


def _xml(content: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(content)  # noqa: S314 - our own archives and documents


def _entry(element: ElementTree.Element) -> Entry:
    identity = str(element.get("id"))
    codes: dict[str, list[tuple[str, str]]] = {}
    authors: list[dict[str, list[str]]] = []
    for each in element.findall(f"{RIM}Classification"):
        assert each.get("classifiedObject") == identity
        scheme, slots = str(each.get("classificationScheme")), _slots(each)
        if scheme in (AUTHOR, SET_AUTHOR):
            authors.append(slots)
        else:
            assert slots["codingScheme"]
            codes.setdefault(scheme, []).append((str(each.get("nodeRepresentation")), _name(each)))
    external = element.findall(f"{RIM}ExternalIdentifier")
    assert {each.get("registryObject") for each in external} == {identity}
    schemes = Counter(str(each.get("identificationScheme")) for each in external)
    assert set(schemes.values()) == {1}
    identifiers = {str(each.get("identificationScheme")): str(each.get("value")) for each in external}
    return Entry(identity, _name(element), _slots(element), identifiers, codes, authors)


def _slots(element: ElementTree.Element) -> dict[str, list[str]]:
    slots = element.findall(f"{RIM}Slot")
    names = [str(slot.get("name")) for slot in slots]
    assert len(names) == len(set(names))
    return {
        name: [value.text or "" for value in slot.iter(f"{RIM}Value")] for name, slot in zip(names, slots, strict=True)
    }


def _name(element: ElementTree.Element) -> str:
    found = element.find(f"{RIM}Name/{RIM}LocalizedString")
    return "" if found is None else str(found.get("value"))


def _one(values: list[str]) -> str:
    (value,) = values
    return value


def _found(element: ElementTree.Element, way: str) -> ElementTree.Element:
    found = element.find("/".join(V3 + step for step in way.split("/")))
    assert found is not None, way
    return found


def _family(element: ElementTree.Element, way: str) -> str:
    found = element.find("/".join(V3 + step for step in way.split("/")))
    return "" if found is None else "".join(found.itertext()).strip()
