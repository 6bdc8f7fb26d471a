"""`pfi holds`, `pfi release`, `pfi cancel` on a real store."""

from dataclasses import replace
from pathlib import Path

import pytest

from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import Flags, write_request
from tests.integration.engine.fakes import House
from tests.integration.engine.patients import letter_of
from tests.stores import store_server, store_url
from tests.unit.cli.journaled import TERMINAL, Office

__all__ = ["store_server", "store_url"]

PATIENT = world.PROVISIONAL
ONLY_DMP = Flags(dest_mss_ps=False, dest_mss_pat=False)
TRAITS = (PATIENT.ipp, PATIENT.matricule, PATIENT.family, PATIENT.first_given)


@pytest.fixture
def office(store_url: str, tmp_path: Path) -> Office:
    return Office.opened(store_url, tmp_path)


async def two_held(home: House) -> None:
    """One waits for a person (E22), the other for a qualified identity."""
    request = discharge("C1", patient=world.DOMINIQUE)
    (document,) = request.documents
    secret = replace(document, confidentiality=("V", "Très restreint"))
    await home.accept(write_request(request.but(documents=(secret,), flags=ONLY_DMP)))
    await home.accept(letter_of(PATIENT, "P1", reliability="PROV", flags=ONLY_DMP))
    await home.until(DMP="held", DMP2="held")


def test_an_empty_store_holds_nothing(office: Office) -> None:
    result = office.run("holds")
    assert (result.exit_code, result.stdout.strip()) == (0, "Rien n'attend.")
    assert office.json("holds") == []


def test_what_waits_is_listed_in_french_without_any_trait(office: Office) -> None:
    office.fill(two_held)
    result = office.run("holds")
    assert result.exit_code == 0
    assert "une identité" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= TERMINAL
    assert not [trait for trait in TRAITS if trait in result.output]
    rows = office.json("holds")
    assert [(row["until"], row["code"]) for row in rows] == [
        ("human_release", "CONFIDENTIALITY_RV"),
        ("identity_qualified", "INS_IN_CDA_NOT_QUALIFIED"),
    ]
    assert len(office.json("holds", "--limit", "1")) == 1


def test_only_what_waits_for_a_person_is_released(office: Office) -> None:
    office.fill(two_held)
    human, identity = (row["id"] for row in office.json("holds"))
    refused = office.run("release", identity[:8])
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Livraison non libérée. ")
    released = office.run("release", human[:8].upper())
    assert (released.exit_code, released.stdout.strip()) == (0, "Livraison libérée.")
    again = office.run("release", human)
    assert (again.exit_code, "n'est pas en attente" in again.stderr) == (1, True)
    assert [row["id"] for row in office.json("holds")] == [identity]


def test_what_is_cancelled_is_gone(office: Office) -> None:
    office.fill(two_held)
    human, identity = (row["id"] for row in office.json("holds"))
    cancelled = office.run("cancel", identity)
    assert (cancelled.exit_code, cancelled.stdout.strip()) == (0, "Livraison annulée.")
    again = office.run("cancel", identity)
    assert (again.exit_code, again.stderr.strip()) == (1, "Aucune livraison annulée : voir « pfi holds ».")
    assert [row["id"] for row in office.json("holds")] == [human]


@pytest.mark.parametrize("command", ["release", "cancel"])
@pytest.mark.parametrize("prefix", ["", "zz", "%"])
def test_a_prefix_that_names_no_single_delivery_changes_nothing(office: Office, command: str, prefix: str) -> None:
    office.fill(two_held)
    result = office.run(command, prefix)
    assert result.exit_code == 1
    assert "pfi holds" in result.stderr
    assert len(office.json("holds")) == 2


def test_a_delivery_must_be_named(office: Office) -> None:
    for command in ("release", "cancel"):
        assert office.run(command).exit_code == 2
    assert office.run("holds", "--limit", "0").exit_code == 2
