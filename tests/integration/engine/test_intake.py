"""What intake promises: stored before answered, once, and never without a reason."""

import asyncio
from typing import Any

import asyncpg
import pytest

from pfi.engine import intake as intake_module
from pfi.engine import reading as reading_module
from pfi.engine.connector import Peer
from pfi.model.finding import Finding, Severity
from pfi.standards.hl7v2.ack import read_ack
from pfi.store import messages
from samples.generator import adt, world
from samples.generator.catalogue import discharge
from samples.generator.request import Flags, encode, write_request
from tests.integration.engine.fakes import PEER, REFUSED, House, eventually, house, letter


async def test_the_same_message_again_gets_the_same_answer_and_is_not_sent_twice(store_url: str) -> None:
    async with house(store_url) as home:
        first = await home.accept(letter())
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        again = await home.accept(letter())
        assert again.content == first.content
        assert len(home.dmp.sent) == 1
        assert await home.fetch("SELECT kind FROM events WHERE message_id = 1") == [{"kind": "duplicate"}]
        assert await home.fetch("SELECT count(*) FROM messages") == [{"count": 1}]


def rewritten(raw: bytes) -> bytes:
    """The same request, written at another moment (MSH-7)."""
    head, _, rest = raw.partition(b"\r")
    fields = head.split(b"|")
    fields[6] = b"20260102030405+0100"
    again = b"|".join(fields) + b"\r" + rest
    assert again != raw
    return again


async def test_the_same_request_written_otherwise_is_not_sent_twice(store_url: str) -> None:
    async with house(store_url) as home:
        first = await home.accept(letter())
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        assert (await home.accept(rewritten(letter()))).content == first.content
        assert (len(home.dmp.sent), len(home.mail.sent)) == (1, 2)
        assert await home.fetch("SELECT kind FROM events WHERE message_id = 1") == [{"kind": "duplicate"}]


async def test_the_same_request_written_otherwise_at_once_is_not_sent_twice(store_url: str) -> None:
    async with house(store_url) as home:
        answers = await asyncio.gather(*(home.accept(raw) for raw in (letter(), rewritten(letter()))))
        assert len({answer.content for answer in answers}) == 1
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        assert (len(home.dmp.sent), len(home.mail.sent)) == (1, 2)


@pytest.mark.parametrize(
    "changed",
    [{"control_id": "M2"}, {"flags": Flags(masque_ps=True)}, {"reliability": "PROV"}],
    ids=["control id", "orders", "identity"],
)
async def test_whatever_else_changes_makes_a_new_request(store_url: str, changed: dict[str, Any]) -> None:
    async with house(store_url) as home:
        await home.accept(letter(key="K"))
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        await home.accept(letter(**{"key": "K", **changed}))
        assert await home.fetch("SELECT count(*) FROM messages") == [{"count": 2}]


