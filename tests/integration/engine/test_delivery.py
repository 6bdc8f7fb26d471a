"""What follows an attempt, in the store and for the neighbours."""

import asyncio
from dataclasses import replace

from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from samples.generator import world
from samples.generator.request import Flags, Kind
from tests.integration.engine.fakes import (
    DELIVERED,
    FAST,
    NOT_DELIVERED,
    REFUSED,
    UNKNOWN,
    House,
    eventually,
    house,
    letter,
)

ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
ONLY_PRO = Flags(dest_dmp=False, dest_mss_pat=False)
TWO_DOCTORS = (world.FAMILY_DOCTOR, world.UNKNOWN_DOCTOR)


async def test_what_was_not_delivered_is_tried_again_with_the_same_identifiers(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [NOT_DELIVERED, NOT_DELIVERED]
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="delivered")
        assert [sent.attempt for sent in home.dmp.sent] == [1, 2, 3]
        assert len({(sent.id, sent.ids, sent.created_at) for sent in home.dmp.sent}) == 1
        assert len({sent.documents[0].sha1 for sent in home.dmp.sent}) == 1
        assert await home.told(1) == [("Z01", True, "", "")]
        attempts = await home.fetch("SELECT number, outcome FROM attempts ORDER BY number")
    assert [(row["number"], row["outcome"]) for row in attempts] == [
        (1, "not_delivered"),
        (2, "not_delivered"),
        (3, "delivered"),
    ]


async def test_a_delivery_is_given_up_after_its_last_attempt_and_its_sender_told(store_url: str) -> None:
    async with house(store_url, retry={"max_attempts": 3}) as home:
        home.dmp.answers = [NOT_DELIVERED] * 9
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="failed")
        assert len(home.dmp.sent) == 3
        assert await home.told(1) == [("Z01", False, "", "503")]


async def test_the_connector_is_told_whether_an_earlier_attempt_may_have_left(store_url: str) -> None:
    """Not how many there were: those that surely did not leave have done nothing. A doubt, once met, is remembered."""
    async with house(store_url) as home:
        home.dmp.answers = [NOT_DELIVERED, UNKNOWN]
        home.dmp.resolutions = [NOT_DELIVERED]
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="delivered")
        assert [(sent.attempt, sent.may_have_left) for sent in home.dmp.sent] == [(1, False), (2, False), (4, True)]
        assert [(sent.attempt, sent.may_have_left) for sent in home.dmp.resolved] == [(3, True)]


async def test_what_could_not_be_tried_because_of_us_is_never_given_up_for_it(store_url: str) -> None:
    async with house(store_url, retry={"max_attempts": 2}) as home:
        home.dmp.answers = [*[replace(NOT_DELIVERED, counts=False)] * 5, NOT_DELIVERED]
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="delivered")
        assert len(home.dmp.sent) == 7


async def test_what_was_refused_is_not_tried_again(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [REFUSED]
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="refused")
        assert await home.told(1) == [("Z01", False, "", "DMPClosed")]
        assert len(home.dmp.sent) == 1


async def test_what_may_have_left_is_resolved_and_never_sent_again_blindly(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [UNKNOWN]
        home.dmp.resolutions = [UNKNOWN, DELIVERED]
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="delivered")
        assert (len(home.dmp.sent), len(home.dmp.resolved)) == (1, 2)
        kinds = await home.fetch("SELECT kind FROM attempts ORDER BY number")
    assert [row["kind"] for row in kinds] == ["send", "resolve", "resolve"]


async def test_what_surely_did_not_arrive_is_sent_again_after_its_resolution(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [UNKNOWN]
        home.dmp.resolutions = [NOT_DELIVERED]
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="delivered")
        assert (len(home.dmp.sent), len(home.dmp.resolved)) == (2, 1)


async def test_a_defect_of_a_connector_leaves_the_fate_unknown(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [ValueError("bug")]
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="delivered")
        assert (len(home.dmp.sent), len(home.dmp.resolved)) == (1, 1)


