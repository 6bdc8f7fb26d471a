"""Who receives the mails: professionals named by the sender, or the patient at the address of the qualified INS.

Obligations digest §7, MSSanté digest §1.2. Recipients are never guessed: those derived from the traffic or added by a
site rule join the ones that the sender named only where nothing reserves the document to these.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pfi.model.decision import Reason
from pfi.model.parties import Person, Recipient, RecipientKind, rpps
from pfi.model.patient import IdentityStatus, PatientState
from pfi.model.profile import Environment, SenderProfile
from pfi.model.submission import Submission
from pfi.routing.exceptions import INS_OIDS
from pfi.routing.facts import declared_physicians, same_person
from pfi.routing.rulefile import Due

PATIENT_DOMAIN = "@patient.mssante.fr"
_PATIENT_ADDRESS = re.compile(r"[0-9]{6}[0-9AB][0-9]{8}@patient\.mssante\.fr")

ROLES: Final[Mapping[str, str]] = {
    "medecin_traitant": "médecin traitant",
    "prescriber": "prescripteur",
    "referring": "praticien référent ou adresseur",
    "informed": "destinataire prévu par le document",
}
"""Roles from which recipients may be derived, and their French names (obligations digest §7)."""

_DECLARED: Final = frozenset({"ODRP"})
_REFERRING: Final = frozenset({"RP", "RT", "SUBS"})


@dataclass(frozen=True, slots=True)
class Addressing:
    """Recipients found, or the reason why there is none (`refusal`, its rule being the reason code).

    `legal`: the law explains the absence. `remarks` never prevent anything.
    """

    recipients: tuple[Recipient, ...] = ()
    refusal: Reason | None = None
    legal: bool = False
    remarks: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """Recipients that roles propose, and one remark for each role that proposes nobody or somebody unreachable."""

    recipients: tuple[Recipient, ...] = ()
    remarks: tuple[Reason, ...] = ()


def is_patient(recipient: Recipient) -> bool:
    """The patient's domain decides, whatever the recipient claims to be."""
    return recipient.kind is RecipientKind.PATIENT or recipient.address.strip().lower().endswith(PATIENT_DOMAIN)


def professionals(
    submission: Submission,
    due: Due,
    *,
    prescriber_only: bool,
    proposals: tuple[Recipient, ...] = (),
    extra: tuple[Recipient, ...] = (),
    annuaire: bool = False,
) -> Addressing:
    """The professionals, organizations and applications named by PRT `RCT` that have an address, then the `proposals`
    (`derivation`) and the `extra` ones of a site rule, each once. With `annuaire`, those who have a national identifier
    and no address too: theirs is looked up when the mail leaves.

    Somebody whom the sender reaches at one address is not proposed another. Nobody is added to a document for the
    prescriber alone (E13) nor to one of free choice (rows X*: no default pharmacy or laboratory, ever), and no address
    is looked up for them; the caller does neither where `explicit_recipients_only` holds. A patient is never among
    them.
    """
    reserved = prescriber_only or due is Due.FREE_CHOICE
    annuaire = annuaire and not reserved
    named = [recipient for recipient in submission.recipients if not is_patient(recipient)]
    served = [recipient for recipient in named if _reachable(recipient, annuaire=annuaire)]
    added = [] if reserved else [*_strangers(proposals, served), *extra]
    added = [each for each in added if _reachable(each, annuaire=annuaire) and not is_patient(each)]
    if not named and not added:
        if due is Due.FREE_CHOICE:
            text = "Aucun professionnel choisi par le patient n'est nommé : pas d'envoi par défaut (CSP R. 4127-6)."
            return Addressing(refusal=Reason("FREE_CHOICE_NO_RECIPIENT", text), legal=True)
        return Addressing(refusal=Reason("NO_RECIPIENT", "Aucun professionnel destinataire n'est nommé (PRT RCT)."))
    if prescriber_only:
        named = [recipient for recipient in named if _is_prescriber(recipient, submission)]
        served = [recipient for recipient in served if _is_prescriber(recipient, submission)]
        if not named:
            text = "Le prescripteur (participant REF du CDA) n'est pas nommé parmi les destinataires."
            return Addressing(refusal=Reason("GENETICS", text), legal=True)
    addressed = _each_once([*served, *added])
    if not addressed:
        text = "Aucun professionnel destinataire n'a d'adresse MSSanté (PRT-15.4)."
        return Addressing(refusal=Reason("NO_MSS_ADDRESS", text))
    return Addressing(addressed, remarks=tuple(_remarks(len(named) - len(served), addressed, _each_once(served))))


def _reachable(recipient: Recipient, *, annuaire: bool) -> bool:
    """Whether a recipient has an address, or a directory may be asked for it."""
    return "@" in recipient.address or (annuaire and not recipient.address.strip() and any(recipient.national_ids))


