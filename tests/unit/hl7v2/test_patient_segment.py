"""PID and PV1."""

import pytest

from pfi.model.patient import Identifier, Ins, Patient, Traits
from pfi.model.submission import Stay
from tests.unit.hl7v2.specimens import INS, INS_CX, IPP_CX, STRICT, TOLERANT, Specimen, codes, errors, oru

NIR, NIA, TEST = "1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9", "1.2.250.1.213.1.4.10"


def cx(value: str, oid: str, kind: str = "INS") -> str:
    return f"{value}^^^AUTORITE&{oid}&ISO^{kind}"


def patient_of(specimen: Specimen) -> Patient:
    request = specimen.read().request
    assert request is not None
    return request.patient


def stay_of(specimen: Specimen) -> Stay:
    request = specimen.read().request
    assert request is not None
    return request.stay


def test_a_patient_is_read_as_written() -> None:
    assert patient_of(oru()) == Patient(
        ins=Ins(INS, TEST),
        identifiers=(Identifier("8800123", "750000001", "CH-TEST", "PI"),),
        traits=Traits(
            birth_name="PAT-TROIS",
            first_given_name="DOMINIQUE",
            given_names="DOMINIQUE",
            birth_date="19790328",
            sex="F",
            birth_place="63220",
        ),
        reliability=("VALI",),
        account=Identifier("990001", "750000001", "CH-TEST", "AN"),
    )


@pytest.mark.parametrize("oid", [NIR, NIA, TEST, "1.2.250.1.213.1.4.11"])
def test_an_ins_is_known_by_its_type_and_its_oid(oid: str) -> None:
    assert patient_of(oru().having("PID^1^3", cx(INS, oid)).without("PRT").flags(DESTMSSANTEPS="N")).ins == Ins(
        INS, oid
    )


def test_the_billing_nir_is_never_an_ins() -> None:
    patient = patient_of(oru().having("PID^1^3", f"{cx(INS, NIR, 'NH')}~{IPP_CX}"))
    assert patient.ins is None
    assert [identifier.type_code for identifier in patient.identifiers] == ["NH", "PI"]


def test_an_ins_of_an_unknown_authority_is_reported_and_not_used() -> None:
    specimen = oru().having("PID^1^3", f"{cx('123', '1.2.250.1.213.1.4.2', 'INS')}~{IPP_CX}")
    assert patient_of(specimen).ins is None
    assert ("103", "PID^1^3", "INS_AUTHORITY_UNKNOWN") in errors(specimen.read(STRICT).findings)


def test_the_nir_wins_over_the_nia() -> None:
    patient = patient_of(oru().having("PID^1^3", f"{cx('260058815400233', NIA)}~{INS_CX}"))
    assert patient.ins == Ins(INS, TEST)
    assert patient.other_ins == (Ins("260058815400233", NIA),)


def test_two_different_nir_make_the_patient_uncertain() -> None:
    reading = oru().having("PID^1^3", f"{INS_CX}~{cx('277076322082910', NIR)}").read()
    assert ("207", "PID^1^3", "INS_CONTRADICTORY") in errors(reading.findings)
    assert [finding.err5 for finding in reading.findings if finding.code == "INS_CONTRADICTORY"] == ["904"]


def test_the_same_ins_twice_is_one_ins() -> None:
    assert patient_of(oru().having("PID^1^3", f"{INS_CX}~{INS_CX}")).other_ins == ()


def test_a_deleted_value_says_nothing_in_a_request() -> None:
    patient = patient_of(oru().having("PID^1^3", f'""^^^A&{TEST}&ISO^INS~{IPP_CX}').having("PID^1^8", '""'))
    assert patient.ins is None
    assert patient.traits.sex == ""


@pytest.mark.parametrize(
    ("names", "birth", "used"),
    [
        ("A^B^B C^^^^L~D^E^^^^^D", "A", "D"),
        ("D^E^^^^^D~A^B^B C^^^^L", "A", "D"),
        ("A^B", "A", ""),
        ("A^B^^^^^U", "A", ""),
        ("X^Y^^^^^S~A^B^^^^^L", "A", ""),
        ("D^E^^^^^D", "", "D"),
    ],
)
def test_names_are_told_apart_by_their_type(names: str, birth: str, used: str) -> None:
    traits = patient_of(oru().having("PID^1^5", names)).traits
    assert (traits.birth_name, traits.used_name) == (birth, used)


