"""What a database of the previous version knew of patients still counts after the upgrade."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pfi.engine.patientkeys import local_keys
from pfi.model.patient import Identifier
from pfi.store import schema
from pfi.store.database import open_database
from pfi.store.patients import PatientKeys
from samples.generator import world
from samples.generator.request import Flags
from samples.generator.world import Person
from tests.integration.engine.fakes import House, house
from tests.integration.engine.patients import adt, ipp, letter_of

PATIENT = world.PROVISIONAL
OTHER = world.OPPOSED
ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)


def known(patient: Person, *, local: bool = True, feeding: str | None = None) -> dict[str, Any]:
    """A state as the previous version wrote it, without the facts that came since."""
    identifiers = [
        {
            "value": patient.ipp,
            "authority_oid": world.HOSPITAL.finess,
            "authority_name": "CH-EXEMPLE",
            "type_code": "PI",
        }
    ]
    return {
        "identity": {
            "ins": {"matricule": patient.matricule, "oid": world.TEST_INS_OID},
            "identifiers": identifiers if local else [],
            "traits": {},
            "reliability": ["VALI"],
            "account": None,
            "other_ins": [],
            "deceased": False,
        },
        "reliability": ["VALI"],
        "reliability_at": "2026-03-01T07:00:00Z",
        "dmp_status": None,
        "feeding": feeding,
        "feeding_at": "2026-03-01T07:00:00Z" if feeding else None,
        "consultation": "",
        "ins_withdrawn": False,
        "last_event_at": "2026-03-01T07:00:00Z",
        "identity_at": "2026-03-01T07:00:00Z",
        "ins_at": "2026-03-01T07:00:00Z",
    }


def local_key(patient: Person) -> str:
    return local_keys([Identifier(patient.ipp, authority_oid=world.HOSPITAL.finess, type_code="PI")])[0]


def ins_key(patient: Person) -> str:
    return f"ins:{world.TEST_INS_OID}:{patient.matricule}"


@asynccontextmanager
async def upgraded(
    url: str, monkeypatch: pytest.MonkeyPatch, records: Sequence[tuple[dict[str, Any], Sequence[str]]]
) -> AsyncIterator[House]:
    """An engine on a database that the previous version filled with these records: state, keys."""
    database = await open_database(url, Path("unused"), pool=2)
    try:
        with monkeypatch.context() as patched:
            first = schema.migrations()[:1]
            patched.setattr(schema, "migrations", lambda: first)
            assert await schema.migrate(database) == 1
        async with database.connection() as connection:
            opaque = (await PatientKeys.load(connection)).opaque
            for state, keys in records:
                record = uuid.uuid4()
                await connection.execute(
                    "INSERT INTO patients VALUES ($1, $2::text::json, '2026-03-01')", record, json.dumps(state)
                )
                for key in keys:
                    await connection.execute("INSERT INTO patient_keys VALUES ($1, $2)", opaque(key), record)
    finally:
        await database.close()
    async with house(url) as home:
        yield home


async def decision(home: House) -> str:
    """Code of the last decision for the DMP, `send` when it leaves."""
    (row,) = await home.fetch(
        "SELECT action, code FROM decisions WHERE channel = 'DMP' ORDER BY message_id DESC, run DESC LIMIT 1"
    )
    return str(row["code"] or row["action"])


async def test_an_objection_counts_after_the_upgrade(empty_store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opposed = known(PATIENT, feeding="IO")
    async with upgraded(empty_store_url, monkeypatch, [(opposed, [local_key(PATIENT), ins_key(PATIENT)])]) as home:
        assert await home.code(letter_of(PATIENT, "D1", flags=ONLY_DMP)) == "AA"
        assert await decision(home) == "DMP_OPPOSED"
        await home.accept(adt("A31", PATIENT, "20260304080000"))
        assert await home.code(letter_of(PATIENT, "D2", flags=ONLY_DMP)) == "AA"
        assert await decision(home) == "DMP_OPPOSED"
        await home.accept(adt("A31", PATIENT, "20260304090000", feeding="INO"))
        assert await home.code(letter_of(PATIENT, "D3", flags=ONLY_DMP)) == "AA"
        assert await decision(home) == "send"
        assert [each.message.control_id for each in home.dmp.sent] in ([], ["D3"])


@pytest.mark.parametrize("surviving_known", [False, True], ids=["survivor unknown", "survivor known too"])
async def test_an_objection_known_before_the_upgrade_survives_a_merge(
    empty_store_url: str, monkeypatch: pytest.MonkeyPatch, surviving_known: bool
) -> None:
    records: list[tuple[dict[str, Any], Sequence[str]]] = [
        (known(OTHER, feeding="IO"), [local_key(OTHER), ins_key(OTHER)])
    ]
    if surviving_known:
        records.append((known(PATIENT), [local_key(PATIENT), ins_key(PATIENT)]))
    async with upgraded(empty_store_url, monkeypatch, records) as home:
        await home.accept(adt("A40", PATIENT, "20260304080000", mrg=ipp(OTHER)))
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        assert await decision(home) == "DMP_OPPOSED"


async def test_the_identity_that_was_merged_away_is_not_qualified_after_the_upgrade(
    empty_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[tuple[dict[str, Any], Sequence[str]]] = [
        (known(each), [local_key(each), ins_key(each)]) for each in (OTHER, PATIENT)
    ]
    async with upgraded(empty_store_url, monkeypatch, records) as home:
        await home.accept(adt("A40", PATIENT, "20260304080000", mrg=ipp(OTHER)))
        await home.accept(letter_of(OTHER, "D1", flags=ONLY_DMP))
        await home.until(DMP="held")
        await home.accept(letter_of(PATIENT, "D2", flags=ONLY_DMP))
        await home.until(DMP2="delivered")


async def test_what_was_known_of_an_ins_alone_counts_for_the_record_that_has_it_later(
    empty_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = known(PATIENT, local=False, feeding="IO")
    async with upgraded(empty_store_url, monkeypatch, [(alone, [ins_key(PATIENT)])]) as home:
        (row,) = await home.fetch("SELECT anchor FROM patients")
        assert row["anchor"]
        await home.accept(adt("A31", PATIENT, "20260304080000"))
        await home.accept(letter_of(PATIENT, flags=ONLY_DMP))
        assert await decision(home) == "DMP_OPPOSED"
