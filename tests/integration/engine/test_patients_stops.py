"""Nothing leaves after an acknowledged statement that forbids it, wherever the delivery was at that moment."""

import asyncio

import pytest

from pfi.engine.patientfile import PatientFile
from pfi.engine.reassessment import Reassessment
from pfi.engine.register import Entry, LocalRegister, named
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.store.patients import PatientKeys
from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import Flags, write_request
from tests.integration.engine.fakes import DELIVERED, NOT_DELIVERED, UNKNOWN, FakeConnector, House, eventually, house
from tests.integration.engine.patients import adt, ins, letter_of

PATIENT = world.PROVISIONAL
ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
ONLY_PRO = Flags(dest_dmp=False, dest_mss_pat=False)
SLOW_RETRY = {"first_seconds": 30, "longest_seconds": 30, "max_attempts": 5}
WITHDRAWAL = adt("A47", PATIENT, mrg=ins(PATIENT), withdrawn=True, with_ins=False, reliability="PROV")


TWO_DOCTORS = (world.FAMILY_DOCTOR, world.CARDIOLOGIST)


def mail(control_id: str = "D1") -> bytes:
    """A letter to two professionals, of a qualified identity."""
    return write_request(discharge(control_id, patient=PATIENT).but(recipients=TWO_DOCTORS, flags=ONLY_PRO))


async def reported(home: House, kind: str = "stop_too_late") -> None:
    async def told() -> bool:
        return bool(await home.fetch("SELECT FROM events WHERE kind = $1", kind))

    await eventually(told)


async def test_a_first_attempt_that_waits_for_its_seat_is_stopped_even_when_it_was_reported_as_in_flight(
    store_url: str,
) -> None:
    async with house(store_url, concurrency=1) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter_of(world.DOMINIQUE, "D0", flags=ONLY_DMP))
        await home.dmp.entered.wait()
        await home.accept(letter_of(PATIENT, "D1", flags=ONLY_DMP))
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        await reported(home)
        home.dmp.gate.set()
        await home.until(DMP="delivered", DMP2="cancelled")
        assert [each.message.control_id for each in home.dmp.sent] == ["D0"]


async def test_what_may_have_left_is_looked_for_and_never_sent_once_it_may_not_leave(store_url: str) -> None:
    """A connector may send again when it resolves: the engine says when it must only look."""
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        home.dmp.answers = [UNKNOWN]
        home.dmp.resolutions = [NOT_DELIVERED]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.dmp.entered.wait()
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        await reported(home)
        home.dmp.gate.set()
        await home.until(DMP="cancelled")
        assert (len(home.dmp.sent), len(home.dmp.looked), home.dmp.resolved) == (1, 1, [])
        assert ("Z01", False, "", "DMP_OPPOSED") in await home.told(1)


