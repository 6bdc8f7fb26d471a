"""The header of a CDA R2 document, read in one pass over its children (DMP digest §3.1 and §4)."""

from collections import defaultdict
from typing import Final

from lxml import etree

from pfi.model.document import CdaHeader, CodedValue, DocumentId, Level, ServiceEvent
from pfi.standards.cda.oids import DICOM_PS3_20, XSL
from pfi.standards.cda.parties import (
    assigned_author,
    assigned_entity,
    custodian,
    information_recipient,
    participant,
)
from pfi.standards.cda.patient import ins_is_first, read_patient
from pfi.standards.cda.tree import (
    CdaUnreadableError,
    N,
    clinical_document,
    coded,
    document_id,
    interval,
    parse_cda,
    path,
    text,
    value,
)

__all__ = ["CdaUnreadableError", "read_header"]

_NS_LENGTH: Final = len(N)
_NO_CODE: Final = CodedValue("")

_ENCOUNTER: Final = f"{N}encompassingEncounter"
_FACILITY: Final = path("location", "healthCareFacility", "code")
_PARENT_ID: Final = path("parentDocument", "id")
_SETTING: Final = path("assignedEntity", "representedOrganization", "standardIndustryClassCode")
_ACCESSION: Final = f"{{{DICOM_PS3_20}}}accessionNumber"

_Children = defaultdict[str, list[etree._Element]]


def read_header(content: bytes, root: etree._Element | None = None) -> CdaHeader:
    """Everything the engine reads from a document.

    `root` is the tree of the same bytes when the caller has parsed them already (`pfi.standards.xml.parse`).
    Raises CdaUnreadableError: `XML_...`, `CDA_NOT_A_CLINICAL_DOCUMENT`, `CDA_SIGNED_NOT_SUPPORTED`,
    `CDA_ID_MISSING`, `CDA_CODE_MISSING`, `CDA_PATIENT_MISSING`, `CDA_SEVERAL_PATIENTS`, `CDA_BODY_MISSING`.
    """
    if root is None:
        root = parse_cda(content)
    document = clinical_document(root)
    children = _by_name(document)
    unique_id = document_id(_first(children, "id"))
    if unique_id is None:
        raise CdaUnreadableError("CDA_ID_MISSING", "Le document CDA n'a pas d'identifiant (ClinicalDocument/id).")
    code = coded(_first(children, "code"))
    if code is None:
        raise CdaUnreadableError("CDA_CODE_MISSING", "Le document CDA n'a pas de type (ClinicalDocument/code).")
    level, media_type = _body(children)
    patient_role = _patient_role(children)
    encounter = _first(children, "componentOf")
    if encounter is not None:
        encounter = encounter.find(_ENCOUNTER)
    encounter_start, encounter_stop = interval(None if encounter is None else encounter.find(f"{N}effectiveTime"))
    version = value(_first(children, "versionNumber"))
    language = coded(_first(children, "languageCode"))
    authors = children["author"]
    orders = [order for element in children["inFulfillmentOf"] for order in element.iterchildren(f"{N}order")]
    keeper = _first(children, "custodian")
    authenticator = _first(children, "legalAuthenticator")
    return CdaHeader(
        document_id=unique_id,
        code=code,
        title=text(_first(children, "title")),
        effective_time=value(_first(children, "effectiveTime")),
        confidentiality=coded(_first(children, "confidentialityCode")) or _NO_CODE,
        language=language.code if language else "",
        set_id=document_id(_first(children, "setId")),
        version_number=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None,
        template_ids=tuple(oid for element in children["templateId"] if (oid := element.get("root", "").strip())),
        patient=read_patient(patient_role),
        authors=tuple(assigned_author(author) for author in authors),
        author_times=tuple(value(author.find(f"{N}time")) for author in authors),
        custodian=None if keeper is None else custodian(keeper),
        information_recipients=tuple(
            recipient
            for element in children["informationRecipient"]
            if (recipient := information_recipient(element)) is not None
        ),
        legal_authenticator=None if authenticator is None else assigned_entity(authenticator),
        participants=tuple(participant(element) for element in children["participant"]),
        order_ids=_ids(orders, f"{N}id"),
        accession_numbers=_ids(orders, _ACCESSION),
        service_events=tuple(
            _service_event(event)
            for element in children["documentationOf"]
            for event in element.iterchildren(f"{N}serviceEvent")
        ),
        replaced=_replaced(children["relatedDocument"]),
        encounter_code=None if encounter is None else coded(encounter.find(f"{N}code")),
        encounter_start=encounter_start,
        encounter_stop=encounter_stop,
        facility=None if encounter is None else coded(encounter.find(_FACILITY)),
        level=level,
        body_media_type=media_type,
        self_presenting=root.tag.startswith(f"{{{XSL}}}"),
        ins_is_first_id=ins_is_first(patient_role),
    )


def _by_name(document: etree._Element) -> _Children:
    children: _Children = defaultdict(list)
    for child in document.iterchildren(f"{N}*"):
        children[child.tag[_NS_LENGTH:]].append(child)
    return children


def _first(children: _Children, name: str) -> etree._Element | None:
    found = children.get(name)
    return found[0] if found else None


def _patient_role(children: _Children) -> etree._Element:
    """The only patientRole. The base CDA schema allows several patients, the French volet exactly one."""
    roles = [role for target in children["recordTarget"] for role in target.iterchildren(f"{N}patientRole")]
    if not roles:
        raise CdaUnreadableError("CDA_PATIENT_MISSING", "Le document CDA ne désigne pas de patient (recordTarget).")
    if len(roles) > 1:
        raise CdaUnreadableError(
            "CDA_SEVERAL_PATIENTS", f"Le document CDA désigne {len(roles)} patients (recordTarget) au lieu d'un seul."
        )
    return roles[0]


def _body(children: _Children) -> tuple[Level, str]:
    component = _first(children, "component")
    if component is not None:
        for body in component.iterchildren(f"{N}nonXMLBody", f"{N}structuredBody"):
            if body.tag == f"{N}structuredBody":
                return Level.N3, ""
            content = body.find(f"{N}text")
            return Level.N1, "" if content is None else content.get("mediaType", "").strip()
    raise CdaUnreadableError(
        "CDA_BODY_MISSING", "Le document CDA n'a pas de corps (component/nonXMLBody ou component/structuredBody)."
    )


def _service_event(element: etree._Element) -> ServiceEvent:
    start, stop = interval(element.find(f"{N}effectiveTime"))
    performer = element.find(f"{N}performer")
    code = element.find(f"{N}code")
    return ServiceEvent(
        codes=_codes(code),
        coded=coded(code) is not None,
        start=start,
        stop=stop,
        practice_setting=None if performer is None else coded(performer.find(_SETTING)),
        performer=None if performer is None else assigned_entity(performer),
        ids=_ids([element], f"{N}id"),
    )


def _codes(element: etree._Element | None) -> tuple[CodedValue, ...]:
    if element is None:
        return ()
    candidates = [element, *element.iterchildren(f"{N}translation")]
    return tuple(code for candidate in candidates if (code := coded(candidate)) is not None)


def _ids(parents: list[etree._Element], tag: str) -> tuple[DocumentId, ...]:
    return tuple(
        found
        for parent in parents
        for element in parent.iterchildren(tag)
        if (found := document_id(element)) is not None
    )


def _replaced(related: list[etree._Element]) -> DocumentId | None:
    for element in related:
        if element.get("typeCode") == "RPLC":
            return document_id(element.find(_PARENT_ID))
    return None
