"""A deleted document leaves no more, whatever came first; nobody is asked to delete what they were never sent."""

import asyncio
from dataclasses import replace

import pytest

from pfi.standards.hl7v2.ack import read_ack
from samples.generator.request import Flags, Kind
from tests.integration.engine.fakes import (
    DELIVERED,
    NOT_DELIVERED,
    REFUSED,
    UNKNOWN,
    House,
    eventually,
    house,
    letter,
)

ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
SILENT = Flags(ack_reception=False)
WITHDRAWN = "DELETED_BY_SENDER"


def deletion(control_id: str = "D", *, version: int = 1, flags: Flags | None = None) -> bytes:
    return letter(control_id, key="K", kind=Kind.DELETE, version=version, flags=flags or Flags())


async def decided(home: House, message: int) -> set[tuple[str, str, str]]:
    rows = await home.fetch(
        "SELECT channel, action, code FROM decisions WHERE message_id = $1 AND run ="
        " (SELECT max(run) FROM decisions WHERE message_id = $1)",
        message,
    )
    return {(row["channel"], row["action"], row["code"]) for row in rows}


# --- a feed that has not left ---


async def test_a_held_feed_is_cancelled_told_and_never_comes_back(store_url: str) -> None:
    async with house(store_url, sender={"hold": {"notify": "at_expiry"}}) as home:
        await home.code(letter("F", key="K", flags=ONLY_DMP, reliability="PROV"))
        await home.until(DMP="held")
        assert await home.code(deletion(flags=ONLY_DMP)) == "AA"
        rows = await home.fetch("SELECT state, code, text FROM deliveries ORDER BY seq")
        assert (rows[0]["state"], rows[0]["code"]) == ("cancelled", "SUPERSEDED_BY_DELETION")
        assert "suppression" in rows[0]["text"]
        await home.until(DMP2="delivered")
        assert [each.message.control_id for each in home.dmp.sent] == ["D"]
        assert await home.told(2) == [("Z01", False, "", "SUPERSEDED_BY_DELETION"), ("Z01", True, "", "")]
        events = await home.fetch("SELECT kind, detail FROM events WHERE message_id = 1")
        assert [(row["kind"], row["detail"]["code"]) for row in events] == [("stopped", "SUPERSEDED_BY_DELETION")]

        done = await home.engine.replay.replay(1)
        assert (done.created, done.reopened) == ((), ())
        assert await decided(home, 1) >= {("DMP", "deny", WITHDRAWN)}
        assert [each.message.control_id for each in home.dmp.sent] == ["D"]


