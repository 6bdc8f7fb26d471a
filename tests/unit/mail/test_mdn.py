"""Disposition notifications: what each form says, and that what we write says it to others and to us."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from pfi.model.errors import BugError
from pfi.standards.hl7v2.codes import APPLICATION_ERRORS
from pfi.standards.mail.answers import Answer, IntegrationError
from pfi.standards.mail.error_mail import read_error_mail, write_error_mail
from pfi.standards.mail.inbound import read_mail
from pfi.standards.mail.kind import MailKind, classify
from pfi.standards.mail.mdn import DELETED_UNREAD, Disposition, ReadReport, read_mdn
from pfi.standards.mail.mdn_writer import MdnForm, write_mdn
from pfi.standards.mail.message import Attachment, Mail, write_mail

ORIGINAL = b"Return-Path: <pfi@ch-voisin.mssante.fr>\r\n" + write_mail(
    Mail(
        sender="pfi@ch-voisin.mssante.fr",
        sender_label="CH Voisin",
        to=("pfi.app@ch-exemple.mssante.fr",),
        subject="XDM/1.0/DDM+CR d'échographie PAT-TROIS DOMINIQUE",
        date=datetime(2026, 3, 5, 10, 12, tzinfo=UTC),
        message_id="<doc-1@ch-voisin.mssante.fr>",
        nil="9999",
        body="Bonjour",
        attachments=(
            Attachment("IHE_XDM.ZIP", "application/zip", b"PK\x05\x06" + bytes(18)),
            Attachment("CR d'été.pdf", "application/pdf", b"%PDF-1.4"),
        ),
        reading_notice_to="pfi@ch-voisin.mssante.fr",
    )
)
SUCCESS = Answer(
    sender="pfi.app@ch-exemple.mssante.fr",
    to="pfi@ch-voisin.mssante.fr",
    date=datetime(2026, 3, 5, 10, 20, tzinfo=UTC),
    message_id="<mdn-1@ch-exemple.mssante.fr>",
    nil="9999",
)
UNKNOWN_PATIENT = IntegrationError("902")
FAILURE = replace(SUCCESS, errors=(UNKNOWN_PATIENT, IntegrationError("904", "INS différente de celle du dossier")))
SUBJECT = "XDM/1.0/DDM+CR d'échographie PAT-TROIS DOMINIQUE"


def mdn(fields: str, *, subject: str = "x", text: str = "x") -> ReadReport:
    head = f"From: lecteur@x.fr\nSubject: {subject}\nContent-Type: multipart/report; boundary=b\n\n"
    body = f"--b\n\n{text}\n--b\nContent-Type: message/disposition-notification\n\n{fields}\n--b--\n"
    report = read_mdn((head + body).encode())
    assert report is not None
    return report


@pytest.mark.parametrize(
    ("disposition", "kind", "success", "code"),
    [
        ("automatic-action/MDN-sent-automatically; processed", Disposition.PROCESSED, True, ""),
        ("manual-action/MDN-sent-manually; displayed", Disposition.DISPLAYED, True, ""),
        ("manual-action/MDN-sent-manually; dispatched", Disposition.DISPATCHED, True, ""),
        ("automatic-action/MDN-sent-automatically;processed/error", Disposition.PROCESSED, False, "906"),
        ("AUTOMATIC-ACTION/MDN-SENT-AUTOMATICALLY ; PROCESSED / ERROR", Disposition.PROCESSED, False, "906"),
        ("automatic-action/MDN-sent-automatically; processed/Error: 902^x", Disposition.PROCESSED, False, "902"),
        ("automatic-action/MDN-sent-automatically; processed/Error:905", Disposition.PROCESSED, False, "905"),
        ("automatic-action/MDN-sent-automatically; displayed/error", Disposition.DISPLAYED, False, "906"),
        ("automatic-action/MDN-sent-automatically; processed/failure", Disposition.PROCESSED, False, "906"),
        ("automatic-action/MDN-sent-automatically; failed", Disposition.FAILED, False, "906"),
        ("manual-action/MDN-sent-manually; deleted", Disposition.DELETED, False, "906"),
        ("manual-action/MDN-sent-manually; deleted/error: 900", Disposition.DELETED, False, "900"),
        ("manual-action/MDN-sent-manually; denied", Disposition.DENIED, False, "906"),
        ("displayed", Disposition.DISPLAYED, True, ""),
        ("displayed (by a person)", Disposition.DISPLAYED, True, ""),
        ("automatic-action/MDN-sent-automatically; displayed/warning", Disposition.DISPLAYED, True, ""),
        ("rien", Disposition.UNKNOWN, None, ""),
        ("", Disposition.UNKNOWN, None, ""),
    ],
)
def test_a_disposition_says_yes_no_or_nothing(
    disposition: str, kind: Disposition, success: bool | None, code: str
) -> None:
    report = mdn(f"Final-Recipient: rfc822;a@x.fr\nDisposition: {disposition}\n")
    assert (report.disposition, report.success, report.code) == (kind, success, code)


def test_deleted_is_read_one_way_or_the_other() -> None:
    raw = b"\nFinal-Recipient: rfc822;a@x.fr\nDisposition: manual-action/MDN-sent-manually; deleted\n"
    unread = read_mdn(raw)
    known = read_mdn(raw, deleted_is_read=True)
    assert unread is not None
    assert known is not None
    assert (unread.success, unread.code, unread.label) == (False, "906", DELETED_UNREAD)
    assert (known.success, known.code, known.label) == (True, "", "")


@pytest.mark.parametrize("code", APPLICATION_ERRORS)
def test_each_code_of_the_table_is_read_with_our_label(code: str) -> None:
    fields = "Final-Recipient: rfc822;a@x.fr\nDisposition: automatic-action/MDN-sent-automatically; processed/error\n"
    report = mdn(fields + f"Error: {code}^Raison d'ailleurs^applicationErrorCondition| E^Error^errorSeverity\n")
    assert (report.code, report.label, report.said) == (code, APPLICATION_ERRORS[code], "Raison d'ailleurs")


@pytest.mark.parametrize(
    ("subject", "text", "code"),
    [
        ("[KO][903] XDM/1.0/DDM+x", "erreur 904", "903"),
        ("XDM", "Le système a rendu l'erreur 904^INS", "904"),
        ("XDM", "- Code d'erreur : 905", "905"),
        ("XDM 902", "page 903 du document", "906"),
    ],
)
def test_a_code_missing_from_the_fields_is_found_elsewhere(subject: str, text: str, code: str) -> None:
    fields = "Final-Recipient: rfc822;a@x.fr\nDisposition: automatic-action/MDN-sent-automatically; processed/error\n"
    assert mdn(fields, subject=subject, text=text).code == code


def test_identifiers_come_in_the_order_of_their_certainty() -> None:
    raw = (
        "From: a@x.fr\nIn-Reply-To: <deux@x>\nReferences: <quatre@x> <trois@x>\n"
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/disposition-notification\n\n"
        "Original-Message-ID: <un @x >\nDisposition: displayed\n"
        "--b\nContent-Type: message/rfc822\n\nMessage-ID: <cinq@x>\n--b--\n"
    )
    report = read_mdn(raw.encode())
    assert report is not None
    assert report.message_ids == ("<un@x>", "<deux@x>", "<trois@x>", "<quatre@x>", "<cinq@x>")


def test_the_reader_may_be_another_mailbox_than_the_addressee() -> None:
    fields = (
        "Original-Recipient: rfc822;service@x.fr\nFinal-Recipient: rfc822; <Lecteur@X.fr>\nDisposition: displayed\n"
    )
    report = mdn(fields)
    assert (report.addressee, report.reader) == ("service@x.fr", "Lecteur@x.fr")
    assert mdn("Disposition: displayed\n").reader == "lecteur@x.fr"


def parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.strict.clone(linesep="\r\n"))


def test_a_success_is_written_as_the_volet_wants_it() -> None:
    raw = write_mdn(SUCCESS, ORIGINAL)
    mail = parsed(raw)
    assert mail.get_content_type() == "multipart/report"
    assert mail["Content-Type"].params["report-type"] == "disposition-notification"
    assert str(mail["Subject"]) == SUBJECT
    assert str(mail["To"]) == "pfi@ch-voisin.mssante.fr"
    assert str(mail["From"]) == "pfi.app@ch-exemple.mssante.fr"
    assert str(mail["Auto-Submitted"]) == "auto-replied"
    assert str(mail["X-MSS-NIL"]) == "9999"
    assert str(mail["In-Reply-To"]) == "<doc-1@ch-voisin.mssante.fr>"
    text, fields, returned = mail.iter_parts()
    assert "intégré" in text.get_content()
    assert fields.get_content_type() == "message/disposition-notification"
    (group,) = fields.iter_parts() if fields.is_multipart() else (fields,)
    assert dict(group.items()) == {
        "Reporting-UA": "PFI",
        "Original-Recipient": "rfc822;pfi.app@ch-exemple.mssante.fr",
        "Final-Recipient": "rfc822;pfi.app@ch-exemple.mssante.fr",
        "Original-Message-ID": "<doc-1@ch-voisin.mssante.fr>",
        "Disposition": "automatic-action/MDN-sent-automatically; processed",
    }
    assert returned.get_content_type() == "message/rfc822"
    assert raw.count(ORIGINAL) == 1


@pytest.mark.parametrize("form", MdnForm)
def test_a_failure_reads_the_same_in_both_forms(form: MdnForm) -> None:
    raw = write_mdn(FAILURE, ORIGINAL, form=form, final_recipient="service@ch-exemple.mssante.fr")
    mail = parsed(raw)
    assert str(mail["Subject"]) == f"[KO Intégration système !][902] {SUBJECT}"
    assert classify(raw) is MailKind.MDN
    report = read_mdn(raw)
    assert report == ReadReport(
        message_ids=("<doc-1@ch-voisin.mssante.fr>",),
        reader="service@ch-exemple.mssante.fr",
        addressee="service@ch-exemple.mssante.fr",
        disposition=Disposition.PROCESSED,
        success=False,
        code="902",
        label="Identifiant patient inconnu",
        said="Identifiant patient inconnu",
        manual_action=False,
        sent_manually=False,
        date=FAILURE.date,
    )
    text = read_mail(raw).text
    assert "902 : Identifiant patient inconnu" in text
    assert "904 : INS différente de celle du dossier" in text


def test_the_two_forms_differ_in_the_place_of_the_error() -> None:
    new = write_mdn(FAILURE, ORIGINAL)
    old = write_mdn(FAILURE, ORIGINAL, form=MdnForm.VOLET_1_1_2)
    assert b"; processed/error\r\nError: 902^Identifiant patient inconnu^applicationErrorCondition| E^Error" in new
    assert b"Error: 904^INS differente de celle du dossier^applicationErrorCondition" in new
    assert b"; processed/Error: 902^Identifiant patient inconnu^messageErrorCondition| E^Error" in old
    assert b"\r\nError:" not in old


def test_the_same_facts_give_the_same_bytes() -> None:
    assert write_mdn(FAILURE, ORIGINAL) == write_mdn(FAILURE, read_mail(ORIGINAL))
    assert write_error_mail(FAILURE, ORIGINAL) == write_error_mail(FAILURE, read_mail(ORIGINAL))


def test_what_stands_before_the_prefix_of_the_original_subject_goes() -> None:
    original = ORIGINAL.replace(b"Subject: XDM", b"Subject: [Annule et remplace] XDM")
    assert str(parsed(write_mdn(SUCCESS, original))["Subject"]) == SUBJECT
    assert str(parsed(write_mdn(FAILURE, original))["Subject"]) == f"[KO Intégration système !][902] {SUBJECT}"


def test_the_original_recipient_of_the_mail_is_told() -> None:
    forwarded = b"Original-Recipient: rfc822;service@ch-exemple.mssante.fr\r\n" + ORIGINAL
    report = read_mdn(write_mdn(SUCCESS, forwarded))
    assert report is not None
    assert (report.addressee, report.reader) == ("service@ch-exemple.mssante.fr", SUCCESS.sender)


@pytest.mark.parametrize(
    "original",
    [
        b"",
        b"\x00\xff sans rien",
        b"Subject: =?utf-8?B?eA0KQmNjOiB0b3VzQHguZnI=?=\r\nMessage-ID: <a\r\n Bcc: tous@x.fr>\r\n\r\nfin sans ligne",
        ("Subject: été\r\nMessage-ID: <é@x.fr>\r\n\r\n.\r\n..\r\n" + "x" * 2000).encode(),
        b"Subject: a\nMessage-ID: <a@x.fr>\n\n--=_\n",
    ],
)
def test_any_original_comes_back_byte_exact_and_injects_nothing(original: bytes) -> None:
    for raw in (write_mdn(FAILURE, original), write_error_mail(FAILURE, original)):
        head = raw.partition(b"\r\n\r\n")[0]
        assert b"\nBcc:" not in head
        (returned,) = read_mail(raw).parts_of("message/rfc822")
        assert returned.encoded == original


def test_a_boundary_never_stands_in_the_original() -> None:
    first = write_mdn(SUCCESS, ORIGINAL)
    boundary = parsed(first).get_boundary()
    assert boundary is not None
    nested = ORIGINAL + b"\r\n--" + boundary.encode() + b"--\r\n"
    raw = write_mdn(SUCCESS, nested)
    (returned,) = read_mail(raw).parts_of("message/rfc822")
    assert returned.encoded == nested


def test_a_label_from_elsewhere_stays_in_its_place() -> None:
    answer = replace(SUCCESS, errors=(IntegrationError("906", "x\r\nBcc: tous@x.fr^y|z"),))
    raw = write_mdn(answer, ORIGINAL)
    assert b"\nBcc" not in raw
    assert b"Error: 906^x Bcc: tous@x.fr y z^applicationErrorCondition" in raw


def test_an_error_mail_carries_the_reason_the_original_and_its_attachments_again() -> None:
    raw = write_error_mail(FAILURE, ORIGINAL)
    mail = parsed(raw)
    assert mail.get_content_type() == "multipart/mixed"
    assert str(mail["Subject"]) == f"[KO Intégration système !][902] {SUBJECT}"
    assert [part.get_content_type() for part in mail.iter_parts()] == [
        "text/plain",
        "message/rfc822",
        "application/zip",
        "application/pdf",
    ]
    assert raw.count(ORIGINAL) == 1
    ours = read_mail(raw)
    assert [each.content() for each in ours.attachments[1:]] == [b"PK\x05\x06" + bytes(18), b"%PDF-1.4"]
    assert [each.file_name for each in ours.attachments] == ["message_original.eml", "IHE_XDM.ZIP", "CR d'été.pdf"]
    assert classify(raw) is MailKind.ERROR_MAIL
    report = read_error_mail(raw)
    assert (report.success, report.code) == (False, "902")
    assert report.original_message_id == "<doc-1@ch-voisin.mssante.fr>"
    shorter = write_error_mail(FAILURE, ORIGINAL, repeat_attachments=False)
    assert [each.content_type for each in read_mail(shorter).attachments] == ["message/rfc822"]


def test_an_answer_that_cannot_be_right_is_refused() -> None:
    with pytest.raises(BugError):
        replace(SUCCESS, errors=(IntegrationError("207"),))
    with pytest.raises(BugError):
        write_error_mail(SUCCESS, ORIGINAL)
    with pytest.raises(BugError):
        write_mdn(replace(SUCCESS, to="a@x.fr\r\nBcc: b@x.fr"), ORIGINAL)
