"""What is kept of the e-mails of a resource, however it is written."""

from datetime import date
from typing import Any

import pytest

from connectors.annuaire.reading import is_active, mailboxes, professionals, target
from pfi.engine.connector import Mailbox
from pfi.standards.fhir.element import Element

TYPE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type"
METADATA = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata"
TODAY = date(2026, 3, 5)
MSS = {"url": TYPE, "valueCoding": {"code": "MSSANTE"}}


def kind(code: str) -> dict[str, Any]:
    coded = {"coding": [{"code": code}]}
    return {"url": METADATA, "extension": [{"url": "type", "valueCodeableConcept": coded}]}


def read(*telecoms: Any) -> list[Mailbox]:
    resource = Element({"resourceType": "Practitioner", "telecom": list(telecoms)}, "")
    return list(mailboxes(resource, lambda address: address.endswith("@listed.fr"), TODAY))


def email(value: str = "a@x.fr", *extensions: Any, **more: Any) -> dict[str, Any]:
    return {"system": "email", "value": value, "extension": list(extensions), **more}


def test_a_typed_mailbox_is_kept_with_its_kind() -> None:
    assert read(email("a@x.fr", MSS, kind("PER"))) == [Mailbox("a@x.fr", "PER")]


def test_unknown_extensions_and_elements_do_not_hide_a_mailbox() -> None:
    strange = {"url": "urn:x", "valueUnheardOf": {"a": [1]}}
    assert read(email("a@x.fr", strange, MSS, kind("PER"), rank="première", invented=True)) == [
        Mailbox("a@x.fr", "PER")
    ]


def test_an_ordinary_email_is_left_out_and_an_untyped_one_taken_when_its_domain_is_listed() -> None:
    assert read(email("a@x.fr"), email("b@listed.fr")) == [Mailbox("b@listed.fr")]


def test_an_email_of_another_type_is_left_out_even_in_a_listed_domain() -> None:
    assert read(email("b@listed.fr", {"url": TYPE, "valueCoding": {"code": "AUTRE"}})) == []


@pytest.mark.parametrize(
    "telecom",
    [
        email("a@x.fr", MSS, use="old"),
        email("a@x.fr", MSS, period={"end": "2026-03-04"}),
        email("a@x.fr", MSS, period={"end": "2026-02"}),
        email("a@x.fr", MSS, period={"end": "2025"}),
        email("a@x.fr", MSS, period={"end": "bientôt"}),
        email("279035121518989@patient.mssante.fr", MSS),
        email("not an address", MSS),
        email("", MSS),
        {"system": "phone", "value": "a@x.fr", "extension": [MSS]},
        "a@x.fr",
        None,
    ],
)
def test_what_is_over_unusable_or_a_patient_s_is_left_out(telecom: Any) -> None:
    assert read(telecom) == []


@pytest.mark.parametrize("end", ["2026-03-05", "2026-03", "2026", "2027-01-01T00:00:00Z"])
def test_a_mailbox_serves_until_the_last_day_of_its_period(end: str) -> None:
    assert read(email("a@x.fr", MSS, period={"end": end})) == [Mailbox("a@x.fr")]


@pytest.mark.parametrize(("content", "active"), [({}, True), ({"active": True}, True), ({"active": False}, False)])
def test_what_says_nothing_is_active(content: dict[str, Any], active: bool) -> None:
    assert is_active(Element(content, "")) is active


def test_an_activity_that_cannot_be_read_is_none() -> None:
    assert not is_active(Element({"active": "oui"}, ""))


def test_identifiers_of_other_systems_are_not_a_professional_s() -> None:
    numbers = [{"system": "urn:x", "value": "10003461033"}, {"system": "https://rpps.esante.gouv.fr", "value": 7}]
    assert list(professionals(Element({"identifier": numbers}, ""))) == []


@pytest.mark.parametrize(
    ("reference", "identity"),
    [
        ("Practitioner/7", "7"),
        ("https://x.fr/fhir/v2/Practitioner/7", "7"),
        ("Organization/7", ""),
        ("7", ""),
        ("", ""),
    ],
)
def test_a_reference_names_what_it_says(reference: str, identity: str) -> None:
    assert target(Element({"reference": reference}, ""), "Practitioner") == identity
