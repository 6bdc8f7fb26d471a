"""CDA header -> XDS DocumentEntry, HL7 v2 sender -> XDS SubmissionSet (DMP digest §3.1 and §2.4).

Never fails on what a document lacks: the entry comes with findings, and the connector decides what is fatal.
"""

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from pfi.model.document import CdaHeader, CodedValue, Document, DocumentId
from pfi.model.finding import Finding, Severity
from pfi.model.parties import Author
from pfi.model.patient import Patient
from pfi.model.submission import Orders
from pfi.standards import nomenclature
from pfi.standards.cda.oids import INS_OIDS
from pfi.standards.xds.checks import code_findings, is_event
from pfi.standards.xds.datatypes import MAX_SLOT, cx, escaped, fitted, specialty_text, utc_text, utc_time, xcn, xon
from pfi.standards.xds.metadata import AuthorEntry, DocumentEntry, SubmissionSet

MAX_TITLE: Final = 128

_RULE: Final = "DMP digest §3.1"
_IMAGING_CLASS: Final = "31"
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_SEX: Final = {"UN": "U"}

_ORDER: Final = "urn:ihe:iti:xds:2013:order"
_ACCESSION: Final = "urn:ihe:iti:xds:2013:accession"
_STUDY: Final = "urn:ihe:iti:xds:2016:studyInstanceUID"


def patient_id(patient: Patient, qualified: bool) -> str:
    """XDS patientId: the INS of a qualified identity (`INS^^^&oid&ISO^NH`), else the first local identifier (`^PI`).

    Empty when the patient has neither.
    """
    if qualified and patient.ins is not None:
        return cx(patient.ins.matricule, patient.ins.oid, "NH")
    local = _local_id(patient)
    return cx(*local, "PI") if local else ""


def document_entry(
    document: Document, *, entry_id: str, patient_id: str, orders: Orders, uri: str = "", action: str = ""
) -> DocumentEntry:
    """Metadata of a document as received. `entry.findings` holds `XDS_<METADATA>_MISSING` for required metadata that
    the document does not give, what the official tables do not know (`pfi.standards.xds.checks`), and warnings
    (`XDS_OFFSET_MISSING`, `XDS_TITLE_TRUNCATED`...)."""
    header = document.header
    findings: list[Finding] = []
    event = header.principal_event
    times = {
        "creationTime": header.effective_time,
        "serviceStartTime": event.start if event else "",
        "serviceStopTime": event.stop if event else "",
    }
    converted = {name: _time(name, value, findings) for name, value in times.items()}
    title = " ".join(header.title.split())
    if len(title) > MAX_TITLE:
        findings.append(_warning("XDS_TITLE_TRUNCATED", "title", f"Titre de plus de {MAX_TITLE} caractères : coupé."))
    class_code = nomenclature.class_code(header.code.code)
    entry = DocumentEntry(
        entry_id=entry_id,
        mime_type="application/xslt+xml" if header.self_presenting else "text/xml",
        unique_id=header.document_id.xds,
        patient_id=patient_id,
        title=title[:MAX_TITLE].rstrip(),
        authors=tuple(entry for author in header.authors if (entry := author_entry(author)) is not None),
        legal_authenticator=xcn(header.legal_authenticator) if header.legal_authenticator else "",
        class_code=class_code,
        type_code=_labelled(header.code, nomenclature.type_code(header.code.code)),
        format_code=nomenclature.format_code(header),
        facility_type=_labelled(header.facility, header.facility and nomenclature.facility_type(header.facility.code)),
        practice_setting=_practice_setting(header),
        confidentiality_codes=confidentiality(header, orders),
        event_codes=_event_codes(header),
        creation_time=converted["creationTime"],
        service_start_time=converted["serviceStartTime"],
        service_stop_time=converted["serviceStopTime"],
        language=header.language,
        source_patient_id=_source_patient_id(header.patient, patient_id),
        source_patient_info=_source_patient_info(header.patient),
        reference_ids=_reference_ids(header, class_code),
        hash=document.sha1,
        size=document.size,
        uri=uri,
        action=action,
    )
    findings += header_findings(header)
    findings += _missing(entry)
    return replace(entry, findings=tuple(findings)) if findings else entry


