"""A lot says what the HL7 v2 message of the same request says."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from pfi.engine.interpretation import Interpretation, Kind, interpret
from pfi.model.parties import RecipientKind
from pfi.model.profile import Mode, Pid32
from pfi.model.submission import MessageHeader, Orders, Standard, Submission
from pfi.model.submission import Request as Asked
from samples.generator import bundle, catalogue, documents, world
from samples.generator.catalogue import LAB_VISIT, biology, discharge
from samples.generator.request import Flags, Request, write_request
from samples.generator.request import Kind as Sent
from tests.integration.engine.fakes import make_settings
from tests.unit.fhir.lots import codes, errors, lot, read, resource

NO_HEADER = MessageHeader("", "", "", "", "", "", "", "", "", "", "")


def both(request: Request) -> tuple[Interpretation, Interpretation]:
    """The same request by FHIR and by HL7 v2."""
    settings = make_settings()
    return tuple(  # type: ignore[return-value]  # two of them
        interpret(raw, settings.profile_of) for raw in (bundle.write_bundle(request), write_request(request))
    )


def _replacement() -> Request:
    request = discharge("REMPLACEMENT")
    document = replace(request.documents[0], version=2, replaces_version=1)
    return request.but(documents=(document,), kind=Sent.REPLACE)


REQUESTS = {
    "letter": discharge("LETTRE"),
    "two forms": biology("BIO", documents.biology_level_1("b1"), documents.biology_report("b3")),
    "replacement": _replacement(),
    "masked": discharge("MASQUE").but(flags=Flags(masque_ps=True, dest_mss_ps=False)),
    "minor": discharge("MINEUR", patient=world.MINOR).but(
        flags=Flags(invisible_rep_legaux=True, connexion_secrete=True, dest_mss_pat=False)
    ),
    "provisional": discharge("PROV", patient=world.PROVISIONAL, with_matricule=False).but(
        pid_with_ins=False, reliability="PROV", flags=Flags(dest_mss_pat=False)
    ),
    "pharmacy": discharge("PHARMACIE").but(pharmacy=True, body_patient="Bonjour", flags=Flags(close_exchange=True)),
    "two doctors": discharge("DEUX").but(recipients=(world.FAMILY_DOCTOR, world.UNKNOWN_DOCTOR)),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_lot_and_a_message_of_the_same_request_say_the_same(name: str) -> None:
    by_fhir, by_hl7 = both(REQUESTS[name])
    ours, theirs = by_fhir.submission, by_hl7.submission
    assert by_fhir.kind is by_hl7.kind is Kind.REQUEST
    assert by_fhir.standard is Standard.FHIR
    assert ours is not None
    assert theirs is not None
    for field in ("request", "patient", "orders", "documents", "sender", "recipients", "reply_to", "establishment"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert (ours.body_professional, ours.body_patient) == (theirs.body_professional, theirs.body_patient)
    assert ours.stay.patient_class == theirs.stay.patient_class
    assert ours.stay.visit == theirs.stay.visit
    assert codes(by_fhir) == codes(by_hl7)


def _of_the_samples() -> dict[str, Request]:
    """What the samples of HL7 v2 ask for, but for what FHIR cannot: by file."""
    asked: list[Request] = []
    found: dict[str, Request] = {}

    def noted(request: Request) -> bytes:
        asked.append(request)
        return b""

    sections = (
        catalogue.requests(),
        catalogue.identity_cases(),
        catalogue.life_of_a_document(),
        catalogue.visibility_cases(),
    )
    with patch.object(catalogue, "write_request", noted):
        for sample in (each for section in sections for each in section):
            before = len(asked)
            sample.make()
            if len(asked) > before and asked[-1].kind is not Sent.DELETE:
                found[sample.file] = asked[-1]
    return found


SAMPLES = _of_the_samples()


@pytest.mark.parametrize("file", SAMPLES)
def test_every_sample_asks_for_the_same_by_either_door(file: str) -> None:
    """Every type of document, every state of the identity, every flag: nothing but the way in differs."""
    by_fhir, by_hl7 = both(SAMPLES[file])
    assert by_fhir.kind is by_hl7.kind
    assert codes(by_fhir) == codes(by_hl7)
    said = [comparable(each.submission) for each in (by_fhir, by_hl7) if each.submission is not None]
    assert len(said) == (2 if by_hl7.kind is Kind.REQUEST else 0)
    assert said[:1] == said[1:]


def comparable(submission: Submission) -> Submission:
    """Without the header of the message, and the offsets of times: HL7 v2 may leave them out. The lots of the samples
    name the patient as a recipient by the mailbox alone."""
    stay = submission.stay
    return replace(
        submission,
        message=NO_HEADER,
        stay=replace(stay, admitted_at=stay.admitted_at[:14], discharged_at=stay.discharged_at[:14]),
        recipients=tuple(
            replace(each, person=None, identifier="") if each.kind is RecipientKind.PATIENT else each
            for each in submission.recipients
        ),
    )


def test_a_refusal_of_the_flags_is_the_same_and_points_into_the_lot() -> None:
    request = discharge("INCOHERENT").but(flags=Flags(invisible_patient=True))
    by_fhir, by_hl7 = both(request)
    assert {code for code, _ in errors(by_fhir)} == {each.code for each in by_hl7.findings if each.severity == "error"}
    assert all(where.startswith("Bundle.entry[0].resource") for _, where in errors(by_fhir))


def test_a_plain_lot_orders_nothing_and_keeps_its_labels() -> None:
    interpretation = read(lot(with_orders=False), Mode.STRICT)
    assert interpretation.kind is Kind.REQUEST, errors(interpretation)
    assert interpretation.submission is not None
    assert interpretation.submission.orders == Orders(
        masque_ps=False, invisible_patient=False, invisible_rep_legaux=False
    )
    assert not interpretation.submission.orders.given


def test_without_any_visibility_label_nothing_is_presumed() -> None:
    content = lot(with_orders=False)
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    resource(content, 1)["securityLabel"] = [{"coding": [{"system": system, "code": "N"}]}]
    interpretation = read(content)
    assert interpretation.submission is not None
    assert interpretation.submission.orders == Orders()


def test_a_patient_named_by_the_ins_alone_has_the_traits_of_the_document() -> None:
    content = lot()
    for holder in (resource(content, 0), resource(content, 1)):
        for each in holder["contained"]:
            if each["resourceType"] == "Patient":
                kept = {name: each[name] for name in ("resourceType", "id", "identifier")}
                each.clear()
                each.update(kept)
    interpretation = read(content)
    assert interpretation.submission is not None
    assert interpretation.submission.patient.traits == interpretation.submission.documents[0].header.patient.traits
    assert "TRAITS_FROM_DOCUMENT" in codes(interpretation)


def test_resources_of_the_bundle_serve_as_well_as_contained_ones() -> None:
    content = lot()
    contained = resource(content, 0)["contained"]
    doctor = next(each for each in contained if each["id"] == "destinataire-1")
    role = {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": {"reference": "Practitioner/destinataire-1"},
        "organization": {"reference": "#structure"},
    }
    contained.remove(doctor)
    for each in (doctor, role):
        content["entry"].append({"resource": each, "request": {"method": "POST", "url": each["resourceType"]}})
    for extension in resource(content, 0)["extension"]:
        if extension.get("valueReference", {}).get("reference") == "#destinataire-1":
            extension["url"] = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-intendedRecipient"
            extension["valueReference"] = {"reference": "PractitionerRole/role"}
    interpretation = read(content)
    assert interpretation.submission is not None
    recipient = interpretation.submission.recipients[0]
    assert recipient.kind is RecipientKind.PROFESSIONAL
    assert recipient.address == world.FAMILY_DOCTOR.mailbox
    assert recipient.person is not None
    assert recipient.person.identifier == world.FAMILY_DOCTOR.national_id
    assert recipient.organization is not None


def test_a_rpps_number_becomes_the_national_form() -> None:
    content = lot()
    for each in resource(content, 0)["contained"]:
        if each["id"] == "destinataire-1":
            each["identifier"] = [{"system": "https://rpps.esante.gouv.fr", "value": world.FAMILY_DOCTOR.rpps}]
    interpretation = read(content)
    assert interpretation.submission is not None
    person = interpretation.submission.recipients[0].person
    assert person is not None
    assert (person.identifier, person.identifier_type) == (world.FAMILY_DOCTOR.national_id, "IDNPS")


def test_a_patient_recipient_is_never_a_professional() -> None:
    by_fhir, _ = both(discharge("PATIENT"))
    assert by_fhir.submission is not None
    kinds = {each.address: each.kind for each in by_fhir.submission.recipients}
    assert kinds[world.DOMINIQUE.mailbox] is RecipientKind.PATIENT


def test_the_update_of_the_replaced_entry_is_part_of_the_replacement() -> None:
    content = lot(_replacement())
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation"}]}
    content["entry"].append({"resource": patch, "request": {"method": "PATCH", "url": "DocumentReference/1"}})
    interpretation = read(content)
    assert interpretation.kind is Kind.REQUEST
    assert "PATCH_IGNORED" in codes(interpretation)
    assert interpretation.submission is not None
    assert interpretation.submission.request is Asked.REPLACE


def test_identifiers_out_of_use_do_not_count() -> None:
    content = lot()
    resource(content, 1)["contained"][0]["identifier"].append(
        {"use": "old", "system": "urn:oid:1.2.250.1.213.1.4.10", "value": world.PAUL.matricule}
    )
    interpretation = read(content, pid32=Pid32.STRICT)
    assert interpretation.submission is not None
    assert interpretation.submission.patient.other_ins == ()


def test_the_stay_is_read_from_the_encounter() -> None:
    by_fhir, _ = both(discharge("SEJOUR").but(stay=LAB_VISIT))
    assert by_fhir.submission is not None
    stay = by_fhir.submission.stay
    assert (stay.patient_class, stay.admitted_at) == ("O", "20260304081000+0100")
    content = lot()
    resource(content, 1)["context"].pop("encounter")
    interpretation = read(content)
    assert interpretation.submission is not None
    assert interpretation.submission.stay.patient_class == ""
