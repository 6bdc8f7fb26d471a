"""A healthy document: stored, acknowledged, delivered to its three destinations, reported to its sender."""

from pfi.model.delivery import OutcomeKind
from samples.generator.request import Flags
from tests.integration.engine.fakes import House, house, letter, to_everybody


async def test_an_acknowledged_letter_is_delivered_everywhere_and_reported(store_url: str) -> None:
    async with house(store_url) as home:
        assert await home.code(letter()) == "AA"
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        told = await home.told(3)
    assert [(event, success) for event, success, _, _ in told] == [("Z01", True), ("Z02", True), ("Z02", True)]
    assert {mailbox for event, _, mailbox, _ in told if event == "Z02"} == {
        "bruno.peuplier@medecin-exemple.mssante.fr",
        "279035121518989@patient.mssante.fr",
    }


async def test_a_healthy_document_makes_no_job(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter())
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        await home.told(3)
        rows = await home.fetch("SELECT entrypoint FROM pgqueuer_log UNION ALL SELECT entrypoint FROM pgqueuer")
    assert rows == []


async def test_bytes_are_stored_once_and_exactly_as_received(store_url: str) -> None:
    raw = letter()
    async with house(store_url) as home:
        await home.accept(raw)
        assert await home.engine.journal.body(1) == raw
        documents = await home.fetch("SELECT obx_set_id, size, level FROM documents")
        storage = await home.fetch(
            "SELECT DISTINCT attstorage::text FROM pg_attribute JOIN pg_inherits ON attrelid = inhrelid"
            " WHERE inhparent = 'bodies'::regclass AND attname = 'content'"
        )
        partitions = await home.fetch("SELECT tableoid::regclass::text AS name FROM bodies")
    assert documents[0]["obx_set_id"] == 1
    assert storage == [{"attstorage": "e"}]
    assert partitions[0]["name"].startswith("bodies_2")


async def test_the_connectors_get_the_document_its_ids_and_its_recipients(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter())
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        stored = {row["channel"]: row["ids"] for row in await home.fetch("SELECT channel, ids FROM deliveries")}
        (to_dmp,) = home.dmp.sent
        assert to_dmp.ids.submission_set == stored["DMP"]["submission_set"]
        assert to_dmp.attempt == 1
        assert to_dmp.documents[0].header.code.code == "11490-0"
        assert {mail.channel: len(mail.recipients) for mail in home.mail.sent} == {"PRO": 1, "CIT": 1}


async def test_nothing_is_reported_that_was_not_asked_for(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(letter(flags=Flags(ack_reception=False)))
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        rows = await home.fetch("SELECT * FROM business_acks")
    assert rows == []


async def test_without_reply_address_each_report_is_recorded_as_impossible(store_url: str) -> None:
    async with house(store_url, reply=False) as home:
        await home.accept(letter())
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        rows = await home.fetch("SELECT state, code FROM business_acks")
    assert [(row["state"], row["code"]) for row in rows] == [("failed", "NO_REPLY_ADDRESS")] * 3


async def test_a_channel_without_destination_is_held_with_its_reason(store_url: str) -> None:
    async with house(store_url, destinations=False) as home:
        assert await home.code(letter()) == "AA"
        rows = await home.fetch("SELECT state, code FROM deliveries")
    assert {(row["state"], row["code"]) for row in rows} == {("held", "NO_DESTINATION")}


async def test_refused_recipients_are_reported_with_their_code(store_url: str) -> None:
    async with house(store_url) as home:
        home.mail.answers = [to_everybody(OutcomeKind.REFUSED, "550")] * 2
        await home.accept(letter())
        await home.until(DMP="delivered", PRO="refused", CIT="refused")
        told = await home.told(3)
    assert [(event, success, code) for event, success, _, code in told] == [
        ("Z01", True, ""),
        ("Z02", False, "550"),
        ("Z02", False, "550"),
    ]


async def test_the_same_engine_works_on_the_hospital_server(hospital_url: str) -> None:
    async with house(hospital_url) as home:
        assert await home.code(letter()) == "AA"
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        assert len(await home.told(3)) == 3


async def test_two_processes_share_one_store(store_url: str) -> None:
    async with house(store_url) as first, house(store_url) as second:
        await first.accept(letter("A"))
        await second.accept(letter("B"))
        await first.until(DMP="delivered", DMP2="delivered", CIT2="delivered", PRO2="delivered")
        assert (len(first.dmp.sent), len(second.dmp.sent)) == (1, 1)


async def test_a_restarted_engine_finds_its_store(store_url: str) -> None:
    home = House(store_url)
    await home.engine.start()
    await home.accept(letter())
    await home.engine.stop()
    home.engine = home.new_engine()
    await home.engine.start()
    try:
        assert (await home.engine.journal.message(1)) is not None
    finally:
        await home.engine.stop()