def _strangers(proposals: tuple[Recipient, ...], served: list[Recipient]) -> Iterator[Recipient]:
    for proposal in proposals:
        if not any(same_person(proposal.person, recipient.person) for recipient in served):
            yield proposal


def _remarks(without: int, addressed: tuple[Recipient, ...], served: tuple[Recipient, ...]) -> Iterator[Reason]:
    if without:
        yield Reason("NO_MSS_ADDRESS", f"{without} destinataire(s) sans adresse MSSanté ne sont pas servis.")
    if len(addressed) > len(served):
        text = f"{len(addressed) - len(served)} destinataire(s) ajouté(s) par une règle du site."
        yield Reason("RECIPIENT_ADDED", text)
    if unknown := sum(not each.address.strip() for each in addressed):
        text = f"{unknown} destinataire(s) sans adresse : elle est demandée à l'Annuaire Santé au moment de l'envoi."
        yield Reason("ADDRESS_LOOKED_UP", text)


def derivation(
    submission: Submission,
    state: PatientState,
    roles: frozenset[str],
    addresses: Mapping[str, str],
    *,
    annuaire: bool = False,
) -> Derivation:
    """Who holds each role (`ROLES`) according to the ADT feed and to the documents, and can be written to.

    `addresses` is the site's book: national identifier (RPPS, with or without its `8`; structure) to MSSanté address.
    Somebody whom it does not know is told (`NO_MSS_ADDRESS`) and left out, unless the `annuaire` is asked when the mail
    leaves: an address written in a CDA is not an order, and none is ever guessed. A role that nobody holds is told too
    (`NO_RECIPIENT`). Unknown roles propose nobody.
    """
    if not roles:
        return Derivation()
    book = {rpps(identifier): address for identifier, address in addresses.items() if "@" in address}
    proposed: list[Recipient] = []
    remarks: list[Reason] = []
    for role, name in ROLES.items():
        if role not in roles:
            continue
        held = list(_HOLDERS[role](submission, state))
        reached = [replace(each, address=book.get(_identifier(each), "")) for each in held]
        known = [each for each in reached if _reachable(each, annuaire=annuaire)]
        proposed += known
        if not held:
            remarks.append(Reason("NO_RECIPIENT", f"Destinataire à déduire, mais inconnu : {name}."))
        elif len(known) < len(reached):
            text = f"Destinataire à déduire, mais absent du carnet d'adresses du site : {name}."
            remarks.append(Reason("NO_MSS_ADDRESS", text))
    kept = _each_once(each for each in proposed if not is_patient(each))
    return Derivation(kept, tuple(remarks))


def _identifier(recipient: Recipient) -> str:
    party = recipient.person or recipient.organization
    return rpps(party.identifier) if party is not None else ""


def _person(person: Person) -> Recipient:
    return Recipient(RecipientKind.PROFESSIONAL, "", person, identifier=person.identifier)


def _followers(state: PatientState, roles: frozenset[str]) -> Iterator[Recipient]:
    for each in state.care_team:
        if each.role in roles and each.identifier:
            yield _person(Person(each.identifier, family=each.family, given=each.given))


def _participants(submission: Submission, type_code: str) -> Iterator[Recipient]:
    for document in submission.documents:
        for participant in document.header.participants:
            if participant.type_code == type_code and participant.party is not None and participant.party.person:
                yield _person(participant.party.person)


def _physicians(submission: Submission, state: PatientState) -> Iterator[Recipient]:
    """ROL `ODRP`, CDA participant `INF` with function `PCP`; the first source that tells wins."""
    told = tuple(_followers(state, _DECLARED))
    yield from told or (
        _person(each) for document in submission.documents for each in declared_physicians(document.header)
    )


def _prescribers(submission: Submission, state: PatientState) -> Iterator[Recipient]:
    """CDA participant `REF`."""
    yield from _participants(submission, "REF")


def _referring(submission: Submission, state: PatientState) -> Iterator[Recipient]:
    """ROL `RP`, `RT`, `SUBS` and PV1-8, else CDA participant `REFB`."""
    yield from tuple(_followers(state, _REFERRING)) or _participants(submission, "REFB")


def _informed(submission: Submission, state: PatientState) -> Iterator[Recipient]:
    """CDA informationRecipient other than the patient; the address that it shows is not used (`derivation`)."""
    for document in submission.documents:
        for each in document.header.information_recipients:
            if not is_patient(each):
                yield each


_HOLDERS: Final = {
    "medecin_traitant": _physicians,
    "prescriber": _prescribers,
    "referring": _referring,
    "informed": _informed,
}


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
        once.setdefault(recipient.key, recipient)
    return tuple(once.values())
