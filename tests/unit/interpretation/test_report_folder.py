"""The folder of notifications: each is taken once, nothing is deleted, nothing stops the others."""

import os
from email.message import EmailMessage
from pathlib import Path

import pytest

from connectors.mssante import reports
from connectors.mssante.reports import DONE, PATIENCE, UNMATCHED, ReportFolder, reports_of
from pfi.engine.connector import MailReport
from pfi.model.errors import TransportError

ENVELOPE = "3f1d0c5e9f5e4b0e8f1b7c3a2d4e5f60"
OTHER = "0123456789abcdef0123456789abcdef"


def notification(*recipients: tuple[str, str, str], envelope: str = ENVELOPE) -> bytes:
    """A DSN as RFC 3464 wants it; recipients are (address, action, status)."""
    blocks = [f"Reporting-MTA: dns; operateur.example\r\nOriginal-Envelope-Id: {envelope}\r\n"]
    blocks += [
        f"Original-Recipient: rfc822;{address}\r\nFinal-Recipient: rfc822;{address}\r\nAction: {action}\r\n"
        f"Status: {status}\r\n"
        for address, action, status in recipients
    ]
    return (
        "From: MAILER-DAEMON@operateur.example\r\nTo: pfi@ch.mssante.fr\r\nSubject: DSN\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nVoir ci-dessous.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n" + "\r\n".join(blocks) + "\r\n--b--\r\n"
    ).encode()


DELIVERED = notification(("a@exemple.mssante.fr", "delivered", "2.0.0"))
FAILED = notification(("b@exemple.mssante.fr", "failed", "5.1.1"))


