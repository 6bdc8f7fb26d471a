"""Notifications in the forms that Postfix, Exchange and gateways give them, and in broken ones."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfi.standards.mail.dsn import DeliveryReport, DsnAction, RecipientReport, read_dsn

HEAD = """\
Return-Path: <>
From: MAILER-DAEMON@mx.operateur.test (Mail Delivery System)
To: pfi.app@ch-exemple.mssante.fr
Subject: Undelivered Mail Returned to Sender
Message-ID: <own@mx.operateur.test>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B1"

--B1
Content-Type: text/plain; charset=us-ascii

This is the mail system.

"""
STATUS = """\
--B1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.operateur.test
Original-Envelope-Id: e0e1e2e3
Arrival-Date: Thu, 5 Mar 2026 10:12:30 +0100

Final-Recipient: rfc822; dr.essai@medecin.mssante.fr
Original-Recipient: rfc822;dr.essai+40medecin@mssante.fr
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.medecin.mssante.fr
Diagnostic-Code: smtp; 550 5.1.1 <dr.essai@medecin.mssante.fr>: user
    unknown

Final-Recipient: rfc822; secretariat@ch-voisin.mssante.fr
Action: relayed (to non-DSN-aware mailer)
Status: 2.0.0

Final-Recipient: rfc822; autre@ch-voisin.mssante.fr
Action: delayed
Status: 4.4.1

"""
RETURNED = """\
--B1
Content-Type: text/rfc822-headers

From: pfi.app@ch-exemple.mssante.fr
Message-ID:
 <9b0c2a52@ch-exemple.mssante.fr>

