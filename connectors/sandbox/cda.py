"""What the sandbox reads from a CDA by itself, to compare with what the engine says of it (DMP digest §3.1)."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from lxml import etree

from connectors.sandbox import codes
from pfi.standards.xml import parse

_HL7: Final = "urn:hl7-org:v3"
_NS: Final = {"h": _HL7}
_TS: Final = re.compile(r"^(\d{4}(?:\d{2}){0,5})(?:\.\d{1,4})?([+-]\d{2}(?:\d{2})?)?$")
_ACCESSION: Final = "{urn:dicom-org:ps3-20}accessionNumber"
_PARIS: Final = ZoneInfo("Europe/Paris")


class NotACdaError(ValueError):
    """The bytes are XML but not a CDA R2 document."""


@dataclass(frozen=True, slots=True)
class Code:
    code: str
    scheme: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Writer:
    """One author. `family` and `given` are empty for a device."""

    identifier: str
    family: str
    given: str
    institution: str
    """Struct_IdNat, empty when unknown."""
    role: str
    specialty: str


@dataclass(frozen=True, slots=True)
class Cda:
    """The facts of one CDA that metadata must repeat. Times are UTC, with the precision of the document."""

    sha1: str
    size: int
    root: str
    extension: str
    type_code: Code
    title: str
    confidentiality: str
    language: str
    creation_times: frozenset[str]
    start_times: frozenset[str]
    stop_times: frozenset[str]
    ins: str
    """`<matricule>^^^&<oid>&ISO^NH`, empty without INS."""
    local_ids: tuple[str, ...]
    """`<value>^^^&<oid>&ISO^PI` of every other patient identifier."""
    traits: tuple[str, str, str, str]
    """Birth name, first birth given name, birth date, sex."""
    authors: tuple[Writer, ...]
    legal_authenticator_id: str
    formats: frozenset[str]
    facility: Code | None
    practice: Code | None
    event_codes: frozenset[str]
    """Codes of the acts, and of their translations."""
    references: frozenset[str]
    """Every identifier that the document carries: orders, accession numbers, studies."""
    set_id: str
    """`root^extension` of setId, which all versions share."""
    version: str
    """versionNumber as written."""
    parent_id: str
    """Root of the replaced document (`relatedDocument[@typeCode='RPLC']`), empty when there is none."""
    self_presenting: bool
    embedded_pdf: bytes | None = field(repr=False)
    """The PDF of a level 1 body, `None` when the body is something else."""

    @property
    def author_ids(self) -> tuple[str, ...]:
        return tuple(author.identifier for author in self.authors)

    @property
    def matricule(self) -> str:
        return self.ins.partition("^")[0]

    @property
    def qualifiable(self) -> bool:
        """INS with its OID and the four strict traits (ECO.2.4.2, mssante digest §4.2)."""
        return bool(self.ins) and all(self.traits)


def read(content: bytes) -> Cda:
    """Reads a CDA. Raises XmlRefusedError, or NotACdaError."""
    root = parse(content)
    document = root if root.tag == f"{{{_HL7}}}ClinicalDocument" else root.find(".//h:ClinicalDocument", _NS)
    if document is None:
        raise NotACdaError("le document n'est pas un CDA R2")
    ids = [
        (one.get("extension", ""), one.get("root", "")) for one in _all(document, "h:recordTarget/h:patientRole/h:id")
    ]
    ins = next((f"{value}^^^&{oid}&ISO^NH" for value, oid in ids if oid in codes.INS_OIDS and value), "")
    event = _principal_event(document)
    creation = _attribute(document, "h:effectiveTime", "value")
    return Cda(
        sha1=hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        size=len(content),
        root=_attribute(document, "h:id", "root"),
        extension=_attribute(document, "h:id", "extension"),
        type_code=_code(document.find("h:code", _NS)) or Code("", ""),
        title=document.findtext("h:title", "", _NS).strip(),
        confidentiality=_attribute(document, "h:confidentialityCode", "code"),
        language=_attribute(document, "h:languageCode", "code"),
        creation_times=utc_forms(creation),
        start_times=utc_forms(_attribute(event, "h:effectiveTime/h:low", "value")),
        stop_times=utc_forms(_attribute(event, "h:effectiveTime/h:high", "value")),
        ins=ins,
        local_ids=tuple(f"{value}^^^&{oid}&ISO^PI" for value, oid in ids if oid not in codes.INS_OIDS and value),
        traits=_traits(document),
        authors=tuple(_writer(author) for author in _all(document, "h:author")),
        legal_authenticator_id=_attribute(document, "h:legalAuthenticator/h:assignedEntity/h:id", "extension"),
        formats=_formats(document),
        facility=_code(
            document.find("h:componentOf/h:encompassingEncounter/h:location/h:healthCareFacility/h:code", _NS)
        ),
        practice=_code(
            event.find("h:performer/h:assignedEntity/h:representedOrganization/h:standardIndustryClassCode", _NS)
            if event is not None
            else None
        ),
        event_codes=frozenset(
            one.get("code", "")
            for path in ("h:code", "h:code/h:translation")
            for one in _all(document, f"h:documentationOf/h:serviceEvent/{path}")
        ),
        references=frozenset(
            value for one in document.iter(f"{{{_HL7}}}id", _ACCESSION) for value in map(str, one.attrib.values())
        ),
        set_id="^".join(part for name in ("root", "extension") if (part := _attribute(document, "h:setId", name))),
        version=_attribute(document, "h:versionNumber", "value"),
        parent_id=_attribute(document, "h:relatedDocument[@typeCode='RPLC']/h:parentDocument/h:id", "root"),
        self_presenting=document is not root,
        embedded_pdf=_embedded_pdf(document),
    )


def _writer(author: etree._Element) -> Writer:
    name = author.find("h:assignedAuthor/h:assignedPerson/h:name", _NS)
    return Writer(
        identifier=_attribute(author, "h:assignedAuthor/h:id", "extension"),
        family="" if name is None else name.findtext("h:family", "", _NS).strip(),
        given="" if name is None else name.findtext("h:given", "", _NS).strip(),
        institution=_attribute(author, "h:assignedAuthor/h:representedOrganization/h:id", "extension"),
        role=_attribute(author, "h:functionCode", "displayName"),
        specialty=_attribute(author, "h:assignedAuthor/h:code", "code"),
    )


def utc_forms(value: str) -> frozenset[str]:
    """The UTC writings of an HL7 TS, at its own precision. Empty when there is no time or it is malformed.

    Without an offset the time is one of Europe/Paris. A TS of day precision or less has no UTC form of its own and may
    stay as it is.
    """
    found = _TS.match(value)
    if found is None:
        return frozenset()
    digits, offset = found.groups()
    if len(digits) <= 8:
        return frozenset({digits})
    padded = digits.ljust(14, "0")
    try:
        local = datetime.strptime(padded, "%Y%m%d%H%M%S").replace(tzinfo=_zone(offset))
    except ValueError:
        return frozenset()
    return frozenset({local.astimezone(UTC).strftime("%Y%m%d%H%M%S")[: len(digits)]})


def _zone(offset: str | None) -> timezone | ZoneInfo:
    if offset is None:
        return _PARIS
    minutes = int(offset[1:3]) * 60 + int(offset[3:5] or 0)
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def same_time(written: str, expected: frozenset[str]) -> bool:
    """Whether a metadata time says one of the expected times; missing digits may be written as zeros."""
    return any(written == one or (written.startswith(one) and not written[len(one) :].strip("0")) for one in expected)


def _all(document: etree._Element, path: str) -> list[etree._Element]:
    return document.findall(path, _NS)


def _attribute(element: etree._Element | None, path: str, name: str) -> str:
    found = element.find(path, _NS) if element is not None else None
    return found.get(name, "") if found is not None else ""


def _code(element: etree._Element | None) -> Code | None:
    if element is None or not element.get("code"):
        return None
    return Code(element.get("code", ""), element.get("codeSystem", ""), element.get("displayName", ""))


def _principal_event(document: etree._Element) -> etree._Element | None:
    """The serviceEvent that has both a time and a performer, else the first one."""
    events = _all(document, "h:documentationOf/h:serviceEvent")
    for event in events:
        if event.find("h:effectiveTime", _NS) is not None and event.find("h:performer", _NS) is not None:
            return event
    return events[0] if events else None


def _embedded_pdf(document: etree._Element) -> bytes | None:
    body = document.find("h:component/h:nonXMLBody/h:text", _NS)
    if body is None or body.get("mediaType") != "application/pdf":
        return None
    try:
        return base64.b64decode("".join((body.text or "").split()), validate=True)
    except binascii.Error:
        raise NotACdaError("le corps du document n'est pas en base64") from None


def _formats(document: etree._Element) -> frozenset[str]:
    body = document.find("h:component/h:nonXMLBody/h:text", _NS)
    if body is not None:
        return frozenset({codes.N1_FORMATS.get(body.get("mediaType", ""), codes.NO_PROFILE_FORMAT)})
    templates = {one.get("root", "") for one in _all(document, "h:templateId")}
    known = {codes.FORMAT_OF_TEMPLATE[root] for root in templates if root in codes.FORMAT_OF_TEMPLATE}
    # The organ variants of anatomo-pathology are the IHE ones (DMP digest §3.4, last lines).
    known |= {"urn:ihe:pat:apsr:all:2010" for root in templates if root.startswith("1.3.6.1.4.1.19376.1.8.1.1.")}
    return frozenset(known or {codes.NO_PROFILE_FORMAT})


def _traits(document: etree._Element) -> tuple[str, str, str, str]:
    patient = document.find("h:recordTarget/h:patientRole/h:patient", _NS)
    if patient is None:
        return ("", "", "", "")
    family = patient.findtext("h:name/h:family[@qualifier='BR']", "", _NS)
    given = patient.findtext("h:name/h:given[@qualifier='BR']", "", _NS)
    return (
        family.strip(),
        given.strip(),
        _attribute(patient, "h:birthTime", "value"),
        _attribute(patient, "h:administrativeGenderCode", "code"),
    )