def letter() -> bytes:
    """A mail of a correspondent: no notification at all."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "docteur@exemple.mssante.fr", "pfi@ch.mssante.fr", "Bonjour"
    mail.set_content("Merci pour ce courrier.")
    return mail.as_bytes()


class Engine:
    """Awaits the notifications of one envelope, each mailbox once."""

    def __init__(self, envelope: str = ENVELOPE) -> None:
        self.envelope = envelope
        self.taken: list[MailReport] = []

    async def take(self, report: MailReport) -> bool:
        if report.envelope != self.envelope or report.address in {each.address for each in self.taken}:
            return False
        self.taken.append(report)
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def put(folder: Path, name: str, content: bytes, *, old: bool = True) -> Path:
    path = folder / name
    path.write_bytes(content)
    if old:
        moment = path.stat().st_mtime - PATIENCE - 1
        os.utime(path, (moment, moment))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.eml"))


async def test_a_notification_of_delivery_is_taken_and_put_away(folder: Path) -> None:
    put(folder, "1.eml", DELIVERED)
    engine = Engine()
    assert await ReportFolder(folder).collect(engine.take) == 1
    assert engine.taken == [MailReport(ENVELOPE, "a@exemple.mssante.fr", "delivered")]
    assert names(folder) == [f"{DONE}/1.eml"]


async def test_a_failure_is_taken_with_its_smtp_code(folder: Path) -> None:
    put(folder, "1.eml", FAILED)
    engine = Engine()
    await ReportFolder(folder).collect(engine.take)
    assert [(each.action, each.code) for each in engine.taken] == [("failed", "550")]
    assert names(folder) == [f"{DONE}/1.eml"]


async def test_each_recipient_of_a_notification_is_taken(folder: Path) -> None:
    put(folder, "1.eml", notification(("a@x.fr", "delivered", "2.0.0"), ("b@x.fr", "failed", "5.2.2")))
    engine = Engine()
    await ReportFolder(folder).collect(engine.take)
    assert [(each.address, each.action) for each in engine.taken] == [("a@x.fr", "delivered"), ("b@x.fr", "failed")]


@pytest.mark.parametrize("content", [letter(), notification(("a@x.fr", "delivered", "2.0.0"), envelope=OTHER), b"\xff"])
async def test_any_other_mail_goes_where_a_person_looks(folder: Path, content: bytes) -> None:
    put(folder, "1.eml", content)
    engine = Engine()
    assert await ReportFolder(folder).collect(engine.take) == 1
    assert engine.taken == []
    assert names(folder) == [f"{UNMATCHED}/1.eml"]
    assert (folder / UNMATCHED / "1.eml").read_bytes() == content


async def test_what_was_put_away_is_not_read_again(folder: Path) -> None:
    put(folder, "1.eml", DELIVERED)
    put(folder, "2.eml", letter())
    engine, box = Engine(), ReportFolder(folder)
    assert await box.collect(engine.take) == 2
    assert await box.collect(engine.take) == 0
    assert len(engine.taken) == 1


async def test_the_same_notification_twice_is_taken_once(folder: Path) -> None:
    put(folder, "1.eml", DELIVERED)
    put(folder, "2.eml", DELIVERED)
    engine = Engine()
    await ReportFolder(folder).collect(engine.take)
    assert len(engine.taken) == 1
    assert names(folder) == [f"{UNMATCHED}/2.eml", f"{DONE}/1.eml"]


async def test_a_mail_that_may_still_be_being_written_waits(folder: Path) -> None:
    path = put(folder, "1.eml", DELIVERED[:150], old=False)
    engine, box = Engine(), ReportFolder(folder)
    await box.collect(engine.take)
    assert names(folder) == ["1.eml"]
    path.write_bytes(DELIVERED)
    await box.collect(engine.take)
    assert names(folder) == [f"{DONE}/1.eml"]


async def test_a_name_that_was_used_before_hides_no_former_mail(folder: Path) -> None:
    engine, box = Engine(), ReportFolder(folder)
    for address in ("a@x.fr", "b@x.fr", "c@x.fr"):
        put(folder, "1.eml", notification((address, "delivered", "2.0.0")))
        await box.collect(engine.take)
    assert names(folder) == [f"{DONE}/1-2.eml", f"{DONE}/1-3.eml", f"{DONE}/1.eml"]


async def test_files_are_read_in_the_order_of_their_names_and_nothing_but_mails(folder: Path) -> None:
    for number in (3, 1, 2):
        put(folder, f"{number}.eml", notification((f"{number}@x.fr", "delivered", "2.0.0")))
    put(folder, "4.tmp", DELIVERED)
    (folder / "5.eml").mkdir()
    engine = Engine()
    assert await ReportFolder(folder).collect(engine.take) == 3
    assert [each.address for each in engine.taken] == ["1@x.fr", "2@x.fr", "3@x.fr"]
    assert (folder / "4.tmp").is_file()


async def test_a_mail_stays_when_the_engine_cannot_take_it(folder: Path) -> None:
    put(folder, "1.eml", DELIVERED)

    async def away(_report: MailReport) -> bool:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        await ReportFolder(folder).collect(away)
    assert names(folder) == ["1.eml"]
    engine = Engine()
    await ReportFolder(folder).collect(engine.take)
    assert len(engine.taken) == 1


async def test_a_mail_that_cannot_be_read_does_not_stop_the_next_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "1.eml", DELIVERED)
    put(folder, "2.eml", FAILED)
    read = reports._read

    def refuse(path: Path) -> bytes:
        if path.name == "1.eml":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(reports, "_read", refuse)
    engine = Engine()
    with pytest.raises(TransportError, match=r"droits insuffisants|erreur système"):
        await ReportFolder(folder).collect(engine.take)
    assert [each.address for each in engine.taken] == ["b@exemple.mssante.fr"]
    assert names(folder) == ["1.eml", f"{DONE}/2.eml"]


async def test_a_mail_that_another_engine_moves_meanwhile_is_no_fault(folder: Path) -> None:
    put(folder, "1.eml", DELIVERED)
    put(folder, "2.eml", FAILED)
    other = Engine()

    async def slow(report: MailReport) -> bool:
        await ReportFolder(folder).collect(other.take)
        return False

    assert await ReportFolder(folder).collect(slow) == 1
    assert len(other.taken) == 2
    assert names(folder) == [f"{DONE}/1.eml", f"{DONE}/2.eml"]


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="absent"):
        await ReportFolder(tmp_path / "absent").collect(Engine().take)


def test_a_notification_in_prose_says_nothing_that_can_be_trusted() -> None:
    assert reports_of(b"From: MAILER-DAEMON@x.fr\r\nSubject: Undelivered\r\n\r\nSorry.\r\n") == ()
    assert reports_of(DELIVERED)
