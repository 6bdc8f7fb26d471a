"""What comes back about mails that we sent: from the mailbox to Z02 and Z03."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pfi.engine.connector import Filing
from pfi.engine.mailroom import reception
from pfi.model.clock import system_clock
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.standards.hl7v2.zam import read_zam
from pfi.standards.mail.answers import Answer, IntegrationError
from pfi.standards.mail.error_mail import write_error_mail
from pfi.standards.mail.mdn_writer import MdnForm, write_mdn
from pfi.store import acks
from samples.generator import world
from samples.generator.request import Flags
from tests.integration.engine.fakes import PEER, eventually, letter, to_everybody
from tests.integration.mailroom.post import DOCTOR, SENDER, Hospital, a_mail, hospital

DOMAIN = "ch-exemple.mssante.fr"


def dsn(delivery: Delivery, action: str, status: str, *, envelope: bool = True, address: str = DOCTOR) -> bytes:
    """A notification as Postfix writes it."""
    original = f"Original-Envelope-Id: {delivery.ids.envelope}\r\n" if envelope else ""
    return (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@operateur.mssante.fr\r\n"
        f"To: {SENDER}\r\nSubject: Successful Mail Delivery Report\r\nMessage-ID: <{action}.{status}@operateur>\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nCeci est un avis.\r\n"
        "--B\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; operateur.mssante.fr\r\n{original}\r\n"
        f"Original-Recipient: rfc822;{address}\r\nFinal-Recipient: rfc822; {address}\r\n"
        f"Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; 550 {status} no\r\n\r\n"
        "--B\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: <{delivery.ids.message_id}@{DOMAIN}>\r\n\r\n--B--\r\n"
    ).encode()


def mdn(delivery: Delivery, *errors: IntegrationError, form: MdnForm = MdnForm.RFC8098_ERROR_FIELD) -> bytes:
    """What the reader's own platform answers."""
    sent = f"Message-ID: <{delivery.ids.message_id}@{DOMAIN}>\r\n".encode()
    original = b"\r\n".join(line for line in a_mail().split(b"\r\n") if not line.lower().startswith(b"message-id"))
    answer = Answer(DOCTOR, SENDER, datetime(2026, 3, 5, tzinfo=UTC), "<mdn@medecin>", "NIL", errors)
    return write_mdn(answer, sent + original, form=form)


@pytest.mark.parametrize("envelope", [True, False])
async def test_a_delivery_notification_tells_the_creator(store_url: str, envelope: bool) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter()
        house.post.inbox.put_nowait(dsn(sent, "delivered", "2.0.0", envelope=envelope))
        assert await house.post.filed() == [Filing.REPORTS]
        assert await house.told(1) == [("Z02", True, DOCTOR, "")]


async def test_the_same_notification_twice_is_told_once(store_url: str) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter()
        house.post.inbox.put_nowait(dsn(sent, "delivered", "2.0.0"))
        house.post.inbox.put_nowait(dsn(sent, "delivered", "2.1.5"))
        assert await house.post.filed(2) == [Filing.REPORTS, Filing.REPORTS]
        assert await house.told(1) == [("Z02", True, DOCTOR, "")]


async def test_a_failure_after_a_success_is_told_too(store_url: str) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter()
        house.post.inbox.put_nowait(dsn(sent, "relayed", "2.0.0"))
        house.post.inbox.put_nowait(dsn(sent, "failed", "5.1.1"))
        assert await house.told(2) == [("Z02", False, DOCTOR, "550"), ("Z02", True, DOCTOR, "")]
        (row,) = await house.fetch("SELECT outcome, code FROM recipient_results")
        assert row == {"outcome": "refused", "code": "550"}
        assert [row["kind"] for row in await house.fetch("SELECT kind FROM events WHERE kind LIKE 'dsn%'")] == [
            "dsn_contradicts"
        ]


