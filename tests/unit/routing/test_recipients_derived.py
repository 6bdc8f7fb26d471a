"""Recipients derived from roles: proposals, never guesses, never for a reserved document (obligations digest §7)."""

from dataclasses import replace

import pytest

from pfi.model.document import CdaHeader, Participant
from pfi.model.parties import Author, Organization, Person, Recipient, RecipientKind
from pfi.model.patient import Follower, PatientState
from pfi.routing.recipients import ROLES, Addressing, derivation, professionals
from pfi.routing.rulefile import Due
from pfi.routing.specimen import Specimen
from tests.unit.routing.cases import case, with_header, with_submission

EVERY_ROLE = frozenset(ROLES)
TREATING, REFERRING, PRESCRIBING, INFORMED = "801", "802", "803", "804"
FULL = {name: f"8{name:0>11}" for name in (TREATING, REFERRING, PRESCRIBING, INFORMED)}
BOOK = {identifier: f"m{name}@ville.mssante.fr" for name, identifier in FULL.items()}
STATE = PatientState(
    care_team=(Follower("ODRP", FULL[TREATING], "DEMO", "Ada"), Follower("RP", FULL[REFERRING], "DEMO", "Béa"))
)


def participant(type_code: str, identifier: str, function: str = "") -> Participant:
    return Participant(type_code, function, Author(person=Person(identifier)))


def following(one: Specimen, *participants: Participant, informed: tuple[Recipient, ...] = ()) -> Specimen:
    def change(header: CdaHeader) -> CdaHeader:
        return replace(header, participants=participants, information_recipients=informed)

    return with_header(one, change)


def addresses(one: Specimen, *roles: str, state: PatientState = STATE, book: dict[str, str] | None = None) -> list[str]:
    found = derivation(one.submission, state, frozenset(roles), BOOK if book is None else book)
    return [recipient.address for recipient in found.recipients]


def remarks(one: Specimen, *roles: str, state: PatientState = STATE, book: dict[str, str] | None = None) -> list[str]:
    found = derivation(one.submission, state, frozenset(roles), BOOK if book is None else book)
    return [f"{reason.rule} {reason.text.partition(' : ')[2]}" for reason in found.remarks]


@pytest.mark.parametrize(
    ("role", "name"), [("medecin_traitant", TREATING), ("referring", REFERRING)], ids=["ROL ODRP", "ROL RP"]
)
def test_the_care_team_told_by_adt_proposes_those_who_follow_the_patient(role: str, name: str) -> None:
    assert addresses(case(), role) == [BOOK[FULL[name]]]


@pytest.mark.parametrize("role", ["RT", "SUBS", "RP"])
def test_care_team_and_substitutes_count_as_referring(role: str) -> None:
    state = PatientState(care_team=(Follower(role, FULL[REFERRING]),))

    assert addresses(case(), "referring", state=state) == [BOOK[FULL[REFERRING]]]
    assert addresses(case(), "medecin_traitant", state=state) == []


def test_the_document_proposes_prescriber_physician_and_referring_practitioner() -> None:
    one = following(
        case(),
        participant("REF", FULL[PRESCRIBING]),
        participant("INF", FULL[TREATING], "PCP"),
        participant("REFB", FULL[REFERRING]),
    )
    nobody = PatientState()

    assert addresses(one, "prescriber", state=nobody) == [BOOK[FULL[PRESCRIBING]]]
    assert addresses(one, "medecin_traitant", state=nobody) == [BOOK[FULL[TREATING]]]
    assert addresses(one, "referring", state=nobody) == [BOOK[FULL[REFERRING]]]
    assert addresses(following(case(), participant("INF", FULL[TREATING])), "medecin_traitant", state=nobody) == []


def test_the_first_source_that_tells_a_role_wins() -> None:
    one = following(case(), participant("INF", FULL[PRESCRIBING], "PCP"), participant("REFB", FULL[PRESCRIBING]))

    assert addresses(one, "medecin_traitant", "referring") == [BOOK[FULL[TREATING]], BOOK[FULL[REFERRING]]]


