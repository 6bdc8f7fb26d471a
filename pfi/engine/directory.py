"""Addresses of recipients whom a rule of the site names by their role only: looked up, never guessed.

Nothing here knows the store. A recipient without address who has an identifier gets the one mailbox that the directory
publishes (directory digest §1); without one, or among several, that recipient is refused and the others are served.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pfi.engine.connector import Ambiguous, Away, Directory, Found, Lookup, Nothing
from pfi.engine.logs import get_logger
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.model.parties import Recipient, RecipientKind

_LOG = get_logger("directory")
NO_ADDRESS: Final = "NO_MSS_ADDRESS"
_NOT_AN_ADDRESS: Final = "510"
"""SMTPERRORCODE of who has no usable address (mssante digest §7)."""
_PATIENCE: Final = 5
"""Tries for which recipients whose address is known wait for a directory that is away."""
_SEVERAL: Final = (
    "L'annuaire publie plusieurs boîtes MSSanté pour ce destinataire, ou celle d'une autre structure : le PFI "
    "ne choisit pas. Les voir avec « pfi annuaire find », et inscrire la bonne dans le carnet d'adresses du site."
)
_UNKNOWN: Final = "L'annuaire ne publie aucune boîte MSSanté pour ce destinataire : rien ne lui est envoyé."
_SILENT: Final = "L'annuaire est resté injoignable : ce destinataire n'est pas servi, les autres le sont."
_MAY_HAVE_LEFT: Final = "Un essai précédent a pu partir : vérifier auprès du destinataire."

_Question = tuple[str, str]
"""Identifiers of a professional and of a structure, as the message writes them; either may be empty."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A delivery whose recipients were looked up. In `delivery` those who have no address stay, so that each gets a
    result; `refused` are their results, in the same order, each under the identifier of its recipient."""

    delivery: Delivery
    refused: tuple[RecipientOutcome, ...] = ()

    @property
    def reachable(self) -> Delivery:
        """What the connector is given: recipients and addressees that have an address."""
        return replace(
            self.delivery,
            recipients=_addressed(self.delivery.recipients),
            addressees=_addressed(self.delivery.addressees),
        )

    def told(self, outcome: Outcome) -> Outcome:
        """The outcome of `reachable`, with the results of those who could not be reached."""
        return replace(outcome, recipients=(*outcome.recipients, *self.refused)) if self.refused else outcome


class DirectoryStep:
    """What stands between a delivery and its connector when a rule leaves an address to the directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @staticmethod
    def concerns(delivery: Delivery) -> bool:
        """Whether somebody is still to be served at an address that nobody gave."""
        return delivery.channel is Channel.PRO and any(_is_open(each) for each in delivery.recipients)

    async def complete(self, delivery: Delivery, *, resolve: bool = False) -> Completed | Outcome:
        """The delivery with addresses; or its outcome, when nobody can be reached or the directory is away. Never
        raises for what a directory does. `resolve`: a try may have left already, so the doubt stays."""
        people = (*delivery.recipients, *delivery.addressees)
        questions = tuple(dict.fromkeys(_question(each) for each in people if _is_open(each)))
        answers = await asyncio.gather(*(self._ask(each) for each in questions))
        lookups = dict(zip(questions, answers, strict=True))
        away = next((each for each in answers if isinstance(each, Away)), None)
        others = bool(_addressed(delivery.recipients))
        if away is not None and not (others and delivery.attempt > _PATIENCE):
            text = f"{away.text} Nouvel essai plus tard."
            evidence = {"directory": away.code}
            kind = OutcomeKind.UNKNOWN if resolve else OutcomeKind.NOT_DELIVERED
            return Outcome(kind, "DIRECTORY_AWAY", text, retry_after=away.retry_after, evidence=evidence)
        recipients = _each_mailbox_once(_with_address(each, lookups) for each in delivery.recipients)
        addressees = _each_mailbox_once(_with_address(each, lookups) for each in delivery.addressees)
        refused = tuple(_refusal(each, lookups) for each in recipients if not each.address.strip())
        if recipients and len(refused) == len(recipients):
            if resolve:
                return Outcome(OutcomeKind.UNKNOWN, NO_ADDRESS, f"{refused[0].text} {_MAY_HAVE_LEFT}", max_attempts=1)
            return Outcome(OutcomeKind.REFUSED, NO_ADDRESS, refused[0].text, refused)
        return Completed(replace(delivery, recipients=recipients, addressees=addressees), refused)

    async def _ask(self, question: _Question) -> Lookup:
        if not any(question):
            return Nothing()
        try:
            return await self._directory.resolve(*question)
        except Exception as error:
            _LOG.error("directory_bug", error=type(error).__name__)
            return Away("BUG", "Défaut interne du connecteur d'annuaire.")


def _is_open(recipient: Recipient) -> bool:
    return not recipient.address.strip()


def _question(recipient: Recipient) -> _Question:
    """What the directory is asked: nothing about a patient, nor about software, which it does not list."""
    structure = recipient.organization.identifier if recipient.organization is not None else ""
    if recipient.kind is RecipientKind.PROFESSIONAL:
        professional = recipient.person.identifier if recipient.person is not None else recipient.identifier
        return (professional, structure) if professional else ("", "")
    return ("", structure) if recipient.kind is RecipientKind.ORGANIZATION else ("", "")


def _with_address(recipient: Recipient, lookups: Mapping[_Question, Lookup]) -> Recipient:
    found = lookups.get(_question(recipient)) if _is_open(recipient) else None
    return replace(recipient, address=found.mailbox.address) if isinstance(found, Found) else recipient


def _refusal(recipient: Recipient, lookups: Mapping[_Question, Lookup]) -> RecipientOutcome:
    answer = lookups[_question(recipient)]
    text = _SEVERAL if isinstance(answer, Ambiguous) else _SILENT if isinstance(answer, Away) else _UNKNOWN
    name = recipient.identifier or next(filter(None, _question(recipient)), "")
    if recipient.kind is RecipientKind.PATIENT:
        name = ""
    return RecipientOutcome(name, OutcomeKind.REFUSED, _NOT_AN_ADDRESS, text)


def _addressed(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    return tuple(each for each in recipients if not _is_open(each))


def _each_mailbox_once(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Somebody found at a mailbox that is already served is served there once; those without address all stay."""
    once: dict[object, Recipient] = {}
    for recipient in recipients:
        key = recipient if _is_open(recipient) else recipient.address.strip().lower()
        once.setdefault(key, recipient)
    return tuple(once.values())
