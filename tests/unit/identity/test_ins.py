"""The INS matricule: key, shape, environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfi.identity.ins import allowed, check, has_right_key, is_nia, is_test, is_well_formed, key, missing_traits
from pfi.model.finding import Severity
from pfi.model.patient import Ins, Traits
from pfi.model.profile import Environment
from tests.unit.identity.patients import DEMONSTRATION_OID, NIA_OID, REAL_OID, TEST_OID, TRAITS

# Published and synthetic vectors (INS digest §1.2).
RIGHT = [
    ("2790351215189", "89"),
    ("1460263220001", "96"),
    ("2770763220829", "10"),
    ("2360663220836", "56"),
    ("2600588154002", "33"),
    ("297022A020778", "78"),
    ("190012A004001", "63"),
    ("290122B033007", "19"),
    ("1900175056095", "01"),
    ("1900175056096", "97"),
    ("2990175056001", "89"),
]
WRONG = ["276037510669380", "260058815400244", "224027511583555", "276059205062865"]

digits = st.text("0123456789", min_size=1, max_size=1)
bodies = st.builds(
    lambda start, department, end: start + department + end,
    st.text("0123456789", min_size=5, max_size=5),
    st.one_of(st.sampled_from(["2A", "2B"]), st.text("0123456789", min_size=2, max_size=2)),
    st.text("0123456789", min_size=6, max_size=6),
)


@pytest.mark.parametrize(("body", "expected"), RIGHT)
def test_the_key_of_the_published_vectors_is_found(body: str, expected: str) -> None:
    assert key(body) == expected
    assert has_right_key(body + expected)


@pytest.mark.parametrize("matricule", WRONG)
def test_the_published_examples_with_a_wrong_key_are_seen(matricule: str) -> None:
    assert is_well_formed(matricule)
    assert not has_right_key(matricule)


@given(bodies)
def test_a_key_is_two_digits_from_01_to_97(body: str) -> None:
    assert key(body).isdigit()
    assert len(key(body)) == 2
    assert 1 <= int(key(body)) <= 97


@given(bodies)
def test_body_and_key_read_as_one_number_are_a_multiple_of_97(body: str) -> None:
    """The definition: N + key is a multiple of 97, Corsica having its old numbers."""
    number = int(body.replace("2A", "19").replace("2B", "18") if not body.isdigit() else body)
    assert (number + int(key(body))) % 97 == 0


@given(bodies, st.integers(0, 12), digits)
def test_one_wrong_digit_is_always_seen(body: str, place: int, digit: str) -> None:
    changed = body[:place] + digit + body[place + 1 :]
    if changed != body and body.isdigit():
        assert not has_right_key(changed + key(body))


@pytest.mark.parametrize(
    "body", ["", "279035121518", "27903512151899", "279032C151899", "279032a151899", "2790312A15189"]
)
def test_the_key_of_what_is_no_matricule_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="13 characters"):
        key(body)


@pytest.mark.parametrize("matricule", ["27903512151898", "2790351215189890", "279035121518 89", "２79035121518989"])
def test_a_shape_that_is_not_15_ascii_characters_is_malformed(matricule: str) -> None:
    assert not is_well_formed(matricule)
    assert not has_right_key(matricule)


@pytest.mark.parametrize(
    ("oid", "environment", "expected"),
    [
        (REAL_OID, Environment.PRODUCTION, True),
        (NIA_OID, Environment.PRODUCTION, True),
        (TEST_OID, Environment.PRODUCTION, False),
        (DEMONSTRATION_OID, Environment.PRODUCTION, False),
        (REAL_OID, Environment.TEST, False),
        (NIA_OID, Environment.TEST, False),
        (TEST_OID, Environment.TEST, True),
        (DEMONSTRATION_OID, Environment.TEST, True),
        ("1.2.250.1.213.1.4.2", Environment.PRODUCTION, False),
        ("1.2.250.1.213.1.4.2", Environment.TEST, False),
    ],
)
def test_each_environment_has_its_own_oids(oid: str, environment: Environment, expected: bool) -> None:
    assert allowed(Ins("279035121518989", oid), environment) is expected


@pytest.mark.parametrize(
    ("matricule", "oid", "environment", "expected"),
    [
        ("279035121518989", REAL_OID, Environment.PRODUCTION, None),
        ("279035121518989", TEST_OID, Environment.TEST, None),
        ("279035121518989", TEST_OID, Environment.PRODUCTION, ("INS_OID_ENVIRONMENT", Severity.ERROR)),
        ("279035121518989", REAL_OID, Environment.TEST, ("INS_OID_ENVIRONMENT", Severity.ERROR)),
        ("279035121518988", REAL_OID, Environment.PRODUCTION, ("INS_KEY_WRONG", Severity.ERROR)),
        ("279035121518988", NIA_OID, Environment.PRODUCTION, ("INS_KEY_WRONG", Severity.ERROR)),
        ("279035121518988", TEST_OID, Environment.TEST, ("INS_KEY_WRONG", Severity.WARNING)),
        ("279035121518988", DEMONSTRATION_OID, Environment.TEST, ("INS_KEY_WRONG", Severity.WARNING)),
        ("2790351215189", REAL_OID, Environment.PRODUCTION, ("INS_MALFORMED", Severity.ERROR)),
        ("2790351215189", TEST_OID, Environment.TEST, ("INS_MALFORMED", Severity.WARNING)),
        ("279035121518989", "1.2.250.1.213.1.4.7", Environment.TEST, ("INS_OID_UNKNOWN", Severity.ERROR)),
    ],
)
def test_an_ins_is_checked_by_oid_environment_shape_and_key(
    matricule: str, oid: str, environment: Environment, expected: tuple[str, Severity] | None
) -> None:
    found = check(Ins(matricule, oid), environment)
    assert [(each.code, each.severity) for each in found] == ([expected] if expected else [])
    for finding in found:
        assert (finding.where, finding.err3, finding.err5) == ("PID^1^3", "207", "906")
        assert matricule not in finding.text


def test_kinds_of_ins_are_told_by_their_oid() -> None:
    assert is_test(Ins("", TEST_OID))
    assert is_test(Ins("", DEMONSTRATION_OID))
    assert not is_test(Ins("", REAL_OID))
    assert is_nia(Ins("", NIA_OID))
    assert not is_nia(Ins("", REAL_OID))


def test_missing_strict_traits_are_named_in_french() -> None:
    assert missing_traits(TRAITS) == ()
    assert missing_traits(Traits()) == (
        "nom de naissance",
        "liste des prénoms de naissance",
        "premier prénom de naissance",
        "date de naissance",
        "sexe",
        "code du lieu de naissance",
    )
    vague = Traits("A", "B", "B C", "197903", "UN", " ", "x", "y")
    assert missing_traits(vague) == ("date de naissance", "sexe", "code du lieu de naissance")


@pytest.mark.parametrize(
    ("oid", "environment", "told"),
    [(TEST_OID, Environment.PRODUCTION, "de test"), (REAL_OID, Environment.TEST, "INS réelle")],
)
def test_an_ins_of_another_environment_says_which_one_it_is(oid: str, environment: Environment, told: str) -> None:
    (finding,) = check(Ins("279035121518989", oid), environment)
    assert told in finding.text
