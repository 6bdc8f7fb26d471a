"""The official ADT examples, read and folded: the table of hl7v2 digest §6.5, found again by splitting strings."""

from pathlib import Path

import pytest

from pfi.identity.history import fold, storable
from pfi.model.adt import PatientEvent
from pfi.model.patient import DmpStatus, Feeding
from pfi.standards.hl7v2.adt import read_adt
from pfi.standards.hl7v2.tokenizer import parse
from tests.unit.hl7v2.official import of_type

ADT = of_type("ADT")
CONSENTS = tuple(path for path in ADT if "Consentement" in path.name or "Recueillie" in path.name)

pytestmark = pytest.mark.skipif(not ADT, reason="exemples HL7 v2 officiels absents (PFI_ANS_DIR)")


def read(path: Path) -> PatientEvent:
    event = read_adt(parse(path.read_bytes())).event
    assert event is not None
    return event


def zfa(path: Path) -> list[str]:
    """ZFA-1, ZFA-9 and ZFA-11."""
    lines = path.read_text("utf-8").replace("\r", "\n").split("\n")
    found = next((line.split("|") for line in lines if line.startswith("ZFA|")), [])
    return [found[number] for number in (1, 9, 11)] if found else []


@pytest.mark.parametrize("path", CONSENTS, ids=lambda path: path.name)
def test_the_consents_are_those_of_the_table(path: Path) -> None:
    state = fold([read(path)])
    status, feeding, consultation = zfa(path)
    assert status == "ACTIF"
    assert state.dmp_status is DmpStatus.ACTIVE
    assert (state.feeding, state.consultation) == (Feeding(feeding), consultation)
    (episode,) = state.episodes
    assert (episode.consultation, episode.patient_class, episode.unit) == (consultation, "I", "6268")
    assert episode.admitted_at is not None
    assert not episode.cancelled


@pytest.mark.parametrize("path", ADT, ids=lambda path: path.name)
def test_the_identity_is_qualified_and_the_treating_physician_known(path: Path) -> None:
    event = read(path)
    state = fold([event])
    assert state.identity.ins is not None
    assert (state.reliability, state.deceased, state.birth_date_corrected) == (("VALI",), False, False)
    assert [each.role for each in state.care_team if each.role == "ODRP"] == ["ODRP"] * (
        "|ODRP|" in path.read_text("utf-8")
    )
    assert fold([storable(event), event]) == state


def test_each_visit_of_the_examples_is_an_episode_although_they_reuse_the_number_of_a_movement() -> None:
    events = [read(path) for path in ADT]
    visits = {event.stay.visit.value for event in events if event.stay.visit is not None}
    state = fold(events)
    assert {episode.visit.partition("^")[0] for episode in state.episodes} == visits
    assert fold(reversed(events)) == state


def test_after_all_the_consents_the_newest_is_known() -> None:
    newest = max(CONSENTS, key=lambda path: read(path).told_at)
    assert fold(read(path) for path in CONSENTS).consultation == zfa(newest)[2]