def test_those_whom_the_document_foresaw_are_written_to_at_the_address_of_the_site_only() -> None:
    person = Recipient(RecipientKind.PROFESSIONAL, "ecrite@cda.mssante.fr", Person(FULL[INFORMED]))
    structure = Recipient(
        RecipientKind.ORGANIZATION, "autre@cda.mssante.fr", organization=Organization("CH", "1750000001")
    )
    patient = Recipient(RecipientKind.PATIENT, "279035121518989@patient.mssante.fr", Person(FULL[TREATING]))
    one = following(case(), informed=(person, structure, patient))
    book = BOOK | {"1750000001": "ch@hopital.mssante.fr"}

    assert addresses(one, "informed", book=book) == [BOOK[FULL[INFORMED]], "ch@hopital.mssante.fr"]
    assert addresses(one, "informed", book={}) == []


def test_only_the_roles_that_the_site_wants_are_derived() -> None:
    assert addresses(case()) == []
    assert addresses(case(), "prescriber") == []
    assert addresses(case(), "inconnu") == []
    assert derivation(case().submission, STATE, frozenset(), BOOK).remarks == ()


def test_a_role_that_nobody_holds_and_a_person_without_address_are_told_by_role_and_never_by_name() -> None:
    assert remarks(case(), *EVERY_ROLE) == [
        "NO_RECIPIENT prescripteur.",
        "NO_RECIPIENT destinataire prévu par le document.",
    ]
    assert remarks(case(), "medecin_traitant", "referring", book={FULL[REFERRING]: "sans-arobase"}) == [
        "NO_MSS_ADDRESS médecin traitant.",
        "NO_MSS_ADDRESS praticien référent ou adresseur.",
    ]
    assert remarks(case(), "medecin_traitant", state=PatientState(care_team=(Follower("ODRP", ""),))) == [
        "NO_RECIPIENT médecin traitant."
    ]


def test_an_rpps_is_found_with_or_without_its_eight() -> None:
    bare = FULL[TREATING][1:]

    assert addresses(case(), "medecin_traitant", book={bare: "a@x.mssante.fr"}) == ["a@x.mssante.fr"]
    state = PatientState(care_team=(Follower("ODRP", bare),))
    assert addresses(case(), "medecin_traitant", state=state) == [BOOK[FULL[TREATING]]]


def test_one_holder_whom_the_book_does_not_know_is_told_and_the_others_are_served() -> None:
    state = PatientState(care_team=(Follower("RP", FULL[REFERRING]), Follower("RT", "899")))

    assert addresses(case(), "referring", state=state) == [BOOK[FULL[REFERRING]]]
    assert remarks(case(), "referring", state=state) == ["NO_MSS_ADDRESS praticien référent ou adresseur."]


def test_participants_without_a_person_hold_no_role() -> None:
    one = following(case(), Participant("REF"), Participant("REF", party=Author(organization=Organization("CH"))))

    assert remarks(one, "prescriber") == ["NO_RECIPIENT prescripteur."]


def test_two_roles_held_at_one_address_make_one_recipient() -> None:
    state = PatientState(care_team=(Follower("ODRP", FULL[TREATING]), Follower("RP", FULL[TREATING])))
    shared = {FULL[TREATING]: "Cabinet@x.mssante.fr"}

    assert addresses(case(), "medecin_traitant", "referring", state=state, book=shared) == ["Cabinet@x.mssante.fr"]


def test_an_address_of_the_patient_domain_is_never_a_professional() -> None:
    book = {FULL[TREATING]: "279035121518989@patient.mssante.fr"}

    assert addresses(case(), "medecin_traitant", book=book) == []
    assert served(case(), extra=("279035121518989@patient.mssante.fr",)) == ["professionnel0@test.mssante.fr"]


