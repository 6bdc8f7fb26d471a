"""From decisions to deliveries: one a channel, with identifiers of their own, and no INS that is not qualified."""

import itertools
import re
import uuid
from dataclasses import replace

import pytest

from pfi.engine.conclusion import acknowledgment, conclude
from pfi.engine.patientkeys import patient_keys
from pfi.engine.plan import Planned, plan
from pfi.model.clock import IdSource
from pfi.model.decision import Action, Channel
from pfi.model.patient import Identifier, Ins, Patient
from pfi.model.submission import Request
from samples.generator import documents, world
from samples.generator.catalogue import biology, discharge
from samples.generator.request import Flags, write_request
from tests.unit.interpretation.given import NOW, RULES, concluded, interpreted

UNQUALIFIED = discharge("P1", patient=world.PROVISIONAL, with_matricule=False).but(
    reliability="PROV", pid_with_ins=False
)


def planned(raw: bytes, ids: IdSource | None = None) -> dict[Channel, Planned]:
    return {each.delivery.channel: each for each in plan(concluded(raw), ids or IdSource(), NOW)}


def counted() -> IdSource:
    numbers = itertools.count(1)
    return IdSource(uuid4=lambda: uuid.UUID(int=next(numbers) << 64 | 0x4000_8000_0000_0000_0000))


# Channels -------------------------------------------------------------------------------------------------------------


def test_each_channel_that_sends_gets_one_delivery() -> None:
    found = planned(write_request(discharge("P2")))
    assert list(found) == [Channel.DMP, Channel.PRO, Channel.CIT]
    assert {each.decision.action for each in found.values()} == {Action.SEND}
    for channel, each in found.items():
        assert each.decision.channel is channel
        assert each.delivery.recipients == each.decision.recipients
        assert each.delivery.created_at == NOW
        assert each.delivery.request is Request.INITIAL


def test_a_channel_that_is_denied_gets_none() -> None:
    found = planned(write_request(discharge("P3").but(flags=Flags(dest_dmp=False, dest_mss_pat=False))))
    assert list(found) == [Channel.PRO]


def test_a_held_channel_gets_a_delivery_that_waits() -> None:
    found = planned(write_request(UNQUALIFIED))
    assert {channel: each.decision.action for channel, each in found.items()} == {
        Channel.DMP: Action.HOLD,
        Channel.PRO: Action.SEND,
    }


def test_renditions_travel_together() -> None:
    raw = write_request(biology("P4", documents.biology_level_1("n1"), documents.biology_report("n3")))
    found = planned(raw)
    assert len(found) == 3
    assert {len(each.delivery.documents) for each in found.values()} == {2}


@pytest.mark.parametrize(
    "raw",
    [
        write_request(discharge("P5", patient=world.PAUL).but(patient=world.DOMINIQUE)),
        b"PID|1\r",
        write_request(discharge("P6").but(flags=Flags(invisible_patient=True))),
    ],
)
def test_a_refused_message_plans_nothing(raw: bytes) -> None:
    assert plan(concluded(raw), IdSource(), NOW) == ()


# Identity -------------------------------------------------------------------------------------------------------------


def test_an_identity_that_is_not_qualified_leaves_without_any_ins() -> None:
    raw = write_request(UNQUALIFIED.but(pid_with_ins=True))
    reading = interpreted(raw)
    assert reading.submission is not None
    assert reading.submission.patient.ins is not None
    for each in planned(raw).values():
        assert each.delivery.qualified is False
        assert each.delivery.patient.ins is None
        assert each.delivery.patient.other_ins == ()
        assert each.delivery.patient.traits == reading.submission.patient.traits
        assert each.delivery.patient.identifiers == reading.submission.patient.identifiers


def test_a_qualified_identity_leaves_with_its_ins() -> None:
    for each in planned(write_request(discharge("P7"))).values():
        assert each.delivery.qualified is True
        assert each.delivery.patient.ins == Ins(world.DOMINIQUE.matricule, world.TEST_INS_OID)


# Contents -------------------------------------------------------------------------------------------------------------


def test_each_reader_gets_his_own_body() -> None:
    found = planned(write_request(discharge("P8").but(body_professional="Aux médecins", body_patient="À vous")))
    assert found[Channel.PRO].delivery.body == "Aux médecins"
    assert found[Channel.CIT].delivery.body == "À vous"


def test_what_the_sender_said_travels_with_the_delivery() -> None:
    raw = write_request(discharge("P9").but(reply_to="retour@ch-exemple.mssante.fr"))
    submission = interpreted(raw).submission
    assert submission is not None
    for each in planned(raw).values():
        delivery = each.delivery
        assert (delivery.stay, delivery.orders, delivery.message) == (
            submission.stay,
            submission.orders,
            submission.message,
        )
        assert delivery.sender == submission.sender
        assert delivery.reply_to == "retour@ch-exemple.mssante.fr"
        assert delivery.attempt == 1


# Identifiers ----------------------------------------------------------------------------------------------------------


def test_every_identifier_is_new_and_of_its_own_form() -> None:
    found = planned(write_request(discharge("P10")))
    every = [
        value
        for each in found.values()
        for value in (
            str(each.delivery.id),
            each.delivery.ids.submission_set,
            each.delivery.ids.signature,
            each.delivery.ids.message_id,
            each.delivery.ids.envelope,
            each.delivery.ids.control_id,
        )
    ]
    assert len(set(every)) == len(every)
    for each in found.values():
        ids = each.delivery.ids
        assert re.fullmatch(r"2\.25\.\d+", ids.submission_set)
        assert max(len(ids.submission_set), len(ids.signature)) <= 64
        assert len(ids.control_id) <= 20
        assert re.fullmatch(r"[0-9a-f]{32}", ids.envelope)
        assert "@" not in ids.message_id


def test_the_same_source_of_identifiers_gives_the_same_plan() -> None:
    raw = write_request(discharge("P11"))
    assert planned(raw, counted()) == planned(raw, counted())


def test_the_establishment_s_own_root_is_used() -> None:
    found = planned(write_request(discharge("P12")), IdSource(oid_root="1.2.250.1.999.3"))
    assert all(each.delivery.ids.submission_set.startswith("1.2.250.1.999.3.") for each in found.values())


# Keys of patients, acknowledgments ------------------------------------------------------------------------------------


def test_a_patient_is_known_by_the_ins_first_then_by_permanent_local_identifiers() -> None:
    patient = Patient(
        ins=Ins("279035121518989", "1.2.250.1.213.1.4.10"),
        identifiers=(
            Identifier("8800123", "1.2.3", "CH", "PI"),
            Identifier("26001", "1.2.3", "CH", "AN"),
            Identifier("77", "", "CLINIQUE", "PI"),
        ),
    )
    assert patient_keys(patient) == (
        "ins:1.2.250.1.213.1.4.10:279035121518989",
        "local:1.2.3:8800123",
        "local:CLINIQUE:77",
    )
    assert patient_keys(replace(patient, ins=None))[0].startswith("local:")
    assert patient_keys(Patient()) == ()


def test_the_acknowledgment_is_made_of_the_conclusion_and_none_is_made_for_nobody() -> None:
    reading = interpreted(write_request(discharge("P13")))
    content = acknowledgment(reading, conclude(reading, None, RULES, NOW), control_id="ACK1", now=NOW)
    assert content is not None
    assert b"MSA|AA|P13" in content
    nobody = interpreted(b"PID|1\r")
    assert acknowledgment(nobody, conclude(nobody, None, RULES, NOW), control_id="ACK2", now=NOW) is None