@pytest.mark.parametrize("names", ["A^B^B C", "A^B^B C^^^^U"])
def test_an_ins_asks_for_a_name_typed_as_birth_name(names: str) -> None:
    untyped = oru().having("PID^1^5", names)
    assert ("101", "PID^1^5", "BIRTH_NAME_UNTYPED") in errors(untyped.read(STRICT).findings)
    assert untyped.read().request is not None
    assert "BIRTH_NAME_UNTYPED" not in [finding.code for finding in oru().read(STRICT).findings]
    without_ins = untyped.having("PID^1^3", IPP_CX)
    assert "BIRTH_NAME_UNTYPED" not in [finding.code for finding in without_ins.read(STRICT).findings]


@pytest.mark.parametrize(("indicator", "deceased"), [("Y", True), ("N", False), ("", False), ('""', False)])
def test_the_death_indicator_is_read(indicator: str, deceased: bool) -> None:
    assert patient_of(oru().having("PID^1^30", indicator)).deceased is deceased


def test_the_birth_place_is_that_of_the_birth_address_only() -> None:
    specimen = oru().having("PID^1^11", "^^PARIS^^75007^FRA^H^^75107~^^^^^^BDL^^63220")
    assert patient_of(specimen).traits.birth_place == "63220"
    assert patient_of(oru().having("PID^1^11", "^^PARIS^^75007^FRA^H^^75107")).traits.birth_place == ""


def test_the_birth_date_is_cut_to_the_day() -> None:
    assert patient_of(oru().having("PID^1^7", "19790328101500")).traits.birth_date == "19790328"


def test_all_repetitions_of_pid_32_are_kept() -> None:
    assert patient_of(oru().having("PID^1^32", "VALI~DOUT")).reliability == ("VALI", "DOUT")
    assert patient_of(oru().having("PID^1^32", "")).reliability == ()


@pytest.mark.parametrize(
    ("specimen", "refusal"),
    [
        (oru().having("PID^1^3", ""), ("101", "PID^1^3", "PATIENT_ID_MISSING")),
        (oru().having("PID^1^5", ""), ("101", "PID^1^5", "PATIENT_NAME_MISSING")),
        (oru().having("PID^1^7", "28/03/1979"), ("102", "PID^1^7", "BIRTH_DATE_INVALID")),
    ],
)
def test_an_unusable_patient_is_refused_in_both_modes(specimen: Specimen, refusal: tuple[str, str, str]) -> None:
    assert refusal in errors(specimen.read(TOLERANT).findings)
    assert refusal in errors(specimen.read(STRICT).findings)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("PID^1^5", "PAT-TROIS^DOMINIQUE^^^^^L"),
        ("PID^1^7", ""),
        ("PID^1^8", "U"),
        ("PID^1^11", "1 rue Test^^PARIS"),
    ],
)
def test_an_ins_without_a_strict_trait_is_reported_in_tolerant_and_refused_in_strict(place: str, value: str) -> None:
    specimen = oru().having(place, value)
    assert specimen.read().request is not None
    assert "INS_TRAIT_MISSING" in codes(specimen.read().findings)
    assert ("101", place, "INS_TRAIT_MISSING") in errors(specimen.read(STRICT).findings)


def test_without_ins_no_strict_trait_is_asked() -> None:
    specimen = oru().having("PID^1^3", IPP_CX).having("PID^1^8", "").having("PID^1^11", "")
    assert errors(specimen.read(STRICT).findings) == []


def test_a_stay_is_read() -> None:
    stay = stay_of(oru().having("PV1^1^3", "3435^^^CH").having("PV1^1^45", "20260306"))
    assert stay == Stay(
        patient_class="O",
        visit=Identifier("5500042", "750000001", "CH-TEST", "VN"),
        admitted_at="20260305093000",
        discharged_at="20260306",
        unit="3435",
    )


@pytest.mark.parametrize("patient_class", ["I", "O", "E", "R", "V"])
def test_a_stay_needs_its_visit_number(patient_class: str) -> None:
    specimen = oru().having("PV1^1^2", patient_class).having("PV1^1^19", "")
    assert specimen.read().request is not None
    assert errors(specimen.read(STRICT).findings) == [("101", "PV1^1^19", "VISIT_NUMBER_MISSING")]


def test_outside_a_stay_no_visit_number_is_asked() -> None:
    assert errors(oru().having("PV1^1^2", "N").having("PV1^1^19", "").read(STRICT).findings) == []


@pytest.mark.parametrize(
    ("place", "value", "err3"),
    [("PV1^1^2", "", "101"), ("PV1^1^2", "Z", "103"), ("PV1^1^44", "hier", "102"), ("PV1^1^45", "20269999", "102")],
)
def test_a_faulty_stay_is_refused_in_strict_only(place: str, value: str, err3: str) -> None:
    specimen = oru().having(place, value)
    assert specimen.read().request is not None
    assert [(code, where) for code, where, _ in errors(specimen.read(STRICT).findings)] == [(err3, place)]