--B1--
"""


def dsn(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def one(action: str, status: str = "", diagnostic: str = "", *, final: str = "rfc822; a@x.fr") -> RecipientReport:
    fields = f"Final-Recipient: {final}\nAction: {action}\n"
    fields += f"Status: {status}\n" if status else ""
    fields += f"Diagnostic-Code: {diagnostic}\n" if diagnostic else ""
    text = HEAD + f"--B1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n{fields}\n--B1--\n"
    report = read_dsn(dsn(text))
    assert report is not None
    (recipient,) = report.recipients
    return recipient


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_a_notification_says_what_became_of_each_recipient(line_end: str) -> None:
    report = read_dsn((HEAD + STATUS + RETURNED).replace("\n", line_end).encode())
    assert report is not None
    assert report.envelope == "e0e1e2e3"
    assert report.message_ids == ("<9b0c2a52@ch-exemple.mssante.fr>",)
    first, second, third = report.recipients
    assert first == RecipientReport(
        "dr.essai@medecin.mssante.fr",
        "dr.essai@medecin@mssante.fr",
        DsnAction.FAILED,
        "5.1.1",
        "550 5.1.1 <dr.essai@medecin.mssante.fr>: user unknown",
        "550",
    )
    assert (second.action, second.code, second.acknowledged) == (DsnAction.RELAYED, "251", True)
    assert (third.action, third.code, third.acknowledged) == (DsnAction.DELAYED, "", None)
    assert first.acknowledged is False


@pytest.mark.parametrize(("action", "acknowledged"), [("delivered", True), ("Expanded", True), ("FAILED", False)])
def test_actions_are_read_in_any_case(action: str, acknowledged: bool) -> None:
    assert one(action, "5.0.0").acknowledged is acknowledged


@pytest.mark.parametrize(
    ("status", "diagnostic", "code"),
    [
        ("5.2.2", "", "552"),
        ("5.0.0", "smtp; 550 5.1.1 unknown", "550"),
        ("", "smtp; 552-5.3.4 too big", "523"),
        ("", "smtp; 553 bad name", "553"),
        ("5.0.0", "x-mes; messagerie fermée", "550"),
        ("", "", "554"),
    ],
)
def test_a_failure_becomes_a_code(status: str, diagnostic: str, code: str) -> None:
    assert one("failed", status, diagnostic).code == code


def test_an_action_that_says_nothing_is_read_from_the_status() -> None:
    assert one("", "2.1.5").action is DsnAction.DELIVERED
    assert one("perhaps", "4.2.2").action is DsnAction.DELAYED
    assert one("perhaps", "5.2.2").action is DsnAction.FAILED


@pytest.mark.parametrize("final", ["rfc822;<A@X.fr>", "RFC822 ; A@X.fr", "A@X.fr", "utf-8; A@X.fr"])
def test_addresses_are_read_with_or_without_their_type(final: str) -> None:
    assert one("delivered", final=final).address == "A@X.fr"


def test_a_returned_mail_in_full_gives_its_message_id() -> None:
    returned = "--B1\nContent-Type: message/rfc822\n\nMessage-ID: <whole@ch.fr>\nSubject: x\n\nbody\n--B1--\n"
    report = read_dsn(dsn(HEAD + STATUS + returned))
    assert report is not None
    assert report.message_ids == ("<whole@ch.fr>",)


def test_a_status_part_in_base64_is_read() -> None:
    fields = "Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@x.fr\r\nAction: failed\r\nStatus: 5.2.2\r\n"
    encoded = base64.encodebytes(fields.encode()).decode()
    part = f"--B1\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n{encoded}\n--B1--\n"
    report = read_dsn(dsn(HEAD + part))
    assert report is not None
    assert [each.code for each in report.recipients] == ["552"]


def test_a_notification_without_closing_boundary_is_read() -> None:
    report = read_dsn(dsn(HEAD + STATUS))
    assert report is not None
    assert len(report.recipients) == 3


def test_a_status_part_outside_of_any_structure_is_found() -> None:
    broken = (HEAD + STATUS + RETURNED).replace('boundary="B1"', "boundary=AUTRE")
    report = read_dsn(dsn(broken))
    assert report is not None
    assert report.envelope == "e0e1e2e3"
    assert report.recipients[0].code == "550"
    assert report.message_ids == ("<9b0c2a52@ch-exemple.mssante.fr>",)


def test_a_bounce_in_prose_gives_the_mail_it_speaks_of() -> None:
    mail = (
        "From: postmaster@patient.mssante.fr\nIn-Reply-To: <9b0c@ch.fr>\nMessage-ID: <own@x>\n"
        "Content-Type: text/plain\n\nMessage non distribué : messagerie fermée.\n"
    )
    report = read_dsn(dsn(mail))
    assert report is not None
    assert report.message_ids == ("<9b0c@ch.fr>",)
    assert [(each.address, each.action, each.code) for each in report.recipients] == [("", DsnAction.FAILED, "550")]
    assert not report.structured


@pytest.mark.parametrize("mail", [b"", b"bonjour", b"From: a@x.fr\r\nIn-Reply-To: <9b0c@ch.fr>\r\n\r\nMerci docteur"])
def test_another_mail_is_not_a_notification(mail: bytes) -> None:
    assert read_dsn(mail) is None


def test_groups_without_address_or_action_are_left_out() -> None:
    text = (
        HEAD + "--B1\nContent-Type: message/delivery-status\n\nOriginal-Envelope-Id: e1\n\nAction: failed\n\n--B1--\n"
    )
    report = read_dsn(dsn(text))
    assert report is not None
    assert (report.envelope, report.recipients) == ("e1", ())


def test_a_recipient_and_its_action_belong_together_across_a_blank_line() -> None:
    fields = "Original-Envelope-Id: e1\n\nFinal-Recipient: rfc822; a@x.fr\n\nAction: failed\nStatus: 5.2.2\n"
    report = read_dsn(dsn(HEAD + f"--B1\nContent-Type: message/delivery-status\n\n{fields}\n--B1--\n"))
    assert report is not None
    assert [(each.address, each.code) for each in report.recipients] == [("a@x.fr", "552")]


def test_fields_that_follow_the_part_header_at_once_are_read() -> None:
    fields = "Final-Recipient: rfc822; a@x.fr\nAction: failed\nStatus: 5.2.2\n"
    report = read_dsn(dsn(HEAD + f"--B1\nContent-Type: message/delivery-status\n{fields}\n--B1--\n"))
    assert report is not None
    assert [(each.address, each.code) for each in report.recipients] == [("a@x.fr", "552")]


def test_times_and_reporter_are_told() -> None:
    times = STATUS.replace("Status: 5.1.1\n", "Status: 5.1.1\nLast-Attempt-Date: Thu, 5 Mar 2026 10:12:31 +0100\n")
    report = read_dsn(dsn(HEAD + times))
    assert report is not None
    assert report.reporting_mta == "mx.operateur.test"
    assert report.arrival == datetime(2026, 3, 5, 9, 12, 30, tzinfo=UTC)
    assert report.recipients[0].last_attempt == datetime(2026, 3, 5, 9, 12, 31, tzinfo=UTC)


def bounce(text: str, head: str = "From: MAILER-DAEMON@x.fr\nSubject: failure notice\n") -> DeliveryReport | None:
    return read_dsn(dsn(f"{head}To: pfi@ch.fr\nMessage-ID: <own@x>\nContent-Type: text/plain; charset=utf-8\n\n{text}"))


def addresses(report: DeliveryReport | None) -> list[str]:
    assert report is not None
    return [each.address for each in report.recipients]


def test_an_identifier_of_ours_is_known_wherever_it_stands() -> None:
    ours = "9b0c2a52-0d3c-4f43-8a57-1f6f5a3e7c11@ch.fr"
    report = bounce(f"Your message {ours} to a@x.fr could not be delivered.\n")
    assert report is not None
    assert report.message_ids == (f"<{ours}>",)
    assert addresses(report) == ["a@x.fr"]


def test_an_envelope_told_in_the_text_is_read() -> None:
    report = bounce("Could not be delivered. ENVID=e0e1e2e3\n<a@x.fr>: 550 unknown\n")
    assert report is not None
    assert report.envelope == "e0e1e2e3"


@pytest.mark.parametrize(
    "marker",
    [
        "--- Below this line is a copy of the message.",
        "------ This is a copy of the message, including all the headers. ------",
        "   ----- Original message follows -----",
        "-----Message d’origine-----",
        "En-têtes du message d’origine :",
        "Received: from pfi.ch.fr",
    ],
)
def test_addresses_of_the_returned_mail_are_nobody_that_failed(marker: str) -> None:
    report = bounce(f"Could not be delivered:\n\n<a@x.fr>:\n550 unknown\n\n{marker}\n\n<tiers@y.fr>\nCc: b@y.fr\n")
    assert addresses(report) == ["a@x.fr"]


def test_whoever_helps_with_a_failure_did_not_fail() -> None:
    assert addresses(bounce("Not delivered to a@x.fr. Ask postmaster@x.fr, copy to pfi@ch.fr.\n")) == ["a@x.fr"]


def test_failed_recipients_in_a_header_make_a_bounce() -> None:
    report = bounce("Sorry.\n", "From: robot@x.fr\nSubject: hello\nX-Failed-Recipients: a@x.fr, b@x.fr\n")
    assert addresses(report) == ["a@x.fr", "b@x.fr"]
    assert report is not None
    assert [each.code for each in report.recipients] == ["554", "554"]


def test_both_apostrophes_are_the_same() -> None:
    head = "From: robot@x.fr\nSubject: Non remis\n"
    assert addresses(bounce("Le message n’est pas parvenu à a@x.fr.\n", head)) == ["a@x.fr"]


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ("From: docteur@x.fr\nSubject: RE: votre courriel\n", "Le document n'a pas été remis au patient.\n"),
        ("From: postmaster@x.fr\nSubject: Bienvenue\n", "Votre boîte est ouverte.\n"),
        ("Return-Path: <>\nFrom: a@x.fr\nSubject: Absence\n", "De retour lundi.\n"),
    ],
)
def test_one_sign_is_not_enough_to_make_a_bounce(head: str, text: str) -> None:
    assert bounce(text, head) is None


@given(st.binary(max_size=400), st.integers(0, 1200), st.integers(0, 300))
def test_nothing_makes_the_reader_fail(noise: bytes, at: int, cut: int) -> None:
    whole = dsn(HEAD + STATUS + RETURNED)
    read_dsn(whole[:at] + noise + whole[at + cut :])
    read_dsn(noise)
