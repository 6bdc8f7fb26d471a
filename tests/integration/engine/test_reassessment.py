"""What is told of a patient changes what becomes of their documents: released once, stopped in time, or reported."""

import asyncio
from datetime import timedelta

import pytest

from pfi.engine.changes import Cause
from pfi.engine.intake import EngineIntake
from pfi.engine.register import Entry, LocalRegister, named
from pfi.model.clock import system_clock
from pfi.model.decision import Channel
from samples.generator import world
from samples.generator.request import Flags
from tests.integration.engine.fakes import DELIVERED, NOT_DELIVERED, UNKNOWN, House, eventually, house
from tests.integration.engine.patients import adt, ins, ipp, letter_of

PATIENT = world.PROVISIONAL
ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
SLOW_RETRY = {"first_seconds": 30, "longest_seconds": 30, "max_attempts": 5}


async def events(home: House) -> list[str]:
    return [row["kind"] for row in await home.fetch("SELECT kind FROM events ORDER BY id")]


async def settled(home: House) -> None:
    """No document waits to be decided again."""

    async def none_is_stale() -> bool:
        rows = await home.fetch(
            "SELECT FROM message_patients AS link JOIN patients ON patients.id = link.patient"
            " WHERE link.version <> patients.version"
            " AND EXISTS (SELECT FROM deliveries WHERE deliveries.message_id = link.message_id"
            " AND state IN ('held', 'waiting', 'queued'))"
        )
        return not rows

    await eventually(none_is_stale)


async def test_a_document_that_waits_for_a_qualified_identity_leaves_once_everywhere(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter_of(PATIENT, reliability="PROV"))
        await home.until(DMP="held", PRO="held", CIT="held")
        assert await home.code(adt("A31", PATIENT)) == "AA"
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        assert await home.code(adt("A31", PATIENT, "20260311080000")) == "AA"
        await settled(home)
        assert len(home.dmp.sent) == 1
        assert sorted(each.channel for each in home.mail.sent) == [Channel.CIT, Channel.PRO]
        assert all(each.qualified and each.patient.ins is not None for each in (*home.dmp.sent, *home.mail.sent))
        (citizen,) = [each for each in home.mail.sent if each.channel is Channel.CIT]
        assert [each.address for each in citizen.recipients] == [PATIENT.mailbox]
        assert ("Z01", True, "", "") in await home.told(4)


async def test_an_adt_message_older_than_the_document_does_not_qualify_it(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter_of(PATIENT, reliability="PROV"))
        await home.until(DMP="held")
        await home.accept(adt("A31", PATIENT, "20260101080000"))
        await settled(home)
        assert await home.states() == {"DMP": "held", "PRO": "held", "CIT": "held"}


async def test_what_was_sent_is_not_repeated_when_the_dmp_may_be_fed_at_last(store_url: str) -> None:
    async with house(store_url, sender={"dmp": {"information_missing": "hold"}}) as home:
        await home.accept(letter_of(PATIENT))
        await home.until(DMP="held", PRO="delivered", CIT="delivered")
        assert ("Z01", False, "", "DMP_INFO_MISSING") in await home.told(3)
        await home.accept(adt("A31", PATIENT, feeding="INO"))
        await home.until(DMP="delivered")
        assert ("Z01", True, "", "") in await home.told(4)
        assert len(home.mail.sent) == 2


async def test_a_refusal_that_an_event_cures_gets_its_delivery(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter_of(PATIENT, reliability="VALI~DOUT"))
        await home.until(DMP="held", PRO="held")
        assert "CIT" not in await home.states()
        await home.accept(adt("A31", PATIENT))
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        assert len(home.mail.sent) == 2


async def test_a_document_without_the_ins_cannot_be_completed_by_the_engine(store_url: str) -> None:
    raw = letter_of(PATIENT, reliability="PROV", pid_with_ins=False, with_matricule=False)
    async with house(store_url) as home:
        await home.accept(raw)
        await home.until(DMP="held", PRO="delivered")
        await home.accept(adt("A31", PATIENT))
        await home.until(DMP="cancelled")
        assert home.dmp.sent == []
        assert len(home.mail.sent) == 1
        (row,) = await home.fetch("SELECT code FROM deliveries WHERE channel = 'DMP'")
        assert row["code"] == "INS_NOT_IN_DOCUMENT"


async def test_an_objection_stops_what_is_queued(store_url: str) -> None:
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.until(DMP="queued")
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        await home.until(DMP="cancelled")
        assert ("Z01", False, "", "DMP_OPPOSED") in await home.told(1)
        assert len(home.dmp.sent) == 1
        assert "stopped" in await events(home)


