"""Who receives the mails: professionals named by the sender, or the patient at the address of the qualified INS.

Obligations digest §7, MSSanté digest §1.2. Recipients are never guessed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pfi.model.decision import Reason
from pfi.model.parties import Recipient, RecipientKind
from pfi.model.patient import IdentityStatus
from pfi.model.profile import Environment, SenderProfile
from pfi.model.submission import Submission
from pfi.routing.exceptions import INS_OIDS
from pfi.routing.facts import same_person
from pfi.routing.rulefile import Due

PATIENT_DOMAIN = "@patient.mssante.fr"
_PATIENT_ADDRESS = re.compile(r"[0-9]{6}[0-9AB][0-9]{8}@patient\.mssante\.fr")


@dataclass(frozen=True, slots=True)
class Addressing:
    """Recipients found, or the reason why there is none (`refusal`, its rule being the reason code).

    `legal`: the law explains the absence. `remarks` never prevent anything.
    """

    recipients: tuple[Recipient, ...] = ()
    refusal: Reason | None = None
    legal: bool = False
    remarks: tuple[Reason, ...] = ()


def is_patient(recipient: Recipient) -> bool:
    """The patient's domain decides, whatever the recipient claims to be."""
    return recipient.kind is RecipientKind.PATIENT or recipient.address.strip().lower().endswith(PATIENT_DOMAIN)


def professionals(submission: Submission, due: Due, *, prescriber_only: bool) -> Addressing:
    """The professionals, organizations and applications named by PRT `RCT` that have an address, each once."""
    named = [recipient for recipient in submission.recipients if not is_patient(recipient)]
    if not named:
        if due is Due.FREE_CHOICE:
            text = "Aucun professionnel choisi par le patient n'est nommé : pas d'envoi par défaut (CSP R. 4127-6)."
            return Addressing(refusal=Reason("FREE_CHOICE_NO_RECIPIENT", text), legal=True)
        return Addressing(refusal=Reason("NO_RECIPIENT", "Aucun professionnel destinataire n'est nommé (PRT RCT)."))
    if prescriber_only:
        named = [recipient for recipient in named if _is_prescriber(recipient, submission)]
        if not named:
            text = "Le prescripteur (participant REF du CDA) n'est pas nommé parmi les destinataires."
            return Addressing(refusal=Reason("GENETICS", text), legal=True)
    addressed = _each_once(recipient for recipient in named if "@" in recipient.address)
    if not addressed:
        text = "Aucun professionnel destinataire n'a d'adresse MSSanté (PRT-15.4)."
        return Addressing(refusal=Reason("NO_MSS_ADDRESS", text))
    without = sum("@" not in recipient.address for recipient in named)
    remarks = (
        (Reason("NO_MSS_ADDRESS", f"{without} destinataire(s) sans adresse MSSanté ne sont pas servis."),)
        if without
        else ()
    )
    return Addressing(addressed, remarks=remarks)


def citizen(submission: Submission, identity: IdentityStatus, profile: SenderProfile) -> Addressing:
    """The patient's own address, computed from the qualified INS; an address given by the sender must be that one.

    In a test environment a malformed address is kept as given, with a remark: national samples carry some. A well
    formed address of someone else is refused everywhere.
    """
    ins = submission.patient.ins
    if identity is not IdentityStatus.QUALIFIED or ins is None:
        text = "L'adresse du patient ne se construit qu'à partir d'une INS qualifiée."
        return Addressing(refusal=Reason("NO_MSS_ADDRESS", text), legal=True)
    computed = f"{ins.matricule.upper()}{PATIENT_DOMAIN}"
    given = [recipient for recipient in submission.recipients if is_patient(recipient) and recipient.address.strip()]
    if not given:
        if profile.require_patient_prt:
            text = "Aucune adresse du patient n'est donnée (PRT RCT), et le site n'admet pas qu'elle soit calculée."
            return Addressing(refusal=Reason("NO_MSS_ADDRESS", text))
        remark = Reason("PATIENT_ADDRESS_COMPUTED", "L'adresse du patient est calculée à partir de son INS qualifiée.")
        return Addressing((Recipient(RecipientKind.PATIENT, computed),), remarks=(remark,))
    kept: list[Recipient] = []
    remarks: tuple[Reason, ...] = ()
    test = profile.environment is Environment.TEST and ins.oid in INS_OIDS[Environment.TEST]
    for recipient in given:
        address = recipient.address.strip()
        local, _, domain = address.rpartition("@")
        if f"{local.upper()}@{domain.lower()}" == computed:
            kept.append(replace(recipient, kind=RecipientKind.PATIENT, address=computed))
        elif test and not _PATIENT_ADDRESS.fullmatch(f"{local.upper()}@{domain.lower()}"):
            kept.append(replace(recipient, kind=RecipientKind.PATIENT, address=address))
            text = "Adresse du patient mal formée, gardée telle quelle parce que l'INS est une INS de test."
            remarks = (Reason("PATIENT_ADDRESS_MALFORMED", text),)
        else:
            text = "L'adresse donnée pour le patient n'est pas celle de son INS : rien ne lui est envoyé."
            return Addressing(refusal=Reason("NO_MSS_ADDRESS", text))
    return Addressing(_each_once(kept), remarks=remarks)


def _is_prescriber(recipient: Recipient, submission: Submission) -> bool:
    return any(
        participant.type_code == "REF"
        and participant.party is not None
        and same_person(recipient.person, participant.party.person)
        for document in submission.documents
        for participant in document.header.participants
    )


def _each_once(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    once: dict[str, Recipient] = {}
    for recipient in recipients:
        once.setdefault(recipient.address.strip().lower(), recipient)
    return tuple(once.values())