async def test_a_bounce_that_nobody_asked_for_is_still_seen(store_url: str) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter(receipt=False)
        house.post.inbox.put_nowait(dsn(sent, "failed", "5.1.1"))
        assert await house.post.filed() == [Filing.REPORTS]
        (row,) = await house.fetch("SELECT outcome, code FROM recipient_results")
        assert row == {"outcome": "refused", "code": "550"}
        assert house.reply.received == []


async def test_a_notification_of_no_mail_of_ours_is_kept_and_shown(store_url: str) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter()
        stranger = dsn(sent, "failed", "5.1.1").replace(sent.ids.envelope.encode(), b"unknown")
        house.post.inbox.put_nowait(stranger.replace(sent.ids.message_id.encode(), b"unknown"))
        assert await house.post.filed() == [Filing.ATTENTION]
        assert await house.mail_state(2) == ("kept", "REPORT_UNMATCHED")


@pytest.mark.parametrize("form", list(MdnForm))
async def test_a_reading_notification_tells_the_creator(store_url: str, form: MdnForm) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter(receipt=False)
        house.post.inbox.put_nowait(mdn(sent, form=form))
        house.post.inbox.put_nowait(mdn(sent, form=form) + b"\r\n")
        assert await house.post.filed(2) == [Filing.REPORTS, Filing.REPORTS]
        assert await house.told(1) == [("Z03", True, DOCTOR, "")]


@pytest.mark.parametrize("form", list(MdnForm))
async def test_a_refusal_of_the_reader_is_told_with_its_code(store_url: str, form: MdnForm) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter(receipt=False)
        house.post.inbox.put_nowait(mdn(sent, IntegrationError("902"), form=form))
        assert await house.told(1) == [("Z03", False, DOCTOR, "902")]


async def test_an_error_mail_is_told_as_a_refusal(store_url: str) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter(receipt=False)
        original = a_mail().replace(b"9b0c2a52-0d3c-4f43-8a57-000000000001", sent.ids.message_id.encode())
        answer = Answer(
            DOCTOR, SENDER, datetime(2026, 3, 5, tzinfo=UTC), "<e@medecin>", "NIL", (IntegrationError("904"),)
        )
        house.post.inbox.put_nowait(write_error_mail(answer, original))
        assert await house.told(1) == [("Z03", False, DOCTOR, "904")]


async def test_nobody_is_told_who_did_not_ask(store_url: str) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter(receipt=False, reading=False)
        house.post.inbox.put_nowait(mdn(sent))
        assert await house.post.filed() == [Filing.REPORTS]
        assert [row["success"] for row in await house.fetch("SELECT success FROM readings")] == [True]
        assert house.reply.received == []


async def test_who_answers_has_received_and_the_creator_hears_it_in_that_order(store_url: str) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter()
        house.post.inbox.put_nowait(mdn(sent))
        await house.told(2)
        assert in_order(house) == [("Z02", True), ("Z03", True)]
        house.post.inbox.put_nowait(dsn(sent, "delivered", "2.0.0"))
        assert await house.post.filed(2) == [Filing.REPORTS, Filing.REPORTS]
        assert len(await house.fetch("SELECT FROM business_acks")) == 2
        (row,) = await house.fetch("SELECT outcome, dsn FROM recipient_results")
        assert row == {"outcome": "delivered", "dsn": "received"}


async def test_a_reading_is_told_after_a_reception_that_could_not_be_told_at_once(store_url: str) -> None:
    async with hospital(store_url) as house:
        sent = await house.send_letter()
        house.reply.gate = asyncio.Event()
        house.post.inbox.put_nowait(dsn(sent, "delivered", "2.0.0"))
        await house.told(1)
        house.post.inbox.put_nowait(mdn(sent))
        await house.post.filed(2)
        await asyncio.sleep(0.5)
        assert len(house.reply.received) == 1
        house.reply.gate.set()
        await house.told(2)
        assert in_order(house) == [("Z02", True), ("Z03", True)]