async def test_an_objection_acknowledged_before_the_next_try_stops_it_even_if_nobody_decided_again(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(store_url, retry={"first_seconds": 0.4, "longest_seconds": 0.4, "max_attempts": 5}) as home:

        async def nothing(patient: object) -> int:
            return 0

        monkeypatch.setattr(home.engine._parts.worker._reassessment, "patient", nothing)
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.until(DMP="queued")
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        await home.until(DMP="cancelled")
        assert len(home.dmp.sent) == 1


async def test_an_objection_stops_a_first_attempt_that_waits_for_its_seat(store_url: str) -> None:
    async with house(store_url, concurrency=1) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter_of(world.DOMINIQUE, "D0", flags=ONLY_DMP))
        await home.dmp.entered.wait()
        await home.accept(letter_of(PATIENT, "D1", flags=ONLY_DMP))
        await asyncio.sleep(0.1)
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        home.dmp.gate.set()
        await home.until(DMP="delivered", DMP2="cancelled")
        assert len(home.dmp.sent) == 1


@pytest.mark.parametrize("answer", [NOT_DELIVERED, UNKNOWN], ids=["not delivered", "unknown"])
async def test_what_is_in_flight_is_reported_and_never_tried_again(store_url: str, answer: object) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        home.dmp.answers = [answer]  # type: ignore[list-item]
        home.dmp.resolutions = [NOT_DELIVERED]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.dmp.entered.wait()
        await home.accept(adt("A31", PATIENT, feeding="IO"))

        async def reported() -> bool:
            return "stop_too_late" in await events(home)

        await eventually(reported)
        home.dmp.gate.set()
        await home.until(DMP="cancelled")
        assert len(home.dmp.sent) == 1