def header_findings(header: CdaHeader) -> tuple[Finding, ...]:
    """What the official tables do not know in a document: never silent, whatever the channel."""
    return tuple(code_findings(header, _practice_setting(header)))


def submission_set(
    *,
    entry_id: str,
    unique_id: str,
    source_id: str,
    patient_id: str,
    submitted_at: datetime,
    patient_class: str,
    sender: Author | None,
    default_content_type: str = "",
    title: str = "",
    comments: str = "",
) -> SubmissionSet:
    """Metadata of the lot. `sender` is PRT with PRT-4 = SB, never the author of the CDA (DMP digest §2.4);
    `patient_class` is PV1-2."""
    return SubmissionSet(
        entry_id=entry_id,
        unique_id=unique_id,
        source_id=source_id,
        patient_id=patient_id,
        submission_time=utc_text(submitted_at),
        content_type=nomenclature.content_type_for(patient_class, default=default_content_type),
        author=author_entry(sender) if sender else None,
        title=title,
        comments=comments,
    )


def author_entry(author: Author) -> AuthorEntry | None:
    """An author of a document or of a lot; `None` when it names no person, no device and no structure."""
    person, institution = xcn(author), xon(author.organization)
    if not person and not institution:
        return None
    specialties: tuple[str, ...] = ()
    if author.specialty is not None and author.specialty[0]:
        specialties = (specialty_text(*author.specialty),)
    return AuthorEntry(
        person=person,
        institutions=(institution,) if institution else (),
        roles=(fitted(author.role, MAX_SLOT),) if author.role else (),
        specialties=specialties,
    )


def confidentiality(header: CdaHeader, orders: Orders) -> tuple[CodedValue, ...]:
    """The document's own code first, then one code per visibility order of the message that says yes."""
    codes = []
    if header.confidentiality.code:
        known = nomenclature.confidentiality_code(header.confidentiality.code)
        codes.append(_labelled(header.confidentiality, known))
    visibility = {
        "MASQUE_PS": orders.masque_ps,
        "INVISIBLE_PATIENT": orders.invisible_patient,
        "INVISIBLE_REPRESENTANTS_LEGAUX": orders.invisible_rep_legaux,
    }
    codes += [nomenclature.confidentiality_code(code) for code, asked in visibility.items() if asked]
    return tuple(code for code in codes if code is not None)


def _labelled(value: CodedValue | None, known: CodedValue | None) -> CodedValue | None:
    """The document's code, completed by the table where the document gives no label or no system."""
    if value is None or not value.code:
        return None
    if known is None:
        return CodedValue(value.code, value.label or value.code, value.system)
    return CodedValue(value.code, value.label or known.label, value.system or known.system)


def _practice_setting(header: CdaHeader) -> CodedValue | None:
    """The principal event's; else the first one found (equal ones collapse by themselves)."""
    principal = header.principal_event
    events = (principal, *header.service_events) if principal else header.service_events
    for event in events:
        value = event.practice_setting
        if value is not None and value.code:
            return _labelled(value, nomenclature.practice_setting(value.code))
    return None


def _event_codes(header: CdaHeader) -> tuple[CodedValue, ...]:
    found: dict[tuple[str, str], CodedValue] = {}
    for event in header.service_events:
        for position, code in enumerate(event.codes):
            if code.code and ((position == 0 and event.coded) or is_event(code)):
                found.setdefault((code.code, code.system), CodedValue(code.code, code.label or code.code, code.system))
    return tuple(found.values())


def _local_id(patient: Patient) -> tuple[str, str] | None:
    for identifier in patient.identifiers:
        if identifier.value and identifier.authority_oid not in INS_OIDS and identifier.type_code in ("", "PI"):
            return identifier.value, identifier.authority_oid
    return None


def _source_patient_id(patient: Patient, fallback: str) -> str:
    local = _local_id(patient)
    if local:
        return cx(*local, "PI")
    return cx(patient.ins.matricule, patient.ins.oid, "NH") if patient.ins else fallback


