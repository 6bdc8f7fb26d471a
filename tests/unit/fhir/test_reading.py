"""A lot says what the HL7 v2 message of the same request says."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from pfi.engine.interpretation import Interpretation, Kind, conclude, interpret
from pfi.model.clock import system_clock
from pfi.model.decision import Channel
from pfi.model.parties import RecipientKind
from pfi.model.profile import Mode, Pid32
from pfi.model.submission import MessageHeader, Orders, Standard, Submission
from pfi.model.submission import Request as Asked
from pfi.routing.rules import default_rule_paths, load_rules
from samples.generator import bundle, catalogue, documents, world
from samples.generator.catalogue import LAB_VISIT, biology, discharge
from samples.generator.request import Flags, Request, write_request
from samples.generator.request import Kind as Sent
from tests.integration.engine.fakes import make_settings
from tests.unit.fhir.lots import Change, codes, errors, lot, read, resource

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


# What is refused -----------------------------------------------------------------------------------------------------


def _attachment(content: Any) -> Any:
    return resource(content, 1)["content"][0]["attachment"]


def _other_ins(content: Any) -> None:
    patient = resource(content, 1)["contained"][0]
    patient["identifier"][0]["value"] = world.PAUL.matricule


def _with_bytes(content: Any, data: bytes) -> None:
    resource(content, 2)["data"] = base64.b64encode(data).decode()
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    _attachment(content).update(size=len(data), hash=base64.b64encode(digest).decode())


def _twice(content: Any) -> None:
    content["entry"][1:1] = [content["entry"][1]] * 2


DOCUMENT = "Bundle.entry[1].resource"
ATTACHMENT = f"{DOCUMENT}.content[0].attachment"
REFUSALS: dict[str, tuple[Change, tuple[str, str]]] = {
    "no list": (lambda c: c["entry"].pop(0), ("SUBMISSION_SET_MISSING", "Bundle.entry")),
    "two lists": (lambda c: c["entry"].append(c["entry"][0]), ("SUBMISSION_SET_REPEATED", "Bundle.entry")),
    "no document": (lambda c: c["entry"].pop(1), ("DOCUMENT_MISSING", "Bundle.entry")),
    "three documents": (_twice, ("TOO_MANY_DOCUMENTS", "Bundle.entry[3].resource")),
    "no binary": (lambda c: c["entry"].pop(2), ("CONTENT_MISSING", f"{ATTACHMENT}.url")),
    "elsewhere": (
        lambda c: _attachment(c).update(url="https://exemple.fr/Binary/1"),
        ("CONTENT_MISSING", f"{ATTACHMENT}.url"),
    ),
    "no base64": (
        lambda c: resource(c, 2).update(data="@@@@"),
        ("CONTENT_NOT_BASE64", "Bundle.entry[2].resource.data"),
    ),
    "altered": (
        lambda c: _attachment(c).update(hash="A/hMRrv6Y15BjSM8kMLidrz+mHc="),
        ("CONTENT_HASH_MISMATCH", f"{ATTACHMENT}.hash"),
    ),
    "cut": (lambda c: _attachment(c).update(size=80), ("CONTENT_SIZE_MISMATCH", f"{ATTACHMENT}.size")),
    "pdf": (
        lambda c: resource(c, 2).update(contentType="application/pdf"),
        ("CONTENT_NOT_CDA", "Bundle.entry[2].resource.contentType"),
    ),
    "not a CDA": (lambda c: _with_bytes(c, b"<a/>"), ("CDA_NOT_A_CLINICAL_DOCUMENT", "Bundle.entry[2].resource.data")),
    "DOCTYPE": (
        lambda c: _with_bytes(c, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("XML_DOCTYPE_FORBIDDEN", "Bundle.entry[2].resource.data"),
    ),
    "superseded": (
        lambda c: resource(c, 1).update(status="entered-in-error"),
        ("DOCUMENT_STATUS_UNKNOWN", f"{DOCUMENT}.status"),
    ),
    "appendix": (
        lambda c: resource(c, 1).update(relatesTo=[{"code": "appends", "target": {"reference": "#patient"}}]),
        ("RELATION_UNSUPPORTED", f"{DOCUMENT}.relatesTo[0]"),
    ),
    "label": (
        lambda c: resource(c, 1)["securityLabel"][0]["coding"][0].update(code="SECRET"),
        ("SECURITY_LABEL_UNKNOWN", f"{DOCUMENT}.securityLabel[0].coding[0]"),
    ),
    "order": (
        lambda c: resource(c, 0)["extension"][-1]["extension"].append({"url": "DESTFAX", "valueBoolean": True}),
        ("ORDER_UNKNOWN", "Bundle.entry[0].resource.extension[5].extension[8]"),
    ),
    "contradiction": (
        lambda c: resource(c, 0)["extension"][-1]["extension"].append({"url": "MASQUE_PS", "valueBoolean": True}),
        ("FLAG_REPEATED", "Bundle.entry[0].resource.extension[5].extension[8]"),
    ),
    "not a boolean": (
        lambda c: resource(c, 0)["extension"][-1]["extension"].append({"url": "CONNEXION_SECRETE", "valueCode": "Y"}),
        ("FLAG_VALUE", "Bundle.entry[0].resource.extension[5].extension[8]"),
    ),
    "two patients": (_other_ins, ("INS_CONTRADICTORY", f"{DOCUMENT}.contained[0].identifier")),
    "deletion": (
        lambda c: c["entry"][1]["request"].update(method="DELETE"),
        ("ENTRY_UNSUPPORTED", f"{DOCUMENT}"),
    ),
    "something else": (
        lambda c: c["entry"].append(
            {
                "resource": {
                    "resourceType": "Appointment",
                    "status": "booked",
                    "participant": [{"status": "accepted"}],
                },
                "request": {"method": "POST", "url": "Appointment"},
            }
        ),
        ("ENTRY_UNSUPPORTED", "Bundle.entry[3].resource"),
    ),
    "fewer patients": (
        lambda c: (
            [holder.pop(name, None) for holder in (resource(c, 0), resource(c, 1)) for name in ("subject",)]
            + [resource(c, 1)["context"].pop("sourcePatientInfo"), resource(c, 0)["extension"].pop(2)]
        ),
        ("PATIENT_MISSING", DOCUMENT + ".subject"),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_sent_safely_is_refused_with_its_place(name: str) -> None:
    change, expected = REFUSALS[name]
    content = lot()
    change(content)
    interpretation = read(content)
    assert interpretation.kind is Kind.REFUSED
    assert expected in errors(interpretation)


def test_another_patient_s_document_is_refused() -> None:
    content = lot(discharge("UN"))
    other = lot(discharge("DEUX", patient=world.PAUL))
    data = base64.b64decode(resource(other, 2)["data"])
    _with_bytes(content, data)
    interpretation = read(content)
    conclusion = conclude(interpretation, None, load_rules(default_rule_paths()), system_clock())
    assert conclusion.ack.code == "AE"
    assert {each.action for each in conclusion.decisions} == {"deny"}
    assert {each.channel for each in conclusion.decisions} == set(Channel)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda c: resource(c, 0).pop("identifier"), "CONTROL_ID_DERIVED"),
        (lambda c: resource(c, 0)["extension"].pop(1), "SENDER_MISSING"),
        (lambda c: resource(c, 0).pop("date"), "MESSAGE_TIME_MISSING"),
        (lambda c: resource(c, 1).pop("masterIdentifier"), "DOCUMENT_ID_MISSING"),
        (lambda c: resource(c, 1)["masterIdentifier"].update(value="urn:oid:1.2.3"), "DOCUMENT_ID_MISMATCH"),
        (lambda c: resource(c, 1)["type"]["coding"][0].update(code="11488-4"), "TYPE_MISMATCH"),
        (lambda c: resource(c, 1).pop("type"), "DOCUMENT_CODE_MISSING"),
        (lambda c: _attachment(c).pop("hash"), "CONTENT_HASH_MISSING"),
        (lambda c: resource(c, 0)["contained"].pop(3), "RECIPIENT_EMPTY"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_deviation_is_told_and_refused_only_in_strict_mode(change: Change, code: str) -> None:
    content = lot(REQUESTS["two doctors"])
    change(content)
    tolerant, strict = read(content), read(content, Mode.STRICT)
    assert tolerant.kind is Kind.REQUEST, errors(tolerant)
    assert code in codes(tolerant)
    assert code in {each for each, _ in errors(strict)}


def test_a_sound_lot_passes_the_strict_mode() -> None:
    assert errors(read(lot(biology("STRICT", documents.biology_report("s"))), Mode.STRICT)) == set()


def test_a_trial_is_refused_where_only_production_is_admitted() -> None:
    interpretation = read(lot(), processing_ids=frozenset({"P"}))
    assert ("PROCESSING_ID_REFUSED", "Bundle.meta") in errors(interpretation)


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


def test_an_unknown_source_is_refused_where_senders_must_be_known() -> None:
    interpretation = interpret(json.dumps(lot()).encode(), lambda _header: None)
    assert errors(interpretation) == {("UNKNOWN_SENDER", "Bundle.entry[0].resource.extension")}
