"""Metadata of a CDA computed a second time, from the DMP digest §3.1 alone: XPath on the document, published tables.

Nothing of the product's reading, mapping or tables is imported here. `Described` is also what a request says, so that
the two are compared as wholes.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from lxml import etree

from tests.acceptance import metadata_tables as tables

_NS: Final = {"h": "urn:hl7-org:v3", "d": "urn:dicom-org:ps3-20"}
_RIM: Final = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
_INS: Final = tuple(f"1.2.250.1.213.1.4.{arc}" for arc in (8, 9, 10, 11))
_PROFESSIONALS: Final = "1.2.250.1.71.4.2.1"
_STRUCTURES: Final = "1.2.250.1.71.4.2.2"
_DICOM: Final = "1.2.840.10008.2.16.4"
_SNOMED: Final = "2.16.840.1.113883.6.96"

_AUTHOR: Final = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
_SCHEMES: Final = {
    "classCode": "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
    "confidentialityCode": "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
    "eventCode": "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4",
    "formatCode": "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "facilityType": "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "practiceSetting": "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
    "typeCode": "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
}
_IDENTIFIERS: Final = {
    "patientId": "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
    "uniqueId": "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab",
}
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+")
_PRINCIPAL: Final = "h:documentationOf/h:serviceEvent[h:effectiveTime and h:performer]"
_SETTING: Final = "h:performer/h:assignedEntity/h:representedOrganization/h:standardIndustryClassCode"
_FACILITY: Final = "h:componentOf/h:encompassingEncounter/h:location/h:healthCareFacility/h:code"
_PARIS: Final = ZoneInfo("Europe/Paris")
_VISIBILITY: Final = "1.2.250.1.213.1.1.4.13"
_VISIBILITY_LABELS: Final = {
    "MASQUE_PS": "Masqué aux professionnels de santé",
    "INVISIBLE_PATIENT": "Non visible par le patient",
    "INVISIBLE_REPRESENTANTS_LEGAUX": "Non visible par les représentants légaux du patient",
}

Code = tuple[str, str, str, str]
"""Metadata name, code, coding scheme, label."""
AuthorSlots = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Described:
    """One document as metadata describe it. `format_labelled`: the label of the format is not in the digest."""

    mime_type: str
    name: str
    slots: dict[str, tuple[str, ...]]
    authors: tuple[AuthorSlots, ...]
    codes: tuple[Code, ...]
    identifiers: dict[str, str]
    format_labelled: bool = True


def recomputed(content: bytes, *, visibility: Iterable[str] = (), uri: str = "", action: str = "") -> Described:
    """What the digest says of these bytes. `visibility`: codes that the message orders; the rest is of XDM."""
    root, cda = _parsed(content)
    ids = [(one.get("extension", ""), one.get("root", "")) for one in _all(cda, "h:recordTarget/h:patientRole/h:id")]
    ins = next(_cx(value, oid, "NH") for value, oid in ids if oid in _INS)
    local = next((_cx(value, oid, "PI") for value, oid in ids if oid not in _INS and value), "")
    event = _principal(cda)
    type_code = _text(cda, "h:code/@code")
    class_code = tables.CLASS_OF_TYPE[type_code]
    slots = {
        "creationTime": _utc(_text(cda, "h:effectiveTime/@value")),
        "languageCode": _text(cda, "h:languageCode/@code"),
        "legalAuthenticator": _person(_first(cda, "h:legalAuthenticator/h:assignedEntity"), "h:assignedPerson"),
        "serviceStartTime": _utc(_text(event, "h:effectiveTime/h:low/@value")),
        "serviceStopTime": _utc(_text(event, "h:effectiveTime/h:high/@value")),
        "sourcePatientId": local or ins,
        "hash": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "size": str(len(content)),
        "URI": uri,
        "urn:action:extraMetadataSlot": action,
    }
    return Described(
        mime_type="text/xml" if cda is root else "application/xslt+xml",
        name=_text(cda, "h:title")[:128].rstrip(),
        slots={
            **{name: (value,) for name, value in slots.items() if value},
            "sourcePatientInfo": _patient_info(cda, local),
            **_references(cda, class_code),
        },
        authors=tuple(_author(one) for one in _all(cda, "h:author")),
        codes=(
            ("classCode", class_code, tables.CLASS_SCHEME, tables.CLASS_LABELS[class_code]),
            _code("confidentialityCode", _first(cda, "h:confidentialityCode")),
            *(("confidentialityCode", code, _VISIBILITY, _VISIBILITY_LABELS[code]) for code in visibility),
            *_events(cda),
            ("formatCode", *_format(cda), ""),
            _code("facilityType", _first(cda, _FACILITY)),
            _code("practiceSetting", _first(event, _SETTING)),
            _code("typeCode", _first(cda, "h:code")),
        ),
        identifiers={"patientId": ins, "uniqueId": _text(cda, "h:id/@root")},
    )


def refusals(content: bytes, environment: str = "test") -> list[str]:
    """Why the DMP cannot take these bytes (DMP digest §1.3 and §3.2): our codes, in the order of the checks; empty when
    nothing stands against it. `environment`: `test` or `production`, which decides of the OID of the INS."""
    return list(_refusals(_parsed(content)[1], environment))


def _refusals(cda: etree._Element, environment: str) -> Iterator[str]:
    roots = [one.get("root", "") for one in _all(cda, "h:recordTarget/h:patientRole/h:id[@extension]")]
    found = [one for one in roots if one in _INS]
    if not found:
        yield "DMP_INS_NOT_QUALIFIED"
    elif (found[0] in _INS[2:]) is (environment == "production"):
        yield "DMP_INS_ENVIRONMENT"
    if _text(cda, "h:id/@extension"):
        yield "DMP_ID_EXTENSION"
    elif len(_text(cda, "h:id/@root")) > 64 or not _OID.fullmatch(_text(cda, "h:id/@root")):
        yield "DMP_ID_NOT_OID"
    if _text(cda, "h:code/@code") not in tables.ACCEPTED_TYPES:
        yield "DMP_TYPE_NOT_ACCEPTED"
    if _text(cda, "h:confidentialityCode/@code") != "N":
        yield "DMP_CONFIDENTIALITY"
    yield from _lacking(cda)
    if _text(cda, "h:languageCode/@code") != "fr-FR":
        yield "DMP_LANGUAGE"
    if tables.REFUSED_FORMATS.fullmatch(_format(cda)[0]):
        yield "DMP_FORMAT_NOT_ACCEPTED"
    if not tables.FACILITIES.fullmatch(_text(cda, f"{_FACILITY}/@code")):
        yield "DMP_FACILITY_NOT_ACCEPTED"
    if _text(cda, f"{_PRINCIPAL}/{_SETTING}/@code") not in tables.PRACTICE_SETTINGS:
        yield "DMP_PRACTICE_SETTING_NOT_ACCEPTED"


def _lacking(cda: etree._Element) -> Iterator[str]:
    """Required metadata (DMP digest §3.1) that the document does not give."""
    required = {
        "LEGAL_AUTHENTICATOR": "h:legalAuthenticator/h:assignedEntity/h:id/@extension",
        "CLASS_CODE": "h:code/@code",
        "CREATION_TIME": "h:effectiveTime/@value",
        "HEALTHCARE_FACILITY_TYPE_CODE": f"{_FACILITY}/@code",
        "LANGUAGE_CODE": "h:languageCode/@code",
        "PRACTICE_SETTING_CODE": f"h:documentationOf/h:serviceEvent/{_SETTING}/@code",
        "SERVICE_START_TIME": "h:documentationOf/h:serviceEvent/h:effectiveTime/h:low/@value",
        "TITLE": "h:title",
    }
    for name, path in required.items():
        given = _text(cda, path)
        if not given or (name == "CLASS_CODE" and given not in tables.CLASS_OF_TYPE):
            yield f"XDS_{name}_MISSING"


def written(request: etree._Element, entry_id: str) -> Described:
    """What an ebRIM request says of the document that has this id."""
    (entry,) = (one for one in request.iter(f"{_RIM}ExtrinsicObject") if one.get("id") == entry_id)
    authors, codes, labelled = [], [], False
    names = {scheme: name for name, scheme in _SCHEMES.items()}
    for one in entry.iterchildren(f"{_RIM}Classification"):
        scheme, slots = one.get("classificationScheme", ""), _slots(one)
        if scheme == _AUTHOR:
            authors.append(tuple(sorted(slots.items())))
            continue
        name, label = names[scheme], _name(one)
        if name == "formatCode":
            labelled, label = bool(label), ""
        codes.append((name, one.get("nodeRepresentation", ""), slots["codingScheme"][0], label))
    known = {scheme: name for name, scheme in _IDENTIFIERS.items()}
    return Described(
        mime_type=entry.get("mimeType", ""),
        name=_name(entry),
        slots=_slots(entry),
        authors=tuple(authors),
        codes=tuple(codes),
        identifiers={
            known[one.get("identificationScheme", "")]: one.get("value", "")
            for one in entry.iterchildren(f"{_RIM}ExternalIdentifier")
        },
        format_labelled=labelled,
    )


def written_lot(request: etree._Element) -> dict[str, str]:
    """What an ebRIM request says of its submission set."""
    (package,) = request.iter(f"{_RIM}RegistryPackage")
    found = {name: values[0] for name, values in _slots(package).items()}
    for one in package.iterchildren(f"{_RIM}Classification"):
        scheme, slots = one.get("classificationScheme"), _slots(one)
        if scheme == "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d":
            found.update((name, values[0]) for name, values in slots.items())
        elif scheme == "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500":
            found["contentTypeCode"] = f"{one.get('nodeRepresentation')} {slots['codingScheme'][0]} {_name(one)}"
    schemes = {
        "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446": "patientId",
        "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832": "sourceId",
        "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8": "uniqueId",
    }
    for one in package.iterchildren(f"{_RIM}ExternalIdentifier"):
        found[schemes[one.get("identificationScheme", "")]] = one.get("value", "")
    return found


# --- the request ---


def _slots(element: etree._Element) -> dict[str, tuple[str, ...]]:
    return {
        slot.get("name", ""): tuple(value.text or "" for value in slot.iter(f"{_RIM}Value"))
        for slot in element.iterchildren(f"{_RIM}Slot")
    }


def _name(element: etree._Element) -> str:
    found = element.find(f"{_RIM}Name/{_RIM}LocalizedString")
    return "" if found is None else found.get("value", "")


# --- the document ---


def _parsed(content: bytes) -> tuple[etree._Element, etree._Element]:
    """The root, and the ClinicalDocument that it is or contains."""
    root = etree.fromstring(content)
    return root, root if root.tag == "{urn:hl7-org:v3}ClinicalDocument" else _first(root, "//h:ClinicalDocument")


def _all(element: etree._Element, xpath: str) -> list[etree._Element]:
    found = element.xpath(xpath, namespaces=_NS)
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, etree._Element)]


def _first(element: etree._Element, xpath: str) -> etree._Element:
    return _all(element, xpath)[0]


def _text(element: etree._Element, xpath: str) -> str:
    return str(element.xpath(f"normalize-space({xpath})", namespaces=_NS))


def _principal(cda: etree._Element) -> etree._Element:
    return _first(cda, _PRINCIPAL)


def _escape(text: str) -> str:
    """HL7 v2 delimiters of a component."""
    for mark, sequence in (("\\", "\0"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\")):
        text = text.replace(mark, sequence)
    return text.replace("\0", "\\E\\")


def _cx(value: str, oid: str, kind: str) -> str:
    return f"{_escape(value)}^^^&{oid}&ISO^{kind}"


def _utc(value: str) -> str:
    """To UTC with the precision it had; an hour without offset is an hour of Paris."""
    found = re.fullmatch(r"(\d+)(?:\.\d+)?(?:([+-])(\d\d)(\d\d)?)?", value)
    if found is None or len(found[1]) <= len("AAAAMMJJ"):
        return value
    digits, sign, hours, minutes = found.groups()
    fields = [int(digits[:4]), *(int(digits[at : at + 2]) for at in range(4, len(digits), 2))]
    year, month, day, hour, minute, second = (*fields, 0, 0, 0)[:6]
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC if sign else _PARIS)
    shift = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    moment = (moment + shift if sign == "-" else moment - shift).astimezone(UTC)
    return f"{moment:%Y%m%d%H%M%S}"[: len(digits)]


def _person(role: etree._Element, name: str) -> str:
    """XCN of a person, of a patient or of software."""
    value, root = _text(role, "h:id/@extension"), _text(role, "h:id/@root")
    family, given = _text(role, f"{name}/h:name/h:family"), _text(role, f"{name}/h:name/h:given[1]")
    device = _all(role, "h:assignedAuthoringDevice")
    if device:
        family, given = _text(device[0], "h:manufacturerModelName"), _text(device[0], "h:softwareName")
    if root in _INS:
        kind = "D^^^NH"
    elif root == _PROFESSIONALS:
        # RPPS and ADELI are national; `3`, `4`, `5` name a structure and its own identifier of the person.
        kind = "D^^^IDNPS" if value[:1] in ("0", "8") else "D^^^EI"
    else:
        kind = "U^^^RI" if device else "D^^^EI"
    return f"{_escape(value)}^{_escape(family)}^{_escape(given)}^^^^^^&{root}&ISO^{kind}"


def _author(author: etree._Element) -> AuthorSlots:
    assigned = _first(author, "h:assignedAuthor")
    slots = {"authorPerson": (_person(assigned, "h:assignedPerson"),)}
    for structure in _all(assigned, "h:representedOrganization"):
        name, value, root = (_text(structure, path) for path in ("h:name", "h:id/@extension", "h:id/@root"))
        if value:
            assert root == _STRUCTURES
            slots["authorInstitution"] = (f"{_escape(name)}^^^^^&{root}&ISO^IDNST^^^{value}",)
        elif name:
            slots["authorInstitution"] = (_escape(name),)
    role = _text(author, "h:functionCode/@displayName")
    if role:
        slots["authorRole"] = (_escape(role),)
    if _text(assigned, "h:code/@code"):
        parts = (_text(assigned, f"h:code/@{name}") for name in ("code", "displayName", "codeSystem"))
        slots["authorSpecialty"] = ("^".join(_escape(part) for part in parts),)
    return tuple(sorted(slots.items()))


def _patient_info(cda: etree._Element, local: str) -> tuple[str, ...]:
    patient = _first(cda, "h:recordTarget/h:patientRole/h:patient")

    def name(part: str, *qualifiers: str) -> str:
        found = (_text(patient, f"h:name/h:{part}[contains(@qualifier, '{one}')]") for one in qualifiers)
        return next((text for text in found if text), "")

    birth, first = name("family", "BR"), name("given", "BR")
    used, used_first = name("family", "CL", "SP"), name("given", "CL", "SP")
    sex = _text(patient, "h:administrativeGenderCode/@code")
    lines = [f"PID-3|{local}"] if local else []
    lines.append(f"PID-5|{_escape(birth)}^{_escape(first)}^^^^^L")
    if used or used_first:
        lines.append(f"PID-5|{_escape(used or birth)}^{_escape(used_first or first)}^^^^^D")
    lines.append(f"PID-7|{_text(patient, 'h:birthTime/@value')}")
    lines.append(f"PID-8|{'U' if sex == 'UN' else sex}")
    return tuple(lines)


def _references(cda: etree._Element, class_code: str) -> dict[str, tuple[str, ...]]:
    orders = _all(cda, "h:inFulfillmentOf/h:order")
    found = [
        _reference(one, f"urn:ihe:iti:xds:2013:{kind}")
        for kind, path in (("order", "h:id"), ("accession", "d:accessionNumber"))
        for order in orders
        for one in _all(order, path)
    ]
    if class_code == "31":
        found += [
            _reference(one, "urn:ihe:iti:xds:2016:studyInstanceUID")
            for one in _all(cda, "h:documentationOf/h:serviceEvent/h:id[not(@extension)]")
        ]
    return {"urn:ihe:iti:xds:2013:referenceIdList": tuple(dict.fromkeys(found))} if found else {}


def _reference(identifier: etree._Element, kind: str) -> str:
    """An id without extension is its root, and nobody's."""
    value, root = identifier.get("extension", ""), identifier.get("root", "")
    return _cx(value, root, kind) if value else f"{root}^^^^{kind}"