async def test_what_waits_behind_a_feed_in_flight_is_cancelled_and_the_deletion_comes_last(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        await home.code(letter("F", key="K", flags=ONLY_DMP))
        await home.dmp.entered.wait()
        await home.code(letter("C", key="K", kind=Kind.REPLACE, flags=ONLY_DMP))
        await home.code(deletion(version=2, flags=ONLY_DMP))
        assert await home.states() == {"DMP": "in_flight", "DMP2": "cancelled", "DMP3": "waiting"}
        home.dmp.gate.set()
        await home.until(DMP="delivered", DMP3="delivered")
        assert [each.message.control_id for each in home.dmp.sent] == ["F", "D"]


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_feed_in_doubt_is_only_looked_for_once_its_deletion_has_come(store_url: str, *, arrived: bool) -> None:
    async with house(store_url) as home:
        home.dmp.gate = asyncio.Event()
        home.dmp.answers = [UNKNOWN]
        home.dmp.resolutions = [DELIVERED if arrived else NOT_DELIVERED]
        await home.code(letter("F", key="K", flags=ONLY_DMP))
        await home.dmp.entered.wait()
        await home.code(deletion(flags=ONLY_DMP))
        home.dmp.gate.set()
        await home.until(DMP="delivered" if arrived else "cancelled", DMP2="delivered")
        assert home.dmp.resolved == []
        assert [each.message.control_id for each in home.dmp.looked] == ["F"]
        assert [each.message.control_id for each in home.dmp.sent] == ["F", "D"]


async def test_nobody_gets_a_mail_to_delete_a_mail_that_never_left(store_url: str) -> None:
    async with house(store_url) as home:
        home.mail.answers = [replace(NOT_DELIVERED, stop_destination=True)] * 20
        home.dmp.answers = [REFUSED]
        await home.code(letter("F0"))
        await home.until(PRO="queued", CIT="queued")
        await home.code(letter("F", key="K"))
        await home.until(DMP2="delivered", PRO2="queued", CIT2="queued")
        home.mail.sent.clear()
        assert await home.code(deletion()) == "AA"
        assert (await home.states())["PRO2"] == (await home.states())["CIT2"] == "cancelled"
        assert await decided(home, 3) == {
            ("DMP", "send", ""),
            ("PRO", "void", "NEVER_SENT"),
            ("CIT", "void", "NEVER_SENT"),
        }
        await home.until(DMP3="delivered")


async def test_recipients_of_a_mail_that_left_are_told_to_delete_it(store_url: str) -> None:
    async with house(store_url) as home:
        await home.code(letter("F", key="K"))
        await home.until(PRO="delivered", CIT="delivered")
        await home.code(deletion())
        await home.until(PRO2="delivered", CIT2="delivered")


# --- a deletion that overtakes its feed ---


async def test_a_feed_overtaken_by_its_deletion_leaves_on_no_channel(store_url: str) -> None:
    async with house(store_url) as home:
        assert await home.code(deletion(flags=ONLY_DMP)) == "AA"
        await home.until(DMP="delivered")
        assert await home.code(letter("F", key="K")) == "AA"
        assert await decided(home, 2) == {(channel, "deny", WITHDRAWN) for channel in ("DMP", "PRO", "CIT")}
        assert await home.states() == {"DMP": "delivered"}
        told = [each for each in await home.told(4) if not each[1]]
        assert [(event, code) for event, _, _, code in told] == [("Z01", WITHDRAWN), ("Z02", "554"), ("Z02", "554")]
        because = await home.fetch("SELECT because FROM decisions WHERE message_id = 2 AND channel = 'DMP'")
        assert because[0]["because"][0]["rule"] == WITHDRAWN


async def test_a_deletion_and_its_feed_at_once_never_leave_the_document_behind(store_url: str) -> None:
    async with house(store_url) as home, house(store_url) as other:
        answers = await asyncio.gather(
            *(
                (home if number % 2 else other).code(
                    letter(f"F{number // 2}", key=f"K{number // 2}", flags=SILENT, kind=kind)
                )
                for number in range(24)
                for kind in ((Kind.INITIAL,) if number % 2 else (Kind.DELETE,))
            )
        )
        assert set(answers) == {"AA"}

        async def settled() -> bool:
            rows = await home.fetch("SELECT DISTINCT state FROM deliveries")
            return {row["state"] for row in rows} <= {"delivered", "cancelled"}

        await eventually(settled)
        rows = await home.fetch(
            "SELECT lineage, channel, array_agg(request ORDER BY seq) AS left"
            " FROM deliveries WHERE state = 'delivered' GROUP BY lineage, channel"
        )
        assert rows
        assert {tuple(row["left"]) for row in rows} <= {("D",), ("F", "D")}


async def test_another_document_is_not_concerned(store_url: str) -> None:
    async with house(store_url) as home:
        await home.code(deletion(flags=ONLY_DMP))
        await home.code(letter("F", key="other", flags=ONLY_DMP))
        await home.until(DMP="delivered", DMP2="delivered")


# --- the last version ---


async def refusal(home: House, raw: bytes) -> tuple[str, str]:
    answer = (await home.accept(raw)).content
    assert answer is not None
    ack = read_ack(answer)
    return ack.code, answer.decode().partition("^applicationErrorCode")[0].rpartition("|")[2].partition("^")[0]


async def test_a_version_that_was_replaced_is_not_deleted(store_url: str) -> None:
    async with house(store_url) as home:
        await home.code(letter("F", key="K", flags=ONLY_DMP))
        await home.code(letter("C", key="K", kind=Kind.REPLACE, flags=ONLY_DMP))
        await home.until(DMP="delivered", DMP2="delivered")
        assert await refusal(home, deletion(flags=ONLY_DMP)) == ("AE", "900")
        assert await decided(home, 3) >= {("DMP", "deny", "NOT_LAST_VERSION")}
        assert await home.code(deletion("D2", version=2, flags=ONLY_DMP)) == "AA"
        await home.until(DMP3="delivered")


async def test_a_replacement_that_led_nowhere_leaves_the_former_version_to_be_deleted(store_url: str) -> None:
    async with house(store_url) as home:
        await home.code(letter("F", key="K", flags=ONLY_DMP))
        await home.until(DMP="delivered")
        home.dmp.answers = [REFUSED]
        await home.code(letter("C", key="K", kind=Kind.REPLACE, flags=ONLY_DMP))
        await home.until(DMP2="refused")
        assert await home.code(deletion(flags=ONLY_DMP)) == "AA"
        await home.until(DMP3="delivered")


async def test_a_deletion_that_was_refused_stops_nothing(store_url: str) -> None:
    async with house(store_url) as home:
        await home.code(letter("F", key="K", flags=ONLY_DMP))
        await home.until(DMP="delivered")
        await home.code(letter("C", key="K", kind=Kind.REPLACE, flags=ONLY_DMP, reliability="PROV"))
        await home.until(DMP2="held")
        assert await home.code(deletion(flags=ONLY_DMP)) == "AE"
        assert await home.states() == {"DMP": "delivered", "DMP2": "held"}


# --- what connectors are told ---


async def test_connectors_are_told_the_other_versions_and_their_fate(store_url: str) -> None:
    async with house(store_url) as home:
        home.dmp.answers = [DELIVERED, REFUSED, NOT_DELIVERED]
        for version in (1, 2, 3):
            kind = Kind.INITIAL if version == 1 else Kind.REPLACE
            await home.code(letter(f"V{version}", key="K", kind=kind, version=version, flags=ONLY_DMP))
            if version < 3:
                await home.until(**{"DMP": "delivered"} if version == 1 else {"DMP2": "refused"})
        await home.until(DMP3="delivered")
        first, _, third, again = home.dmp.sent
        assert first.versions == ()
        assert [(each.number, each.fate, each.later) for each in third.versions] == [
            (1, "fed", False),
            (2, "tried", False),
        ]
        assert again.versions == third.versions