# Added to those whom the sender named


def to(address: str, identifier: str = "") -> Recipient:
    return Recipient(RecipientKind.PROFESSIONAL, address, Person(identifier) if identifier else None)


def addressing(
    one: Specimen,
    *,
    due: Due = Due.DUE,
    prescriber_only: bool = False,
    proposals: tuple[Recipient, ...] = (),
    extra: tuple[str, ...] = (),
) -> Addressing:
    return professionals(
        one.submission,
        due,
        prescriber_only=prescriber_only,
        proposals=proposals,
        extra=tuple(to(address) for address in extra),
    )


def served(
    one: Specimen, *, due: Due = Due.DUE, proposals: tuple[Recipient, ...] = (), extra: tuple[str, ...] = ()
) -> list[str]:
    return [each.address for each in addressing(one, due=due, proposals=proposals, extra=extra).recipients]


NAMED = "professionnel0@test.mssante.fr"


def test_proposals_then_extra_ones_follow_the_named_ones_each_address_once() -> None:
    found = addressing(case(), proposals=(to("b@x.mssante.fr"), to(NAMED.upper())), extra=("a@x.mssante.fr", NAMED))

    assert [each.address for each in found.recipients] == [NAMED, "b@x.mssante.fr", "a@x.mssante.fr"]
    assert [reason.rule for reason in found.remarks] == ["RECIPIENT_ADDED"]
    assert found.remarks[0].text.startswith("2 destinataire(s)")


def test_nothing_is_remarked_when_nobody_new_is_added() -> None:
    assert addressing(case(), extra=(NAMED,)).remarks == ()
    assert addressing(case(), extra=("sans-adresse",)).remarks == ()


def test_somebody_reached_at_one_address_is_not_proposed_another() -> None:
    one = case()
    same = one.submission.recipients[0].person
    assert same is not None

    assert served(one, proposals=(to("autre@x.mssante.fr", same.identifier),)) == [NAMED]
    unreachable = with_submission(
        one, lambda each: replace(each, recipients=(replace(each.recipients[0], address=""),))
    )
    assert served(unreachable, proposals=(to("autre@x.mssante.fr", same.identifier),)) == ["autre@x.mssante.fr"]


def test_a_document_that_named_nobody_goes_to_those_who_are_added() -> None:
    nobody = case(professionals=0)

    assert served(nobody, extra=("a@x.mssante.fr",)) == ["a@x.mssante.fr"]
    assert served(nobody, proposals=(to("b@x.mssante.fr"),)) == ["b@x.mssante.fr"]


def test_free_choice_takes_nobody_but_the_professionals_that_the_patient_chose() -> None:
    assert served(case(), due=Due.FREE_CHOICE, proposals=(to("b@x.mssante.fr"),), extra=("a@x.mssante.fr",)) == [NAMED]
    refusal = addressing(case(professionals=0), due=Due.FREE_CHOICE, extra=("a@x.mssante.fr",)).refusal
    assert refusal is not None
    assert refusal.rule == "FREE_CHOICE_NO_RECIPIENT"


def test_genetics_takes_nobody_but_the_prescriber_whom_the_sender_named() -> None:
    one = case(professionals=2, prescriber=True)
    found = addressing(one, prescriber_only=True, proposals=(to("b@x.mssante.fr"),), extra=("a@x.mssante.fr",))

    assert [each.address for each in found.recipients] == [NAMED]
    refusal = addressing(case(professionals=2), prescriber_only=True, extra=("a@x.mssante.fr",)).refusal
    assert refusal is not None
    assert refusal.rule == "GENETICS"


def test_those_who_follow_the_patient_keep_their_name_and_number() -> None:
    (found,) = derivation(case().submission, STATE, frozenset({"medecin_traitant"}), BOOK).recipients
    assert found.identifier == FULL[TREATING]
    assert found.person == Person(FULL[TREATING], family="DEMO", given="Ada")
