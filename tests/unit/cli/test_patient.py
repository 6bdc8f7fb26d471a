"""`pfi patient` on a real store: what is known, and the local register."""

from pathlib import Path

import pytest

from samples.generator import world
from tests.integration.engine.fakes import House
from tests.integration.engine.patients import adt
from tests.stores import store_server, store_url
from tests.unit.cli.journaled import TERMINAL, Office

__all__ = ["store_server", "store_url"]

PATIENT = world.PROVISIONAL
BY_IPP = ("--ipp", PATIENT.ipp, "--authority", world.HOSPITAL.finess)
BY_INS = ("--ins", PATIENT.matricule)
TRAITS = (PATIENT.ipp, PATIENT.matricule, PATIENT.family, PATIENT.first_given)


@pytest.fixture
def office(store_url: str, tmp_path: Path) -> Office:
    return Office.opened(store_url, tmp_path)


async def opposed(home: House) -> None:
    await home.accept(adt("A31", PATIENT, feeding="IO", status="ACTIF"))


def test_nothing_is_known_of_a_stranger(office: Office) -> None:
    result = office.run("patient", "show", *BY_IPP)
    assert (result.exit_code, result.stdout.strip()) == (0, "Aucun message ADT n'a parlé de ce patient.")
    assert office.json("patient", "show", *BY_INS) == {}


@pytest.mark.parametrize("name", [BY_IPP, BY_INS], ids=["ipp", "ins"])
def test_what_adt_told_is_shown_without_any_trait(office: Office, name: tuple[str, ...]) -> None:
    office.fill(opposed)
    result = office.run("patient", "show", *name)
    assert result.exit_code == 0
    assert "opposé (le 2026-03-10 à " in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= TERMINAL
    assert not [trait for trait in TRAITS if trait in result.output]
    facts = office.json("patient", "show", *name)
    assert facts["DMP"].startswith("ouvert")
    assert facts["Courriels au patient"] == "pas d'opposition"


def test_the_register_keeps_what_is_entered_and_what_is_lifted(office: Office) -> None:
    done = office.run("patient", "register", *BY_IPP, "--object", "pro", "--object", "cit", "--ins-impossible")
    assert (done.exit_code, done.stdout.strip()) == (0, "Inscrit au registre local.")
    facts = office.json("patient", "show", *BY_IPP)
    assert (facts["Courriels aux professionnels"], facts["Courriels au patient"]) == ("opposé", "opposé")
    assert facts["INS impossible"] == "oui"
    assert office.run("patient", "register", *BY_IPP, "--lift", "cit", "--ins-possible").exit_code == 0
    facts = office.json("patient", "show", *BY_IPP)
    assert (facts["Courriels aux professionnels"], facts["Courriels au patient"]) == ("opposé", "pas d'opposition")
    assert "INS impossible" not in facts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show",), "Désigner le patient"),
        (("show", "--ipp", "1"), "--authority"),
        (("register", *BY_IPP), "Rien à inscrire"),
        (("register", *BY_IPP, "--object", "pro", "--lift", "pro"), "à la fois"),
        (("register", *BY_IPP, "--object", "dmp"), "dmp"),
        (("register", "--object", "pro"), "Désigner le patient"),
    ],
    ids=lambda each: each if isinstance(each, str) else "-".join(each[:2]),
)
def test_wrong_usage_is_said_in_french_and_changes_nothing(office: Office, words: tuple[str, ...], said: str) -> None:
    result = office.run("patient", *words)
    assert result.exit_code == 2
    assert said in result.stderr
