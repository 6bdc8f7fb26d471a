"""The MetaDMPMSS flags."""

from dataclasses import fields

import pytest

from pfi.model.finding import Severity
from pfi.model.submission import Orders
from pfi.standards.hl7v2.orders import Flag, value_of
from tests.unit.hl7v2.specimens import FLAG_CODES, STRICT, TOLERANT, Specimen, codes, errors, oru

EVERYTHING = Orders(
    masque_ps=False,
    invisible_patient=False,
    invisible_rep_legaux=False,
    connexion_secrete=False,
    modif_conf_code=False,
    dest_dmp=True,
    dest_mss_ps=True,
    dest_mss_pat=True,
    ack_reception=True,
    ack_lecture_mss=True,
)
ATTRIBUTES = dict(zip(FLAG_CODES, (each.name for each in fields(Orders)), strict=False))
TO_PATIENT_FLAG = "|DESTMSSANTEPAT^"


def orders_of(specimen: Specimen) -> Orders:
    request = specimen.read().request
    assert request is not None
    return request.orders


def test_all_ten_flags_are_read() -> None:
    assert orders_of(oru()) == EVERYTHING


@pytest.mark.parametrize(
    ("code", "attribute"),
    [
        ("CONNEXION_SECRETE", "connexion_secrete"),
        ("MODIF_CONF_CODE", "modif_conf_code"),
        ("INVISIBLE_REP_LEGAUX", "invisible_rep_legaux"),
    ],
)
def test_each_flag_lands_in_its_place(code: str, attribute: str) -> None:
    assert getattr(orders_of(oru().flag(code, "Y")), attribute) is True


@pytest.mark.parametrize("written", ["Y", "y", " Y ", "Y^^HL70136", "Y\u00a0"])
def test_only_the_first_component_counts_trimmed_whatever_its_case(written: str) -> None:
    assert orders_of(oru().flag("MODIF_CONF_CODE", written)).modif_conf_code is True


@pytest.mark.parametrize(("written", "err3"), [("O", "103"), ("1", "103"), ('""', "103"), ("", "101")])
def test_a_value_other_than_y_or_n_is_refused(written: str, err3: str) -> None:
    for profile in (TOLERANT, STRICT):
        reading = oru().flag("DESTDMP", written).read(profile)
        assert (err3, "OBX^7^5") in [(code, where) for code, where, _ in errors(reading.findings)]


@pytest.mark.parametrize("code", FLAG_CODES[:8])
def test_a_missing_flag_stays_unsaid_in_tolerant_and_is_refused_in_strict(code: str) -> None:
    specimen = oru().dropping(f"|{code}^")
    reading = specimen.read()
    assert "FLAG_MISSING" in codes(reading.findings, Severity.WARNING)
    assert reading.request is not None
    orders = reading.request.orders
    assert value_of(orders, Flag(code)) is False
    assert [each.name for each in fields(Orders) if getattr(orders, each.name) is None] == [ATTRIBUTES[code]]
    assert ("101", "OBX^1", "FLAG_MISSING") in errors(specimen.read(STRICT).findings)


@pytest.mark.parametrize("code", FLAG_CODES[8:])
def test_a_missing_acknowledgment_flag_counts_as_n_in_both_modes(code: str) -> None:
    reading = oru().dropping(f"|{code}^").read(STRICT)
    assert reading.request is not None
    assert False in (reading.request.orders.ack_reception, reading.request.orders.ack_lecture_mss)


def test_without_any_destination_flag_the_sender_is_a_legacy_one_that_orders_nothing() -> None:
    specimen = oru()
    for code in FLAG_CODES:
        specimen = specimen.dropping(f"|{code}^")
    reading = specimen.read()
    assert reading.request is not None
    assert reading.request.orders == Orders()
    assert not reading.request.orders.given
    assert codes(reading.findings, Severity.WARNING) == {"FLAGS_ABSENT"}
    assert ("101", "OBX^1", "FLAGS_ABSENT") in errors(specimen.read(STRICT).findings)


def test_a_legacy_sender_is_still_believed_on_what_it_hides() -> None:
    specimen = oru().dropping("|DEST").flag("INVISIBLE_PATIENT", "Y")
    orders = orders_of(specimen)
    assert orders.invisible_patient is True
    assert not orders.given