async def test_an_attempt_that_never_ends_is_cut_and_resolved(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter(flags=ONLY_DMP))
        await home.until(DMP="unknown")
        home.dmp.gate.set()
        await home.until(DMP="delivered")
        assert len(home.dmp.sent) == 1


async def test_only_recipients_still_to_be_served_get_the_mail_again(store_url: str) -> None:
    def first_answer(delivery: Delivery) -> Outcome:
        kinds = {each.address: OutcomeKind.DELIVERED for each in delivery.recipients}
        kinds[delivery.recipients[1].address] = OutcomeKind.NOT_DELIVERED
        answers = tuple(RecipientOutcome(address, kind, "") for address, kind in kinds.items())
        return Outcome(OutcomeKind.NOT_DELIVERED, "451", recipients=answers)

    async with house(store_url) as home:
        home.mail.answers = [first_answer]
        await home.accept(letter(flags=ONLY_PRO, recipients=TWO_DOCTORS))
        await home.until(PRO="delivered")
        first, second = home.mail.sent
        assert len(first.recipients) == 2
        assert [each.address for each in second.recipients] == [first.recipients[1].address]
        assert second.addressees == first.recipients
        assert [success for _, success, _, _ in await home.told(2)] == [True, True]


async def test_a_mail_refused_for_one_recipient_is_not_called_delivered(store_url: str) -> None:
    def answer(delivery: Delivery) -> Outcome:
        good, bad = (each.address for each in delivery.recipients)
        return Outcome(
            OutcomeKind.REFUSED,
            recipients=(
                RecipientOutcome(good, OutcomeKind.DELIVERED),
                RecipientOutcome(bad, OutcomeKind.REFUSED, "550", "Boîte inconnue."),
            ),
        )

    async with house(store_url) as home:
        home.mail.answers = [answer]
        await home.accept(letter(flags=ONLY_PRO, recipients=TWO_DOCTORS))
        await home.until(PRO="refused")
        assert [(success, code) for _, success, _, code in await home.told(2)] == [(False, "550"), (True, "")]
        rows = await home.fetch("SELECT outcome, code FROM recipient_results ORDER BY outcome")
    assert [(row["outcome"], row["code"]) for row in rows] == [("delivered", ""), ("refused", "550")]


async def test_a_replacement_waits_for_the_initial_document_of_its_lineage(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter("A", flags=ONLY_DMP))
        await home.accept(letter("B", key="A", flags=ONLY_DMP, kind=Kind.REPLACE))
        await asyncio.sleep(0.2)
        assert await home.states() == {"DMP": "in_flight", "DMP2": "waiting"}
        assert len(home.dmp.sent) == 1
        home.dmp.gate.set()
        await home.until(DMP="delivered", DMP2="delivered")
        assert [sent.message.control_id for sent in home.dmp.sent] == ["A", "B"]


