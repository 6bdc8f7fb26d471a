"""What the DMP holds and what our tables say agree, whatever became of the versions before: the real sandbox DMP."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.dmp.registry import EntryStatus
from connectors.sandbox.faults import FaultKind
from connectors.sandbox.sandbox import STRUCTURE
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import DeliveryIds, OutcomeKind
from pfi.model.document import Document
from pfi.standards.cda.header import read_header
from samples.generator import clinical_document, documents
from samples.generator.catalogue import biology
from samples.generator.request import Flags, Kind, write_request
from tests.integration.engine.fakes import eventually, letter
from tests.integration.engine.hospital import Hospital, hospital, version_id
from tests.unit.dmp.given import SENDER, delivery

ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
NEVER = ("DMP_REPLACED_NEVER_FED",)
OTHER = ("DMP_OTHER_VERSION",)
NOTHING = ("DMP_NOTHING_TO_DELETE",)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates are made once."""
    return tmp_path_factory.mktemp("sandbox")


def first(**changes: object) -> bytes:
    return letter("V1", key="K", **{"flags": ONLY_DMP, **changes})  # type: ignore[arg-type]  # fields of a request


def next_one(version: int = 2, **changes: object) -> bytes:
    return letter(
        f"V{version}",
        key="K",
        kind=Kind.REPLACE,
        version=version,
        **{"flags": ONLY_DMP, **changes},  # type: ignore[arg-type]  # fields of a request
    )


def deletion(version: int, **changes: object) -> bytes:
    return letter(
        f"D{version}",
        key="K",
        kind=Kind.DELETE,
        version=version,
        **{"flags": ONLY_DMP, **changes},  # type: ignore[arg-type]  # fields of a request
    )


# --- 1. a replacement of what was never accepted ---


async def refused_by_the_dmp(home: Hospital, version: int) -> None:
    home.order(FaultKind.REFUSE, version_id("K", version), code="XDSRepositoryMetadataError")


