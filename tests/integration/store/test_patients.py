"""Records of patients: who is whom, whatever the order in which it is told."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pfi.engine.patientfile import PatientFile
from pfi.engine.register import Entry, LocalRegister, named
from pfi.model.patient import Ins
from pfi.store.database import Connection
from pfi.store.patients import PatientKeys
from samples.generator import world
from samples.generator.request import Flags
from samples.generator.world import Person
from tests.integration.engine.fakes import NOT_DELIVERED, House, house
from tests.integration.engine.patients import adt, ipp, letter_of

ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
ONLY_CIT = Flags(dest_dmp=False, dest_mss_ps=False)
SLOW_RETRY = {"first_seconds": 30, "longest_seconds": 30, "max_attempts": 5}
A, B, C = (
    replace(world.PROVISIONAL, ipp=f"P{rank}", m13=f"29508{rank:08d}", account=f"A{rank}") for rank in range(1, 4)
)


async def records(home: House) -> int:
    (row,) = await home.fetch("SELECT count(*) FROM patients WHERE NOT anchor")
    return int(row["count"])


async def decision(home: House, control_id: str, channel: str = "DMP") -> str:
    """Code of the last decision about a document, `send` when it leaves."""
    (row,) = await home.fetch(
        "SELECT action, decisions.code FROM decisions JOIN messages ON messages.id = decisions.message_id"
        " WHERE control_id = $1 AND channel = $2 ORDER BY run DESC LIMIT 1",
        control_id,
        channel,
    )
    return str(row["code"] or row["action"])


async def register(home: House, entry: Entry, *, patient: Person, by_ins: bool = False) -> None:
    context = home.engine._parts.context
    async with context.database.connection() as connection:
        keys = await PatientKeys.load(connection)
    found = (
        named(ins=Ins(patient.matricule, world.TEST_INS_OID))
        if by_ins
        else named(ipp=patient.ipp, authority=world.HOSPITAL.finess)
    )
    await LocalRegister(context, PatientFile(context, keys)).enter(found, entry)


FEED = adt("A31", A, "20260301080000", feeding="IO", control_id="F1")
A_IS_B = adt("A40", B, "20260302080000", mrg=ipp(A), control_id="F2")
B_IS_C = adt("A40", C, "20260303080000", mrg=ipp(B), control_id="F3")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_a_chain_of_merges_leads_to_one_record_in_any_order(store_url: str, order: Sequence[int]) -> None:
    async with house(store_url) as home:
        for rank in order:
            assert await home.code((FEED, A_IS_B, B_IS_C)[rank]) == "AA"
        assert await records(home) == 1
        await home.accept(letter_of(C, "DC", flags=ONLY_DMP))
        assert await decision(home, "DC") == "DMP_OPPOSED"
        for merged, control_id in ((A, "DA"), (B, "DB")):
            await home.accept(letter_of(merged, control_id, flags=ONLY_CIT))
            assert await decision(home, control_id, "CIT") != "send"
        assert home.mail.sent == []


async def test_a_merge_repeated_changes_nothing(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(FEED)
        await home.accept(A_IS_B)
        before = await home.fetch("SELECT id, version FROM patients ORDER BY id")
        await home.accept(A_IS_B.replace(b"|F2|", b"|F2BIS|"))
        assert await home.fetch("SELECT id, version FROM patients ORDER BY id") == before


async def test_what_is_told_of_the_former_number_after_a_merge_is_told_of_the_surviving_one(store_url: str) -> None:
    async with house(store_url) as home:
        await home.accept(A_IS_B)
        await home.accept(adt("A31", A, "20260304080000", feeding="IO", with_ins=False, reliability="PROV"))
        assert await records(home) == 1
        await home.accept(letter_of(B, flags=ONLY_DMP))
        assert await decision(home, "D1") == "DMP_OPPOSED"


async def test_documents_and_links_follow_a_merge_with_a_record_nobody_knew(store_url: str) -> None:
    async with house(store_url, retry=SLOW_RETRY) as home:
        home.dmp.answers = [NOT_DELIVERED]
        await home.accept(letter_of(A, flags=ONLY_DMP))
        await home.until(DMP="queued")
        await home.accept(adt("A40", B, mrg=ipp(A)))
        await home.until(DMP="held")
        links = await home.fetch(
            "SELECT DISTINCT patients.id FROM message_patients AS link JOIN patients ON patients.id = link.patient"
            " WHERE NOT patients.anchor"
        )
        assert len(links) == await records(home) == 1


async def test_a_change_of_local_identifier_keeps_what_was_told(store_url: str) -> None:
    renamed = replace(A, ipp="P1BIS")
    async with house(store_url) as home:
        await home.accept(FEED)
        await home.accept(adt("A47", renamed, "20260302080000", mrg=ipp(A)))
        assert await records(home) == 1
        await home.accept(letter_of(renamed, flags=ONLY_DMP))
        assert await decision(home, "D1") == "DMP_OPPOSED"


@pytest.mark.parametrize("first", ["register", "adt"])
async def test_an_entry_of_the_register_by_ins_counts_whenever_the_local_number_is_known(
    store_url: str, first: str
) -> None:
    async with house(store_url) as home:
        if first == "adt":
            await home.accept(adt("A31", A, "20260301080000"))
        await register(home, Entry(cit_opposed=True), patient=A, by_ins=True)
        if first == "register":
            await home.accept(adt("A31", A, "20260301080000"))
        await home.accept(letter_of(A, flags=ONLY_CIT))
        assert await decision(home, "D1", "CIT") == "CIT_OPPOSED"
        await register(home, Entry(cit_opposed=False), patient=A)
        await home.accept(letter_of(A, "D2", flags=ONLY_CIT))
        assert await decision(home, "D2", "CIT") == "send"


class Early:
    """A connection whose statement began before the last commit: it waited for the rows that it found, but does not see
    the record that was created."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        rows = await self._connection.fetch(query, *arguments)
        return [row for row in rows if row["anchor"]] if "FOR SHARE OF patients" in query else rows


async def test_a_record_that_takes_an_ins_while_a_document_is_concluded_is_not_missed(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document names the patient by INS only, and its anchor exists already: nothing has to be created."""

    def without_ipp(control_id: str) -> bytes:
        return letter_of(A, control_id, flags=ONLY_DMP).replace(f"~{ipp(A)}".encode(), b"")

    async with house(store_url) as home:
        assert await home.code(without_ipp("D1")) == "AA"
        await home.until(DMP="delivered")
        link = PatientFile.link

        async def told_before(file: PatientFile, connection, known):  # type: ignore[no-untyped-def]
            monkeypatch.setattr(PatientFile, "link", link)
            await home.accept(adt("A31", A, feeding="IO"))
            return await link(file, Early(connection), known)  # type: ignore[arg-type]

        monkeypatch.setattr(PatientFile, "link", told_before)
        assert await home.code(without_ipp("D2")) == "AA"
        assert await decision(home, "D2") == "DMP_OPPOSED"
        assert len(home.dmp.sent) == 1
