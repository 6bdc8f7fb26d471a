"""Facts are read where the digest says, and never guessed."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from pfi.model.document import CodedValue, Participant
from pfi.model.parties import Author, Organization, Person, Recipient, RecipientKind, rpps
from pfi.routing.facts import DocumentFacts, day_of, declared_physicians, is_minor, read_facts, same_person
from pfi.routing.rulefile import Setting
from pfi.routing.specimen import Specimen
from tests.unit.routing.cases import case, shipped_rules, with_header, with_submission


def facts(one: Specimen) -> DocumentFacts:
    rules = shipped_rules()
    submission = one.submission
    return read_facts(submission, submission.documents[0], submission.tags, rules.settings, rules.genetics_types)


@pytest.mark.parametrize(
    ("patient_class", "setting"),
    [
        ("I", "in_stay"),
        ("R", "in_stay"),
        ("O", "outside"),
        ("V", "outside"),
        ("E", "outside"),
        ("N", "unknown"),
        ("", "unknown"),
    ],
)
def test_pv1_2_tells_where_the_document_was_produced(patient_class: str, setting: str) -> None:
    assert facts(case(patient_class=patient_class)).setting_of_production == setting


@pytest.mark.parametrize("code", ["EMER", "EXTERNE", "AMB", "HH", "FLD", "VR"])
def test_an_encounter_outside_a_stay_wins_over_pv1_2(code: str) -> None:
    assert facts(case(encounter=code, patient_class="I")).setting_of_production is Setting.OUTSIDE


@pytest.mark.parametrize("code", ["IMP", "SEANCE"])
def test_an_encounter_in_a_stay_wins_over_pv1_2(code: str) -> None:
    assert facts(case(encounter=code, patient_class="O")).setting_of_production is Setting.IN_STAY


def test_an_unknown_encounter_code_leaves_the_word_to_pv1_2() -> None:
    assert facts(case(encounter="AUTRE", patient_class="O")).setting_of_production is Setting.OUTSIDE


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("20260115103000+0100", date(2026, 1, 15)),
        ("20260115", date(2026, 1, 15)),
        ("202601", date(2026, 1, 1)),
        ("2026", date(2026, 1, 1)),
        ("2026+0100", date(2026, 1, 1)),
        ("20260231", None),
        ("2026011", None),
        ("hier", None),
        ("", None),
    ],
)
def test_the_day_of_a_timestamp_is_the_one_written(written: str, day: date | None) -> None:
    assert day_of(written) == day


@pytest.mark.parametrize(
    ("birth_date", "minor"),
    [
        ("20080115", False),  # eighteen today
        ("20080116", True),  # tomorrow
        ("20100101", True),
        ("19790328", False),
        ("2008", True),  # may still be under age
        ("200801", True),
        ("2007", False),
        ("20083501", True),  # lunar month: latest day of the year
        ("20080140", True),  # lunar day: latest day of the month
        ("200801150830", False),
        ("", None),
        ("inconnue", None),
        ("00000000", None),
    ],
)
def test_a_doubtful_birth_date_protects_the_minor(birth_date: str, minor: bool | None) -> None:
    assert is_minor(birth_date, date(2026, 1, 15), 18) is minor


def test_a_patient_recipient_does_not_make_a_letter_addressed_to_a_professional() -> None:
    patient = Recipient(RecipientKind.PATIENT, "279035121518989@patient.mssante.fr")
    professional = Recipient(RecipientKind.ORGANIZATION, "", organization=Organization("Cabinet"))
    nobody = case(professionals=0)

    assert not facts(nobody).addressed_to_ps
    assert not facts(with_submission(nobody, lambda each: replace(each, recipients=(patient,)))).addressed_to_ps
    assert facts(case(professionals=1)).addressed_to_ps
    assert facts(
        with_header(nobody, lambda each: replace(each, information_recipients=(professional,)))
    ).addressed_to_ps


def test_the_author_is_the_medecin_traitant_only_as_participant_inf_pcp() -> None:
    author = Author(person=Person("899700000001"))

    def participant(type_code: str, function: str, party: Author | None) -> bool:
        one = with_header(case(), lambda each: replace(each, participants=(Participant(type_code, function, party),)))
        return facts(one).author_is_mt

    assert participant("INF", "PCP", author)
    assert not participant("REF", "PCP", author)
    assert not participant("INF", "", author)
    assert not participant("INF", "PCP", None)
    assert not participant("INF", "PCP", Author(person=Person("899700000002")))


def test_a_professional_is_the_same_with_or_without_the_type_digit() -> None:
    assert same_person(Person("899700000001"), Person("99700000001"))
    assert not same_person(Person("899700000001"), Person("899700000002"))
    assert not same_person(Person(""), Person(""))
    assert not same_person(None, Person("1"))


def test_tags_and_types_tell_what_no_header_carries() -> None:
    assert facts(case(tags=["constitutional_genetics"])).constitutional_genetics
    assert facts(case(type="51969-4")).constitutional_genetics
    assert not facts(case()).constitutional_genetics
    assert facts(case(tags=["entente_prealable"])).entente_prealable
    assert facts(case()).setting_of_acts is Setting.OUTSIDE
    assert facts(case(tags=["acts_in_stay"])).setting_of_acts is Setting.IN_STAY


def test_the_type_is_that_of_the_document() -> None:
    one = with_header(case(), lambda each: replace(each, code=CodedValue("18748-4")))

    assert facts(one).type_code == "18748-4"


def test_the_physicians_whom_a_document_declares_are_its_pcp_participants() -> None:
    def who(*participants: Participant) -> list[str]:
        one = with_header(case(), lambda each: replace(each, participants=participants))
        return [person.identifier for person in declared_physicians(one.submission.documents[0].header)]

    ada = Author(person=Person("899700000007"))
    assert who(Participant("INF", "PCP", ada), Participant("INF", "", ada), Participant("REF", "PCP", ada)) == [
        "899700000007"
    ]
    assert who(Participant("INF", "PCP"), Participant("INF", "PCP", Author(organization=Organization("CH")))) == []


def test_the_tag_of_a_certificate_of_admission_without_consent_is_a_fact() -> None:
    assert facts(case(tags=["admission_without_consent"])).admission_without_consent
    assert not facts(case(tags=["psychiatry"])).admission_without_consent


@pytest.mark.parametrize(
    ("identifier", "number"),
    [
        ("899700000007", "99700000007"),
        (" 99700000007 ", "99700000007"),
        ("0751234567", "0751234567"),
        ("8123456789", "8123456789"),
        ("399700000007", "399700000007"),
    ],
)
def test_an_rpps_is_known_without_the_eight_that_announces_it(identifier: str, number: str) -> None:
    assert rpps(identifier) == number


@pytest.mark.parametrize("written", ["٢٠٢٥٠١٠١", "2025X", "19790", "1979032", "19", "", "+0300"])
def test_what_is_no_date_is_neither_a_day_nor_an_age(written: str) -> None:
    assert day_of(written) is None
    assert is_minor(written, date(2026, 1, 15), 18) is None


def test_nobody_is_the_same_as_somebody() -> None:
    ada = Person("899700000007")

    assert not same_person(ada, None)
    assert not same_person(None, ada)
    assert not same_person(Person(" "), Person(""))


@pytest.mark.parametrize(
    ("birth_date", "last_day"),
    [
        ("20080115", date(2026, 1, 14)),
        ("20080131", date(2026, 1, 30)),
        ("20080101", date(2025, 12, 31)),
        ("20081231", date(2026, 12, 30)),
        ("20081115", date(2026, 11, 14)),
        # incomplete or lunar: the latest day that it allows
        ("2008", date(2026, 12, 30)),
        ("20080015", date(2026, 12, 30)),
        ("20081301", date(2026, 12, 30)),
        ("20081201", date(2026, 11, 30)),
        ("200812", date(2026, 12, 30)),
        ("20080100", date(2026, 1, 30)),
        ("20080132", date(2026, 1, 30)),
    ],
)
def test_a_minor_is_one_until_the_eve_of_the_birthday(birth_date: str, last_day: date) -> None:
    assert is_minor(birth_date, last_day, 18) is True
    assert is_minor(birth_date, last_day + timedelta(days=1), 18) is False


def test_the_month_and_the_day_of_a_timestamp_are_read_whole() -> None:
    assert day_of("20251130") == date(2025, 11, 30)
    assert day_of("202512") == date(2025, 12, 1)
    assert day_of("20251301") is None


def test_blanks_around_a_date_do_not_count() -> None:
    assert day_of(" 20251130 ") == date(2025, 11, 30)
    assert is_minor(" 20100101 ", date(2026, 1, 15), 18) is True
