"""Verification of an identity by the national teleservice before it leaves: off unless a site asks for it.

The PFI never qualifies (INS digest §2): a verification confirms what the sender's identity repository stated, or stops
the delivery. No trait that a service returns is used or kept; only outcomes are remembered, for a while, in memory,
under a digest that means nothing outside this process (INS digest §9).
"""

import asyncio
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from pfi.engine.configuration import Configuration
from pfi.engine.connector import Surroundings, Verification, VerificationKind, Verifier
from pfi.engine.context import Context
from pfi.engine.delivery import Claim
from pfi.engine.logs import get_logger
from pfi.engine.settings import VerificationSettings
from pfi.model.clock import Clock
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.model.document import Document
from pfi.model.patient import Patient, Traits
from pfi.model.submission import Request
from pfi.store import messages
from pfi.store.database import STORE_ERRORS

_LOG = get_logger("verification")
MAX_REMEMBERED: Final = 10_000
"""Outcomes kept at once; the oldest go first."""
_SHORT: Final = timedelta(seconds=60)
"""How long what is not a confirmation holds: so that the channels of one message share one answer, and that a
correction in the national base is soon seen."""
_NOT_AN_ADDRESS: Final = "510"
"""SMTPERRORCODE told for the citizen: the address is made of the INS (mssante digest §7)."""

_STOPS: Final = {
    VerificationKind.CONTRADICTED: (
        "INS_CONTRADICTED",
        "ins_contradicted",
        "Envoi arrêté : vérifier l'identité avec l'identitovigilance.",
    ),
    VerificationKind.UNDECIDED: (
        "INS_UNDECIDED",
        "ins_undecided",
        "Envoi arrêté : l'identitovigilance doit trancher.",
    ),
}
"""Code of the outcome, kind of the event, next step."""
_MAY_HAVE_LEFT: Final = "Un essai précédent a pu partir : vérifier auprès du destinataire."


def build_verifier(configuration: Configuration, surroundings: Surroundings) -> Verifier | None:
    """The verifier that `ins.verification` names, whatever `when` says; `None` without that section. Raises
    ConfigurationError."""
    wanted = configuration.settings.ins.verification
    if wanted is None:
        return None
    verifier_class, checked = configuration.verifier(wanted.connector, wanted.settings, ("ins", "verification"))
    verifier: Verifier = verifier_class(checked, surroundings)
    return verifier


def asks_before_sending(settings: VerificationSettings | None) -> bool:
    """Whether the engine asks by itself."""
    return settings is not None and settings.when == "before_sending"


def identity_to_verify(patient: Patient, documents: Iterable[Document]) -> Patient:
    """The identity of a message: its PID, completed trait by trait by the CDA of the same INS. A list of given names
    that only repeats the first one is taken as not given (INS digest §8.2, E4)."""
    traits = patient.traits
    for document in documents:
        other = document.header.patient
        if other.ins == patient.ins:
            traits = _completed(traits, other.traits)
    return Patient(ins=patient.ins, traits=traits)


