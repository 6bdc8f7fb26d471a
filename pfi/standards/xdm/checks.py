"""Does METADATA.XML speak of the documents that came with it, and they of one patient? (MSSanté digest §9, INS digest
§8.4)

An error keeps a document from the DPI: another patient, other bytes, another document than announced, nothing to
replace. What only looks wrong is a warning: the message to the DPI is made from the CDA, not from METADATA.XML. No
finding shows a trait.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from pfi.model.document import CdaHeader, Document, DocumentId
from pfi.model.errors import SenderDataError
from pfi.model.finding import Finding, Severity, refuses
from pfi.model.patient import Identifier, Patient, Traits
from pfi.model.submission import Request
from pfi.standards.cda.checks import check_header
from pfi.standards.cda.header import read_header
from pfi.standards.cda.oids import INS_OIDS
from pfi.standards.xdm.reader import ArchivedDocument, ReceivedArchive
from pfi.standards.xdm.source_patient import (
    Likeness,
    compare_date,
    compare_sex,
    compare_trait,
    read_patient_id,
    read_source_patient,
)

_INTEGRITY: Final = "MSSanté digest §5 et §9"
_PATIENT: Final = "MSSanté digest §9 et INS digest §8.4"
_ONE_PATIENT: Final = "MSSanté digest §4.1 (ECO.2.1.1)"
_ACTION: Final = "MSSanté digest §5.3"

_INS_DIFFERS: Final = "904"
_OTHER: Final = "906"
_APPLICATION_ERROR: Final = "207"

_XML_TYPES: Final = frozenset({"", "text/xml", "application/xml", "application/xslt+xml", "text/x-hl7-text+xml"})
_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_OPEN: Final = frozenset({"", "N"})

_OF_THE_CDA: Final = frozenset({"CDA_INS_SEVERAL", "CDA_INS_MALFORMED", "CDA_REPLACES_ITSELF"})
"""What `check_header` refuses that matters to a receiver as well; the rest is for those who feed the DMP."""

_TRAITS: Final = (
    ("birth_name", "le nom de naissance", compare_trait),
    ("first_given_name", "le premier prénom", compare_trait),
    ("birth_date", "la date de naissance", compare_date),
    ("sex", "le sexe", compare_sex),
)


@dataclass(frozen=True, slots=True)
class CheckedDocument:
    """One document of the mail. `document` is `None` when it is no readable CDA, or no XML at all."""

    archived: ArchivedDocument
    document: Document | None
    findings: tuple[Finding, ...] = ()

    @property
    def refused(self) -> bool:
        """True when an error, which is among the findings, keeps this document from the DPI."""
        return refuses(self.findings)


@dataclass(frozen=True, slots=True)
class CheckedArchive:
    """`findings` are those of the mail as a whole; an error among them keeps all its documents from the DPI."""

    documents: tuple[CheckedDocument, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        return (*self.findings, *(finding for document in self.documents for finding in document.findings))

    @property
    def accepted(self) -> tuple[CheckedDocument, ...]:
        """What may go to the DPI: readable CDA without any error, in a mail without any."""
        if refuses(self.findings):
            return ()
        return tuple(each for each in self.documents if each.document is not None and not each.refused)


def check_received(archive: ReceivedArchive) -> CheckedArchive:
    """All checks on an opened archive; its own findings come first. Never fails.

    The place of a finding is `DOC[n]` (rank of the document in the mail, from 1), with a path for what concerns CDA or
    metadata. `err3` and `err5` are what an MDN would say of an error.
    """
    documents = tuple(
        _check_document(archived, f"DOC[{rank}]", subset.submission_set.patient_id if subset.submission_set else "")
        for rank, (subset, archived) in enumerate(
            ((subset, archived) for subset in archive.subsets for archived in subset.documents), 1
        )
    )
    read = [each.document for each in documents if each.document is not None]
    findings = [*archive.findings, *_check_one_patient(read), *_check_distinct(read)]
    if not read and not any(each.refused for each in documents):
        text = "L'archive ne contient aucun document CDA."
        findings.append(_error("XDM_CDA_NONE", "IHE_XDM.ZIP", text, _INTEGRITY))
    return CheckedArchive(documents, tuple(findings))


def _check_document(archived: ArchivedDocument, place: str, lot_patient_id: str) -> CheckedDocument:
    entry = archived.entry
    findings = [*_check_bytes(archived, place)]
    if entry.mime_type.partition(";")[0].strip().lower() not in _XML_TYPES:
        text = "Ce fichier de l'archive n'est pas un document CDA : il n'est pas transmis."
        findings.append(_warning("XDM_NOT_CDA", place, text, _INTEGRITY))
        return CheckedDocument(archived, None, tuple(findings))
    try:
        header = read_header(archived.content)
    except SenderDataError as error:
        findings.append(_error(error.code, place, error.text, _INTEGRITY))
        return CheckedDocument(archived, None, tuple(findings))
    findings += _check_identity(archived, header, place)
    findings += _check_patient_id(entry.patient_id, lot_patient_id, header.patient, place)
    findings += _check_traits(read_source_patient(entry.source_patient_info), header.patient.traits, place)
    findings += _check_header(header, place)
    return CheckedDocument(archived, Document(archived.content, header), tuple(findings))


def _check_bytes(archived: ArchivedDocument, place: str) -> Iterator[Finding]:
    """Hash and size, computed on the exact bytes."""
    entry = archived.entry
    if not _SHA1.fullmatch(entry.hash):
        text = "METADATA.XML ne donne pas d'empreinte SHA-1 lisible du document : son intégrité n'est pas vérifiée."
        yield _warning("XDM_HASH_MISSING", f"{place}/hash", text, _INTEGRITY)
    elif entry.hash != _sha1(archived.content):
        text = "L'empreinte du document n'est pas celle que donne METADATA.XML : il a été altéré."
        yield _error("XDM_HASH_DIFFERS", f"{place}/hash", text, _INTEGRITY)
    if entry.size is None:
        text = "METADATA.XML ne donne pas la taille du document."
        yield _warning("XDM_SIZE_MISSING", f"{place}/size", text, _INTEGRITY)
    elif entry.size != len(archived.content):
        text = "La taille du document n'est pas celle que donne METADATA.XML : il a été altéré."
        yield _error("XDM_SIZE_DIFFERS", f"{place}/size", text, _INTEGRITY)


def _check_identity(archived: ArchivedDocument, header: CdaHeader, place: str) -> Iterator[Finding]:
    """Which document it is, of what type, what is asked for it."""
    entry = archived.entry
    announced = _document_id(entry.unique_id)
    if announced is None:
        text = "METADATA.XML ne donne pas l'identifiant du document (uniqueId) : celui du CDA est retenu."
        yield _warning("XDM_UNIQUE_ID_MISSING", f"{place}/uniqueId", text, _INTEGRITY)
    elif not announced.same_as(header.document_id):
        text = "METADATA.XML et le CDA ne donnent pas le même identifiant du document."
        yield _error("XDM_UNIQUE_ID_DIFFERS", f"{place}/uniqueId", text, _INTEGRITY)
    if entry.type_code is None or entry.type_code.code != header.code.code:
        text = "METADATA.XML et le CDA ne donnent pas le même type de document : celui du CDA est retenu."
        yield _warning("XDM_TYPE_DIFFERS", f"{place}/typeCode", text, _INTEGRITY)
    said = {code.code for code in entry.confidentiality_codes}
    if header.confidentiality.code not in said and not (header.confidentiality.code in _OPEN and not said):
        text = "METADATA.XML et le CDA ne donnent pas la même confidentialité."
        yield _warning("XDM_CONFIDENTIALITY_DIFFERS", f"{place}/confidentialityCode", text, _INTEGRITY)
    match archived.request:
        case None:
            text = "L'action demandée pour le document (remplacement, suppression) est inconnue."
            yield _error("XDM_ACTION_UNKNOWN", f"{place}/action", text, _ACTION)
        case Request.REPLACE if header.replaced is None:
            text = "Un remplacement est demandé mais le CDA ne désigne pas le document à remplacer (relatedDocument)."
            yield _error("XDM_PARENT_MISSING", f"{place}/relatedDocument", text, _ACTION)
        case Request.INITIAL if header.replaced is not None:
            text = "Le CDA remplace un autre document alors que METADATA.XML annonce un premier envoi."
            yield _warning("XDM_ACTION_MISSING", f"{place}/action", text, _ACTION)
        case _:
            pass


def _check_patient_id(announced: str, of_lot: str, patient: Patient, place: str) -> Iterator[Finding]:
    """patientId is one of the identifiers of recordTarget, and the one of the lot."""
    where = f"{place}/patientId"
    entry_id, lot_id = read_patient_id(announced), read_patient_id(of_lot)
    if entry_id is not None and lot_id is not None and _pair(entry_id) != _pair(lot_id):
        text = "METADATA.XML donne deux patients : celui du lot et celui du document diffèrent."
        yield _error("XDM_LOT_PATIENT_DIFFERS", where, text, _PATIENT, _INS_DIFFERS)
    said = entry_id or lot_id
    if said is None:
        text = "METADATA.XML ne dit pas de quel patient est le document (patientId) : celui du CDA est retenu."
        yield _warning("XDM_PATIENT_ID_MISSING", where, text, _PATIENT)
        return
    known = _pairs(patient)
    if _pair(said) in known:
        return
    if not _OID.fullmatch(said.authority_oid) and any(said.value == value for value, _ in known):
        text = (
            "METADATA.XML nomme autrement que le CDA l'autorité qui identifie le patient ; l'identifiant est le même."
        )
        yield _warning("XDM_PATIENT_AUTHORITY", where, text, _PATIENT)
        return
    text = "Le patient de METADATA.XML (patientId) n'est pas celui du CDA (recordTarget)."
    yield _error("XDM_PATIENT_ID_DIFFERS", where, text, _PATIENT, _INS_DIFFERS)


def _check_traits(said: Traits, traits: Traits, place: str) -> Iterator[Finding]:
    """sourcePatientInfo against recordTarget."""
    if traits.given_names and compare_trait(said.first_given_name, traits.given_names) is Likeness.SAME:
        # Some products write the whole list of given names.
        said = replace(said, first_given_name="")
    where = f"{place}/sourcePatientInfo"
    different, typography = _compare_traits(said, traits)
    if different:
        text = f"METADATA.XML et le CDA ne donnent pas les mêmes traits du patient ({', '.join(different)})."
        yield _error("XDM_TRAITS_DIFFER", where, text, _PATIENT, _INS_DIFFERS)
    if typography:
        text = (
            "METADATA.XML et le CDA n'écrivent pas de la même façon les traits du patient "
            f"({', '.join(typography)}) : la casse, les accents ou les traits d'union diffèrent."
        )
        yield _warning("XDM_TRAITS_TYPOGRAPHY", where, text, _PATIENT)


def _check_header(header: CdaHeader, place: str) -> Iterator[Finding]:
    for finding in check_header(header):
        if finding.code in _OF_THE_CDA:
            yield replace(finding, where=f"{place}/{finding.where}")
    traits = header.patient.traits
    if not (traits.birth_name or traits.used_name):
        text = "Le CDA ne donne pas le nom du patient (family de type BR ou CL) : aucun rapprochement n'est possible."
        yield _error("XDM_PATIENT_NAME_MISSING", f"{place}/recordTarget/patientRole/patient/name", text, _PATIENT)


def _check_one_patient(documents: list[Document]) -> Iterator[Finding]:
    """A mail concerns one single patient: no contradiction, and an identifier in common."""
    for document in documents[1:]:
        first, other = documents[0].header.patient, document.header.patient
        different, typography = _compare_traits(first.traits, other.traits)
        if different or not _same_person(first, other):
            text = "Les documents du courriel ne désignent pas tous le même patient : aucun n'est transmis."
            yield _error("XDM_SEVERAL_PATIENTS", "recordTarget/patientRole", text, _ONE_PATIENT, _INS_DIFFERS)
            return
        if typography:
            text = (
                "Les documents du courriel n'écrivent pas de la même façon les traits du patient "
                f"({', '.join(typography)})."
            )
            yield _warning("XDM_TRAITS_VARY", "recordTarget/patientRole/patient", text, _ONE_PATIENT)
            return


def _same_person(first: Patient, other: Patient) -> bool:
    """INS against INS when both have one; else any identifier in common."""
    one, two = _pairs(first), _pairs(other)
    if first.ins is not None and other.ins is not None:
        one, two = _of_ins(one), _of_ins(two)
    return bool(one & two)


def _check_distinct(documents: list[Document]) -> Iterator[Finding]:
    if len({document.unique_id for document in documents}) < len(documents):
        text = "Deux documents du courriel portent le même identifiant : on ne peut savoir lequel est le bon."
        yield _error("XDM_UNIQUE_ID_REPEATED", "id", text, _INTEGRITY)


def _compare_traits(one: Traits, other: Traits) -> tuple[list[str], list[str]]:
    """French names of the traits that differ, and of those that are only written otherwise."""
    different, typography = [], []
    for attribute, label, compare in _TRAITS:
        match compare(getattr(one, attribute), getattr(other, attribute)):
            case Likeness.DIFFERENT:
                different.append(label)
            case Likeness.TYPOGRAPHY:
                typography.append(label)
            case Likeness.SAME:
                pass
    return different, typography


_Pair = tuple[str, str]


def _pair(identifier: Identifier) -> _Pair:
    return identifier.value.strip().upper(), identifier.authority_oid.strip()


def _pairs(patient: Patient) -> frozenset[_Pair]:
    """Every identifier of a patient: value (a root alone is a value) and authority."""
    ins = [(each.matricule.upper(), each.oid) for each in (patient.ins, *patient.other_ins) if each is not None]
    local = [_pair(each) if each.value else (each.authority_oid.upper(), "") for each in patient.identifiers]
    return frozenset((*ins, *local))


def _of_ins(pairs: Iterable[_Pair]) -> frozenset[_Pair]:
    return frozenset(pair for pair in pairs if pair[1] in INS_OIDS)


def _document_id(unique_id: str) -> DocumentId | None:
    root, _, extension = unique_id.partition("^")
    return DocumentId(root, extension) if root else None


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _warning(code: str, where: str, text: str, rule: str) -> Finding:
    return Finding(code, Severity.WARNING, where, text, rule)


def _error(code: str, where: str, text: str, rule: str, err5: str = _OTHER) -> Finding:
    return Finding(code, Severity.ERROR, where, text, rule, _APPLICATION_ERROR, err5)
