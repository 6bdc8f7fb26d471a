"""Every mail of the corpus, with both line ends, is what the table says."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import MIMEPart

import pytest

from pfi.standards.mail.dsn import read_dsn
from pfi.standards.mail.error_mail import read_error_mail
from pfi.standards.mail.inbound import read_mail
from pfi.standards.mail.kind import MailKind, classify
from pfi.standards.mail.mdn import read_mdn
from tests.unit.mail.expected import CORPUS, EXPECTED, OUR_ENVELOPE, OUR_ID, Delivery, Keys, Reading

SPOKEN_OF = [name for name, expected in EXPECTED.items() if isinstance(expected, Delivery)]
READ = [name for name, expected in EXPECTED.items() if isinstance(expected, Reading)]


BROKEN = {"MAIL_HEADER_BROKEN", "MAIL_STRUCTURE_BROKEN"}


def mail_of(name: str) -> bytes:
    return (CORPUS / f"{name}.eml").read_bytes()


def with_crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_the_corpus_and_the_table_hold_the_same_mails() -> None:
    assert {path.stem for path in CORPUS.glob("*.eml")} == EXPECTED.keys()
    assert len(SPOKEN_OF) + len(READ) >= 60


@pytest.mark.parametrize("name", EXPECTED)
def test_each_mail_has_its_kind(name: str) -> None:
    assert classify(mail_of(name)) is EXPECTED[name].kind
    assert classify(with_crlf(mail_of(name))) is EXPECTED[name].kind


@pytest.mark.parametrize("name", SPOKEN_OF)
def test_a_notification_says_what_became_of_each_recipient(name: str) -> None:
    expected = EXPECTED[name]
    assert isinstance(expected, Delivery)
    for raw in (mail_of(name), with_crlf(mail_of(name))):
        report = read_dsn(raw)
        assert report is not None
        told = tuple((each.address, each.action.value, each.code) for each in report.recipients)
        assert told == expected.recipients
        assert (report.envelope == OUR_ENVELOPE) is (expected.keys in (Keys.BOTH, Keys.ENVELOPE))
        assert (report.message_ids[:1] == (OUR_ID,)) is (expected.keys in (Keys.BOTH, Keys.ID))
        assert report.structured is (expected.kind is MailKind.DSN)
        assert read_mdn(raw) is None


@pytest.mark.parametrize("name", READ)
def test_a_reading_notification_says_yes_or_no(name: str) -> None:
    expected = EXPECTED[name]
    assert isinstance(expected, Reading)
    for raw in (mail_of(name), with_crlf(mail_of(name))):
        report = read_mdn(raw) if expected.kind is MailKind.MDN else read_error_mail(raw)
        assert report is not None
        assert report.original_message_id == OUR_ID
        assert (report.reader, report.disposition.value) == (expected.reader, expected.disposition)
        assert (report.success, report.code) == (expected.success, expected.code)
        assert bool(report.label) is (report.success is False)
        assert read_dsn(raw) is None


@pytest.mark.parametrize("name", [name for name in EXPECTED if name not in SPOKEN_OF and name not in READ])
def test_any_other_mail_is_no_notification(name: str) -> None:
    assert read_dsn(mail_of(name)) is None
    assert read_mdn(mail_of(name)) is None


def test_only_the_test_identity_and_invented_domains_are_in_the_corpus() -> None:
    for path in CORPUS.glob("*.eml"):
        text = path.read_bytes().decode("utf-8", "replace")
        assert set(re.findall(r"\b[12]\d{14}\b", text)) <= {"279035121518989"}, path.name
        assert path.stat().st_size < 5000


SOUND = [name for name in EXPECTED if not {each.code for each in read_mail(mail_of(name)).findings} & BROKEN]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_mail_has_the_parts_that_the_standard_library_sees(name: str) -> None:
    raw = with_crlf(mail_of(name))
    theirs = message_from_bytes(raw, policy=policy.default)
    ours = read_mail(raw)
    assert [part.content_type for part in ours.root.walk()] == list(types_of(theirs))
    assert ours.message_id == str(theirs["Message-ID"] or "").strip()
    assert ours.to == tuple(each.addr_spec for each in theirs["To"].addresses)


def types_of(part: MIMEPart) -> Iterator[str]:
    """A returned mail and the groups of a status part are not parts of the mail itself."""
    yield part.get_content_type()
    if part.get_content_maintype() == "multipart":
        for each in part.iter_parts():
            yield from types_of(each)