def test_a_repeated_flag_with_the_same_value_is_tolerated() -> None:
    repeated = oru().ending("OBX|20|CE|DESTDMP^x^MetaDMPMSS||Y^^expandedYes-NoIndicator||||||F|")
    assert repeated.read().request is not None
    assert ("198", "OBX^20", "FLAG_REPEATED") in errors(repeated.read(STRICT).findings)


def test_a_repeated_flag_with_another_value_is_refused() -> None:
    repeated = oru().ending("OBX|20|CE|DESTDMP^x^MetaDMPMSS||N^^expandedYes-NoIndicator||||||F|")
    assert ("198", "OBX^20", "FLAG_REPEATED") in errors(repeated.read().findings)


@pytest.mark.parametrize(
    ("code", "legacy"),
    [
        ("INVISIBLE_REP_LEGAUX", "INVISIBLE_REPRESENTANTS_LEGAUX"),
        ("MODIF_CONF_CODE", "MODIF_CONFIDENTIALITYCODE"),
        ("ACK_LECTURE_MSS", "ACK_LECTURE"),
    ],
)
def test_legacy_codes_are_mapped_silently_in_tolerant(code: str, legacy: str) -> None:
    specimen = oru().replacing(f"|{code}^", f"|{legacy}^").flag(legacy, "Y")
    reading = specimen.read()
    assert codes(reading.findings, Severity.WARNING) == set()
    assert reading.request is not None
    assert getattr(reading.request.orders, code.lower()) is True
    assert "FLAG_CODE_LEGACY" in codes(specimen.read(STRICT).findings, Severity.ERROR)


def test_a_code_printed_with_a_blank_is_understood() -> None:
    specimen = (
        oru().replacing("|INVISIBLE_REP_LEGAUX^", "|INVISIBLE_ REP_LEGAUX^").replacing("^MetaDMPMSS|", "^MetaDMPMSS |")
    )
    assert specimen.read(STRICT).request is not None


def test_flags_without_their_table_are_read_in_tolerant() -> None:
    specimen = oru().replacing("^MetaDMPMSS|", "|")
    assert orders_of(specimen) == EVERYTHING
    assert ("101", "OBX^7^3", "CODING_SYSTEM_MISSING") in errors(specimen.read(STRICT).findings)


def test_an_unknown_code_of_the_table_is_only_noted() -> None:
    reading = oru().ending("OBX|20|CE|NOUVEAU^x^MetaDMPMSS||Y||||||F|").read(STRICT)
    assert reading.request is not None
    assert "FLAG_IGNORED" in codes(reading.findings, Severity.INFO)


def test_comp_lot_is_ignored_in_silence() -> None:
    assert "FLAG_IGNORED" not in codes(oru().ending("OBX|20|CE|COMP_LOT^x^MetaDMPMSS||Y||||||F|").read().findings)


def test_flags_out_of_order_are_only_reported() -> None:
    specimen = oru().dropping("|MASQUE_PS^").ending(oru().lines[10])
    for profile in (TOLERANT, STRICT):
        reading = specimen.read(profile)
        assert reading.request is not None
        assert "FLAG_ORDER" in codes(reading.findings, Severity.WARNING)


@pytest.mark.parametrize(
    ("place", "value", "refusal"), [("OBX^2^2", "CWE", "FLAG_TYPE"), ("OBX^2^11", "C", "FLAG_STATUS")]
)
def test_the_form_of_a_flag_only_matters_in_strict(place: str, value: str, refusal: str) -> None:
    specimen = oru().having(place, value)
    assert specimen.read().request is not None
    assert codes(specimen.read(STRICT).findings, Severity.ERROR) == {refusal}


@pytest.mark.parametrize(
    ("notes", "closed"),
    [
        (("NTE|1|||FIN",), True),
        (("NTE|1||remarque", "NTE|2|||fin"), True),
        (("NTE|1||FIN|",), False),
        (("OBX|30|CE|AUTRE^x^MetaDMPMSS||N", "NTE|1|||FIN"), False),
        ((), False),
    ],
)
def test_fin_right_after_the_patient_flag_closes_the_exchange(notes: tuple[str, ...], closed: bool) -> None:
    assert orders_of(oru().after(TO_PATIENT_FLAG, *notes)).close_exchange is closed


def test_fin_after_another_flag_closes_nothing() -> None:
    assert not orders_of(oru().after("|DESTDMP^", "NTE|1|||FIN")).close_exchange
