"""A received mail as a value: what is read of it, and what its defects leave of it."""

import base64
import time
from datetime import UTC, datetime, timedelta

import pytest

from pfi.model.finding import refuses
from pfi.standards.mail.fields import MAX_FIELDS
from pfi.standards.mail.headers import clean
from pfi.standards.mail.inbound import MAX_BYTES, InboundMail, read_mail
from pfi.standards.mail.kind import MailKind, classify
from pfi.standards.mail.message import Attachment, Mail, write_mail
from pfi.standards.mail.structure import MAX_DEPTH, MAX_PARTS

HEAD = (
    "Return-Path: <pfi@ch-voisin.mssante.fr>\n"
    "From: =?utf-8?Q?CH_Voisin_=E2=80=93_C=C3=A9ligny?= <PFI@CH-Voisin.mssante.fr>\n"
    "Reply-To: secretariat@ch-voisin.mssante.fr\n"
    'To: "Exemple, CH" <pfi.app@ch-exemple.mssante.fr>, autre@ch-exemple.mssante.fr\n'
    "Subject: =?utf-8?Q?XDM/1=2E0/DDM+CR_d=27=C3?=\n =?utf-8?Q?=A9chographie?= PAT-TROIS\n"
    "Date: Thu, 5 Mar 2026 11:00:00 +0100\n"
    "Message-ID: <doc-1@ch-voisin.mssante.fr>\n"
    "In-Reply-To: <a@x.fr>\nReferences: <a@x.fr>\n <b@x.fr>\n"
    "Disposition-Notification-To: pfi@ch-voisin.mssante.fr\n"
    "X-MSS-NIL: 9999\nX-MSS-CODECDA: 34112-3, PRESC-BIO\nX-MSS-INS: o\nX-MSS-MES: FIN\n"
    "MIME-Version: 1.0\n"
)


def received(body: str, head: str = HEAD) -> InboundMail:
    return read_mail((head + body).replace("\n", "\r\n").encode())


def codes(mail: InboundMail) -> list[str]:
    return [finding.code for finding in mail.findings]


def test_every_header_has_its_place() -> None:
    mail = received("Content-Type: text/plain; charset=utf-8\n\nBonjour,\nà bientôt\n")
    assert mail.sender == "PFI@ch-voisin.mssante.fr"
    assert mail.sender_label == "CH Voisin – Céligny"
    assert mail.reply_to == ("secretariat@ch-voisin.mssante.fr",)
    assert mail.to == ("pfi.app@ch-exemple.mssante.fr", "autre@ch-exemple.mssante.fr")
    assert mail.subject == "XDM/1.0/DDM+CR d'échographie PAT-TROIS"
    assert mail.date is not None
    assert mail.date.astimezone(UTC) == datetime(2026, 3, 5, 10, tzinfo=UTC)
    assert mail.date.utcoffset() == timedelta(hours=1)
    assert mail.message_id == "<doc-1@ch-voisin.mssante.fr>"
    assert (mail.in_reply_to, mail.references) == (("<a@x.fr>",), ("<a@x.fr>", "<b@x.fr>"))
    assert mail.return_path == "pfi@ch-voisin.mssante.fr"
    assert mail.disposition_notification_to == ("pfi@ch-voisin.mssante.fr",)
    assert (mail.mss.nil, mail.mss.code_cda, mail.mss.ins, mail.mss.mes) == (
        "9999",
        ("34112-3", "PRESC-BIO"),
        "O",
        "FIN",
    )
    assert mail.text == "Bonjour,\nà bientôt\n"
    assert mail.attachments == ()
    assert mail.findings == ()


