"""What of a lot is refused, or told: always with its place in the lot."""

import base64
import hashlib
import json
from typing import Any

import pytest

from pfi.engine.conclusion import conclude
from pfi.engine.interpretation import Kind, interpret
from pfi.model.clock import system_clock
from pfi.model.decision import Channel
from pfi.model.profile import Mode
from pfi.routing.rules import default_rule_paths, load_rules
from samples.generator import documents, world
from samples.generator.catalogue import biology, discharge
from tests.unit.fhir.lots import Change, codes, errors, lot, read, resource


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
    content = lot(discharge("DEUX").but(recipients=(world.FAMILY_DOCTOR, world.UNKNOWN_DOCTOR)))
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


def test_an_unknown_source_is_refused_where_senders_must_be_known() -> None:
    interpretation = interpret(json.dumps(lot()).encode(), lambda _header: None)
    assert errors(interpretation) == {("UNKNOWN_SENDER", "Bundle.entry[0].resource.extension")}
