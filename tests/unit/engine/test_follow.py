"""What follows an attempt: every outcome, recipient by recipient."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from pfi.engine.delivery import Claim, follow, wait_before
from pfi.engine.interpretation import interpret
from pfi.engine.lineage import lineage_of
from pfi.engine.settings import RetrySettings
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, DeliveryIds, Outcome, OutcomeKind, RecipientOutcome
from pfi.model.document import DocumentId
from pfi.model.parties import Recipient, RecipientKind
from pfi.model.profile import SenderProfile
from pfi.model.submission import Orders, Request, Submission
from pfi.store.attempts import EndedAttempt
from pfi.store.states import MOVES, DeliveryState
from tests.integration.engine.fakes import letter

NOW = datetime(2026, 3, 5, 10, tzinfo=UTC)
RETRY = RetrySettings(first_seconds=10, factor=2, longest_seconds=60, max_attempts=4)
A = Recipient(RecipientKind.PROFESSIONAL, "a@exemple.mssante.fr", identifier="801")
B = Recipient(RecipientKind.PROFESSIONAL, "b@exemple.mssante.fr")
NOWHERE = Recipient(RecipientKind.PATIENT, "")

DELIVERED, REFUSED = OutcomeKind.DELIVERED, OutcomeKind.REFUSED
NOT_DELIVERED, UNKNOWN = OutcomeKind.NOT_DELIVERED, OutcomeKind.UNKNOWN


def submission() -> Submission:
    found = interpret(letter(), lambda _: SenderProfile()).submission
    assert found is not None
    return found


def claim(channel: Channel = Channel.DMP, *recipients: Recipient, **changes: Any) -> Claim:
    asked = submission()
    delivery = Delivery(
        id=uuid.UUID(int=1),
        channel=channel,
        request=Request.INITIAL,
        documents=asked.documents,
        patient=asked.patient,
        qualified=True,
        stay=asked.stay,
        orders=Orders(),
        message=asked.message,
        sender=None,
        recipients=recipients,
        reply_to="",
        body=None,
        ids=DeliveryIds("1.2", "1.3", "id", "envelope", "C"),
        created_at=NOW,
    )
    return replace(Claim(delivery, 7, "dpi", "dmp", "lineage"), **changes)


def after(made: Claim, outcome: Outcome, **changes: Any) -> EndedAttempt:
    arguments: dict[str, Any] = {
        "started_at": NOW,
        "ended_at": NOW,
        "retry": RETRY,
        "source": Random(1),  # noqa: S311  # replayable
        "dsn_deadline": NOW + timedelta(hours=72),
        **changes,
    }
    return follow(made, outcome, **arguments)


def mail(overall: OutcomeKind, *answers: tuple[Recipient, OutcomeKind, str], **evidence: str) -> Outcome:
    return Outcome(
        overall,
        recipients=tuple(RecipientOutcome(recipient.address, kind, code) for recipient, kind, code in answers),
        evidence=evidence,
    )


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (DELIVERED, DeliveryState.DELIVERED),
        (REFUSED, DeliveryState.REFUSED),
        (NOT_DELIVERED, DeliveryState.QUEUED),
        (UNKNOWN, DeliveryState.UNKNOWN),
    ],
)
def test_each_outcome_has_its_state(kind: OutcomeKind, state: DeliveryState) -> None:
    ended = after(claim(), Outcome(kind, "X", "Texte."))
    assert ended.state is state
    assert state in MOVES[DeliveryState.IN_FLIGHT]
    assert (ended.next_try is None) == (state in (DeliveryState.DELIVERED, DeliveryState.REFUSED))
    assert ended.uncertain == (kind is UNKNOWN)


def test_waits_grow_up_to_the_longest_with_jitter() -> None:
    waits = [wait_before(RETRY, tries, Random(tries)).total_seconds() for tries in (1, 2, 3, 4, 500)]  # noqa: S311  # replayable
    for wait, base in zip(waits, (10, 20, 40, 60, 60), strict=True):
        assert base <= wait <= base * 1.2


def test_the_wish_of_the_peer_replaces_the_schedule() -> None:
    ended = after(claim(), Outcome(NOT_DELIVERED, retry_after=600.0))
    assert ended.next_try == NOW + timedelta(seconds=600)


def test_nothing_is_tried_before_the_end_of_a_pause() -> None:
    pause = NOW + timedelta(hours=1)
    assert after(claim(), Outcome(NOT_DELIVERED), not_before=pause).next_try == pause


@pytest.mark.parametrize(("attempts", "state"), [(2, DeliveryState.QUEUED), (3, DeliveryState.FAILED)])
def test_the_last_attempt_gives_up(attempts: int, state: DeliveryState) -> None:
    assert after(claim(attempts=attempts), Outcome(NOT_DELIVERED, "503")).state is state


def test_a_generic_failure_has_a_smaller_budget() -> None:
    assert after(claim(attempts=1), Outcome(NOT_DELIVERED, max_attempts=2)).state is DeliveryState.FAILED


def test_a_replay_gives_a_new_budget() -> None:
    assert after(claim(attempts=4, budget_from=4), Outcome(NOT_DELIVERED)).state is DeliveryState.QUEUED


STOP = Outcome(NOT_DELIVERED, "DMPInvalidCertificate", stop_destination=True)


def test_what_meets_a_stopped_destination_is_never_given_up_for_it() -> None:
    ended = after(claim(attempts=3), STOP, was_stopped=True)
    assert (ended.state, ended.counted) == (DeliveryState.QUEUED, False)


def test_what_stops_a_destination_that_worked_uses_up_a_try() -> None:
    """The document itself may be the cause: it must not stop the others for ever."""
    assert after(claim(attempts=2), STOP).counted
    assert after(claim(attempts=3), STOP).state is DeliveryState.FAILED


@pytest.mark.parametrize("kind", [NOT_DELIVERED, UNKNOWN])
def test_what_could_not_be_tried_because_of_us_uses_up_no_try(kind: OutcomeKind) -> None:
    ended = after(claim(attempts=3), Outcome(kind, "CERTIFICATE_EXPIRED", counts=False))
    assert (ended.state in (DeliveryState.QUEUED, DeliveryState.UNKNOWN), ended.counted) == (True, False)


def test_a_fate_still_unknown_at_the_end_stays_marked() -> None:
    ended = after(claim(attempts=3, resolve=True), Outcome(UNKNOWN))
    assert (ended.state, ended.uncertain, ended.kind) == (DeliveryState.FAILED, True, "resolve")


@pytest.mark.parametrize(
    ("asked", "said"), [(Request.INITIAL, "est peut-être dans le DMP"), (Request.DELETE, "n'est peut-être plus")]
)
def test_a_doubt_that_is_given_up_says_what_the_dmp_may_hold(asked: Request, said: str) -> None:
    made = claim(attempts=3, resolve=True)
    made = replace(made, delivery=replace(made.delivery, request=asked))
    assert said in after(made, Outcome(UNKNOWN, "X", "Connexion perdue.")).text
    assert after(made, Outcome(NOT_DELIVERED, "X", "Occupé.")).text == "Occupé."
    assert after(replace(made, attempts=1), Outcome(UNKNOWN, "X", "Connexion perdue.")).text == "Connexion perdue."


def test_a_mail_is_delivered_when_everybody_got_it() -> None:
    ended = after(claim(Channel.PRO, A, B), mail(DELIVERED, (A, DELIVERED, ""), (B, DELIVERED, "")))
    assert ended.state is DeliveryState.DELIVERED
    assert [(row.address, row.party_id, row.outcome) for row in ended.results] == [
        (A.address, "801", "delivered"),
        (B.address, "", "delivered"),
    ]


def test_a_recipient_that_the_outcome_does_not_name_shares_its_kind() -> None:
    ended = after(claim(Channel.PRO, A, B), Outcome(REFUSED, "554"))
    assert [(row.outcome, row.code) for row in ended.results] == [("refused", "554")] * 2


def test_only_the_unserved_remain() -> None:
    ended = after(claim(Channel.PRO, A, B), mail(NOT_DELIVERED, (A, DELIVERED, ""), (B, NOT_DELIVERED, "451")))
    assert (ended.state, ended.recipients) == (DeliveryState.QUEUED, (B,))
    assert [row.address for row in ended.results] == [A.address]


def test_one_unknown_recipient_makes_the_mail_unknown() -> None:
    ended = after(claim(Channel.PRO, A, B), mail(UNKNOWN, (A, REFUSED, "550"), (B, UNKNOWN, "")))
    assert (ended.state, ended.recipients, ended.partial_code) == (DeliveryState.UNKNOWN, (B,), "550")


def test_a_refusal_of_an_earlier_attempt_is_not_forgotten() -> None:
    ended = after(claim(Channel.PRO, B, partial_code="550"), mail(DELIVERED, (B, DELIVERED, "")))
    assert (ended.state, ended.code) == (DeliveryState.REFUSED, "550")


def test_recipients_of_a_mail_given_up_have_a_result() -> None:
    ended = after(claim(Channel.PRO, A, B, attempts=3), mail(NOT_DELIVERED, (A, DELIVERED, "")))
    assert ended.state is DeliveryState.FAILED
    assert sorted(row.outcome for row in ended.results) == ["delivered", "failed"]
    assert ended.recipients == (B,)


@pytest.mark.parametrize("recipients", [(), (NOWHERE,)])
def test_an_address_computed_by_the_connector_is_the_one_reported(recipients: tuple[Recipient, ...]) -> None:
    computed = Recipient(RecipientKind.PATIENT, "123@patient.mssante.fr")
    ended = after(claim(Channel.CIT, *recipients), mail(DELIVERED, (computed, DELIVERED, "")))
    assert ended.state is DeliveryState.DELIVERED
    assert [row.address for row in ended.results] == [computed.address]


def test_a_notification_is_awaited_only_for_those_who_were_accepted() -> None:
    outcome = mail(REFUSED, (A, DELIVERED, ""), (B, REFUSED, "550"), dsn="expected")
    ended = after(claim(Channel.PRO, A, B), outcome)
    assert [(row.dsn, row.dsn_deadline is not None) for row in ended.results] == [("expected", True), ("none", False)]


def test_the_lineage_of_a_document_is_its_set() -> None:
    document = submission().documents[0]
    assert document.header.set_id is not None
    assert lineage_of(document, Request.INITIAL) == document.header.set_id.xds
    assert lineage_of(document, Request.REPLACE) == document.header.set_id.xds


def test_without_set_a_replacement_joins_the_lineage_of_what_it_replaces() -> None:
    first = submission().documents[0]
    alone = replace(first, header=replace(first.header, set_id=None))
    assert lineage_of(alone, Request.INITIAL) == first.unique_id
    second = replace(alone, header=replace(alone.header, replaced=DocumentId("1.2.3")))
    assert lineage_of(second, Request.REPLACE) == "1.2.3"
    assert lineage_of(second, Request.REPLACE, "first") == "first"
    assert lineage_of(alone, Request.DELETE) == first.unique_id