def test_what_we_write_is_what_we_read() -> None:
    written = Mail(
        sender="pfi.app@ch-exemple.mssante.fr",
        sender_label="CH Exemple – Diffusion",
        to=("a@x.mssante.fr", "b@x.mssante.fr"),
        subject="XDM/1.0/DDM+CR d'échographie PAT-TROIS DOMINIQUE",
        date=datetime(2026, 1, 5, 9, 12, tzinfo=UTC),
        message_id="<6b0f@ch-exemple.mssante.fr>",
        nil="9999",
        body="Bonjour,\n.\nfin à l'été\n",
        attachments=(
            Attachment("IHE_XDM.ZIP", "application/zip", bytes(range(256)) * 40),
            Attachment("CR d'été.pdf", "application/pdf", b"%PDF-1.4"),
        ),
        code_cda=("34112-3",),
        ins_complete=True,
        reading_notice_to="pfi.app@ch-exemple.mssante.fr",
    )
    mail = read_mail(write_mail(written))
    assert mail.findings == ()
    assert (mail.sender, mail.sender_label, mail.to) == (written.sender, written.sender_label, written.to)
    assert (mail.subject, mail.date, mail.message_id) == (written.subject, written.date, written.message_id)
    assert mail.text == written.body
    assert [(each.file_name, each.content_type, each.content()) for each in mail.attachments] == [
        (each.file_name, each.content_type, each.content) for each in written.attachments
    ]
    assert [each.file_name for each in mail.xdm] == ["IHE_XDM.ZIP"]
    assert classify(mail) is MailKind.DOCUMENT


@pytest.mark.parametrize(
    "name",
    [
        'name="IHE_XDM.zip"',
        "name=ihe_xdm.ZIP",
        "name*=UTF-8''IHE%5FXDM.ZIP",
        "name*0=IHE_; name*1=XDM.ZIP",
        'name="=?utf-8?B?SUhFX1hETS5aSVA=?="',
        'name="C:\\\\dossier\\\\IHE_XDM.ZIP"',
        'name="../../IHE_XDM.ZIP"',
        'name="IHE_XDM (1).zip"',
    ],
)
def test_an_archive_is_known_by_its_name_however_written(name: str) -> None:
    part = f"Content-Type: application/octet-stream; {name}\nContent-Transfert-Encoding: base64\n\nUEs=\n"
    mail = received(f"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nBonjour\n--b\n{part}--b--\n")
    (archive,) = mail.xdm
    assert archive.content() == b"PK"
    assert "/" not in archive.file_name
    assert "\\" not in archive.file_name


def test_plain_text_is_preferred_and_html_becomes_text() -> None:
    html = (
        "<html><head><title>non</title><style>p{}</style></head><body><!-- non --><p>Bonjour&nbsp;!</p>"
        "<script>non()</script><ul><li>un<li>deux</ul>a &lt; b</body></html>"
    )
    both = (
        "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>html</p>\n"
        "--b\nContent-Type: text/plain\n\nplain\n--b--\n"
    )
    assert received(both).text.strip() == "plain"
    assert received(f"Content-Type: text/html; charset=utf-8\n\n{html}").text == "Bonjour !\n\nun\ndeux\na < b"