async def test_a_request_of_which_something_was_refused_may_be_made_again(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [REFUSED]
        await home.accept(letter())
        await home.until(DMP="refused", PRO="delivered", CIT="delivered")
        await home.accept(rewritten(letter()))
        await home.until(DMP2="delivered")


async def test_the_same_message_on_two_connections_at_once_is_stored_once(store_url: str) -> None:
    async with house(store_url) as home:
        answers = await asyncio.gather(*(home.accept(letter()) for _ in range(6)))
        assert len({answer.content for answer in answers}) == 1
        await home.until(DMP="delivered")
        assert len(home.dmp.sent) == 1
        assert await home.fetch("SELECT count(*) FROM messages") == [{"count": 1}]


async def test_the_same_control_id_with_another_body_is_a_new_message_with_a_warning(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter("M1", key="one"))
        assert await home.code(letter("M1", key="two")) == "AA"
        await home.until(DMP="delivered", DMP2="delivered")
        findings = await home.fetch("SELECT message_id, severity FROM findings WHERE code = 'CONTROL_ID_REUSED'")
    assert findings == [{"message_id": 2, "severity": "warning"}]


async def test_the_same_control_id_with_another_body_is_refused_when_the_sender_is_set_so(store_url: str) -> None:
    async with house(store_url, sender={"intake": {"same_control_id": "refuse"}}) as home:
        await home.accept(letter("M1", key="one"))
        assert await home.code(letter("M1", key="two")) == "AE"
        await home.until(DMP="delivered")
        assert len(home.dmp.sent) == 1
        assert [row["ack_code"] for row in await home.fetch("SELECT ack_code FROM messages ORDER BY id")] == [
            "AA",
            "AE",
        ]


async def test_a_refused_message_is_stored_with_its_reason_and_goes_nowhere(store_url: str) -> None:
    async with house(store_url) as home:
        assert await home.code(letter().replace(b"|2.6|", b"|2.9|")) == "AE"
        (row,) = await home.fetch("SELECT kind, ack_code FROM messages")
        assert row == {"kind": "refused", "ack_code": "AE"}
        assert [row["severity"] for row in await home.fetch("SELECT severity FROM findings")] == ["error"]
        assert await home.fetch("SELECT FROM deliveries") == []


async def test_a_refused_message_may_come_again_after_a_correction_of_ours(store_url: str) -> None:
    wrong = letter().replace(b"|2.6|", b"|2.9|")
    async with house(store_url) as home:
        await home.accept(wrong)
        await home.accept(wrong)
        assert await home.fetch("SELECT count(*) FROM messages") == [{"count": 2}]


async def test_what_is_not_hl7_is_stored_and_the_connection_closed_without_answer(store_url: str) -> None:
    async with house(store_url) as home:
        answer = await home.accept(b"GET / HTTP/1.1\r\n\r\n")
        assert (answer.content, answer.close) == (None, True)
        assert await home.fetch("SELECT kind, ack_code, control_id FROM messages") == [
            {"kind": "unreadable", "ack_code": "", "control_id": ""}
        ]
        assert await home.engine.journal.body(1) == b"GET / HTTP/1.1\r\n\r\n"


async def test_an_oversize_message_is_recorded_and_answered_when_its_msh_can_be_read(store_url: str) -> None:
    finding = Finding("FRAME_TOO_LARGE", Severity.ERROR, "MSH", "Message trop volumineux.", err3="102")
    async with house(store_url) as home:
        answer = await home.engine.intake.refuse(letter()[:2000], PEER, finding)
        assert not answer.close, "the source says whether the connection can go on"
        assert answer.content is not None
        assert read_ack(answer.content).code == "AE"
        silent = await home.engine.intake.refuse(b"\xff\xfe", PEER, finding)
        assert (silent.content, silent.close) == (None, False)
        assert [row["code"] for row in await home.fetch("SELECT code FROM findings")] == ["FRAME_TOO_LARGE"] * 2


async def test_when_the_store_is_away_the_sender_is_asked_to_come_again(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise asyncpg.ConnectionDoesNotExistError("gone")

    async with house(store_url) as home:
        with monkeypatch.context() as patch:
            patch.setattr(messages, "accept", away)
            answer = await home.accept(letter())
        assert answer.content is not None
        reading = read_ack(answer.content)
        assert (reading.code, reading.acknowledged_control_id) == ("AR", "M1")
        assert await home.fetch("SELECT FROM messages") == []
        assert await home.code(letter()) == "AA"


async def test_above_the_limit_of_unfinished_deliveries_nothing_is_taken(store_url: str) -> None:
    async with house(store_url, limits={"open_deliveries": 2}) as home:
        home.dmp.gate = asyncio.Event()
        home.mail.gate = asyncio.Event()
        assert await home.code(letter("A")) == "AA"
        assert await home.code(letter("B")) == "AR"
        assert await home.fetch("SELECT count(*) FROM messages") == [{"count": 1}]
        home.dmp.gate.set()
        home.mail.gate.set()
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        await eventually(lambda: _code_is(home, letter("B"), "AA"))


async def test_a_value_that_the_store_refuses_does_not_block_its_sender(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = messages.accept

    async def poisoned(*arguments: Any, **values: Any) -> Any:
        if values.get("deliveries"):
            raise asyncpg.DataError("poison")
        return await accept(*arguments, **values)

    async with house(store_url) as home:
        monkeypatch.setattr(messages, "accept", poisoned)
        assert await home.code(letter()) == "AE"
        assert await home.fetch("SELECT code FROM findings") == [{"code": "INTERNAL_ERROR"}]
        assert await home.engine.journal.body(1) == letter()


async def test_a_nul_character_in_a_message_is_stored_like_any_other(store_url: str) -> None:
    async with house(store_url) as home:
        answer = await home.accept(letter().replace(b"|M1|", b"|M\x001|").replace(b"DPI|", b"DPI\x00|"))
        assert answer.content is not None
        assert await home.fetch("SELECT count(*) FROM messages") == [{"count": 1}]


async def test_a_defect_of_our_reader_keeps_the_message_and_answers(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("bug")

    async with house(store_url) as home:
        monkeypatch.setattr(reading_module, "interpret", broken)
        assert await home.code(letter()) == "AE"
        answer = await home.accept(b"nothing")
        assert (answer.content, answer.close) == (None, True)
        kinds = await home.fetch("SELECT kind FROM messages ORDER BY id")
    assert [row["kind"] for row in kinds] == ["refused", "unreadable"]


async def test_a_defect_of_our_rules_keeps_the_message_and_answers(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("bug")

    async with house(store_url) as home:
        monkeypatch.setattr(intake_module, "conclude", broken)
        assert await home.code(letter()) == "AE"
        assert await home.fetch("SELECT code FROM findings") == [{"code": "INTERNAL_ERROR"}]


async def test_a_large_message_is_read_beside_the_event_loop(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "_INLINE_BYTES", 100)
    async with house(store_url) as home:
        assert await home.code(letter()) == "AA"
        await home.until(DMP="delivered")


async def test_an_opposition_told_by_adt_denies_the_dmp_and_tells_the_sender(store_url: str) -> None:
    async with house(store_url) as home:
        assert await home.code(_adt("a31-opposition")) == "AA"
        assert await home.code(write_request(discharge("D1", patient=world.OPPOSED))) == "AA"
        await home.until(PRO="delivered", CIT="delivered")
        told = await home.told(3)
        assert told[0] == ("Z01", False, "", "DMP_OPPOSED")
        assert "DMP" not in await home.states()
        kinds = await home.fetch("SELECT kind FROM messages ORDER BY id")
    assert [row["kind"] for row in kinds] == ["patient_event", "request"]


async def test_no_identifier_can_be_read_in_a_patient_key(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(_adt("a01-admission-non-opposition"))
        keys = await home.fetch("SELECT key FROM patient_keys")
    assert len(keys) >= 2
    assert all(len(row["key"]) == 32 for row in keys)
    assert not any(world.DOMINIQUE.matricule.encode() in row["key"] for row in keys)


async def test_later_adt_messages_of_a_patient_change_the_same_record(store_url: str) -> None:
    async with house(store_url) as home:
        for name in ("a28-identite-provisoire", "a31-identite-validee", "a47-retrait-ins"):
            assert await home.code(_adt(name)) == "AA"
        (row,) = await home.fetch("SELECT state FROM patients")
    assert row["state"]["ins_withdrawn"] is True


async def test_the_same_adt_message_twice_changes_nothing(store_url: str) -> None:
    async with house(store_url) as home:
        first = await home.accept(_adt("a31-opposition"))
        assert (await home.accept(_adt("a31-opposition"))).content == first.content
        assert await home.fetch("SELECT count(*) FROM messages") == [{"count": 1}]


async def test_a_mail_denied_though_ordered_is_reported_to_its_sender(store_url: str) -> None:
    raw = write_request(
        discharge("D1", patient=world.PROVISIONAL, with_matricule=False).but(reliability="PROV", pid_with_ins=False)
    )
    async with house(store_url) as home:
        assert await home.code(raw) == "AA"
        await home.until(DMP="held", PRO="delivered")
        told = await home.told(3)
    assert ("Z01", False, "", "INS_NOT_QUALIFIED") in told
    assert sorted((success, code) for event, success, _, code in told if event == "Z02") == [(False, "510"), (True, "")]


async def test_what_was_not_ordered_is_not_reported(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter(flags=Flags(dest_dmp=False)))
        await home.until(PRO="delivered", CIT="delivered")
        assert [event for event, *_ in await home.told(2)] == ["Z02", "Z02"]
        assert home.dmp.sent == []


async def test_an_unknown_sender_is_refused_when_the_site_says_so(store_url: str) -> None:
    home = House(store_url)
    home.settings = home.settings.model_copy(update={"unknown_senders": "refuse"})
    home.engine = home.new_engine()
    await home.engine.start()
    try:
        assert await home.code(letter().replace(b"|DPI|", b"|AUTRE|")) == "AE"
        assert await home.code(letter()) == "AA"
    finally:
        await home.engine.stop()


async def test_a_message_of_another_listener_is_another_message(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter())
        await home.engine.intake.accept(letter(), Peer("autre"))
        assert await home.fetch("SELECT count(*) FROM messages") == [{"count": 2}]


def _adt(name: str) -> bytes:
    event = next(each for each in adt.EVENTS if each.file == name)
    return encode(adt.segments(event))


async def _code_is(home: House, raw: bytes, code: str) -> bool:
    return await home.code(raw) == code
