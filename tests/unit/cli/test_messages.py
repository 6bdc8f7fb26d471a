"""`pfi messages` and `pfi show` on a terminal of 80 columns: whole words, and no trait of anybody."""

from pathlib import Path

import pytest

from pfi.cli.outcomes import shown_mailbox
from samples.generator import world
from samples.generator.catalogue import discharge
from samples.generator.request import write_request
from tests.integration.engine.fakes import House
from tests.stores import store_server, store_url
from tests.unit.cli.journaled import TERMINAL, Office

__all__ = ["store_server", "store_url"]

CONTROL_ID = "DPI-0123456789012345"
"""As long as MSH-10 may be."""


@pytest.fixture
def office(store_url: str, tmp_path: Path) -> Office:
    return Office.opened(store_url, tmp_path)


async def one_delivered(home: House) -> None:
    await home.accept(write_request(discharge(CONTROL_ID)))
    await home.until(DMP="delivered", PRO="delivered", CIT="delivered")


def test_an_empty_journal_is_said(office: Office) -> None:
    assert office.run("messages").stdout == "Aucun message.\n"
    assert office.json("messages") == []


def test_dates_identifiers_and_states_are_not_cut(office: Office) -> None:
    office.fill(one_delivered)
    shown = office.run("messages").stdout
    assert max(map(len, shown.splitlines())) <= TERMINAL
    assert "…" not in shown
    cells = [row.split("│") for row in shown.splitlines() if row.startswith("│")]
    assert "".join(row[4].strip() for row in cells) == CONTROL_ID
    (line,) = office.json("messages")
    day, time = line["received_at"].replace("T", " ").split(" ")
    for whole in (day, time[:8], "MDM^T02", "DMP remis"):
        assert whole in shown, whole


def test_the_mailbox_of_a_patient_does_not_show_their_ins(office: Office) -> None:
    office.fill(one_delivered)
    shown = office.run("show", "1").stdout
    assert world.DOMINIQUE.matricule not in shown
    assert "(patient)@patient.mssante.fr" in shown
    assert world.DOMINIQUE.matricule in office.run("show", "1", "--json").stdout


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("279035121518989@patient.mssante.fr", "(patient)@patient.mssante.fr"),
        ("279035121518989@PATIENT.MSSANTE.FR", "(patient)@PATIENT.MSSANTE.FR"),
        ("docteur.essai@medecin.mssante.fr", "docteur.essai@medecin.mssante.fr"),
        ("99900000025", "99900000025"),
        ("", ""),
    ],
)
def test_only_the_addresses_of_patients_are_hidden(address: str, shown: str) -> None:
    assert shown_mailbox(address) == shown