async def test_order_is_kept_through_retries(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [NOT_DELIVERED, NOT_DELIVERED]
        await home.accept(letter("A", flags=ONLY_DMP))
        await home.accept(letter("B", key="A", flags=ONLY_DMP, kind=Kind.REPLACE))
        await home.accept(letter("C", key="A", flags=ONLY_DMP, kind=Kind.REPLACE))
        await home.until(DMP="delivered", DMP2="delivered", DMP3="delivered")
        assert [sent.message.control_id for sent in home.dmp.sent] == ["A", "A", "A", "B", "C"]


async def test_one_document_that_cannot_leave_blocks_no_other(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter("A", flags=ONLY_DMP))
        await home.dmp.entered.wait()
        gate, home.dmp.gate = home.dmp.gate, None
        await home.accept(letter("B", flags=ONLY_DMP))
        await home.until(DMP2="delivered")
        assert (await home.states())["DMP"] == "in_flight"
        gate.set()
        await home.until(DMP="delivered")


async def test_channels_of_one_lineage_do_not_wait_for_each_other(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.accept(letter("A"))
        await home.accept(letter("B", key="A", kind=Kind.REPLACE))
        await home.until(PRO="delivered", PRO2="delivered", CIT2="delivered", DMP2="waiting")
        home.dmp.gate.set()
        await home.until(DMP2="delivered")


async def test_the_mail_of_a_replacement_names_the_mail_it_replaces(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter("A", flags=ONLY_PRO))
        await home.until(PRO="delivered")
        await home.accept(letter("B", key="A", flags=ONLY_PRO, kind=Kind.REPLACE))
        await home.until(PRO2="delivered")
        first, second = home.mail.sent
        assert second.previous_message_id == first.ids.message_id


async def test_a_stopped_destination_is_left_alone_then_probed(store_url: str) -> None:
    stop = replace(NOT_DELIVERED, stop_destination=True)
    async with house(store_url, pause=0.6) as home:
        home.dmp.answers = [stop]
        await home.accept(letter("A", flags=ONLY_DMP))
        await home.until(DMP="queued")
        for name in "BCD":
            await home.accept(letter(name, flags=ONLY_DMP))
        assert len(home.dmp.sent) == 1
        assert await home.states() == dict.fromkeys(("DMP", "DMP2", "DMP3", "DMP4"), "queued")
        await home.until(DMP="delivered", DMP2="delivered", DMP3="delivered", DMP4="delivered")
        events = [row for row in await home.engine.journal.engine_events() if row["kind"] != "rules_activated"]
    assert [event["kind"] for event in events] == ["destination_resumed", "destination_stopped"]


async def test_a_destination_that_stays_down_is_one_alert_not_a_flood(store_url: str) -> None:
    stop = replace(NOT_DELIVERED, stop_destination=True)
    async with house(store_url, pause=0.1, concurrency=2) as home:
        home.dmp.answers = [stop] * 8
        for name in "ABCDEF":
            await home.accept(letter(name, flags=ONLY_DMP))
        await home.until(**dict.fromkeys(("DMP", "DMP2", "DMP3", "DMP4", "DMP5", "DMP6"), "delivered"))
        events = await home.engine.journal.engine_events()
    kinds = [event["kind"] for event in events]
    assert kinds.count("destination_stopped") == kinds.count("destination_resumed")
    assert kinds.count("destination_stopped") <= 2


async def test_what_the_destination_cannot_take_now_is_left_to_jobs(store_url: str) -> None:
    async with house(store_url, concurrency=1, timings=replace(FAST, attempt=60.0), limits={"pace_seconds": 0}) as home:
        home.dmp.gate = asyncio.Event()
        for number in range(10):
            await home.accept(letter(f"M{number}", flags=ONLY_DMP))
        states = list((await home.states()).values())
        assert states.count("in_flight") in (8, 9)
        assert "queued" in states or len(home.dmp.sent) > 1
        home.dmp.gate.set()
        await home.until(**{f"DMP{number}": "delivered" for number in range(2, 11)})
        assert len(home.dmp.sent) == len({sent.id for sent in home.dmp.sent}) == 10


async def test_a_report_that_could_not_be_handed_over_is_sent_again_unchanged(store_url: str) -> None:
    async with house(store_url) as home:
        home.reply.answers = [replace(NOT_DELIVERED, retry_after=0.05), replace(UNKNOWN, retry_after=0.05)]
        await home.accept(letter(flags=ONLY_DMP))
        await eventually(lambda: _ack_is(home, "delivered"))
        assert len(home.reply.received) == 3
        assert len({message.content for message in home.reply.received}) == 1


async def test_a_report_refused_by_its_sender_is_an_event_not_a_loop(store_url: str) -> None:
    async with house(store_url) as home:
        home.reply.answers = [Outcome(OutcomeKind.REFUSED, "AE", "Message inconnu.")]
        await home.accept(letter(flags=ONLY_DMP))
        await eventually(lambda: _ack_is(home, "refused"))
        assert len(home.reply.received) == 1
        events = await home.fetch("SELECT kind FROM events WHERE message_id = 1")
        assert [row["kind"] for row in events] == ["ack_refused"]


async def _ack_is(home: House, state: str) -> bool:
    rows = await home.fetch("SELECT state FROM business_acks")
    return [row["state"] for row in rows] == [state]
