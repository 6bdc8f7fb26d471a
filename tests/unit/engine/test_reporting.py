"""What is said to the sender, and with which code."""

from dataclasses import replace

import pytest

from pfi.engine import reporting
from pfi.engine.delivery import Claim
from pfi.model.acknowledgment import BusinessEvent
from pfi.model.decision import Action, Channel, Decision, Reason
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.parties import Recipient
from pfi.model.submission import Orders
from tests.unit.engine.test_follow import NOW, A, B, after, claim, mail, submission

ASKED = Orders(ack_reception=True, dest_dmp=True, dest_mss_ps=True, dest_mss_pat=True)
SILENT = Orders(ack_reception=False, dest_dmp=True, dest_mss_ps=True, dest_mss_pat=True)


def decision(channel: Channel, action: Action, code: str = "") -> Decision:
    return Decision("1.2.3", channel, action, (Reason(code, "Parce que."),), code=code)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("NO_MSS_ADDRESS", "510"),
        ("NOT_WHITELISTED", "512"),
        ("SIZE_LIMIT", "523"),
        ("CIT_OPPOSED", "541"),
        ("MES_ABSENT", "550"),
        ("PATIENT_INVISIBLE", "554"),
        ("550", "550"),
        ("459", "451"),
        ("599", "554"),
    ],
)
def test_the_reason_of_a_mail_not_sent_has_its_smtp_code(reason: str, code: str) -> None:
    assert reporting.mail_code(reason) == code


@pytest.mark.parametrize("action", [Action.DENY, Action.HOLD, Action.VOID])
def test_a_dmp_not_fed_is_told_with_its_reason(action: Action) -> None:
    asked = submission()
    (told,) = reporting.at_intake(asked, [decision(Channel.DMP, action, "DMP_CLOSED")], NOW)
    assert (told.event, told.success, told.error_code) == (BusinessEvent.DMP_RECEPTION, False, "DMP_CLOSED")
    assert told.request_control_id == asked.message.control_id


def test_two_documents_of_a_message_are_told_once() -> None:
    twice = [decision(Channel.DMP, Action.DENY, "DMP_CLOSED")] * 2
    assert len(list(reporting.at_intake(submission(), twice, NOW))) == 1


def test_what_is_sent_is_not_told_yet_and_what_is_held_may_wait() -> None:
    asked = submission()
    decisions = [decision(Channel.PRO, Action.SEND), decision(Channel.DMP, Action.HOLD, "INS_NOT_QUALIFIED")]
    assert list(reporting.at_intake(asked, decisions, NOW, tell_held=False)) == []


def test_a_mail_not_sent_is_told_for_each_mailbox_that_should_have_had_it() -> None:
    asked = submission()
    told = list(reporting.at_intake(asked, [decision(Channel.PRO, Action.DENY, "NOT_WHITELISTED")], NOW))
    assert [(ack.mailbox, ack.error_code) for ack in told] == [("bruno.peuplier@medecin-exemple.mssante.fr", "512")]


@pytest.mark.parametrize(
    ("orders", "channel", "wanted"),
    [
        (ASKED, Channel.DMP, True),
        (SILENT, Channel.DMP, False),
        (Orders(ack_reception=True, dest_dmp=False), Channel.DMP, False),
        (Orders(ack_reception=True, dest_mss_ps=True), Channel.PRO, True),
        (Orders(ack_reception=True), Channel.CIT, False),
    ],
)
def test_only_what_was_ordered_with_acknowledgment_is_told(orders: Orders, channel: Channel, wanted: bool) -> None:
    assert reporting.ordered(orders, channel) is wanted


@pytest.mark.parametrize(
    ("kind", "attempts", "told"),
    [
        (OutcomeKind.DELIVERED, 0, [True]),
        (OutcomeKind.REFUSED, 0, [False]),
        (OutcomeKind.NOT_DELIVERED, 0, []),
        (OutcomeKind.NOT_DELIVERED, 3, [False]),
        (OutcomeKind.UNKNOWN, 0, []),
    ],
)
def test_the_dmp_is_told_when_its_delivery_ends(kind: OutcomeKind, attempts: int, told: list[bool]) -> None:
    made = _asked(Channel.DMP, attempts=attempts)
    acks = list(reporting.after_attempt(made, after(made, Outcome(kind, "CODE", "Texte."))))
    assert [ack.success for ack in acks] == told
    assert all(ack.error_code == ("" if ack.success else "CODE") for ack in acks)


def test_each_mailbox_is_told_as_soon_as_it_is_known() -> None:
    made = _asked(Channel.PRO, A, B)
    ended = after(made, mail(OutcomeKind.NOT_DELIVERED, (A, OutcomeKind.REFUSED, "550")))
    (told,) = reporting.after_attempt(made, ended)
    assert (told.mailbox, told.party_id, told.success, told.error_code) == (A.address, "801", False, "550")


def test_a_mailbox_given_up_is_told_420_or_the_last_code() -> None:
    made = _asked(Channel.PRO, A, B, attempts=3)
    ended = after(made, mail(OutcomeKind.NOT_DELIVERED, (A, OutcomeKind.NOT_DELIVERED, "421")))
    assert [ack.error_code for ack in reporting.after_attempt(made, ended)] == ["421", "420"]


def test_nothing_is_told_while_a_notification_is_awaited() -> None:
    made = _asked(Channel.PRO, A)
    ended = after(made, mail(OutcomeKind.DELIVERED, (A, OutcomeKind.DELIVERED, ""), dsn="expected"))
    assert list(reporting.after_attempt(made, ended)) == []


@pytest.mark.parametrize("kind", [OutcomeKind.DELIVERED, OutcomeKind.REFUSED])
def test_a_mail_without_named_mailbox_is_told_all_the_same(kind: OutcomeKind) -> None:
    made = _asked(Channel.CIT)
    (told,) = reporting.after_attempt(made, after(made, Outcome(kind, "550" if kind is OutcomeKind.REFUSED else "")))
    assert told.success is (kind is OutcomeKind.DELIVERED)


def test_nothing_is_told_to_who_did_not_ask() -> None:
    made = claim(Channel.DMP)
    assert list(reporting.after_attempt(made, after(made, Outcome(OutcomeKind.DELIVERED)))) == []


def _asked(channel: Channel, *recipients: Recipient, attempts: int = 0) -> Claim:
    made = claim(channel, *recipients, attempts=attempts)
    return replace(made, delivery=replace(made.delivery, orders=ASKED))
