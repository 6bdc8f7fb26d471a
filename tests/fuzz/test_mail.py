"""Hostile and damaged mails: every reader answers, nothing raises, no value carries a line end, and quickly."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfi.standards.mail.charsets import decode, decode_words
from pfi.standards.mail.dsn import read_dsn
from pfi.standards.mail.error_mail import read_error_mail
from pfi.standards.mail.fields import mailboxes, parameters
from pfi.standards.mail.headers import clean
from pfi.standards.mail.html_text import text_of_html
from pfi.standards.mail.inbound import InboundMail, read_mail
from pfi.standards.mail.kind import classify
from pfi.standards.mail.mdn import read_mdn
from pfi.standards.mail.structure import MAX_PARTS, read_structure
from tests.unit.mail.expected import CORPUS

MAILS = [path.read_bytes() for path in sorted(CORPUS.glob("*.eml"))]
FRAGMENTS = (
    b"\r\n", b"\n\n", b"\r", b"\x00", b"\xff", b"--", b"\xe2\x80\x94", b";", b'"', b"<", b">", b"(", b"@", b"=?x?B?",
    b"=?x?Q?=0D=0ABcc:_a@x.fr?=", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", b"boundary=",
    b"Content-Type: message/rfc822\r\n\r\n", b"Content-Transfer-Encoding: base64\r\n", b"charset=zlib",
    b"From: a@x, b@y\r\n", b"Final-Recipient: rfc822;a@x.fr\r\n", b"Action: failed\r\n", b"Disposition: x\r\n",
    b"Error: 9", b"Date: 99999\r\n", b"From: mailer-daemon\r\n", b"550 5.1.1 ", b"<!--", b"&#99999999999;",
)  # fmt: skip
LIMIT = 2.0
"""Seconds, for a small mail on a busy machine."""


def read_all(raw: bytes) -> InboundMail:
    """Every reader on the same bytes, whatever the kind of the mail."""
    started = time.perf_counter()
    mail = read_mail(raw)
    classify(mail)
    report = read_dsn(mail)
    reading = read_mdn(mail)
    error = read_error_mail(mail)
    contents = [each.content() for each in mail.attachments]
    assert time.perf_counter() - started < LIMIT
    assert sum(map(len, contents)) <= len(raw)
    assert sum(1 for _ in mail.root.walk()) <= MAX_PARTS + 1
    values = [mail.subject, mail.sender, mail.sender_label, mail.message_id, mail.mss.nil, mail.mss.ins, mail.mss.mes]
    values += [*mail.to, *mail.reply_to, *mail.in_reply_to, *mail.references, *mail.mss.code_cda, mail.auto_submitted]
    values += [attachment.file_name for attachment in mail.attachments]
    values += [error.code, *error.message_ids]
    if report is not None:
        values += [report.envelope, *report.message_ids, report.reporting_mta]
        values += [
            text for each in report.recipients for text in (each.address, each.original_address, each.diagnostic)
        ]
    if reading is not None:
        values += [reading.reader, reading.addressee, reading.code, reading.said, *reading.message_ids]
    for value in values:
        assert value == clean(value)
    assert "\r" not in mail.text
    assert "\x00" not in mail.text
    return mail


@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    read_all(raw)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40))
def test_any_heap_of_fragments_is_a_mail(fragments: list[bytes]) -> None:
    read_all(b"".join(fragments))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(MAILS),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 60), st.sampled_from((b"", *FRAGMENTS))),
        min_size=1,
        max_size=6,
    ),
)
def test_a_damaged_notification_is_read_all_the_same(raw: bytes, damages: list[tuple[float, int, bytes]]) -> None:
    for place, length, put in damages:
        at = int(place * len(raw))
        raw = raw[:at] + put + raw[at + length :]
    read_all(raw)


@given(st.sampled_from(MAILS), st.sampled_from(MAILS), st.floats(0, 1), st.floats(0, 1))
def test_two_mails_cut_and_glued_are_read(first: bytes, second: bytes, one: float, two: float) -> None:
    read_all(first[: int(one * len(first))] + second[int(two * len(second)) :])


@given(st.sampled_from(MAILS), st.integers(1, 300))
def test_a_mail_repeated_in_itself_costs_little(raw: bytes, times: int) -> None:
    read_all((raw + b"\r\n") * times)


@given(st.text(max_size=300))
def test_any_text_is_a_header_value(value: str) -> None:
    for box in mailboxes(value):
        assert box.label == clean(box.label)
        assert box.address == clean(box.address)
    parameters(value)
    decode_words(value)
    text_of_html(value)


@given(st.binary(max_size=200), st.text(max_size=60))
def test_any_charset_gives_a_text(content: bytes, charset: str) -> None:
    text, announced = decode(content, charset)
    assert isinstance(text, str)
    assert isinstance(announced, bool)


@given(st.binary(max_size=300))
def test_parts_are_slices_of_the_mail_in_order(raw: bytes) -> None:
    root = read_structure(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + raw.replace(b"\x01", b"\n--b\n")).root
    at = 0
    for part in root.parts:
        assert at <= part.start <= part.body_start <= part.end
        at = part.end
