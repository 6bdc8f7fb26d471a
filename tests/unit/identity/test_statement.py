"""What is kept of a statement, and the key of a statement told again."""

from dataclasses import fields, replace
from datetime import timedelta, timezone

from pfi.identity.history import digest, fold, storable
from pfi.model.adt import PatientEvent
from pfi.model.parties import Author, Organization, Person
from pfi.model.patient import Feeding, Identifier, Traits
from pfi.model.submission import MessageHeader
from pfi.store.values import dump_event, load_event
from tests.unit.identity.feed import ACCOUNT, OTHER_IPP, moved, qualified, told
from tests.unit.identity.patients import IPP, TRAITS, moment

BILLING = Identifier("279035121518989", "1.2.250.1.213.1.4.8", "ASIP-SANTE-NIR", "NH")
PHYSICIAN = Author(person=Person(family="DEMO", given="ÈVE"), organization=Organization("Cabinet"), role="ODRP")
EVENT = moved(
    0,
    "A01",
    "m1",
    patient=replace(qualified(), traits=TRAITS, identifiers=(IPP, BILLING), account=ACCOUNT),
    prior_identifiers=(OTHER_IPP, BILLING),
    feeding=Feeding.OPPOSED,
    feeding_at=moment(-5),
    cleared=frozenset({"unit", "admitted_at"}),
    referring_professionals=(
        Author(person=Person("810000023084", family="DEMO"), organization=Organization("Cabinet"), role="ODRP"),
        Author(role="RP"),
    ),
)


def test_no_trait_nor_foreign_identifier_is_kept() -> None:
    kept = storable(EVENT)
    assert kept.patient.traits == Traits()
    assert kept.patient.identifiers == (IPP,)
    assert kept.prior_identifiers == (OTHER_IPP,)
    for secret in ("PAT-TROIS", "DOMINIQUE", "19790328", "ASIP-SANTE-NIR"):
        assert secret not in repr(kept)


def test_of_a_professional_only_the_name_and_the_identifier_are_kept() -> None:
    assert storable(EVENT).referring_professionals == (
        Author(person=Person("810000023084", family="DEMO"), role="ODRP"),
        Author(person=Person(), role="RP"),
    )


def test_of_a_professional_who_leaves_no_more_is_kept() -> None:
    kept = storable(replace(EVENT, ended_roles=(PHYSICIAN,)))
    assert kept.ended_roles == (Author(person=Person(family="DEMO", given="ÈVE"), role="ODRP"),)


def test_a_local_identifier_is_kept_whether_its_type_is_told_or_not() -> None:
    untyped = replace(IPP, type_code="")
    assert storable(told(0, patient=replace(qualified(), identifiers=(untyped, BILLING)))).patient.identifiers == (
        untyped,
    )


def test_of_the_header_only_the_sender_and_the_event_are_kept() -> None:
    header = storable(EVENT).message
    told_fields = {each.name for each in fields(MessageHeader) if getattr(header, each.name)}
    assert told_fields == {"sending_application", "sending_facility", "message_code", "trigger_event"}


def test_what_is_kept_is_all_that_the_fold_needs() -> None:
    assert fold([storable(EVENT)]) == fold([EVENT])
    assert storable(storable(EVENT)) == storable(EVENT)
    assert digest(storable(EVENT)) == digest(EVENT)


def repeated(event: PatientEvent) -> PatientEvent:
    return replace(event, message=replace(event.message, control_id="AUTRE", sent_at="20260401", charset="8859/15"))


def test_the_same_statement_told_again_has_the_same_key() -> None:
    assert digest(repeated(EVENT)) == digest(EVENT)
    east = timezone(timedelta(hours=5))
    elsewhere = replace(EVENT, occurred_at=EVENT.occurred_at.astimezone(east))
    assert digest(elsewhere) == digest(EVENT)
    assert len(digest(EVENT)) == 32


def test_another_statement_has_another_key() -> None:
    others = [
        told(0),
        replace(EVENT, feeding=Feeding.NOT_OPPOSED),
        replace(EVENT, feeding=None),
        replace(EVENT, deceased=False),
        replace(EVENT, recorded_at=moment(1)),
        replace(EVENT, patient=replace(EVENT.patient, reliability=("PROV",))),
        replace(EVENT, cleared=frozenset()),
        replace(EVENT, cleared=frozenset({"unit"})),
        replace(EVENT, trigger="A04"),
        replace(EVENT, referring_professionals=(PHYSICIAN,)),
        replace(EVENT, referring_professionals=(replace(PHYSICIAN, person=Person(family="DEMO", given="LUC")),)),
        replace(EVENT, ended_roles=(PHYSICIAN,)),
    ]
    keys = {digest(each) for each in (EVENT, *others)}
    assert len(keys) == len(others) + 1


def test_the_key_survives_new_versions_of_the_model() -> None:
    """It is written in the store: this very value must never change for this very statement."""
    event = told(0, feeding=Feeding.OPPOSED)
    assert digest(event).hex() == "bac541fa21c54f0f2b788775754023bbae662211662a97ecf192773426ab9bd0"
    emptied = frozenset({"admitted_at", "discharged_at", "dmp_status", "entry_mode", "exit_mode", "unit"})
    accented = told(0, referring_professionals=(PHYSICIAN,), cleared=emptied)
    assert digest(accented).hex() == "de651c65767624b7510ce9890656bd8f79e58fb24bd27d96b17cda78db12905e"


def test_a_text_that_is_no_unicode_has_a_key_too() -> None:
    assert digest(replace(EVENT, exit_mode="\udcff"))


def test_a_statement_read_back_from_the_store_is_the_same_one() -> None:
    back = load_event(dump_event(storable(EVENT)))
    assert back == storable(EVENT)
    assert digest(back) == digest(EVENT)
    assert fold([back, EVENT]) == fold([EVENT])
