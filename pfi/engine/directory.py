"""Addresses of recipients who are known by their national identifier only: looked up, never guessed.

A rule of the site allows it (`annuaire`). A recipient without address gets the one mailbox that the directory publishes
(directory digest §1); without one, or among several, that recipient is refused and the others are served. What was
found is written down before anything leaves: a second try writes to the same mailbox, whatever the directory says then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pfi.engine.configuration import Configuration
from pfi.engine.connector import Ambiguous, Away, Directory, Found, Lookup, Nothing, Surroundings
from pfi.engine.context import Context
from pfi.engine.delivery import Claim
from pfi.engine.logs import get_logger
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.model.parties import Recipient
from pfi.store import attempts, deliveries
from pfi.store.database import STORE_ERRORS

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
_NO_DIRECTORY: Final = (
    "Une règle du site laisse cette adresse à l'annuaire, mais la configuration n'en nomme aucun : ajouter la section "
    "« directory » (docs/annuaire.md)."
)
_ALREADY: Final = Outcome(
    OutcomeKind.DELIVERED,
    text="Les boîtes trouvées dans l'annuaire ont déjà reçu ce document : rien n'est envoyé une seconde fois.",
)
_NOT_OURS: Final = Outcome(
    OutcomeKind.UNKNOWN,
    "FENCED",
    "Un autre processus a repris cet envoi : celui-ci s'arrête avant d'avoir rien envoyé.",
)
_STORE_AWAY: Final = "La base n'a pas pu retenir les adresses trouvées : rien n'est envoyé. Nouvel essai plus tard."

_Question = tuple[str, str]
"""Identifiers of a professional and of a structure, as the message writes them; either may be empty."""


def build_directory(configuration: Configuration, surroundings: Surroundings) -> Directory | None:
    """The directory that `directory` names; `None` without that section. Raises ConfigurationError."""
    wanted = configuration.settings.directory
    if wanted is None:
        return None
    directory_class, checked = configuration.directory(wanted.connector, wanted.settings, ("directory",))
    directory: Directory = directory_class(checked, surroundings)
    return directory


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


class Completion:
    """Recipients without address, asked about in a directory. Knows no store."""

    def __init__(self, directory: Directory | None) -> None:
        self._directory = directory

    async def complete(
        self, delivery: Delivery, served: Collection[str] = (), *, resolve: bool = False
    ) -> Completed | Outcome:
        """The delivery with addresses; or its outcome, when nobody can be reached or the directory is away. Never
        raises for what a directory does. `served`: mailboxes (lower case) that got this document already, to which it
        is not sent again. `resolve`: a try may have left already to those who have an address."""
        # Addressees who are served already have an address; those who were refused before are not asked about again.
        questions = tuple(dict.fromkeys(each.national_ids for each in delivery.recipients if _is_open(each)))
        answers = await asyncio.gather(*(self._ask(each) for each in questions))
        lookups = dict(zip(questions, answers, strict=True))
        away = next((each for each in answers if isinstance(each, Away)), None)
        others = bool(_addressed(delivery.recipients))
        if away is not None and not (others and delivery.attempt > _PATIENCE):
            kind = _nothing_left(delivery, resolve=resolve)
            text = f"{away.text} Nouvel essai plus tard."
            evidence = {"directory": away.code}
            return Outcome(kind, "DIRECTORY_AWAY", text, retry_after=away.retry_after, evidence=evidence)
        recipients = _each_mailbox_once((_with_address(each, lookups) for each in delivery.recipients), served)
        addressees = _each_mailbox_once(_with_address(each, lookups) for each in delivery.addressees)
        refused = tuple(self._refusal(each, lookups) for each in recipients if _is_open(each))
        if recipients and len(refused) == len(recipients):
            return Outcome(OutcomeKind.REFUSED, NO_ADDRESS, refused[0].text, refused)
        return Completed(replace(delivery, recipients=recipients, addressees=addressees), refused)

    async def _ask(self, question: _Question) -> Lookup:
        if self._directory is None or not any(question):
            return Nothing()
        try:
            return await self._directory.resolve(*question)
        except Exception as error:
            _LOG.error("directory_bug", error=type(error).__name__)
            return Away("BUG", "Défaut interne du connecteur d'annuaire.")

    def _refusal(self, recipient: Recipient, lookups: Mapping[_Question, Lookup]) -> RecipientOutcome:
        answer = lookups[recipient.national_ids]
        text = _SEVERAL if isinstance(answer, Ambiguous) else _SILENT if isinstance(answer, Away) else _UNKNOWN
        if self._directory is None:
            text = _NO_DIRECTORY
        return RecipientOutcome(recipient.key, OutcomeKind.REFUSED, _NOT_AN_ADDRESS, text)


class DirectoryStep:
    """What stands between a delivery and its connector when a rule leaves an address to the directory."""

    def __init__(self, context: Context, directory: Directory | None) -> None:
        self._context = context
        self._completion = Completion(directory)

    @staticmethod
    def concerns(claim: Claim) -> bool:
        """Whether something may leave, and somebody is still to be served at an address that nobody gave."""
        if claim.delivery.channel is not Channel.PRO or (claim.resolve and claim.look_only):
            return False
        return any(_is_open(each) for each in claim.delivery.recipients)

    async def around(self, claim: Claim, act: Callable[[Claim], Awaitable[Outcome]]) -> tuple[Claim, Outcome]:
        """Looks addresses up, writes them down, then lets `act` carry the delivery to those who have one. The claim as
        it is then, and the outcome for all its recipients. Never raises for what a directory or the store does."""
        if not self.concerns(claim):
            return claim, await act(claim)
        try:
            async with self._context.database.connection() as connection:
                served = await deliveries.served_recipients(connection, claim.message_id, claim.delivery.channel)
            looked = await self._completion.complete(claim.delivery, served, resolve=claim.resolve)
            if isinstance(looked, Outcome):
                return claim, looked
            if not await self._write(claim, looked.delivery):
                return claim, _NOT_OURS
        except STORE_ERRORS as error:
            _LOG.warning("store_away", step="directory", error=type(error).__name__)
            return claim, Outcome(_nothing_left(claim.delivery, resolve=claim.resolve), "STORE_AWAY", _STORE_AWAY)
        claim = replace(claim, delivery=looked.delivery)
        if not looked.reachable.recipients:
            return claim, looked.told(_ALREADY)
        return claim, looked.told(await act(replace(claim, delivery=looked.reachable)))

    async def _write(self, claim: Claim, delivery: Delivery) -> bool:
        async with self._context.database.transaction() as connection:
            return await attempts.address(
                connection,
                claim.id,
                self._context.worker,
                claim.fence,
                delivery.recipients,
                delivery.addressees or delivery.recipients,
            )


def _nothing_left(delivery: Delivery, *, resolve: bool) -> OutcomeKind:
    """The outcome of a try that did nothing: those whose address was known before may have been served by another."""
    return OutcomeKind.UNKNOWN if resolve and _addressed(delivery.recipients) else OutcomeKind.NOT_DELIVERED


def _is_open(recipient: Recipient) -> bool:
    return not recipient.address.strip()


def _with_address(recipient: Recipient, lookups: Mapping[_Question, Lookup]) -> Recipient:
    found = lookups.get(recipient.national_ids) if _is_open(recipient) else None
    if not isinstance(found, Found):
        return recipient
    return replace(recipient, address=found.mailbox.address, looked_up=True)


def _addressed(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    return tuple(each for each in recipients if not _is_open(each))


def _each_mailbox_once(recipients: Iterable[Recipient], served: Collection[str] = ()) -> tuple[Recipient, ...]:
    """Somebody found at a mailbox that is served already, now or before, is served there once; those without address
    all stay."""
    once: dict[str, Recipient] = {}
    for recipient in recipients:
        mailbox = recipient.address.strip().lower()
        if not (recipient.looked_up and mailbox in served):
            once.setdefault(mailbox or recipient.key, recipient)
    return tuple(once.values())