def _events(cda: etree._Element) -> list[Code]:
    found = []
    for code in _all(cda, "h:documentationOf/h:serviceEvent/h:code"):
        kept = [code, *(one for one in _all(code, "h:translation") if _is_imaging(one))]
        found += [_code("eventCode", one) for one in kept if one.get("code")]
    once = {(code, system): (name, code, system, label) for name, code, system, label in reversed(found)}
    return [one for one in dict.fromkeys(found) if one in once.values()]


def _is_imaging(translation: etree._Element) -> bool:
    code, system = translation.get("code"), translation.get("codeSystem")
    return (system == _DICOM and code in tables.MODALITIES) or (system == _SNOMED and code in tables.REGIONS)


def _code(name: str, element: etree._Element) -> Code:
    code = element.get("code", "")
    return name, code, element.get("codeSystem", ""), element.get("displayName", "").strip() or code


def _format(cda: etree._Element) -> tuple[str, str]:
    body = _all(cda, "h:component/h:nonXMLBody/h:text")
    if body:
        code = tables.FORMAT_OF_MEDIA_TYPE[body[0].get("mediaType", "")]
    else:
        roots = [one.get("root", "") for one in _all(cda, "h:templateId")]
        known = {tables.FORMAT_OF_TEMPLATE[root] for root in roots if root in tables.FORMAT_OF_TEMPLATE}
        (code,) = known or {tables.WITHOUT_TEMPLATE}
    return code, tables.IHE_FORMATS if code.startswith("urn:ihe:") else tables.ANS_FORMATS
