"""Who gets the mail of a delivery, and results told back in the terms of the delivery."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.mssante.replies import failed
from connectors.mssante.settings import MssanteSettings, PatientAddress
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, OutcomeKind, RecipientOutcome
from pfi.standards.cda.oids import TEST_INS_OIDS
from pfi.standards.mail import address

_BAD_ADDRESS: Final = "510"
_OUTSIDE: Final = "512"


@dataclass(frozen=True, slots=True)
class Addressing:
    """Who gets the mail. `deliverable` are distinct checked addresses; `refused` the recipients that cannot have it."""

    deliverable: tuple[str, ...]
    refused: tuple[RecipientOutcome, ...]
    shown: tuple[str, ...]
    """`To` of the mail: everybody the decision names."""
    served: tuple[tuple[str, str], ...] = ()
    """(address as the message gave it, checked address), for every recipient that is served."""


def addressing(delivery: Delivery, settings: MssanteSettings) -> Addressing:
    """Checks recipients: professionals by the syntax of their address, the patient by the INS (MSSanté digest §1.2)."""
    if delivery.channel is Channel.CIT:
        return _patient_addressing(delivery, settings)
    served: list[tuple[str, str]] = []
    refused: list[RecipientOutcome] = []
    for recipient in delivery.recipients:
        checked = _professional(recipient.address)
        if checked is None:
            refused.append(failed(_BAD_ADDRESS, recipient.address))
        else:
            served.append((recipient.address, checked))
    everybody = delivery.addressees or delivery.recipients
    shown = _distinct([checked for each in everybody if (checked := _professional(each.address)) is not None])
    return Addressing(_distinct([checked for _given, checked in served]), tuple(refused), shown, tuple(served))


def _patient_addressing(delivery: Delivery, settings: MssanteSettings) -> Addressing:
    """The address is the one of the qualified INS; an address given by PRT must be that one, or nothing leaves."""
    ins = delivery.patient.ins if delivery.qualified else None
    expected = address.patient_address(ins) if ins is not None else None
    given = [recipient.address for recipient in delivery.recipients] or [""]
    may_compute = settings.patient_address is PatientAddress.COMPUTE
    if ins is not None and ins.oid in TEST_INS_OIDS and all(address.is_misspelt_patient(each) for each in given):
        # Test identities often come with a mailbox that can be nobody's: routing kept it, it is served as given (§1.2).
        return Addressing(_distinct(given), (), _distinct(given), tuple((each, each) for each in given))
    if expected is None or not all(
        address.same_mailbox(each, expected) if each.strip() else may_compute for each in given
    ):
        return Addressing((), tuple(failed(_BAD_ADDRESS, each) for each in given), ())
    return Addressing((expected,), (), (expected,), tuple((each or expected, expected) for each in given))


def outside(who: Addressing, admits: Callable[[str], bool]) -> Addressing:
    """Without the mailboxes that are not of the trust space: nothing is sent there (SMTPERRORCODE 512)."""
    strangers = [given for given, checked in who.served if not admits(checked)]
    if not strangers:
        return who
    return Addressing(
        tuple(each for each in who.deliverable if admits(each)),
        (*who.refused, *(_stranger(given) for given in strangers)),
        tuple(each for each in who.shown if admits(each)),
        tuple((given, checked) for given, checked in who.served if admits(checked)),
    )


def outcomes(addressing: Addressing, results: Sequence[RecipientOutcome]) -> tuple[RecipientOutcome, ...]:
    """Results as the engine knows its recipients: under the address that the message gave, refused ones included."""
    by_address = {result.address.lower(): result for result in results}
    served = (
        RecipientOutcome(given, result.kind, result.code, result.text)
        for given, checked in addressing.served
        if (result := by_address.get(checked.lower())) is not None
    )
    return (*served, *addressing.refused)


def overall(results: Sequence[RecipientOutcome]) -> OutcomeKind:
    """One word for a mail whose recipients ended differently: what remains to be done decides."""
    kinds = {result.kind for result in results}
    for kind in (OutcomeKind.UNKNOWN, OutcomeKind.NOT_DELIVERED, OutcomeKind.REFUSED):
        if kind in kinds:
            return kind
    return OutcomeKind.DELIVERED if kinds else OutcomeKind.REFUSED


def _stranger(given: str) -> RecipientOutcome:
    text = "Domaine hors de l'espace de confiance MSSanté (liste blanche) : rien n'y est envoyé."
    return RecipientOutcome(given, OutcomeKind.REFUSED, _OUTSIDE, text)


def _professional(given: str) -> str | None:
    """A mailbox of a professional, a structure or an application; never a patient's."""
    return None if address.is_patient(given) else address.normalize(given)


def _distinct(addresses: Sequence[str]) -> tuple[str, ...]:
    """Each mailbox once, in the order and form of its first appearance."""
    found: dict[str, str] = {}
    for each in addresses:
        found.setdefault(each.lower(), each)
    return tuple(found.values())