@pytest.mark.parametrize(
    ("charset", "content", "wrong"),
    [
        ("utf-8", "été’".encode(), False),
        ("iso-8859-1", "été’".encode("cp1252"), False),
        ("us-ascii", "été’".encode(), True),
        ("utf-8", "été’".encode("cp1252"), True),
        ("zlib", "été’".encode(), True),
        ("unicode_escape", "été’".encode(), True),
        ("x" * 500, "été’".encode(), True),
    ],
)
def test_a_wrong_charset_loses_no_text(charset: str, content: bytes, wrong: bool) -> None:
    mail = read_mail(f"From: a@x.fr\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode() + content)
    assert mail.text == "été’"
    assert ("MAIL_CHARSET_WRONG" in codes(mail)) is wrong


def test_no_header_can_hold_another_one() -> None:
    bad = base64.b64encode(b"x\r\nBcc: tous@x.fr\r\n\r\ncorps").decode()
    mail = received(
        "\n",
        f"From: =?utf-8?B?{bad}?= <a@x.fr>\nSubject: =?utf-8?B?{bad}?=\nX-MSS-NIL: =?utf-8?Q?1=0D=0A2=00?=\n"
        'Reply-To: "a\rb" <b@x.fr\x00>\nMessage-ID: <a\x0bb@x.fr>\n',
    )
    for value in (mail.sender_label, mail.subject, mail.mss.nil, mail.message_id, *mail.reply_to):
        assert value == clean(value)
    assert mail.subject == "x Bcc: tous@x.fr corps"
    assert mail.sender == "a@x.fr"


@pytest.mark.parametrize(
    "head",
    [
        "From: a@x.fr, b@y.fr\n",
        "From: a@x.fr\nFrom: b@y.fr\n",
        'From: "Docteur" <a@x.fr>, <b@y.fr>\n',
    ],
)
def test_a_mail_with_several_senders_cannot_be_trusted(head: str) -> None:
    assert refuses(received("\nBonjour\n", head).findings)


@pytest.mark.parametrize(
    ("written", "address", "label"),
    [
        ("a@x.fr", "a@x.fr", ""),
        ("MAILER-DAEMON@x.fr (Mail Delivery System)", "MAILER-DAEMON@x.fr", "Mail Delivery System"),
        ('"Essai, \\"Docteur\\"" <a@x.fr>', "a@x.fr", 'Essai, "Docteur"'),
        ('"faux@y.fr" <a@x.fr>', "a@x.fr", "faux@y.fr"),
        ("=?utf-8?Q?faux=40y.fr=2C?= <a@x.fr>", "a@x.fr", "faux@y.fr,"),
        ("Docteur Essai", "", "Docteur Essai"),
        ("a@x.fr)b@y.fr", "", "a@x.fr)b@y.fr"),
        ("<>", "", ""),
        ("", "", ""),
    ],
)
def test_a_sender_is_the_address_and_never_the_label(written: str, address: str, label: str) -> None:
    mail = received("\n", f"From: {written}\n")
    assert (mail.sender, mail.sender_label) == (address, label)


def test_the_null_path_is_not_a_missing_one() -> None:
    assert received("\n", "Return-Path: <>\n").return_path == ""
    assert received("\n", "From: a@x.fr\n").return_path is None


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("Wed, 4 Mar 2026 00:19:00 (EDT) -0400", datetime(2026, 3, 4, 4, 19, tzinfo=UTC)),
        ("4 Mar 2026 00:19:00", datetime(2026, 3, 4, 0, 19, tzinfo=UTC)),
        ("hier", None),
        ("Wed, 4 Mar 99999 00:19:00 +0000", None),
    ],
)
def test_dates_are_read_when_they_can_be(name: str, date: datetime | None) -> None:
    mail = received("\n", f"Date: {name}\n")
    assert (mail.date.astimezone(UTC) if mail.date else None) == date
    assert ("MAIL_NO_DATE" in codes(mail)) is (date is None)


def test_nothing_at_all_is_a_mail_with_defects() -> None:
    mail = read_mail(b"")
    assert (mail.sender, mail.subject, mail.text, mail.attachments) == ("", "", "", ())
    assert "MAIL_NO_MESSAGE_ID" in codes(mail)


@pytest.mark.parametrize(
    "broken",
    [
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nBonjour\n--b\nContent-Type: a/b\n\nx\n",
        "Content-Type: multipart/mixed; boundary=autre\n\n--b\n\nBonjour\n--b\nContent-Type: a/b\n\nx\n--b--\n",
        "Content-Type: multipart/mixed\n\n--b\n\nBonjour\n--b\nContent-Type: a/b\n\nx\n--b--\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nBonjour\n--b--\nContent-Type: a/b\n\nx\n--b--\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nBonjour\n--b—\nContent-Type: a/b\n\nx\n--b—\n--b--\n",
    ],
)
def test_a_broken_structure_keeps_text_and_attachments(broken: str) -> None:
    mail = received(broken)
    assert mail.text.strip() == "Bonjour"
    assert [each.content_type for each in mail.attachments] == ["a/b"]
    assert mail.attachments[0].content().strip() == b"x"
    assert "MAIL_STRUCTURE_BROKEN" in codes(mail)


