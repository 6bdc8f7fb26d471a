"""What the official validation of a CDA header lets through, and what sending it on would break (DMP digest §3.2, §6).

Errors are for what cannot be acted on safely; what only closes the DMP is a warning, for mail may still leave.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from pfi.model.document import CdaHeader, DocumentId
from pfi.model.finding import Finding, Severity
from pfi.standards.cda.oids import INS_ARC, INS_OIDS, MATRICULE, OBSOLETE_INS_OIDS, TEST_INS_OIDS, InsOid

_PATIENT_ID: Final = "recordTarget/patientRole/id"
_TITLE_LIMIT: Final = 128
_OID_LIMIT: Final = 64
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_TIME: Final = re.compile(r"(?P<digits>[0-9]{4}(?:[0-9]{2}){0,5})(?:\.[0-9]+)?(?P<offset>[+-][0-9]{2,4})?")
_FORMATS: Final = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def check_header(header: CdaHeader) -> tuple[Finding, ...]:
    """Findings on one header. `where` is a path under ClinicalDocument."""
    return (
        *_check_document_id(header.document_id),
        *_check_title(header.title),
        *_check_time(header.effective_time),
        *_check_language(header.language),
        *_check_version(header),
        *_check_ins(header),
        *_check_local_ids(header),
    )


def _check_document_id(document_id: DocumentId) -> Iterator[Finding]:
    if document_id.extension:
        text = (
            "L'identifiant du document a une extension : le DMP ne l'accepte pas. "
            "Produire un identifiant formé d'une racine OID seule."
        )
        yield _warning("CDA_ID_EXTENSION", "id", text, "DMP digest §3.1")
    if not _OID.fullmatch(document_id.root) or len(document_id.root) > _OID_LIMIT:
        text = f"La racine de l'identifiant du document n'est pas un OID d'au plus {_OID_LIMIT} caractères."
        yield _warning("CDA_ID_NOT_OID", "id", text)


def _check_title(title: str) -> Iterator[Finding]:
    if not title:
        yield _warning("CDA_TITLE_EMPTY", "title", "Le titre du document est vide.")
    elif len(title) > _TITLE_LIMIT:
        text = f"Le titre du document dépasse {_TITLE_LIMIT} caractères."
        yield _warning("CDA_TITLE_TOO_LONG", "title", text, "DMP digest §4")


def _check_time(effective_time: str) -> Iterator[Finding]:
    """The date chooses the rows of the legal table and becomes creationTime: it has to be readable."""
    match = _TIME.fullmatch(effective_time)
    if match is None or not _is_date(match["digits"]):
        text = "La date du document (effectiveTime) est absente ou illisible."
        yield _error("CDA_EFFECTIVE_TIME_UNREADABLE", "effectiveTime", text, "DMP digest §3.1")
    elif match["offset"] is None:
        text = "La date du document (effectiveTime) n'a pas de décalage horaire : elle est lue à l'heure de Paris."
        yield _warning("CDA_EFFECTIVE_TIME_NO_OFFSET", "effectiveTime", text, "DMP digest §3.1")


def _is_date(digits: str) -> bool:
    try:
        datetime.strptime(digits, _FORMATS[len(digits)])  # noqa: DTZ007 - only the calendar is checked
    except ValueError:
        return False
    return True


def _check_language(language: str) -> Iterator[Finding]:
    if language != "fr-FR":
        text = "La langue du document (languageCode) n'est pas fr-FR : le DMP le refusera."
        yield _warning("CDA_LANGUAGE", "languageCode", text)


def _check_version(header: CdaHeader) -> Iterator[Finding]:
    if header.version_number is not None and header.version_number > 1 and header.replaced is None:
        text = (
            "Le document est une version ultérieure mais ne désigne pas celle qu'il remplace (relatedDocument RPLC) : "
            "il est traité comme un nouveau document."
        )
        yield _warning("CDA_VERSION_WITHOUT_PARENT", "relatedDocument", text, "DMP digest §4")
    if header.replaced is not None and header.replaced == header.document_id:
        text = "Le document déclare se remplacer lui-même (relatedDocument RPLC porte son propre identifiant)."
        yield _error("CDA_REPLACES_ITSELF", "relatedDocument/parentDocument/id", text, "DMP digest §4")


def _check_ins(header: CdaHeader) -> Iterator[Finding]:
    patient = header.patient
    if patient.ins is None:
        return
    every = dict.fromkeys((patient.ins, *patient.other_ins))
    for ins in every:
        if not MATRICULE.fullmatch(ins.matricule):
            severity = Severity.WARNING if ins.oid in TEST_INS_OIDS else Severity.ERROR
            text = "Le matricule INS du document n'a pas la forme attendue (13 caractères puis une clé de 2 chiffres)."
            yield Finding("CDA_INS_MALFORMED", severity, _PATIENT_ID, text, "INS digest §1.1", "207", "906")
    for of_nia in (False, True):
        if len([ins for ins in every if (ins.oid == InsOid.NIA) is of_nia]) > 1:
            text = "Le document porte plusieurs INS différentes pour le même patient."
            yield _error("CDA_INS_SEVERAL", _PATIENT_ID, text, "INS digest §8.1")
    if not header.ins_is_first_id:
        text = "L'INS n'est pas le premier identifiant du patient dans le document."
        yield _warning("CDA_INS_NOT_FIRST", _PATIENT_ID, text, "INS digest §8.2")


def _check_local_ids(header: CdaHeader) -> Iterator[Finding]:
    """Identifiers that are not an INS for the engine but look like one."""
    for identifier in header.patient.identifiers:
        oid = identifier.authority_oid
        if oid in INS_OIDS:
            yield _warning(
                "CDA_INS_EMPTY", _PATIENT_ID, "Le document annonce une INS mais n'en donne pas le matricule."
            )
        elif oid in OBSOLETE_INS_OIDS:
            text = "Le document porte une INS-C (identifiant calculé, abandonné) : elle est ignorée."
            yield _warning("CDA_INS_OBSOLETE", _PATIENT_ID, text, "INS digest §1.3")
        elif MATRICULE.fullmatch(identifier.value):
            text = "Un identifiant du patient a la forme d'un matricule INS mais son OID " + (
                "n'est pas un OID d'INS connu." if oid.startswith(INS_ARC) else "n'est pas celui d'une INS."
            )
            yield _warning("CDA_INS_OID_UNKNOWN", _PATIENT_ID, text, "INS digest §1.3")


def _warning(code: str, where: str, text: str, rule: str = "DMP digest §3.2") -> Finding:
    return Finding(code, Severity.WARNING, where, text, rule)


def _error(code: str, where: str, text: str, rule: str) -> Finding:
    return Finding(code, Severity.ERROR, where, text, rule, err3="207", err5="906")
