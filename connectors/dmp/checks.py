"""What a delivery must satisfy before anything is sent (DMP digest §3.2, §1.3). The first failure refuses it.

What depends on the parameters of the DMP (age of majority, management of minors, cumulation of masks) is decided
before, by the rules, which alone know them: `parameters` of the exceptions (obligations digest §5, E14 to E16).
"""

import re
from typing import Final

from connectors.dmp.settings import OID_PATTERN, DmpSettings
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.document import Document
from pfi.model.finding import Severity
from pfi.model.patient import Ins
from pfi.model.profile import Environment
from pfi.standards import nomenclature
from pfi.standards.cda.oids import INS_OIDS, TEST_INS_OIDS, InsOid
from pfi.standards.xds.mapping import confidentiality
from pfi.standards.xds.metadata import DocumentEntry

_OID: Final = re.compile(OID_PATTERN)
_MAX_OID: Final = 64
_INVISIBLE_REP: Final = "INVISIBLE_REPRESENTANTS_LEGAUX"


def refused(code: str, text: str) -> Outcome:
    """A final refusal of ours."""
    return Outcome(OutcomeKind.REFUSED, code, text)


def check_patient(delivery: Delivery, settings: DmpSettings) -> Ins | Outcome:
    """The INS that may leave, or a refusal: `DMP_INS_NOT_QUALIFIED`, `DMP_INS_OID`, `DMP_INS_ENVIRONMENT`,
    `DMP_NIA_NOT_ACCEPTED`, `DMP_INS_MISMATCH`."""
    ins = delivery.patient.ins
    if ins is None or not delivery.qualified:
        return refused("DMP_INS_NOT_QUALIFIED", "L'identité du patient n'est pas une INS qualifiée.")
    if ins.oid not in INS_OIDS:
        return refused("DMP_INS_OID", "L'OID de l'INS n'est pas un OID d'INS connu.")
    if (ins.oid in TEST_INS_OIDS) is (settings.environment is Environment.PRODUCTION):
        return refused("DMP_INS_ENVIRONMENT", "L'INS n'est pas de l'environnement de ce DMP (production ou test).")
    if ins.oid == InsOid.NIA and not settings.accept_nia:
        return refused("DMP_NIA_NOT_ACCEPTED", "L'alimentation avec un NIA est désactivée (accept_nia).")
    if any(document.header.patient.ins != ins for document in delivery.documents):
        return refused("DMP_INS_MISMATCH", "L'INS du message et celle du document CDA sont différentes.")
    return ins


def check_id(document: Document) -> Outcome | None:
    """`DMP_ID_EXTENSION`, `DMP_ID_NOT_OID`: the DMP knows documents by an OID alone."""
    identifier = document.header.document_id
    if identifier.extension:
        return refused("DMP_ID_EXTENSION", "L'identifiant du document a une extension : le DMP n'accepte qu'un OID.")
    if len(identifier.root) > _MAX_OID or not _OID.match(identifier.root):
        return refused("DMP_ID_NOT_OID", "L'identifiant du document n'est pas un OID de 64 caractères au plus.")
    return None


def check_document(document: Document, delivery: Delivery, settings: DmpSettings) -> Outcome | None:
    """Checks on the document itself, before its metadata are made."""
    header = document.header
    identity = check_id(document)
    if identity is not None:
        return identity
    if document.size > settings.max_document_bytes:
        return refused(
            "DMP_DOCUMENT_TOO_LARGE",
            f"Le document fait {document.size} octets, la limite configurée est de {settings.max_document_bytes}.",
        )
    if not nomenclature.accepted_by_dmp(header.code.code):
        return refused("DMP_TYPE_NOT_ACCEPTED", "Le DMP n'accepte pas ce type de document (JDV_J66).")
    if header.confidentiality.code != "N":
        return refused("DMP_CONFIDENTIALITY", "Seul un document de confidentialité normale (N) va au DMP.")
    codes = {code.code for code in confidentiality(header, delivery.orders)}
    if delivery.orders.connexion_secrete and _INVISIBLE_REP not in codes:
        return refused(
            "DMP_SECRET_CONNECTION",
            "En connexion secrète, le document doit être non visible par les représentants légaux.",
        )
    return None


def check_entry(entry: DocumentEntry, settings: DmpSettings) -> Outcome | None:
    """Checks on the metadata; the first missing one gives its own code (`XDS_TITLE_MISSING`...)."""
    for finding in entry.findings:
        if finding.severity is Severity.ERROR and not (
            finding.code == "XDS_CLASS_CODE_MISSING" and entry.class_code is not None
        ):
            return refused(finding.code, finding.text)
    if entry.language != "fr-FR":
        return refused("DMP_LANGUAGE", "La langue du document n'est pas fr-FR.")
    if entry.format_code is None or not nomenclature.format_accepted_by_dmp(entry.format_code.code):
        return refused("DMP_FORMAT_NOT_ACCEPTED", "Le DMP n'accepte pas le format de ce document (JDV_J60).")
    if entry.facility_type is None or nomenclature.facility_type(entry.facility_type.code) is None:
        return refused("DMP_FACILITY_NOT_ACCEPTED", "Secteur d'activité du document inconnu du DMP (JDV_J61).")
    if entry.practice_setting is None or nomenclature.practice_setting(entry.practice_setting.code) is None:
        return refused("DMP_PRACTICE_SETTING_NOT_ACCEPTED", "Cadre d'exercice du document inconnu du DMP (JDV_J62).")
    return None