@pytest.mark.parametrize("damaged", ["UEsD!BA==\n", "UE\nsDBA", "UEsDBA==garbage", "UEsDBA===="])
def test_a_damaged_base64_gives_what_can_be_had(damaged: str) -> None:
    part = f"Content-Type: application/zip; name=IHE_XDM.ZIP\nContent-Transfer-Encoding: base64\n\n{damaged}"
    mail = received(f"Content-Type: multipart/mixed; boundary=b\n\n--b\n{part}\n--b--\n")
    assert mail.attachments[0].content().startswith(b"PK\x03\x04"[:3])


def test_a_forwarded_mail_is_an_attachment_of_its_own() -> None:
    inner = "Subject: interne\nContent-Type: application/zip; name=IHE_XDM.ZIP\n\nPK\n"
    mail = received(f"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n{inner}--b--\n")
    (forwarded,) = mail.attachments
    assert forwarded.content_type == "message/rfc822"
    assert read_mail(forwarded.content()).subject == "interne"
    assert mail.xdm == ()


def elapsed(raw: bytes) -> tuple[float, InboundMail]:
    started = time.perf_counter()
    mail = read_mail(raw)
    classify(mail)
    return time.perf_counter() - started, mail


def test_ten_thousand_parts_cost_little_and_are_refused() -> None:
    raw = (
        b"From: a@x.fr\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\n\r\nx\r\n" * 10_000
        + b"--b--\r\n"
    )
    seconds, mail = elapsed(raw)
    assert seconds < 1
    assert refuses(mail.findings)
    assert "MAIL_TOO_MANY_PARTS" in codes(mail)
    assert sum(1 for _ in mail.root.walk()) <= MAX_PARTS


def test_nesting_is_bounded() -> None:
    raw = b"From: a@x.fr\r\n"
    for level in range(500):
        raw += f"Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n".encode()
    seconds, mail = elapsed(raw)
    assert seconds < 1
    assert "MAIL_TOO_DEEP" in codes(mail)
    assert sum(1 for _ in mail.root.walk()) == MAX_DEPTH + 1


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: " + b"=?utf-8?Q?" * 200_000,
        b"To: " + b"a@x.fr," * 200_000,
        b"To: " + b"(" * 500_000,
        b"To: " + b":" * 500_000,
        b"a:b\r\n" * 300_000,
        b" " * 2_000_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\n--ba" * 400_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b" * 700_000,
        b"Content-Type: x/y" + b"; a=b" * 300_000,
        b'Content-Type: x/y; a="' + b"\\" * 300_000,
        b"Content-Type: text/html\r\n\r\n" + b"<" * 1_000_000,
        b"Content-Type: text/html\r\n\r\n" + b"<a" * 500_000,
        b"Content-Type: text/html\r\n\r\n" + b"<!--" * 300_000,
        b"Content-Type: text/html\r\n\r\n" + b"<style>" * 200_000,
        b"From: mailer-daemon@x.fr\r\n\r\n" + b"\n" * 1_000_000,
        b"From: mailer-daemon@x.fr\r\nSubject: failure notice\r\n\r\n" + b"adresse " * 100_000,
        b"From: mailer-daemon@x.fr\r\nSubject: failure notice\r\n\r\n" + b"<a@b.c>\n" * 100_000,
        b"From: mailer-daemon@x.fr\r\nSubject: failure notice\r\n\r\nMessage-ID" + b" " * 1_000_000,
    ],
    ids=range(18),
)
def test_hostile_repetition_costs_little(raw: bytes) -> None:
    seconds, mail = elapsed(raw)
    assert seconds < 6  # half a second on an idle machine without coverage; hours when it is quadratic
    assert len(mail.fields.items) <= MAX_FIELDS


def test_a_mail_beyond_all_limits_is_not_read_whole() -> None:
    seconds, mail = elapsed(b"From: a@x.fr\r\n\r\n" + b"x" * MAX_BYTES)
    assert seconds < 3
    assert "MAIL_TOO_LARGE" in codes(mail)
    assert "MAIL_TEXT_CUT" in codes(mail)
