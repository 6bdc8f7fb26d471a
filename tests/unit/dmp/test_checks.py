"""What is refused before anything is sent (DMP digest §3.2)."""

from dataclasses import replace
from typing import Any

import pytest

from connectors.dmp.checks import check_patient
from connectors.dmp.feed import Lot, describe
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.document import CodedValue, Document
from pfi.model.patient import Ins
from pfi.model.submission import Orders
from tests.unit.dmp.given import PATIENT, RESOURCE_ID, delivery, known_caller, settings
from tests.unit.xds.documents import INS_OID, MATRICULE, N3_BODY, document


def verdict(of: Delivery, **changes: Any) -> str:
    """Code of the refusal; empty when nothing is refused."""
    used = settings(**changes)
    ins = check_patient(of, used)
    if isinstance(ins, Outcome):
        assert ins.kind is OutcomeKind.REFUSED
        return ins.code
    found = describe(of, known_caller(of, used), used, resource_id=RESOURCE_ID, replaced={})
    if isinstance(found, Lot):
        return ""
    assert found.kind is OutcomeKind.REFUSED
    assert found.text.endswith(".")
    assert MATRICULE not in found.text
    return found.code


def with_header(**changes: Any) -> Document:
    mapped = document()
    return Document(mapped.content, replace(mapped.header, **changes))


def test_a_healthy_delivery_passes() -> None:
    assert verdict(delivery()) == ""


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"qualified": False}, "DMP_INS_NOT_QUALIFIED"),
        ({"patient": replace(PATIENT, ins=None)}, "DMP_INS_NOT_QUALIFIED"),
        ({"patient": replace(PATIENT, ins=Ins(MATRICULE, "1.2.3"))}, "DMP_INS_OID"),
        ({"patient": replace(PATIENT, ins=Ins(MATRICULE, "1.2.250.1.213.1.4.8"))}, "DMP_INS_ENVIRONMENT"),
        ({"patient": replace(PATIENT, ins=Ins("279035121518988", INS_OID))}, "DMP_INS_MISMATCH"),
    ],
)
def test_only_a_qualified_ins_of_the_right_environment_leaves(changes: dict[str, Any], code: str) -> None:
    assert verdict(delivery(**changes)) == code


def test_a_test_identity_never_leaves_for_the_production_dmp() -> None:
    assert verdict(delivery(), environment="production") == "DMP_INS_ENVIRONMENT"


def test_an_nia_leaves_unless_the_site_says_no() -> None:
    nia = Ins(MATRICULE, "1.2.250.1.213.1.4.9")
    header = with_header(patient=replace(document().header.patient, ins=nia))
    of = delivery(patient=replace(PATIENT, ins=nia), documents=(header,))
    assert verdict(of, environment="production") == ""
    assert verdict(of, environment="production", accept_nia=False) == "DMP_NIA_NOT_ACCEPTED"


@pytest.mark.parametrize(
    ("mapped", "code"),
    [
        (document(document_id='<id root="1.2.3" extension="A"/>'), "DMP_ID_EXTENSION"),
        (document(document_id='<id root="1.02.3"/>'), "DMP_ID_NOT_OID"),
        (document(document_id=f'<id root="1.2.{"9" * 70}"/>'), "DMP_ID_NOT_OID"),
        (document(document_id='<id root="550e8400-e29b-41d4-a716-446655440000"/>'), "DMP_ID_NOT_OID"),
        (document(type_code="51851-4"), "DMP_TYPE_NOT_ACCEPTED"),
        (document(title=""), "XDS_TITLE_MISSING"),
        (document(body=N3_BODY, template="1.2.250.1.213.1.1.1.10"), "DMP_FORMAT_NOT_ACCEPTED"),
        (with_header(confidentiality=CodedValue("R")), "DMP_CONFIDENTIALITY"),
        (with_header(language="en"), "DMP_LANGUAGE"),
        (with_header(facility=CodedValue("SA00")), "DMP_FACILITY_NOT_ACCEPTED"),
        (with_header(facility=None), "XDS_HEALTHCARE_FACILITY_TYPE_CODE_MISSING"),
        (with_header(legal_authenticator=None), "XDS_LEGAL_AUTHENTICATOR_MISSING"),
        (
            with_header(
                service_events=(replace(document().header.service_events[0], practice_setting=CodedValue("X")),)
            ),
            "DMP_PRACTICE_SETTING_NOT_ACCEPTED",
        ),
    ],
)
def test_a_document_that_the_dmp_would_refuse_is_not_sent(mapped: Document, code: str) -> None:
    assert verdict(delivery(documents=(mapped,))) == code


def test_one_bad_rendition_refuses_the_lot() -> None:
    assert verdict(delivery(documents=(document(), document(title="")))) == "XDS_TITLE_MISSING"


def test_a_document_over_the_limit_is_not_sent() -> None:
    assert verdict(delivery(), max_document_bytes=1024) == "DMP_DOCUMENT_TOO_LARGE"


def test_whether_masks_may_be_cumulated_is_said_once_by_the_rules() -> None:
    """E14 closes the channel while the DMP's parameter forbids it: what comes here may leave, with both codes."""
    both = delivery(orders=Orders(masque_ps=True, invisible_patient=True))
    lot = describe(both, known_caller(both), settings(), resource_id=RESOURCE_ID, replaced={})
    assert isinstance(lot, Lot)
    codes = {code.code for code in lot.entries[0].confidentiality_codes}
    assert codes == {"N", "MASQUE_PS", "INVISIBLE_PATIENT"}


def test_a_secret_connection_needs_invisibility_for_legal_representatives() -> None:
    assert verdict(delivery(orders=Orders(connexion_secrete=True))) == "DMP_SECRET_CONNECTION"
    assert verdict(delivery(orders=Orders(connexion_secrete=True, invisible_rep_legaux=True))) == ""


def test_a_type_without_official_class_needs_a_configured_one() -> None:
    implant = delivery(documents=(document(type_code="101881-1"),))
    assert verdict(implant) == "XDS_CLASS_CODE_MISSING"
    assert verdict(implant, class_codes={"101881-1": "10"}) == ""
