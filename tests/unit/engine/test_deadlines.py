"""The day on which a discharge letter is due, who must get it, and what is told when it did not leave."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from pydantic import ValidationError

from pfi.engine import deadlines
from pfi.engine.settings import AlertSettings, Settings
from pfi.model.decision import Action
from pfi.model.document import CdaHeader, CodedValue, Document, DocumentId, Level, Participant
from pfi.model.parties import Author, Person, Recipient, RecipientKind
from pfi.model.patient import Episode, Follower, Identifier, IdentityStatus, Patient, PatientState
from pfi.model.profile import SenderProfile
from pfi.model.submission import MessageHeader, Orders, Request, Stay, Submission
from pfi.routing.decide import decide
from pfi.routing.rules import RuleBook, load_rules
from pfi.routing.specimen import AssumedIdentity
from pfi.store.letters import Blocked, Letter
from pfi.store.states import DeliveryState
from pfi.store.stays import visit_text, visit_text_of

RECEIVED = datetime(2026, 3, 5, 10, 6, tzinfo=UTC)
DOCTOR = Person("899700000011", identifier_type="IDNPS")
OTHER = Person("899700000022", identifier_type="IDNPS")
PARIS = AlertSettings()


@cache
def rules() -> RuleBook:
    return load_rules()


def header(type_code: str = "11490-0", *participants: Participant) -> CdaHeader:
    return CdaHeader(
        document_id=DocumentId("2.25.1"),
        code=CodedValue(type_code),
        title="",
        effective_time="20260305110000+0100",
        confidentiality=CodedValue("N"),
        language="fr-FR",
        set_id=None,
        version_number=None,
        template_ids=(),
        patient=Patient(),
        authors=(),
        author_times=(),
        custodian=None,
        information_recipients=(),
        legal_authenticator=None,
        participants=participants,
        order_ids=(),
        accession_numbers=(),
        service_events=(),
        replaced=None,
        encounter_code=None,
        encounter_start="",
        encounter_stop="",
        facility=None,
        level=Level.N1,
        body_media_type="application/pdf",
    )


def submission(
    *recipients: Recipient, cda: CdaHeader | None = None, stay: Stay | None = None, patient: Patient | None = None
) -> Submission:
    return Submission(
        message=MessageHeader("DPI", "", "PFI", "", "ORU", "R01", "ORU_R01", "1", "D", "2.5", "UNICODE UTF-8"),
        request=Request.INITIAL,
        patient=patient or Patient(),
        stay=stay or Stay("I", Identifier("5500041", "2.25.7", "CH"), discharged_at="20260305110000"),
        orders=Orders(),
        documents=(Document(b"", cda or header()),),
        recipients=recipients,
    )


def deadline(sent: Submission) -> str:
    """By the very decisions that are stored."""
    identity = AssumedIdentity(IdentityStatus.QUALIFIED)
    return deadlines.deadline_of(decide(sent, None, identity, rules(), SenderProfile(), RECEIVED), rules())


def doctor(person: Person = DOCTOR, address: str = "Medecin@test.mssante.fr") -> Recipient:
    return Recipient(RecipientKind.PROFESSIONAL, address, person, identifier=person.identifier)


def watched(sent: Submission, state: PatientState | None = None) -> Letter:
    letter = deadlines.letter_of(
        sent, deadlines.SAME_DAY, state, lineage="2.25.9", received_at=RECEIVED, settings=PARIS
    )
    assert letter is not None
    return letter


def test_a_discharge_letter_is_due_on_the_day_of_discharge() -> None:
    assert deadline(submission()) == deadlines.SAME_DAY


def test_a_certificate_that_the_site_says_to_be_of_an_admission_without_consent_has_no_deadline() -> None:
    """It is no discharge letter, whatever its type (E20): the rules say so, not the type alone."""
    tagged = replace(submission(), tags=frozenset({"admission_without_consent"}))
    assert deadline(tagged) == ""


@pytest.mark.parametrize("type_code", ["34112-3", "11502-2", "18761-7"])
def test_other_documents_have_no_deadline(type_code: str) -> None:
    assert deadline(submission(cda=header(type_code))) == ""


def test_a_document_without_deadline_is_not_watched() -> None:
    assert deadlines.letter_of(submission(), "", None, lineage="2.25.9", received_at=RECEIVED, settings=PARIS) is None


def test_the_day_of_discharge_is_that_of_pv1_45() -> None:
    letter = watched(submission())
    assert letter.discharged_on == date(2026, 3, 5)
    assert letter.visit_text == "visit:5500041^2.25.7"
    assert (letter.lineage, letter.request, letter.received_at) == ("2.25.9", Request.INITIAL, RECEIVED)


@pytest.mark.parametrize(
    ("timestamp", "day"),
    [
        ("20260305", date(2026, 3, 5)),
        ("202603052359", date(2026, 3, 5)),
        ("20260305233000+0000", date(2026, 3, 6)),  # already the 6th in Paris
        ("20260305233000+0100", date(2026, 3, 5)),
        ("20260306003000-0500", date(2026, 3, 6)),
        ("202603", None),
        ("2026+0100", None),
        ("", None),
        ("20260231", None),
        ("hier", None),
    ],
)
def test_a_day_is_read_in_local_time_or_not_at_all(timestamp: str, day: date | None) -> None:
    assert deadlines.day_of_discharge(timestamp, PARIS.zone) == day


def test_a_time_without_offset_is_the_hospitals_own_wherever_it_is() -> None:
    reunion = AlertSettings(timezone="Indian/Reunion")
    assert deadlines.day_of_discharge("202603052330", reunion.zone) == date(2026, 3, 5)
    assert deadlines.day_of_discharge("202603052330+0100", reunion.zone) == date(2026, 3, 6)


@pytest.mark.parametrize(
    ("now", "today"),
    [
        (datetime(2026, 3, 5, 22, 59, 59, tzinfo=UTC), date(2026, 3, 5)),  # winter: midnight is 23:00 UTC
        (datetime(2026, 3, 5, 23, 0, tzinfo=UTC), date(2026, 3, 6)),
        (datetime(2026, 7, 5, 21, 59, 59, tzinfo=UTC), date(2026, 7, 5)),  # summer: 22:00 UTC
        (datetime(2026, 7, 5, 22, 0, tzinfo=UTC), date(2026, 7, 6)),
        (datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC), date(2026, 3, 29)),  # the day of 23 hours
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), date(2026, 3, 30)),
        (datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC), date(2026, 10, 25)),  # the day of 25 hours
        (datetime(2026, 10, 25, 23, 0, tzinfo=UTC), date(2026, 10, 26)),
    ],
)
def test_a_day_ends_at_midnight_in_paris_also_when_clocks_change(now: datetime, today: date) -> None:
    assert deadlines.terms(now, PARIS).today == today


def test_terms_follow_the_settings() -> None:
    plain = deadlines.terms(RECEIVED, PARIS)
    assert (plain.zone, plain.grace, plain.every_stay, plain.oldest) == (
        "Europe/Paris",
        timedelta(minutes=15),
        False,
        None,
    )
    assert plain.oldest_silent == date(2026, 2, 19)
    bounded = deadlines.terms(RECEIVED, AlertSettings(discharge_letter="every_stay", oldest_days=4))
    assert bounded.every_stay
    assert bounded.oldest == bounded.oldest_silent == date(2026, 3, 1)


def test_the_referring_physician_comes_from_the_care_team() -> None:
    state = PatientState(care_team=(Follower("RT", OTHER.identifier), Follower("ODRP", "99700000011")))
    letter = watched(submission(doctor(), doctor(OTHER, "autre@test.mssante.fr")), state)
    assert letter.referring_known
    assert letter.referring_ids == ("899700000011", "99700000011")
    assert letter.referring_addresses == ("medecin@test.mssante.fr",)


def test_the_referring_physician_comes_from_the_cda() -> None:
    cda = header("11490-0", Participant("INF", "PCP", Author(person=DOCTOR)), Participant("REF", "", Author(OTHER)))
    letter = watched(submission(doctor(replace(DOCTOR, identifier="99700000011")), cda=cda))
    assert letter.referring_ids == ("899700000011", "99700000011")
    assert letter.referring_addresses == ("medecin@test.mssante.fr",)


def test_a_mailbox_that_only_the_cda_gives_counts_too() -> None:
    cda = header("11490-0", Participant("INF", "PCP", Author(person=DOCTOR)))
    letter = watched(submission(cda=replace(cda, information_recipients=(doctor(),))))
    assert letter.referring_addresses == ("medecin@test.mssante.fr",)


@pytest.mark.parametrize(
    "participant",
    [
        Participant("INF", "PCP", None),
        Participant("INF", "PCP", Author(person=Person(family="MEDECIN"))),
        Participant("INF", "", Author(person=DOCTOR)),
        Participant("REF", "PCP", Author(person=DOCTOR)),
    ],
)
def test_without_identifier_the_referring_physician_is_not_known(participant: Participant) -> None:
    state = PatientState(care_team=(Follower("RP", DOCTOR.identifier), Follower("ODRP", " ")))
    letter = watched(submission(doctor(Person(), "x@test.mssante.fr"), cda=header("11490-0", participant)), state)
    assert not letter.referring_known
    assert letter.referring_ids == letter.referring_addresses == ()


def test_a_local_identifier_has_one_form() -> None:
    letter = watched(submission(), PatientState(care_team=(Follower("ODRP", "0751234567"),)))
    assert letter.referring_ids == ("0751234567",)


def test_a_stay_is_named_by_its_visit_else_by_its_account() -> None:
    account = Patient(account=Identifier("N1", "", "CH"))
    assert visit_text_of(submission(patient=account)) == "visit:5500041^2.25.7"
    assert visit_text_of(submission(stay=Stay("I"), patient=account)) == "account:N1^CH"
    assert visit_text_of(submission(stay=Stay("I"))) == ""
    assert visit_text("5500041^2.25.7", "N1^CH") == "visit:5500041^2.25.7"


@pytest.mark.parametrize(
    ("visit", "episodes", "found"),
    [
        (None, (Episode("V1^CH", "N1^CH"), Episode("V2^CH", "N1^CH"), Episode("V3^CH", "N2^CH")), "visit:V2^CH"),
        (None, (Episode("V1^CH", "N1^CH"), Episode("V2^CH", "N1^CH", cancelled=True)), "visit:V1^CH"),
        (None, (Episode("V1^CH", "N1^CH", cancelled=True),), "visit:V1^CH"),
        (None, (Episode("", "N1^CH"),), "account:N1^CH"),
        (None, (Episode("V3^CH", "N2^CH"),), "account:N1^CH"),
        ("V1", (Episode("V1^CH", "N1^CH"), Episode("", "N1^CH")), "visit:V1^CH"),
        ("V1", (Episode("", "N1^CH"),), "account:N1^CH"),
        ("V1", (Episode("V2^CH", "N1^CH"),), "visit:V1^CH"),
    ],
)
def test_a_letter_finds_its_stay_by_either_number(visit: str | None, episodes: tuple[Episode, ...], found: str) -> None:
    stay = Stay("I", Identifier(visit, "", "CH") if visit else None)
    patient = Patient(account=Identifier("N1", "", "CH"))
    assert watched(submission(stay=stay, patient=patient), PatientState(episodes=episodes)).visit_text == found


@pytest.mark.parametrize(
    ("blocked", "code", "words"),
    [
        (None, "NO_LETTER", "aucune lettre"),
        (Blocked(True, False, action=Action.DENY, decision_code="ORDER_NO"), "ORDER_NO", "n'est pas décidé (ORDER_NO)"),
        (Blocked(True, False, action=Action.VOID), "VOID", "sans objet"),
        (Blocked(True, False), "DENY", "n'est pas décidé"),
        (Blocked(True, False, DeliveryState.DELIVERED), "REFERRING_NOT_NAMED", "parmi les destinataires"),
        (Blocked(True, True, DeliveryState.QUEUED, "503"), "503", "à retenter (503)"),
        (Blocked(True, True, DeliveryState.IN_FLIGHT), "IN_FLIGHT", "en cours"),
        (
            Blocked(True, True, DeliveryState.REFUSED, "550", outcome="refused", outcome_code="550"),
            "550",
            "boîte du médecin traitant n'a pas été servie (550)",
        ),
        (Blocked(True, False, DeliveryState.REFUSED, outcome="failed"), "FAILED", "la boîte du médecin traitant"),
        (Blocked(False, False, DeliveryState.REFUSED, outcome="refused"), "REFUSED", "une boîte destinataire"),
        (Blocked(False, False, DeliveryState.HELD, "IDENTITY_ATTRIBUTE"), "IDENTITY_ATTRIBUTE", "est en attente"),
    ],
)
def test_the_cause_names_a_state_and_a_code(blocked: Blocked | None, code: str, words: str) -> None:
    found, sentence = deadlines.cause(blocked)
    assert found == code
    assert words in sentence
    assert ("médecin traitant inconnu" in sentence) is (blocked is not None and not blocked.referring_known)


@pytest.mark.parametrize("state", DeliveryState)
def test_every_state_has_its_words(state: DeliveryState) -> None:
    code, sentence = deadlines.cause(Blocked(True, True, state))
    assert code == state.value.upper()
    assert sentence.endswith(f"({code})")


def test_an_alert_names_its_message_and_its_rule() -> None:
    assert deadlines.alert_text(12, "cause") == (
        "Lettre de liaison de sortie (message 12) non remise au médecin traitant le jour de la sortie "
        "(CSP R. 1112-1-2) : cause."
    )
    assert "message" not in deadlines.alert_text(None, "cause")


def test_an_unknown_time_zone_is_refused_in_french() -> None:
    with pytest.raises(ValidationError, match="fuseau horaire inconnu « Europe/Pariis »"):
        Settings.model_validate({"alerts": {"timezone": "Europe/Pariis"}})
    with pytest.raises(ValidationError, match="fuseau horaire inconnu"):
        Settings.model_validate({"alerts": {"timezone": "../etc/passwd"}})