async def test_an_objection_told_while_the_fate_is_unknown_is_seen_before_the_resolution(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(store_url, retry={"first_seconds": 0.5, "longest_seconds": 0.5, "max_attempts": 5}) as home:

        async def nothing(patient: object) -> int:
            return 0

        monkeypatch.setattr(home.engine._parts.worker._reassessment, "patient", nothing)
        home.dmp.answers = [UNKNOWN]
        home.dmp.resolutions = [NOT_DELIVERED]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.until(DMP="unknown")
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        await home.until(DMP="cancelled")
        assert (len(home.dmp.sent), len(home.dmp.looked), home.dmp.resolved) == (1, 1, [])


class Blind(FakeConnector):
    """A connector that cannot look without sending, like mail."""

    look = None  # type: ignore[assignment]


async def test_what_nobody_can_look_for_is_given_up_and_said_so(store_url: str) -> None:
    home = House(store_url)
    home.dmp = Blind()
    home.engine = home.new_engine()
    await home.engine.start()
    try:
        home.dmp.gate = asyncio.Event()
        home.dmp.answers = [UNKNOWN]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.dmp.entered.wait()
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        await reported(home)
        home.dmp.gate.set()
        await home.until(DMP="failed")
        assert (len(home.dmp.sent), home.dmp.resolved) == (1, [])
        (row,) = await home.fetch("SELECT code, uncertain FROM deliveries")
        assert (row["code"], row["uncertain"]) == ("MAY_HAVE_LEFT", True)
        assert await home.told(1) == [("Z01", False, "", "MAY_HAVE_LEFT")]
    finally:
        await home.engine.stop(grace=2)


async def test_what_may_still_leave_is_resolved_as_usual(store_url: str) -> None:
    async with house(store_url, retry={"first_seconds": 0.5, "longest_seconds": 0.5, "max_attempts": 5}) as home:
        home.dmp.answers = [UNKNOWN]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.until(DMP="unknown")
        await home.accept(adt("A31", PATIENT, feeding="INO"))
        await home.until(DMP="delivered")
        assert (len(home.dmp.sent), len(home.dmp.resolved), home.dmp.looked) == (1, 1, [])


def first_recipient_only(delivery: Delivery) -> Outcome:
    """The first mailbox takes the mail, the others are to be tried again."""
    kinds = {each.address: OutcomeKind.NOT_DELIVERED for each in delivery.recipients}
    kinds[delivery.recipients[0].address] = OutcomeKind.DELIVERED
    return Outcome(
        OutcomeKind.NOT_DELIVERED,
        "421",
        recipients=tuple(RecipientOutcome(address, kind, "") for address, kind in kinds.items()),
    )


def first_refused(delivery: Delivery) -> Outcome:
    kinds = {each.address: OutcomeKind.NOT_DELIVERED for each in delivery.recipients}
    kinds[delivery.recipients[0].address] = OutcomeKind.REFUSED
    return Outcome(
        OutcomeKind.NOT_DELIVERED,
        "550",
        recipients=tuple(RecipientOutcome(address, kind, "550") for address, kind in kinds.items()),
    )


async def test_a_mail_that_was_held_after_it_served_somebody_serves_the_others_only(store_url: str) -> None:
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.mail.answers = [first_recipient_only]
        await home.accept(mail())
        await home.until(PRO="queued")
        await home.accept(WITHDRAWAL)
        await home.until(PRO="held")
        await home.accept(adt("A31", PATIENT, "20260311080000"))
        await home.until(PRO="delivered")
        first, second = ([each.address for each in sent.recipients] for sent in home.mail.sent)
        assert len(first) > 1
        assert second == first[1:]


async def test_a_mailbox_that_refused_is_not_tried_again_because_something_was_told_of_the_patient(
    store_url: str,
) -> None:
    async with house(store_url, retry={"first_seconds": 0.6, "longest_seconds": 0.6, "max_attempts": 5}) as home:
        home.mail.answers = [first_refused]
        await home.accept(mail())
        await home.until(PRO="queued")
        await home.accept(adt("A31", PATIENT, feeding="INO"))
        await home.until(PRO="refused")
        first, second = ([each.address for each in sent.recipients] for sent in home.mail.sent)
        assert second == first[1:]
        told = await home.told(len(first))
        assert [each for each in told if not each[1]] == [("Z02", False, first[0], "550")]


async def test_a_mail_stopped_half_way_tells_the_others_only(store_url: str) -> None:
    """PRO_OPPOSED by the local register: the mailbox that was served was told Y, the others are told N."""
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.mail.answers = [first_recipient_only]
        await home.accept(mail())
        await home.until(PRO="queued")
        await register(home, pro_opposed=True)
        await home.until(PRO="cancelled")
        addresses = [each.address for each in home.mail.sent[0].recipients]
        told = await home.told(len(addresses))
        assert [each[:3] for each in told] == sorted(
            [("Z02", True, addresses[0]), *(("Z02", False, each) for each in addresses[1:])]
        )


async def test_what_is_told_of_a_patient_does_not_hasten_what_waits_for_its_next_try(store_url: str) -> None:
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.until(DMP="queued")
        for minute in range(4):
            await home.accept(adt("A31", PATIENT, f"2026031008{minute:02}00", feeding="INO"))
        await asyncio.sleep(0.6)
        assert len(home.dmp.sent) == 1
        (jobs,) = await home.fetch("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'deliver.dmp'")
        assert jobs["count"] == 1


async def test_what_can_no_longer_be_decided_is_given_up_and_does_not_turn_for_ever(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(store_url, retry={"first_seconds": 0.5, "longest_seconds": 0.5, "max_attempts": 5}) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.until(DMP="queued")
        calls = 0
        read = Reassessment._read

        async def unreadable(reassessment: Reassessment, message_id: int):  # type: ignore[no-untyped-def]
            nonlocal calls
            calls += 1
            return "Le message ne porte pas de document." if calls else await read(reassessment, message_id)

        monkeypatch.setattr(Reassessment, "_read", unreadable)
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        await home.until(DMP="failed")
        assert calls < 10
        assert len(home.dmp.sent) == 1
        (row,) = await home.fetch("SELECT code FROM deliveries")
        assert row["code"] == "MESSAGE_GONE"


async def register(home: House, *, pro_opposed: bool | None = None, cit_opposed: bool | None = None) -> None:
    context = home.engine._parts.context
    async with context.database.connection() as connection:
        keys = await PatientKeys.load(connection)
    register = LocalRegister(context, PatientFile(context, keys))
    patient = named(ipp=PATIENT.ipp, authority=world.HOSPITAL.finess)
    await register.enter(patient, Entry(pro_opposed, cit_opposed))


async def test_the_patient_who_objects_to_mail_is_answered_for_though_professionals_were(store_url: str) -> None:
    """Z02 tells both channels: what was told of one says nothing of the other."""
    async with house(store_url, retry=SLOW_RETRY, sender={"hold": {"notify": "at_expiry"}}) as home:
        home.mail.answers = [
            lambda delivery: DELIVERED if delivery.channel == "PRO" else NOT_DELIVERED,
            lambda delivery: DELIVERED if delivery.channel == "PRO" else NOT_DELIVERED,
        ]
        await home.accept(letter_of(PATIENT, flags=Flags(dest_dmp=False)))
        await home.until(PRO="delivered", CIT="queued")
        await register(home, cit_opposed=True)
        await home.until(CIT="cancelled")
        (professionals,) = [each for each in home.mail.sent if each.channel == "PRO"]
        told = await home.told(len(professionals.recipients) + 1)
        assert [each for each in told if not each[1]] == [("Z02", False, PATIENT.mailbox, "541")]
