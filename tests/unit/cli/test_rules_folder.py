"""What ADT messages of a folder say of patients: by local identity, else by INS, in any order."""

from datetime import datetime
from pathlib import Path

import pytest

from pfi.engine.folder import PatientEvents, is_cda, read_file
from pfi.engine.interpretation import Kind
from pfi.engine.settings import Settings
from pfi.model.adt import PatientEvent
from pfi.model.clock import system_clock
from pfi.model.patient import DmpStatus, Feeding, Identifier, Ins, Patient
from pfi.model.profile import Environment
from pfi.model.submission import MessageHeader, Stay
from samples.generator import documents
from samples.generator.clinical_document import write

INS = Ins("279035121518989", "1.2.250.1.213.1.4.10")
AN_IPP, ANOTHER = (Identifier(value, "1.2.250.1.999.7", "CH", "PI") for value in ("4711", "4712"))
NOW = system_clock()


def event(
    day: int, *identifiers: Identifier, trigger: str = "A31", prior: tuple[Identifier, ...] = (), **told: object
) -> PatientEvent:
    at = datetime(2026, 1, day, tzinfo=NOW.tzinfo)
    header = MessageHeader("GAM", "", "PFI", "", "ADT", trigger, "", f"{day}", "P", "2.5", "UNICODE UTF-8")
    patient = Patient(ins=INS, identifiers=identifiers)
    return PatientEvent(header, trigger, at, patient, Stay(), prior_identifiers=prior, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newest_statement_counts_in_whatever_order_messages_come(order: tuple[int, int]) -> None:
    told = PatientEvents()
    events = (event(1, AN_IPP, feeding=Feeding.OPPOSED), event(2, AN_IPP, feeding=Feeding.NOT_OPPOSED))
    for index in order:
        told.tell(events[index])

    state = told.of(Patient(identifiers=(AN_IPP,)))

    assert state is not None
    assert state.feeding is Feeding.NOT_OPPOSED


def test_a_local_identity_does_not_speak_for_another_of_the_same_ins() -> None:
    told = PatientEvents()
    told.tell(event(1, AN_IPP, dmp_status=DmpStatus.CLOSED))
    told.tell(event(2, ANOTHER, dmp_status=DmpStatus.ACTIVE))

    state = told.of(Patient(ins=INS, identifiers=(AN_IPP,)))

    assert state is not None
    assert state.dmp_status is DmpStatus.CLOSED


def test_an_ins_alone_finds_what_is_known_of_it() -> None:
    told = PatientEvents()
    told.tell(event(1, AN_IPP, feeding=Feeding.OPPOSED))

    state = told.of(Patient(ins=INS))

    assert state is not None
    assert state.feeding is Feeding.OPPOSED
    assert told.of(Patient(identifiers=(ANOTHER,))) is None


def test_a_merge_joins_two_local_identities() -> None:
    told = PatientEvents()
    told.tell(event(1, ANOTHER, feeding=Feeding.OPPOSED))
    told.tell(event(2, AN_IPP, trigger="A40", prior=(ANOTHER,)))

    state = told.of(Patient(identifiers=(AN_IPP,)))

    assert state is not None
    assert ANOTHER in state.retired_identifiers


@pytest.mark.parametrize("start", [b"<ClinicalDocument", b"\xef\xbb\xbf\n<?xml"])
def test_what_begins_like_xml_is_a_document(start: bytes) -> None:
    assert is_cda(start)
    assert not is_cda(b"MSH|^~\\&|")


def test_without_configuration_an_ins_of_test_makes_an_environment_of_test(tmp_path: Path) -> None:
    raw = write(documents.discharge_letter("folder"))

    for follow, environment in ((True, Environment.TEST), (False, Environment.PRODUCTION)):
        found = read_file(raw, Settings().profile_of, NOW, follow_ins=follow)
        assert found.kind is Kind.REQUEST
        assert found.profile.environment is environment