async def test_what_left_before_the_objection_was_heard_is_delivered_and_reported(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.dmp.entered.wait()
        await home.accept(adt("A31", PATIENT, feeding="IO"))

        async def reported() -> bool:
            return "stop_too_late" in await events(home)

        await eventually(reported)
        home.dmp.gate.set()
        await home.until(DMP="delivered")


async def test_a_withdrawn_ins_stops_every_channel_at_once(store_url: str) -> None:
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.dmp.answers = [NOT_DELIVERED]
        home.mail.answers = [NOT_DELIVERED, NOT_DELIVERED]
        await home.accept(adt("A31", PATIENT, "20260301080000"))
        await home.accept(letter_of(PATIENT))
        await home.until(DMP="queued", PRO="queued", CIT="queued")
        withdrawal = adt("A47", PATIENT, mrg=ins(PATIENT), withdrawn=True, with_ins=False, reliability="PROV")
        assert await home.code(withdrawal) == "AA"
        await home.until(DMP="held", PRO="held", CIT="held")
        await home.accept(adt("A31", PATIENT, "20260311080000"))
        await settled(home)
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")


async def test_a_merge_moves_what_waits_to_the_surviving_identity(store_url: str) -> None:
    former = world.OPPOSED  # another local identifier and another INS: the record that is merged away
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(adt("A31", former, "20260301080000"))
        await home.accept(letter_of(former, flags=ONLY_DMP))
        await home.until(DMP="queued")
        await home.accept(adt("A28", PATIENT, "20260302080000"))
        assert await home.code(adt("A40", PATIENT, mrg=ipp(former))) == "AA"
        await home.until(DMP="held")
        (record,) = await home.fetch("SELECT count(*) FROM patients WHERE NOT anchor")
        assert record["count"] == 1
        assert len(home.dmp.sent) == 1


async def test_an_objection_of_the_merged_identity_counts_for_the_surviving_one(store_url: str) -> None:
    former = world.OPPOSED
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        await home.until(DMP="queued")
        await home.accept(adt("A31", former, "20260301080000", feeding="IO"))
        await home.accept(adt("A40", PATIENT, mrg=ipp(former)))
        await home.until(DMP="cancelled")


async def test_something_told_while_a_document_is_concluded_is_not_missed(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(store_url) as home:
        look_up = EngineIntake._look_up
        opposed = False

        async def told_after(intake: EngineIntake, reading, header):  # type: ignore[no-untyped-def]
            nonlocal opposed
            known = await look_up(intake, reading, header)
            if not opposed and reading.interpretation.submission is not None:
                opposed = True
                await home.accept(adt("A31", PATIENT, feeding="IO"))
            return known

        monkeypatch.setattr(EngineIntake, "_look_up", told_after)
        assert await home.code(letter_of(PATIENT, flags=ONLY_DMP)) == "AA"
        assert home.dmp.sent == []
        assert await home.states() == {}
        (decision,) = await home.fetch("SELECT code FROM decisions WHERE channel = 'DMP'")
        assert decision["code"] == "DMP_OPPOSED"


async def test_a_lost_job_does_not_leave_a_document_held(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(store_url) as home:
        await home.accept(letter_of(PATIENT, reliability="PROV", flags=ONLY_DMP))
        await home.until(DMP="held")
        reassessment = home.engine._parts.worker._reassessment
        decide, calls = type(reassessment).patient, 0

        async def lost_once(patient: object) -> int:
            nonlocal calls
            calls += 1
            return 0 if calls == 1 else await decide(reassessment, patient)  # type: ignore[arg-type]

        monkeypatch.setattr(reassessment, "patient", lost_once)
        await home.accept(adt("A31", PATIENT))
        await home.until(DMP="delivered")
        assert calls >= 2


async def test_the_same_thing_told_twice_decides_nothing_again(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(adt("A31", PATIENT))
        (before,) = await home.fetch("SELECT version FROM patients")
        await home.accept(adt("A31", PATIENT, control_id="AUTRE"))
        assert await home.fetch("SELECT version FROM patients") == [before]
        assert await home.fetch("SELECT count(*) FROM patient_statements") == [{"count": 1}]


async def test_a_hold_that_expired_is_not_released_by_a_later_event(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter_of(PATIENT, reliability="PROV", flags=ONLY_DMP))
        await home.until(DMP="held")
        home.clock = lambda: system_clock() + timedelta(days=31)
        await home.until(DMP="failed")
        await home.accept(adt("A31", PATIENT))
        await settled(home)
        await asyncio.sleep(0.2)
        assert home.dmp.sent == []


async def test_what_an_operator_cancelled_does_not_come_back(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter_of(PATIENT, reliability="PROV", flags=ONLY_DMP))
        await home.until(DMP="held")
        (row,) = await home.fetch("SELECT id FROM deliveries")
        assert await home.engine.holds.cancel(row["id"])
        await home.accept(adt("A31", PATIENT))
        await asyncio.sleep(0.3)
        assert await home.states() == {"DMP": "cancelled"}


async def test_two_engines_release_a_held_document_once(store_url: str) -> None:
    async with house(store_url) as home:
        other = home.new_engine()
        await other.start()
        try:
            await home.accept(letter_of(PATIENT, reliability="PROV", flags=ONLY_DMP))
            await home.until(DMP="held")
            (message,) = await home.fetch("SELECT id FROM messages")
            await home.accept(adt("A31", PATIENT))
            await asyncio.gather(
                *(
                    engine._parts.worker._reassessment.message(message["id"], Cause.PATIENT)
                    for engine in (home.engine, other) * 3
                )
            )
            await home.until(DMP="delivered")
            assert len(home.dmp.sent) == 1
        finally:
            await other.stop(grace=2)


async def test_a_document_without_local_identifier_follows_the_ins(store_url: str) -> None:
    raw = letter_of(PATIENT, flags=ONLY_DMP).replace(f"~{ipp(PATIENT)}".encode(), b"")
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.dmp.answers = [NOT_DELIVERED, DELIVERED]
        assert await home.code(raw) == "AA"
        await home.until(DMP="queued")
        await home.accept(adt("A31", PATIENT, feeding="IO"))
        await home.until(DMP="cancelled")


async def test_an_entry_of_the_register_hides_no_objection_told_of_the_ins(store_url: str) -> None:
    by_ins = adt("A31", PATIENT, feeding="IO").replace(f"~{ipp(PATIENT)}".encode(), b"")
    async with house(store_url) as home:
        assert await home.code(by_ins) == "AA"
        parts = home.engine._parts
        register = LocalRegister(parts.context, parts.worker._reassessment._file)
        named_patient = named(ipp=PATIENT.ipp, authority=world.HOSPITAL.finess)
        await register.enter(named_patient, Entry(cit_opposed=True))
        await home.accept(letter_of(PATIENT))
        await home.until(PRO="delivered")
        decisions = await home.fetch("SELECT channel, code FROM decisions WHERE action = 'deny' ORDER BY channel")
        assert {row["channel"]: row["code"] for row in decisions} == {"CIT": "CIT_OPPOSED", "DMP": "DMP_OPPOSED"}


async def test_a_wrong_document_does_not_mix_two_patients(store_url: str) -> None:
    """PID-3 names one patient by IPP and another by INS: the objection of one says nothing of the other."""
    wrong = letter_of(PATIENT, "W1", flags=ONLY_DMP).replace(ipp(PATIENT).encode(), ipp(world.DOMINIQUE).encode())
    async with house(store_url) as home:
        await home.accept(wrong)
        await home.accept(adt("A31", world.DOMINIQUE, feeding="IO"))
        await home.accept(letter_of(PATIENT, "D2", flags=ONLY_DMP))
        await home.accept(adt("A31", PATIENT))
        (row,) = await home.fetch(
            "SELECT decisions.action FROM decisions JOIN messages ON messages.id = decisions.message_id"
            " WHERE messages.control_id = 'D2' AND channel = 'DMP' ORDER BY run DESC LIMIT 1"
        )
        assert row["action"] == "send"
