from dataclasses import replace

import pytest

from connectors.mssante.addressing import addressing, outcomes, overall
from connectors.mssante.composition import forbidden
from pfi.model.decision import Channel
from pfi.model.delivery import OutcomeKind, RecipientOutcome
from pfi.model.patient import Ins
from tests.unit.mssante.material import (
    INS_OID,
    PATIENT,
    PATIENT_ADDRESS,
    cda,
    delivery,
    document,
    patient_recipient,
    professional,
    settings,
)

K = OutcomeKind


def test_a_mailbox_named_twice_is_served_once_and_answers_twice() -> None:
    named = ("Dr.Essai@medecin.mssante.fr", " dr.essai@MEDECIN.mssante.fr ", "b@x.fr")
    who = addressing(delivery(recipients=tuple(map(professional, named))), settings())
    assert who.deliverable == ("Dr.Essai@medecin.mssante.fr", "b@x.fr")
    results = [RecipientOutcome(each, K.DELIVERED) for each in who.deliverable]
    assert [result.address for result in outcomes(who, results)] == list(named)


def test_a_patient_is_never_served_with_the_professionals() -> None:
    mixed = delivery(recipients=(professional("a@x.fr"), patient_recipient()))
    who = addressing(mixed, settings())
    assert who.deliverable == who.shown == ("a@x.fr",)
    assert [(result.address, result.kind, result.code) for result in who.refused] == [
        (PATIENT_ADDRESS, K.REFUSED, "510")
    ]


@pytest.mark.parametrize(
    ("given", "served"),
    [
        ((PATIENT_ADDRESS,), True),
        ((PATIENT_ADDRESS.upper(),), True),
        (("",), True),
        ((), True),
        (("277076322082910@patient.mssante.fr",), False),
        ((PATIENT_ADDRESS, "277076322082910@patient.mssante.fr"), False),
        (("279035121518989@patient.mssante.f",), False),
    ],
)
def test_the_patient_is_served_at_the_address_of_the_ins_or_not_at_all(given: tuple[str, ...], served: bool) -> None:
    who = addressing(delivery(Channel.CIT, recipients=tuple(map(patient_recipient, given))), settings())
    assert who.deliverable == ((PATIENT_ADDRESS,) if served else ())
    assert {result.code for result in who.refused} == (set() if served else {"510"})


def test_a_misspelt_mailbox_is_served_as_given_to_a_test_identity_only() -> None:
    misspelt = "27903512151898900001@patient.mssante.fr"
    of_test = delivery(Channel.CIT, recipients=(patient_recipient(misspelt),))
    assert addressing(of_test, settings()).deliverable == (misspelt,)
    real = replace(PATIENT, ins=Ins("279035121518989", "1.2.250.1.213.1.4.8"))
    of_somebody = delivery(Channel.CIT, patient=real, recipients=(patient_recipient(misspelt),))
    assert addressing(of_somebody, settings()).deliverable == ()
    both = delivery(Channel.CIT, recipients=(patient_recipient(misspelt), patient_recipient()))
    assert addressing(both, settings()).deliverable == ()


def test_an_address_that_must_come_from_the_message_is_not_computed() -> None:
    strict = settings(patient_address="require_prt")
    assert addressing(delivery(Channel.CIT, recipients=()), strict).deliverable == ()
    assert addressing(delivery(Channel.CIT), strict).deliverable == (PATIENT_ADDRESS,)


def test_no_qualified_ins_no_mail_to_the_patient() -> None:
    assert addressing(delivery(Channel.CIT, qualified=False), settings()).deliverable == ()
    assert addressing(delivery(Channel.CIT, patient=replace(PATIENT, ins=None)), settings()).deliverable == ()
    short = replace(PATIENT, ins=Ins("2790351215189", INS_OID))
    assert addressing(delivery(Channel.CIT, patient=short), settings()).deliverable == ()


def test_a_matricule_in_the_cda_of_an_unqualified_identity_is_forbidden() -> None:
    assert forbidden(delivery(qualified=False))
    assert not forbidden(delivery(qualified=False, documents=(document(cda(matricule=None)),)))
    assert not forbidden(delivery())


@pytest.mark.parametrize(
    ("kinds", "whole"),
    [
        ((K.DELIVERED, K.DELIVERED), K.DELIVERED),
        ((K.DELIVERED, K.REFUSED), K.REFUSED),
        ((K.REFUSED, K.NOT_DELIVERED), K.NOT_DELIVERED),
        ((K.NOT_DELIVERED, K.UNKNOWN, K.DELIVERED), K.UNKNOWN),
        ((), K.REFUSED),
    ],
)
def test_what_remains_to_be_done_decides_for_the_mail(kinds: tuple[OutcomeKind, ...], whole: OutcomeKind) -> None:
    assert overall([RecipientOutcome("a@x.fr", kind) for kind in kinds]) is whole
