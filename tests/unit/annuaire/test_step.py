"""Addresses looked up before a mail leaves: who is served, who is refused, and when everything waits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pfi.engine.connector import (
    Ambiguous,
    Away,
    CheckResult,
    ConnectorSettings,
    Directory,
    Found,
    Lookup,
    Mailbox,
    Nothing,
    Surroundings,
)
from pfi.engine.delivery import Claim
from pfi.engine.directory import Completed, Completion, DirectoryStep
from pfi.model.clock import IdSource, system_clock
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.model.parties import Device, Organization, Person, Recipient, RecipientKind
from tests.unit.mssante.material import delivery, professional

AWAY = Away("ANNUAIRE_TIMEOUT", "L'Annuaire Santé n'a pas répondu dans le délai.", 120.0)


class Book:
    """A directory that answers from a table; anything raised there is raised."""

    settings_model = ConnectorSettings

    def __init__(self, settings: Any, surroundings: Surroundings) -> None:
        self.answers: Mapping[tuple[str, str], Lookup | Exception] = settings
        self.asked: list[tuple[str, str]] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> tuple[CheckResult, ...]:
        return ()

    async def resolve(self, professional: str = "", structure: str = "") -> Lookup:
        self.asked.append((professional, structure))
        answer = self.answers.get((professional, structure), Nothing())
        if isinstance(answer, Exception):
            raise answer
        return answer


def book(**answers: Lookup | Exception) -> Book:
    """By RPPS, without structure: `book(A=Found(...))`."""
    return Book({(who, ""): answer for who, answer in answers.items()}, Surroundings(system_clock, IdSource()))


def found(address: str) -> Found:
    return Found(Mailbox(address))


def person(identifier: str, structure: str = "") -> Recipient:
    organization = Organization(identifier=structure) if structure else None
    return Recipient(
        RecipientKind.PROFESSIONAL, "", Person(identifier, family="ESSAI"), organization, identifier=identifier
    )


def to(*recipients: Recipient, **changes: Any) -> Delivery:
    return delivery(recipients=recipients, **changes)


async def completed(directory: Directory, of: Delivery) -> Completed:
    told = await Completion(directory).complete(of)
    assert isinstance(told, Completed), told
    return told


async def ended(directory: Directory, of: Delivery) -> Outcome:
    told = await Completion(directory).complete(of)
    assert isinstance(told, Outcome), told
    return told


def addresses(recipients: tuple[Recipient, ...]) -> list[str]:
    return [each.address for each in recipients]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (to(professional("a@x.fr")), False),
        (to(professional("a@x.fr"), person("A")), True),
        (to(person("A"), channel=Channel.DMP), False),
        (delivery(Channel.CIT, recipients=(Recipient(RecipientKind.PATIENT, ""),)), False),
    ],
)
def test_only_mails_to_professionals_without_address_are_concerned(of: Delivery, expected: bool) -> None:
    assert DirectoryStep.concerns(Claim(of, 7, "dpi", "mssante", "lineage")) is expected


def test_what_must_no_longer_leave_needs_no_address() -> None:
    claim = Claim(to(person("A")), 7, "dpi", "mssante", "lineage", resolve=True, look_only=True)
    assert not DirectoryStep.concerns(claim)
    assert DirectoryStep.concerns(replace(claim, look_only=False))


async def test_a_professional_without_address_gets_the_one_mailbox() -> None:
    told = await completed(book(A=found("a@x.fr")), to(professional("b@x.fr"), person("A")))
    assert addresses(told.delivery.recipients) == ["b@x.fr", "a@x.fr"]
    assert told.reachable == told.delivery
    assert told.refused == ()


async def test_an_address_that_the_message_gives_is_never_looked_up() -> None:
    directory = book(A=found("other@x.fr"))
    told = await completed(directory, to(replace(person("A"), address="given@x.fr"), person("B")))
    assert directory.asked == [("B", "")]
    assert addresses(told.reachable.recipients) == ["given@x.fr"]


async def test_the_structure_that_the_message_names_goes_with_the_question() -> None:
    directory = Book({("A", "1990000025"): found("a@x.fr")}, Surroundings(system_clock, IdSource()))
    told = await completed(directory, to(person("A", "1990000025")))
    assert addresses(told.delivery.recipients) == ["a@x.fr"]


async def test_a_structure_is_asked_about_as_such_and_software_or_a_patient_never() -> None:
    directory = Book({("", "990000025"): found("o@x.fr")}, Surroundings(system_clock, IdSource()))
    structure = Recipient(RecipientKind.ORGANIZATION, "", None, Organization(identifier="990000025"))
    software = Recipient(RecipientKind.APPLICATION, "", device=Device("APP-1"), identifier="APP-1")
    patient = Recipient(RecipientKind.PATIENT, "", Person("279035121518989"), identifier="279035121518989")
    told = await completed(directory, to(structure, software, patient))
    assert directory.asked == [("", "990000025")]
    assert addresses(told.reachable.recipients) == ["o@x.fr"]
    assert [each.address for each in told.refused] == ["APP-1", ""]


@pytest.mark.parametrize(
    ("answer", "says"),
    [(Nothing(), "aucune boîte"), (Ambiguous((Mailbox("a@x.fr"), Mailbox("b@x.fr"))), "plusieurs boîtes")],
)
async def test_nobody_found_ends_the_delivery_with_a_reason_that_names_nobody(answer: Lookup, says: str) -> None:
    outcome = await ended(book(A=answer), to(person("A")))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "NO_MSS_ADDRESS")
    assert says in outcome.text
    (told,) = outcome.recipients
    assert (told.address, told.kind, told.code) == ("A", OutcomeKind.REFUSED, "510")
    assert "ESSAI" not in f"{outcome}"
    assert "@" not in f"{outcome}"


async def test_who_cannot_be_reached_is_refused_and_the_others_are_served() -> None:
    several = Ambiguous((Mailbox("x@x.fr"), Mailbox("y@x.fr")))
    told = await completed(book(A=found("a@x.fr"), B=several), to(person("A"), person("B"), person("C")))
    assert addresses(told.reachable.recipients) == ["a@x.fr"]
    assert addresses(told.delivery.recipients) == ["a@x.fr", "", ""]
    sent = Outcome(OutcomeKind.DELIVERED, recipients=(RecipientOutcome("a@x.fr", OutcomeKind.DELIVERED),))
    assert [(each.address, each.code) for each in told.told(sent).recipients] == [
        ("a@x.fr", ""),
        ("B", "510"),
        ("C", "510"),
    ]


async def test_somebody_found_at_a_mailbox_already_served_is_served_there_once() -> None:
    told = await completed(book(A=found("Office@x.fr")), to(professional("office@X.fr"), person("A")))
    assert addresses(told.delivery.recipients) == ["office@X.fr"]
    assert told.refused == ()


async def test_the_header_of_the_mail_shows_addresses_that_were_found() -> None:
    of = to(person("B"), addressees=(professional("served@x.fr"), person("B")))
    told = await completed(book(B=found("b@x.fr")), of)
    assert addresses(told.reachable.addressees) == ["served@x.fr", "b@x.fr"]
    assert addresses(told.reachable.recipients) == ["b@x.fr"]


@pytest.mark.parametrize("answer", [found("a@x.fr"), AWAY])
async def test_who_was_refused_before_is_neither_shown_nor_asked_about_again(answer: Lookup) -> None:
    """They get no mail: its header must not say so, and their directory's silence must not delay the others."""
    directory = book(A=answer, B=found("b@x.fr"))
    told = await completed(directory, to(person("B"), addressees=(person("A"), person("B"))))
    assert directory.asked == [("B", "")]
    assert addresses(told.reachable.addressees) == ["b@x.fr"]


