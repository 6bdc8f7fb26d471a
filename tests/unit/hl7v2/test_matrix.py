"""Which combinations of flags pass, in each version of the matrix."""

from dataclasses import fields, replace
from itertools import product

import pytest

from pfi.model.finding import Severity
from pfi.model.profile import Matrix, Mode, SenderProfile
from pfi.model.submission import Orders
from pfi.routing.rules import load_rules
from pfi.standards.hl7v2.matrix import Invariant, Outcome, invariants, is_listed, rows
from pfi.standards.hl7v2.orders import Flag
from tests.unit.hl7v2.specimens import SENT_BY, STRICT, Specimen, codes, errors, mdm, oru

STRICT_MATRIX = SenderProfile(matrix=Matrix.STRICT)
LEGACY = SenderProfile(matrix=Matrix.LEGACY_2_1_2)
OPEN = SenderProfile(masked_ps_blocks_pro=False)


def wanting(destinations: str = "", hidden: str = "") -> Specimen:
    """An ORU whose flags are all N but those named, by blanks."""
    names = (*destinations.split(), *hidden.split())
    flags = ("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "CONNEXION_SECRETE")
    targets = ("DESTDMP", "DESTMSSANTEPS", "DESTMSSANTEPAT")
    return oru().flags(**{flag: "Y" if flag in names else "N" for flag in (*flags, *targets)})


@pytest.mark.parametrize(("version", "count"), [(Matrix.STRICT, 96), (Matrix.LEGACY_2_1_2, 80), (Matrix.TOLERANT, 0)])
def test_the_published_rows_allow_their_known_number_of_the_1024_combinations(version: Matrix, count: int) -> None:
    combinations = (Orders(*values) for values in product((False, True), repeat=10))
    assert sum(is_listed(version, orders) for orders in combinations) == count


def test_the_rows_are_data() -> None:
    assert len(rows(Matrix.STRICT)) == len(rows(Matrix.LEGACY_2_1_2)) == 3


PS, PAT, DMP = "DESTMSSANTEPS", "DESTMSSANTEPAT", "DESTDMP"

TABLE = [
    # destinations, hidden, tolerant, tolerant without masked_ps_blocks_pro, strict matrix, legacy: place of the refusal
    (f"{PS} {PAT}", "", None, None, None, None),
    (f"{PS} {PAT} {DMP}", "", None, None, None, None),
    (f"{PS} {PAT}", "CONNEXION_SECRETE", None, None, None, "OBX^9^5"),
    (f"{PS}", "INVISIBLE_PATIENT", None, None, None, None),
    (f"{PS}", "", None, None, "OBX^8^5", "OBX^8^5"),
    (f"{PS}", "MASQUE_PS INVISIBLE_PATIENT", "OBX^8^5", None, "OBX^8^5", None),
    (f"{PS} {DMP}", "INVISIBLE_PATIENT INVISIBLE_REP_LEGAUX", None, None, "OBX^8^5", "OBX^8^5"),
    (f"{PAT}", "", None, None, None, None),
    (f"{PAT}", "MASQUE_PS", None, None, None, None),
    (f"{PAT} {DMP}", "", None, None, "OBX^9^5", "OBX^9^5"),
    (f"{PAT}", "INVISIBLE_PATIENT", "OBX^9^5", "OBX^9^5", "OBX^9^5", "OBX^9^5"),
    (f"{DMP}", "", None, None, None, None),
    (f"{DMP}", "INVISIBLE_PATIENT", None, None, None, None),
    ("", "", None, None, "OBX^7^5", None),
]


@pytest.mark.parametrize(("destinations", "hidden", "tolerant", "unblocked", "strict", "legacy"), TABLE)
def test_each_combination_gets_its_answer(
    destinations: str, hidden: str, tolerant: str | None, unblocked: str | None, strict: str | None, legacy: str | None
) -> None:
    specimen = wanting(destinations, hidden)
    for profile, place in (
        (SenderProfile(), tolerant),
        (OPEN, unblocked),
        (STRICT_MATRIX, strict),
        (LEGACY, legacy),
    ):
        refusals = [finding for finding in specimen.read(profile).findings if finding.severity is Severity.ERROR]
        assert [(finding.err3, finding.err5, finding.where) for finding in refusals] == (
            [("207", "906", place)] if place else []
        )


def test_nothing_to_do_is_accepted_with_a_warning_in_tolerant_and_refused_in_strict() -> None:
    reading = wanting().read()
    assert reading.request is not None
    assert codes(reading.findings, Severity.WARNING) == {"NOTHING_TO_DO"}
    assert errors(wanting().read(STRICT).findings) == [("207", "OBX^7^5", "NOTHING_TO_DO")]


def test_a_mail_to_masked_professionals_is_reported_when_the_site_allows_it() -> None:
    assert "FLAGS_INCONSISTENT" in codes(wanting(PS, "MASQUE_PS").read(OPEN).findings, Severity.WARNING)


def test_an_unlisted_combination_is_noted_in_tolerant() -> None:
    assert "FLAGS_UNLISTED" in codes(wanting(PS).read().findings, Severity.INFO)
    assert "FLAGS_UNLISTED" not in codes(wanting(f"{PS} {PAT}").read().findings)
    assert "FLAGS_UNLISTED" not in codes(wanting(DMP).read().findings)


@pytest.mark.parametrize(
    ("hidden", "code"),
    [("CONNEXION_SECRETE", "DMP_SECRET_VISIBLE"), ("MASQUE_PS INVISIBLE_PATIENT", "DMP_HIDDEN_FROM_ALL")],
)
def test_what_the_dmp_alone_refuses_is_a_warning_in_tolerant_and_an_error_in_strict(hidden: str, code: str) -> None:
    reading = wanting(DMP, hidden).read()
    assert reading.request is not None
    assert code in codes(reading.findings, Severity.WARNING)
    assert ("207", "OBX^7^5", code) in errors(wanting(DMP, hidden).read(STRICT).findings)


@pytest.mark.parametrize("hidden", ["CONNEXION_SECRETE", "MASQUE_PS INVISIBLE_PATIENT"])
def test_the_rules_of_the_dmp_do_not_bear_on_mail(hidden: str) -> None:
    reading = wanting("", hidden).read()
    assert not codes(reading.findings) & {"DMP_SECRET_VISIBLE", "DMP_HIDDEN_FROM_ALL"}


def test_a_secret_connection_hidden_from_representatives_is_fine() -> None:
    reading = wanting(DMP, "CONNEXION_SECRETE INVISIBLE_REP_LEGAUX").read(STRICT)
    assert errors(reading.findings) == []


def test_the_strict_mode_implies_the_strict_matrix() -> None:
    profile = SenderProfile(mode=Mode.STRICT, matrix=Matrix.TOLERANT)
    assert ("207", "OBX^8^5", "FLAGS_INCONSISTENT") in errors(
        mdm().flag("INVISIBLE_PATIENT", "N").read(profile).findings
    )


def test_the_refusal_names_the_flags() -> None:
    finding = next(f for f in wanting(PS).read(STRICT_MATRIX).findings if f.severity is Severity.ERROR)
    assert "DESTMSSANTEPS = Y" in finding.text
    assert "INVISIBLE_PATIENT = N" in finding.text
    assert "ACK" not in finding.text


# Invariants as data


def invariant(name: str) -> Invariant:
    (found,) = (each for each in invariants() if each.id == name)
    return found


def test_the_eight_invariants_of_the_matrix_are_data() -> None:
    assert [each.id for each in invariants()] == [f"M{number}" for number in range(1, 9)]
    for each in invariants():
        assert each.when
        assert each.matrices
        assert each.text.endswith(".")
        assert each.rule
        assert bool(each.by) is (each.outcome is Outcome.ELSEWHERE)
        assert bool(each.code) is (each.outcome is not Outcome.ELSEWHERE)
        assert each.outcome is Outcome.ELSEWHERE or each.where in each.when


@pytest.mark.parametrize(
    ("name", "combination"),
    [
        ("M1", Orders(invisible_patient=True, dest_mss_pat=True)),
        ("M2", Orders(masque_ps=True, dest_mss_ps=True)),
        ("M3", Orders(invisible_rep_legaux=True, dest_mss_pat=True)),
        ("M4", Orders(connexion_secrete=True, dest_dmp=True)),
        ("M5", Orders(masque_ps=True, invisible_patient=True, dest_dmp=True)),
        ("M6", Orders(dest_dmp=False)),
        ("M7", Orders(dest_mss_ps=True)),
        ("M8", Orders(dest_mss_pat=True)),
    ],
)
def test_an_invariant_is_broken_by_its_combination_and_by_nothing_less(name: str, combination: Orders) -> None:
    rule = invariant(name)
    assert rule.broken_by(combination)
    for flag, value in rule.when.items():
        changed = replace(combination, **{flag_attribute(flag): not value})
        assert not rule.broken_by(changed)


def flag_attribute(flag: Flag) -> str:
    return dict(zip(Flag, (each.name for each in fields(Orders)), strict=False))[flag]


@pytest.mark.parametrize(
    ("name", "profile", "refused"),
    [
        ("M1", SenderProfile(), True),
        ("M2", SenderProfile(), True),
        ("M2", OPEN, False),
        ("M4", SenderProfile(), False),
        ("M4", STRICT_MATRIX, False),
        ("M4", STRICT, True),
        ("M5", LEGACY, False),
        ("M5", STRICT, True),
        ("M6", SenderProfile(), False),
        ("M6", LEGACY, False),
        ("M6", STRICT_MATRIX, True),
        ("M7", STRICT, False),
    ],
)
def test_an_invariant_refuses_or_only_reports_according_to_the_sender(
    name: str, profile: SenderProfile, refused: bool
) -> None:
    assert invariant(name).refuses(profile) is refused


def test_what_depends_on_more_than_flags_is_closed_where_it_is_said() -> None:
    alone = wanting(PS).without("PRT").ending(SENT_BY)
    assert invariant("M7").by in codes(alone.read().findings, Severity.ERROR)
    mailbox = wanting(PAT).without("PRT").ending(SENT_BY)
    assert invariant("M8").by in codes(mailbox.read().findings, Severity.WARNING)
    assert invariant("M3").by in {rule.id for rule in load_rules().exceptions}


def test_the_published_rows_do_not_check_what_they_list_themselves() -> None:
    assert invariant("M1").matrices == invariant("M2").matrices == {Matrix.TOLERANT}
    assert codes(wanting(f"{PS} {PAT}", "MASQUE_PS").read(LEGACY).findings, Severity.ERROR) == {"FLAGS_INCONSISTENT"}


def test_a_flag_left_out_breaks_an_invariant_like_an_n() -> None:
    reading = wanting(DMP, "CONNEXION_SECRETE").dropping("|INVISIBLE_REP_LEGAUX^").read()
    assert "DMP_SECRET_VISIBLE" in codes(reading.findings, Severity.WARNING)


def test_a_sender_without_any_destination_flag_breaks_nothing() -> None:
    silent = oru().dropping("|DEST").flag("INVISIBLE_PATIENT", "Y")
    assert not codes(silent.read().findings) & {"NOTHING_TO_DO", "FLAGS_INCONSISTENT", "FLAGS_UNLISTED"}