async def test_a_version_refused_by_the_dmp_is_replaced_by_a_first_document(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await refused_by_the_dmp(home, 1)
        assert await home.code(first()) == "AA"
        await home.until(DMP="refused")
        assert await home.code(next_one()) == "AA"
        await home.until(DMP2="delivered")
        assert await home.end("DMP2") == ("delivered", "", NEVER)
        assert home.shown == [(2, "approved")]
        assert home.stored[0].replaces == ""


async def test_a_version_denied_by_our_rules_is_replaced_by_a_first_document(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        assert await home.code(first(flags=replace(ONLY_DMP, dest_dmp=False))) == "AA"
        assert await home.code(next_one()) == "AA"
        await home.until(DMP="delivered")
        assert (await home.end("DMP"), home.shown) == (("delivered", "", NEVER), [(2, "approved")])


async def test_a_version_cancelled_by_an_operator_is_replaced_by_a_first_document(
    store_url: str, directory: Path
) -> None:
    async with hospital(store_url, directory) as home:
        assert await home.code(first(reliability="PROV")) == "AA"
        await home.until(DMP="held")
        (held,) = await home.engine.holds.waiting()
        assert await home.engine.holds.cancel(held.id)
        assert await home.code(next_one()) == "AA"
        await home.until(DMP2="delivered")
        assert (await home.end("DMP2"), home.shown) == (("delivered", "", NEVER), [(2, "approved")])


async def test_when_the_last_version_was_refused_the_one_in_the_dmp_is_replaced(
    store_url: str, directory: Path
) -> None:
    async with hospital(store_url, directory) as home:
        await refused_by_the_dmp(home, 2)
        for version, state in ((1, "delivered"), (2, "refused"), (3, "delivered")):
            assert await home.code(first() if version == 1 else next_one(version)) == "AA"
            await home.until(**{f"DMP{version if version > 1 else ''}": state})
        assert await home.end("DMP3") == ("delivered", "", OTHER)
        assert home.shown == [(1, "deprecated"), (3, "approved")]
        assert home.stored[1].replaces == version_id("K", 1)


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_version_of_uncertain_fate_is_looked_for(store_url: str, directory: Path, *, arrived: bool) -> None:
    async with hospital(store_url, directory, retry={"max_attempts": 1}) as home:
        home.order(FaultKind.CLOSE_AFTER_BODY if arrived else FaultKind.CLOSE_BEFORE_ANSWER, version_id("K", 1))
        await home.code(first())
        await home.until(DMP="failed")
        (row,) = await home.fetch("SELECT uncertain FROM deliveries")
        assert row["uncertain"] is True
        await home.code(next_one())
        await home.until(DMP2="delivered")
        assert home.shown == ([(1, "deprecated"), (2, "approved")] if arrived else [(2, "approved")])
        assert (await home.end("DMP2"))[2] == (() if arrived else NEVER)


async def test_what_our_tables_do_not_know_is_never_replaced_blindly(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        assert await home.code(next_one()) == "AA"
        await home.until(DMP="refused")
        assert (await home.end("DMP"))[:2] == ("refused", "DMP_REPLACED_NOT_FOUND")
        assert home.shown == []
        assert ("Z01", False, "", "DMP_REPLACED_NOT_FOUND") in await home.told(1)


async def test_what_was_fed_before_the_pfi_is_found_and_replaced_then_deleted(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await fed_by(home, STRUCTURE_OF_THE_SENDER)
        assert await home.code(next_one()) == "AA"
        await home.until(DMP="delivered")
        assert home.shown == [(1, "deprecated"), (2, "approved")]
        assert await home.code(deletion(2)) == "AA"
        await home.until(DMP2="delivered")
        assert home.shown == [(1, "deprecated"), (2, "deleted")]


async def test_an_older_version_replayed_too_late_never_joins_the_newer_one(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await refused_by_the_dmp(home, 1)
        await home.code(first())
        await home.until(DMP="refused")
        await home.code(next_one())
        await home.until(DMP2="delivered")
        await home.engine.replay.replay(1)

        async def tried_again() -> bool:
            return len(await home.attempts("DMP")) == 2

        await eventually(tried_again)
        assert (await home.end("DMP"))[:2] == ("refused", "DMP_SUPERSEDED")
        assert home.shown == [(2, "approved")]


# --- 2. deletion ---


async def test_a_deletion_of_what_the_dmp_refused_has_nothing_to_delete(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await refused_by_the_dmp(home, 1)
        await home.code(first())
        await home.until(DMP="refused")
        assert await home.code(deletion(1)) == "AA"
        await home.until(DMP2="delivered")
        assert await home.end("DMP2") == ("delivered", "", NOTHING)
        assert home.shown == []


async def test_a_deletion_of_a_version_that_never_arrived_deletes_the_one_in_force(
    store_url: str, directory: Path
) -> None:
    async with hospital(store_url, directory) as home:
        await refused_by_the_dmp(home, 2)
        await home.code(first())
        await home.until(DMP="delivered")
        await home.code(next_one())
        await home.until(DMP2="refused")
        await home.code(deletion(2))
        await home.until(DMP3="delivered")
        assert await home.end("DMP3") == ("delivered", "", OTHER)
        assert home.shown == [(1, "deleted")]


async def test_a_deletion_of_what_nobody_knows_is_refused(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await home.code(deletion(1))
        await home.until(DMP="refused")
        assert (await home.end("DMP"))[:2] == ("refused", "DMP_DOCUMENT_NOT_FOUND")
        assert await home.code(first()) == "AA"
        assert await home.states() == {"DMP": "refused"}
        assert home.shown == []


async def test_a_deletion_in_doubt_of_an_older_version_is_finished(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await refused_by_the_dmp(home, 2)
        await home.code(first())
        await home.until(DMP="delivered")
        await home.code(next_one())
        await home.until(DMP2="refused")
        home.order(FaultKind.CLOSE_BEFORE_ANSWER, transaction="TD3.3c")
        await home.code(deletion(2))
        await home.until(DMP3="delivered")
        assert home.shown == [(1, "deleted")]


@pytest.mark.parametrize("fault", [None, FaultKind.CLOSE_AFTER_BODY, FaultKind.CLOSE_BEFORE_ANSWER])
async def test_both_renditions_of_a_document_are_deleted(
    store_url: str, directory: Path, fault: FaultKind | None
) -> None:
    """Each by a transaction of its own: the connection dies when the first was carried out, or was not."""
    both = documents.biology_level_1("N1"), documents.biology_report("N3")
    request = biology("B1", *both).but(flags=ONLY_DMP)
    async with hospital(store_url, directory) as home:
        home.sandbox.dmp.put_patient(both[0].patient.matricule, DmpState.ACTIVE)
        assert await home.code(write_request(request)) == "AA"
        await home.until(DMP="delivered")
        if fault is not None:
            home.order(fault, transaction="TD3.3c")
        assert await home.code(write_request(request.but(control_id="B2", kind=Kind.DELETE))) == "AA"
        await home.until(DMP2="delivered")
        assert [each.status for each in home.stored] == [EntryStatus.DELETED] * 2
        assert len(await home.attempts("DMP2")) == (1 if fault is None else 2)


# --- 4. three at once, whatever becomes of the first ---


@dataclass(frozen=True)
class AtOnce:
    """What happens to the first version, then the end of each delivery and what the DMP shows: of initial and
    replacement at once, and of initial, replacement and deletion at once."""

    ends: tuple[str, str]
    shown: list[tuple[int, str]]
    deleted_ends: tuple[str, str, str]
    deleted_shown: list[tuple[int, str]]
    fault: FaultKind | None = None
    code: str = ""
    times: int = 1
    held: bool = False


DELETED_FIRST = ("delivered", "cancelled", "delivered")
AT_ONCE = {
    "accepted": AtOnce(
        ("delivered", "delivered"), [(1, "deprecated"), (2, "approved")], DELETED_FIRST, [(1, "deleted")]
    ),
    "refused": AtOnce(
        ("refused", "delivered"),
        [(2, "approved")],
        ("refused", "cancelled", "delivered"),
        [],
        FaultKind.REFUSE,
        "XDSRepositoryMetadataError",
    ),
    "failed": AtOnce(
        ("failed", "delivered"),
        [(2, "approved")],
        ("cancelled", "cancelled", "delivered"),
        [],
        FaultKind.TEMPORARY,
        times=3,
    ),
    "unknown, arrived": AtOnce(
        ("delivered", "delivered"),
        [(1, "deprecated"), (2, "approved")],
        DELETED_FIRST,
        [(1, "deleted")],
        FaultKind.CLOSE_AFTER_BODY,
    ),
    "unknown, lost": AtOnce(
        ("delivered", "delivered"),
        [(1, "deprecated"), (2, "approved")],
        ("cancelled", "cancelled", "delivered"),
        [],
        FaultKind.CLOSE_BEFORE_ANSWER,
    ),
    "expired": AtOnce(
        ("failed", "delivered"), [(2, "approved")], ("cancelled", "cancelled", "delivered"), [], held=True
    ),
}


@pytest.mark.parametrize("name", AT_ONCE)
async def test_initial_and_replacement_at_once(store_url: str, directory: Path, name: str) -> None:
    case = AT_ONCE[name]
    async with hospital(store_url, directory, retry={"max_attempts": 3}) as home:
        await received(home, case, [next_one()])
        if case.held:
            await home.until(DMP="held", DMP2="waiting")
            home.clock = lambda: system_clock() + timedelta(days=60)
        await home.until(DMP=case.ends[0], DMP2=case.ends[1])
        assert home.shown == case.shown
        assert (await home.end("DMP2"))[2] == (NEVER if len(case.shown) == 1 else ())


@pytest.mark.parametrize("name", AT_ONCE)
async def test_initial_replacement_and_deletion_at_once(store_url: str, directory: Path, name: str) -> None:
    case = AT_ONCE[name]
    async with hospital(store_url, directory, retry={"max_attempts": 3}) as home:
        await received(home, case, [next_one(), deletion(2)])
        first_end, second_end, third_end = case.deleted_ends
        await home.until(DMP=first_end, DMP2=second_end, DMP3=third_end)
        assert home.shown == case.deleted_shown
        assert (await home.end("DMP3"))[2] == (NOTHING if not case.deleted_shown else OTHER)


async def received(home: Hospital, case: AtOnce, others: list[bytes]) -> None:
    """The first version is on its way, slowly, when the others come."""
    one = version_id("K", 1)
    if case.fault is not None:
        home.order(case.fault, one, code=case.code, times=case.times)
    home.order(FaultKind.LATENCY, one, seconds=1.0)
    assert await home.code(first(**({"reliability": "PROV"} if case.held else {}))) == "AA"
    for raw in others:
        assert await home.code(raw) == "AA"


# --- 5. visibility ---


async def test_a_visibility_change_is_a_new_version_with_the_new_codes(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await home.code(first())
        await home.until(DMP="delivered")
        hidden = replace(ONLY_DMP, invisible_patient=True, modif_conf_code=True)
        assert await home.code(next_one(flags=hidden)) == "AA"
        await home.until(DMP2="delivered")
        assert home.shown == [(1, "deprecated"), (2, "approved")]
        assert [each.confidentiality for each in home.stored] == [("N",), ("N", "INVISIBLE_PATIENT")]


async def test_a_visibility_change_needs_a_new_identifier(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await home.code(first())
        await home.until(DMP="delivered")
        masked = replace(ONLY_DMP, masque_ps=True, modif_conf_code=True)
        assert await home.code(letter("V1 bis", key="K", flags=masked)) == "AA"
        await home.until(DMP2="refused")
        assert (await home.end("DMP2"))[:2] == ("refused", "DMP_VISIBILITY_WITHOUT_NEW_ID")
        found = await home.fetch("SELECT code FROM findings WHERE code LIKE 'VISIBILITY%'")
        assert [row["code"] for row in found] == ["VISIBILITY_CHANGE_WITHOUT_REPLACEMENT"]
        assert [each.confidentiality for each in home.stored] == [("N",)]


async def test_the_same_document_is_not_fed_twice(store_url: str, directory: Path) -> None:
    async with hospital(store_url, directory) as home:
        await home.code(first())
        await home.until(DMP="delivered")
        fed = len(home.sandbox.dmp.calls)
        await home.code(letter("V1 bis", key="K", flags=ONLY_DMP))
        await home.until(DMP2="refused")
        assert (await home.end("DMP2"))[:2] == ("refused", "DMP_ALREADY_FED")
        assert len(home.sandbox.dmp.calls) == fed


# --- 6. somebody else's document ---

STRUCTURE_OF_THE_SENDER = documents.discharge_letter("K").author.structure.national_id


async def fed_by(home: Hospital, structure: str) -> None:
    """Somebody fed the first version without us."""
    content = clinical_document.write(documents.discharge_letter("K"))
    assert SENDER.organization is not None
    sender = replace(SENDER, organization=replace(SENDER.organization, identifier=structure))
    header = read_header(content)
    ids = IdSource()
    outcome = await home.connector.send(
        delivery(
            documents=(Document(content, header),),
            patient=header.patient,
            sender=sender,
            ids=DeliveryIds(ids.oid(), ids.oid(), "m", "e", "c"),
            created_at=system_clock(),
        )
    )
    assert outcome.kind is OutcomeKind.DELIVERED, outcome


@pytest.mark.parametrize(
    ("raw", "code"), [(next_one(), "DMP_REPLACED_NOT_FOUND"), (deletion(1), "DMP_DOCUMENT_NOT_FOUND")]
)
async def test_the_document_of_another_structure_is_neither_replaced_nor_deleted(
    store_url: str, directory: Path, raw: bytes, code: str
) -> None:
    async with hospital(store_url, directory) as home:
        assert STRUCTURE != STRUCTURE_OF_THE_SENDER
        await fed_by(home, STRUCTURE)
        assert await home.code(raw) == "AA"
        await home.until(DMP="refused")
        assert (await home.end("DMP"))[:2] == ("refused", code)
        assert home.shown == [(1, "approved")]