def _completed(ours: Traits, theirs: Traits) -> Traits:
    listed = ours.given_names if ours.given_names != ours.first_given_name else ""
    return replace(
        ours,
        birth_name=ours.birth_name or theirs.birth_name,
        first_given_name=ours.first_given_name or theirs.first_given_name,
        given_names=listed or theirs.given_names or ours.given_names,
        birth_date=ours.birth_date or theirs.birth_date[: len("AAAAMMJJ")],
        sex=ours.sex or theirs.sex,
        birth_place=ours.birth_place or theirs.birth_place,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    verification: Verification
    until: datetime


class Verifications:
    """Asks a verifier, once for the same identity: those who ask meanwhile share the answer, those who ask later find
    it in memory until it is too old. `longest` is how long a confirmation holds."""

    def __init__(self, verifier: Verifier, clock: Clock, longest: timedelta) -> None:
        self._verifier = verifier
        self._clock = clock
        self._longest = longest
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, _Known] = {}
        self._pending: dict[bytes, asyncio.Task[Verification]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def ask(self, patient: Patient) -> Verification:
        """What the service says of an identity. Never raises for what a verifier does."""
        digest = self._digest(patient)
        known = self._known.get(digest)
        if known is not None and known.until > self._clock():
            return known.verification
        task = self._pending.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(digest, patient))
            self._pending[digest] = task
            task.add_done_callback(lambda _: self._pending.pop(digest, None))
        # One who gives up does not take the answer away from the others.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Ends what is under way and forgets everything."""
        pending = tuple(self._pending.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._known.clear()

    async def _ask(self, digest: bytes, patient: Patient) -> Verification:
        try:
            verification = await self._verifier.verify(patient)
        except Exception as error:
            _LOG.error("verifier_bug", error=type(error).__name__)
            return Verification(VerificationKind.UNAVAILABLE, "BUG", "Défaut interne du connecteur de vérification.")
        self._remember(digest, verification)
        return verification

    def _remember(self, digest: bytes, verification: Verification) -> None:
        if verification.kind is VerificationKind.UNAVAILABLE:
            return
        holds = self._longest if verification.kind is VerificationKind.CONFIRMED else min(_SHORT, self._longest)
        self._known.pop(digest, None)
        while len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = _Known(verification, self._clock() + holds)

    def _digest(self, patient: Patient) -> bytes:
        ins, traits = patient.ins, patient.traits
        parts = (
            *((ins.matricule, ins.oid) if ins else ("", "")),
            traits.birth_name,
            traits.first_given_name,
            traits.given_names,
            traits.birth_date,
            traits.sex,
            traits.birth_place,
        )
        # The key is drawn for this process: a matricule can be guessed, a digest of it must not be.
        return hashlib.blake2b("\0".join(parts).encode(), key=self._key, digest_size=16).digest()


class VerificationStep:
    """What stands between a delivery and its connector when a site verifies identities."""

    def __init__(self, context: Context, settings: VerificationSettings, verifier: Verifier) -> None:
        self._context = context
        self._unavailable: Literal["wait", "send"] = settings.unavailable
        self._spared = {sender.name for sender in context.settings.senders if not sender.ins.verify}
        self._verifications = Verifications(verifier, context.clock, timedelta(hours=settings.max_age_hours))

    async def close(self) -> None:
        await self._verifications.close()

    def concerns(self, claim: Claim) -> bool:
        """Qualified identities that go to the DMP or to the citizen. A document is taken back from the DMP without any
        verification: that may be how a wrong identity is repaired."""
        delivery = claim.delivery
        deletes = delivery.channel is Channel.DMP and delivery.request is Request.DELETE
        return (
            delivery.qualified
            and delivery.patient.ins is not None
            and delivery.channel is not Channel.PRO
            and not deletes
            and claim.sender not in self._spared
        )

    async def stop(self, claim: Claim) -> Outcome | None:
        """The outcome of a delivery that must not leave, or not now; `None` = it may leave.

        A claim to resolve may have left already: then nothing more leaves, and the doubt stays.
        """
        if not self.concerns(claim):
            return None
        delivery = claim.delivery
        verification = await self._verifications.ask(identity_to_verify(delivery.patient, delivery.documents))
        if verification.kind is VerificationKind.CONFIRMED:
            return None
        if verification.kind is VerificationKind.UNAVAILABLE:
            return None if self._unavailable == "send" else _later(claim, verification)
        code, event, next_step = _STOPS[verification.kind]
        await self._tell(event, claim, verification)
        return _stopped(claim, verification, code, next_step)

    async def _tell(self, event: str, claim: Claim, verification: Verification) -> None:
        """An event for the identitovigilance: numbers and codes, never a trait."""
        _LOG.warning(event, delivery=str(claim.id), code=verification.code)
        detail = {"channel": claim.delivery.channel, "code": verification.code, "text": verification.text}
        try:
            async with self._context.database.connection() as connection:
                await messages.add_event(
                    connection,
                    event,
                    self._context.clock(),
                    message_id=claim.message_id,
                    delivery_id=claim.id,
                    detail=detail,
                )
        except STORE_ERRORS as error:
            _LOG.warning("store_away", step="event", error=type(error).__name__)


def _later(claim: Claim, verification: Verification) -> Outcome:
    return Outcome(
        OutcomeKind.UNKNOWN if claim.resolve else OutcomeKind.NOT_DELIVERED,
        "INS_UNVERIFIED",
        f"{verification.text} Nouvel essai plus tard.",
        retry_after=verification.retry_after,
        evidence={"verification": verification.code},
    )


def _stopped(claim: Claim, verification: Verification, code: str, next_step: str) -> Outcome:
    evidence = {"verification": verification.code}
    if claim.resolve:
        text = f"{verification.text} {next_step} {_MAY_HAVE_LEFT}"
        return Outcome(OutcomeKind.UNKNOWN, code, text, max_attempts=1, evidence=evidence)
    text = f"{verification.text} {next_step}"
    return Outcome(OutcomeKind.REFUSED, code, text, recipients=_mailboxes(claim.delivery, text), evidence=evidence)


def _mailboxes(delivery: Delivery, text: str) -> tuple[RecipientOutcome, ...]:
    if delivery.channel is not Channel.CIT:
        return ()
    return tuple(
        RecipientOutcome(each.address, OutcomeKind.REFUSED, _NOT_AN_ADDRESS, text) for each in delivery.recipients
    )