async def test_a_reading_cannot_be_told_while_the_reception_is_still_to_be(store_url: str) -> None:
    """Whatever the schedules of both, and however often the sender was away."""
    async with hospital(store_url) as house:
        sent = await house.send_letter()
        house.reply.gate = asyncio.Event()
        house.post.inbox.put_nowait(dsn(sent, "delivered", "2.0.0"))
        await house.told(1)
        house.post.inbox.put_nowait(mdn(sent))
        await house.post.filed(2)
        (reading,) = await house.fetch("SELECT id FROM business_acks WHERE event = 'Z03'")
        database = house.engine.database
        async with database.connection() as connection:
            assert await acks.claim(connection, reading["id"], uuid.uuid4(), system_clock()) is None
        house.reply.gate.set()
        await house.told(2)
        assert in_order(house) == [("Z02", True), ("Z03", True)]


async def test_what_is_said_of_a_mail_in_doubt_waits_for_the_end_of_the_doubt(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "_EARLY_PAUSE", 0.02)
    async with hospital(store_url) as house:
        flags = Flags(dest_dmp=False, dest_mss_pat=False, ack_reception=True, ack_lecture_mss=True)
        house.post.answers.append(to_everybody(OutcomeKind.UNKNOWN, "LOST"))
        house.post.resolutions.extend([to_everybody(OutcomeKind.UNKNOWN, "LOST")] * 3)
        house.post.resolutions.append(to_everybody(OutcomeKind.DELIVERED, dsn="expected"))
        await house.engine.intake.accept(letter("M1", flags=flags), PEER)
        await house.post.entered.wait()
        (sent,) = house.post.sent
        # The mail had arrived: its reader answers, once, while we still wonder.
        house.post.inbox.put_nowait(mdn(sent))
        await house.told(2)
        assert in_order(house) == [("Z02", True), ("Z03", True)]
        assert await house.fetch("SELECT FROM mails WHERE state = 'kept'") == []


async def test_what_is_said_of_one_reader_is_never_taken_for_another(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "_EARLY_PAUSE", 0.02)
    async with hospital(store_url) as house:
        sent = await two_readers(house)
        house.post.inbox.put_nowait(dsn(sent, "failed", "5.1.1", address="retard@medecin-exemple.mssante.fr"))

        async def looked_at() -> bool:
            return bool(house.post.left or house.post.folders)

        await eventually(looked_at)
        rows = await house.fetch("SELECT address, outcome FROM recipient_results")
        assert rows == [{"address": DOCTOR, "outcome": "delivered"}]


async def two_readers(house: Hospital) -> Delivery:
    """A letter of which one mailbox was served, and the other is still to be."""
    late = replace(world.FAMILY_DOCTOR, mailbox="retard@medecin-exemple.mssante.fr")
    prompt = replace(world.FAMILY_DOCTOR, mailbox=DOCTOR)
    flags = Flags(dest_dmp=False, dest_mss_pat=False, ack_reception=True)

    def half(delivery: Delivery) -> Outcome:
        results = (RecipientOutcome(DOCTOR, OutcomeKind.DELIVERED), RecipientOutcome(late.mailbox, OutcomeKind.UNKNOWN))
        return Outcome(OutcomeKind.UNKNOWN, recipients=results, evidence={"dsn": "expected"})

    house.post.answers.append(half)
    house.post.resolutions.extend([to_everybody(OutcomeKind.UNKNOWN)] * 5)
    await house.engine.intake.accept(letter("M1", flags=flags, recipients=(prompt, late)), PEER)

    async def stored() -> bool:
        return bool(await house.fetch("SELECT FROM recipient_results"))

    await eventually(stored)
    house.post.gate = asyncio.Event()
    return house.post.sent[0]


def in_order(house: Hospital) -> list[tuple[str, bool]]:
    """What the creator was told, in the order in which it was."""
    acks = [read_zam(message.content) for message in house.reply.received]
    return [(ack.event.value, ack.success) for ack in acks]