async def test_the_same_question_is_asked_once() -> None:
    directory = book(A=found("a@x.fr"))
    await completed(directory, to(person("A"), addressees=(person("A"),)))
    assert directory.asked == [("A", "")]


async def test_everything_waits_while_the_directory_is_away() -> None:
    outcome = await ended(book(A=AWAY), to(professional("b@x.fr"), person("A")))
    assert (outcome.kind, outcome.code, outcome.retry_after) == (OutcomeKind.NOT_DELIVERED, "DIRECTORY_AWAY", 120.0)
    assert outcome.evidence == {"directory": "ANNUAIRE_TIMEOUT"}
    assert not outcome.stop_destination


async def test_those_who_have_an_address_do_not_wait_for_ever() -> None:
    of = to(professional("b@x.fr"), person("A"))
    assert (await ended(book(A=AWAY), replace(of, attempt=5))).kind is OutcomeKind.NOT_DELIVERED
    told = await completed(book(A=AWAY), replace(of, attempt=6))
    assert addresses(told.reachable.recipients) == ["b@x.fr"]
    assert [(each.address, each.code) for each in told.refused] == [("A", "510")]


async def test_a_delivery_to_nobody_else_waits_on_the_engine_s_schedule() -> None:
    assert (await ended(book(A=AWAY), to(person("A"), attempt=30))).kind is OutcomeKind.NOT_DELIVERED


async def test_a_defect_of_a_directory_is_an_absence() -> None:
    outcome = await ended(book(A=RuntimeError("x")), to(person("A")))
    assert (outcome.kind, outcome.evidence) == (OutcomeKind.NOT_DELIVERED, {"directory": "BUG"})


async def test_a_try_that_may_have_left_stays_in_doubt_for_those_it_was_sent_to() -> None:
    of = to(professional("b@x.fr"), person("A"))
    outcome = await Completion(book(A=AWAY)).complete(of, resolve=True)
    assert isinstance(outcome, Outcome)
    assert outcome.kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(("answer", "kind"), [(AWAY, OutcomeKind.NOT_DELIVERED), (Nothing(), OutcomeKind.REFUSED)])
async def test_nothing_left_to_somebody_whose_address_was_never_known(answer: Lookup, kind: OutcomeKind) -> None:
    outcome = await Completion(book(A=answer)).complete(to(person("A")), resolve=True)
    assert isinstance(outcome, Outcome)
    assert outcome.kind is kind


async def test_a_mailbox_that_got_the_document_before_is_not_written_to_again() -> None:
    told = await Completion(book(A=found("Office@x.fr"))).complete(to(person("A")), {"office@x.fr"})
    assert isinstance(told, Completed)
    assert told.reachable.recipients == ()
    assert told.refused == ()


async def test_without_directory_the_site_is_told_what_is_missing() -> None:
    outcome = await Completion(None).complete(to(person("A")))
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "NO_MSS_ADDRESS")
    assert "directory" in outcome.text


async def test_one_person_at_two_structures_is_two_questions() -> None:
    of = to(person("A", "1990000025"), person("A", "1990000033"))
    outcome = await Completion(book()).complete(of)
    assert isinstance(outcome, Outcome)
    assert [each.address for each in outcome.recipients] == ["A/1990000025", "A/1990000033"]