def _source_patient_info(patient: Patient) -> tuple[str, ...]:
    """`PID-n|value` lines; a birth name is `L`, a used name `D` (DMP digest §3.1)."""
    traits = patient.traits
    lines = []
    local = _local_id(patient)
    if local:
        lines.append(f"PID-3|{cx(*local, 'PI')}")
    given = traits.first_given_name or traits.given_names.partition(" ")[0]
    if traits.birth_name:
        lines.append(_pid5(traits.birth_name, given, "L"))
    if traits.used_name or traits.used_given_name:
        lines.append(_pid5(traits.used_name or traits.birth_name, traits.used_given_name or given, "D"))
    if traits.birth_date:
        lines.append(f"PID-7|{escaped(traits.birth_date)}")
    if traits.sex:
        lines.append(f"PID-8|{escaped(_SEX.get(traits.sex, traits.sex))}")
    return tuple(lines)


def _pid5(family: str, given: str, kind: str) -> str:
    return f"PID-5|{fitted(family, 120)}^{fitted(given, 120)}^^^^^{kind}"


def _reference_ids(header: CdaHeader, class_code: CodedValue | None) -> tuple[str, ...]:
    references = [_reference(identifier, _ORDER) for identifier in header.order_ids]
    references += [_reference(identifier, _ACCESSION) for identifier in header.accession_numbers]
    if class_code is not None and class_code.code == _IMAGING_CLASS:
        # In imaging documents the id of the serviceEvent is the DICOM Study Instance UID, an OID without extension.
        references += [
            _reference(identifier, _STUDY)
            for event in header.service_events
            for identifier in event.ids
            if not identifier.extension and _OID.fullmatch(identifier.root)
        ]
    return tuple(dict.fromkeys(references))


def _reference(identifier: DocumentId, kind: str) -> str:
    if identifier.extension:
        return cx(identifier.extension, identifier.root, kind)
    return cx(identifier.root, "", kind)


def _time(name: str, value: str, findings: list[Finding]) -> str:
    if not value:
        return ""
    converted, assumed = utc_time(value)
    if not converted:
        findings.append(_warning("XDS_TIME_UNREADABLE", name, f"Date illisible pour la métadonnée {name}."))
    elif assumed:
        text = f"Date sans fuseau horaire pour la métadonnée {name} : l'heure de Paris a été supposée."
        findings.append(_warning("XDS_OFFSET_MISSING", name, text))
    return converted


_REQUIRED: Final = (
    ("author", "authors", "author/assignedAuthor"),
    ("legalAuthenticator", "legal_authenticator", "legalAuthenticator/assignedEntity"),
    ("classCode", "class_code", "code"),
    ("typeCode", "type_code", "code"),
    ("confidentialityCode", "confidentiality_codes", "confidentialityCode"),
    ("creationTime", "creation_time", "effectiveTime"),
    ("healthcareFacilityTypeCode", "facility_type", "componentOf/encompassingEncounter/location/healthCareFacility"),
    ("languageCode", "language", "languageCode"),
    ("patientId", "patient_id", "recordTarget/patientRole/id"),
    ("practiceSettingCode", "practice_setting", "documentationOf/serviceEvent/performer/assignedEntity"),
    ("serviceStartTime", "service_start_time", "documentationOf/serviceEvent/effectiveTime/low"),
    ("sourcePatientInfo", "source_patient_info", "recordTarget/patientRole/patient"),
    ("title", "title", "title"),
)


def _missing(entry: DocumentEntry) -> list[Finding]:
    return [
        Finding(
            code=f"XDS_{_constant(name)}_MISSING",
            severity=Severity.ERROR,
            where=where,
            text=f"La métadonnée obligatoire {name} ne peut pas être remplie : le document ne la donne pas ({where}).",
            rule=_RULE,
        )
        for name, field, where in _REQUIRED
        if not getattr(entry, field)
    ]


def _constant(name: str) -> str:
    """`serviceStartTime` -> `SERVICE_START_TIME`."""
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name)


def _warning(code: str, where: str, text: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, where=where, text=text, rule=_RULE)
