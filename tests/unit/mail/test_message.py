import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pfi.model.errors import BugError
from pfi.standards.mail.message import Attachment, Mail, encoded_size, write_mail
from tests.unit.mssante.reader import attachments, read_mail

MAIL = Mail(
    sender="pfi.app@ch-exemple.mssante.fr",
    sender_label="CH Exemple",
    to=("a@x.mssante.fr",),
    subject="XDM/1.0/DDM+CR VIAL Paul",
    date=datetime(2026, 1, 5, 9, 12, tzinfo=timezone(timedelta(hours=1))),
    message_id="<6b0f@ch-exemple.mssante.fr>",
    nil="9999",
    body="Bonjour,\n.\n.fin à l'été\n",
    attachments=(
        Attachment("IHE_XDM.ZIP", "application/zip", bytes(range(256)) * 40),
        Attachment("CR d'été.pdf", "application/pdf", b"%PDF-1.4"),
        Attachment("vide.pdf", "application/pdf", b""),
    ),
)


def test_everything_comes_back_as_it_was_given() -> None:
    mail = read_mail(write_mail(MAIL))
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "Bonjour,\r\n.\r\n.fin à l'été\r\n"
    assert attachments(mail) == {each.file_name: each.content for each in MAIL.attachments}
    assert mail["Date"] == "Mon, 05 Jan 2026 09:12:00 +0100"
    assert mail["Message-ID"] == MAIL.message_id
    assert mail.get_content_type() == "multipart/mixed"


def test_only_what_is_wanted_is_in_the_headers() -> None:
    assert read_mail(write_mail(MAIL)).keys() == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "X-MSS-NIL",
        "MIME-Version",
        "Content-Type",
    ]


def test_every_header_of_a_document_mail() -> None:
    mail = read_mail(
        write_mail(
            replace(
                MAIL,
                reply_to="secretariat@ch.mssante.fr",
                references="<first@ch.mssante.fr>",
                code_cda=("34112-3", "PRESC-BIO", "15508-5"),
                ins_complete=True,
                close_exchange=True,
                reading_notice_to="pfi.app@ch-exemple.mssante.fr",
            )
        )
    )
    assert mail["Reply-To"] == "secretariat@ch.mssante.fr"
    assert mail["References"] == "<first@ch.mssante.fr>"
    assert mail["X-MSS-CODECDA"] == "34112-3,PRESC-BIO,15508-5"
    assert (mail["X-MSS-INS"], mail["X-MSS-NIL"], mail["X-MSS-MES"]) == ("O", "9999", "FIN")
    assert mail["Disposition-Notification-To"] == "pfi.app@ch-exemple.mssante.fr"
    assert "Sender" not in mail


def test_the_same_mail_has_the_same_bytes_and_another_id_another_boundary() -> None:
    assert write_mail(MAIL) == write_mail(replace(MAIL))
    other = write_mail(replace(MAIL, message_id="<other@x.fr>"))
    boundary = re.compile(rb'boundary="([^"]+)"')
    assert boundary.findall(write_mail(MAIL)) != boundary.findall(other)


def test_a_malformed_id_is_a_bug_not_an_injection() -> None:
    with pytest.raises(BugError):
        write_mail(replace(MAIL, message_id="<a@x>\r\nBcc: b@x.fr"))
    with pytest.raises(BugError):
        write_mail(replace(MAIL, code_cda=("1\r\nX: y",)))


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 113, 114, 115, 10_000])
def test_the_encoded_size_of_an_attachment_is_known_beforehand(size: int) -> None:
    def length(content: bytes) -> int:
        return len(write_mail(replace(MAIL, attachments=(Attachment("a", "application/zip", content),))))

    assert length(b"x" * size) - length(b"") == encoded_size(size)


def test_dates_are_written_with_a_numeric_zone() -> None:
    mail = read_mail(write_mail(replace(MAIL, date=datetime(2026, 7, 1, tzinfo=UTC))))
    assert str(mail["Date"]).endswith(" +0000")
