"""Whatever happens in between, a document is handed over once and its sender is told what became of it."""

import asyncio
import random
import re
from typing import Any

import pytest

from pfi.engine.connector import Filing, FoundMail, Letterhead
from pfi.engine.mailroom import answers, reception
from pfi.engine.mailroom.answers import Answers
from pfi.engine.mailroom.reception import Mailbox
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.submission import Request
from pfi.standards.mail.inbound import InboundMail, read_mail
from pfi.store.database import Connection
from samples.generator.request import Flags
from tests.integration.engine.fakes import PEER, eventually, letter
from tests.integration.mailroom.post import MAILBOX, SENDER, PostOffice, a_mail, hospital, with_headers
from tests.unit.mssante.material import cda, document

REFUSED_902 = Outcome(OutcomeKind.REFUSED, "902", "Patient inconnu.")
AWAY = Outcome(OutcomeKind.NOT_DELIVERED, "MLLP_UNREACHABLE", "Injoignable.")
WANTED = {"Disposition_Notification_To": SENDER}
TWO = tuple(document(cda(unique_id=f"1.2.250.1.999.1.7.{number}")) for number in (71, 72))


async def test_of_a_mail_sent_again_only_what_was_refused_is_handed_over_again(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.dpi.answers = [Outcome(OutcomeKind.DELIVERED), REFUSED_902]
        raw = a_mail(documents=TWO, headers=WANTED)
        house.post.inbox.put_nowait(raw)
        await house.until_mail("refused")
        house.post.inbox.put_nowait(with_headers(raw, Received="from elsewhere"))
        await house.until_mail("integrated", 2)
        (first, second, third) = await house.integrated(3)
        assert len({first, second}) == 2
        states = await house.fetch("SELECT line, state FROM handovers WHERE message_id = 2 AND kind = 'mdm'")
        assert [row["state"] for row in states] == ["delivered"]
        # The one that the DPI refused, in a message of its own.
        refused = await house.fetch("SELECT content FROM handovers WHERE message_id = 1 AND state = 'refused'")
        assert _document(third) == _document(refused[0]["content"])


async def test_two_processes_that_take_the_same_mail_hand_it_over_once(store_url: str) -> None:
    async with hospital(store_url) as house:
        second = house.new_engine(PostOffice())
        await second.start()
        try:
            raw = a_mail()
            copies = (raw, raw, with_headers(raw, Received="from elsewhere"))
            takes = [
                engine.mail_room.reception.take(Mailbox(MAILBOX, "mssante"), FoundMail(copy), trusts=lambda _: True)
                for copy in copies
                for engine in (house.engine, second)
            ]
            await asyncio.gather(*takes)
            await house.until_mail("integrated", 1)
            assert len(await house.fetch("SELECT FROM handovers WHERE kind = 'mdm'")) == 1
            assert len(await house.fetch("SELECT FROM mails")) == 2
        finally:
            await second.stop(grace=1)


async def test_a_process_killed_while_it_hands_over_leaves_the_same_bytes_to_another(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.dpi.answers = [AWAY] * 3
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        (first, *_) = await house.integrated(1)
        await house.engine.stop(grace=1)
        house.dpi.answers = []
        second = house.new_engine(PostOffice())
        house.engine = second
        await second.start()
        await house.fetch(
            "UPDATE handovers SET state = 'in_flight', owner = gen_random_uuid(), fence = fence + 1 "
            "WHERE state = 'queued' RETURNING id"
        )
        await house.until_mail("integrated")
        assert {message.content for message in house.dpi.received} == {first}


async def test_an_answer_that_had_not_left_is_not_sent_once_it_is_wrong(store_url: str) -> None:
    async with hospital(store_url, max_attempts=2) as house:
        house.dpi.answers = [AWAY] * 2
        house.post.submissions = [AWAY] * 2
        house.post.inbox.put_nowait(a_mail(headers=WANTED))

        async def given_up() -> bool:
            return len(await house.fetch("SELECT FROM handovers WHERE state = 'failed'")) == 2

        await eventually(given_up)
        assert (await house.engine.mail_room.decisions.retry(1)).count == 1
        await house.until_mail("integrated")
        told = await house.answered(3)
        assert ["[KO" in str(each["Subject"]) for each in told] == [True, True, False]


async def test_the_answer_alone_may_be_tried_again(store_url: str) -> None:
    async with hospital(store_url, max_attempts=1) as house:
        house.post.submissions = [AWAY]
        house.post.inbox.put_nowait(a_mail(headers=WANTED))

        async def given_up() -> bool:
            return len(await house.fetch("SELECT FROM handovers WHERE state = 'failed'")) == 1

        await eventually(given_up)
        assert (await house.engine.mail_room.decisions.retry(1)).count == 1
        await house.answered(2)
        assert len({mail.content for mail in house.post.submitted}) == 1
        assert len(house.dpi.received) == 1


async def test_an_answer_that_cannot_be_written_does_not_hand_the_document_over_again(store_url: str) -> None:
    class Misconfigured(PostOffice):
        @property
        def letterhead(self) -> Letterhead:
            return Letterhead("référence")

    async with hospital(store_url) as house:
        await house.engine.stop(grace=1)
        house.post = Misconfigured()
        house.engine = house.new_engine()
        await house.engine.start()
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        await house.until_mail("integrated")
        kinds = await house.fetch("SELECT kind FROM events WHERE message_id = 1")
        assert [row["kind"] for row in kinds] == ["mail_answer_unwritten"]
        assert len(house.dpi.received) == 1


async def test_what_a_dpi_says_never_keeps_a_mail_from_being_settled(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.dpi.answers = [Outcome(OutcomeKind.REFUSED, "902", "Patient\x00 inconnu \ud800")]
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        await house.until_mail("refused")
        assert len(await house.answered()) == 1
        assert len(house.dpi.received) == 1


async def test_a_defect_of_ours_leaves_the_mail_to_a_person_and_the_mailbox_goes_on(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("défaut")

    async with hospital(store_url) as house:
        with monkeypatch.context() as patched:
            patched.setattr(reception, "open_mail", broken)
            house.post.inbox.put_nowait(a_mail(1, headers=WANTED))
            await house.post.filed()
        house.post.inbox.put_nowait(a_mail(2))
        await house.until_mail("integrated", 2)
        assert await house.mail_state(1) == ("kept", "MAIL_DEFECT")
        assert house.post.submitted == []


async def test_what_others_send_is_no_version_of_our_own_documents(store_url: str) -> None:
    async with hospital(store_url) as house:
        ours = (await house.send_letter("M1")).documents
        # A correspondent sends our own document back to us, then asks for its deletion.
        house.post.inbox.put_nowait(a_mail(1, documents=ours))
        house.post.inbox.put_nowait(a_mail(2, documents=ours, request=Request.DELETE))
        await house.until_mail("integrated", 2)
        await house.until_mail("integrated", 3)
        flags = Flags(dest_dmp=False, dest_mss_pat=False)
        await house.engine.intake.accept(letter("M4", flags=flags), PEER)
        decided = await house.fetch("SELECT code FROM decisions WHERE message_id = 4 AND action = 'deny'")
        assert "DELETED_BY_SENDER" not in {row["code"] for row in decided}
        assert await house.fetch("SELECT FROM deliveries WHERE message_id = 4 AND channel = 'PRO'")


async def test_a_mail_is_nothing_to_replay(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail())
        await house.until_mail("integrated")
        report = await house.engine.replay.replay(1)
        assert not report.done
        assert report.text
        assert len(house.dpi.received) == 1


async def test_the_same_document_with_other_bytes_is_not_lost(store_url: str) -> None:
    async with hospital(store_url) as house:
        name = "1.2.250.1.999.1.7.1"
        house.post.inbox.put_nowait(a_mail(1, content=cda(unique_id=name)))
        house.post.inbox.put_nowait(a_mail(1, content=cda(unique_id=name, title="Compte rendu corrigé")))
        await house.until_mail("integrated", 2)
        (first, second) = await house.integrated(2)
        assert _document(first) != _document(second)


async def test_what_was_refused_is_tried_again_in_another_message_by_the_routes_of_now(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.dpi.answers = [REFUSED_902]
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        await house.until_mail("refused")
        assert (await house.engine.mail_room.decisions.retry(1)).count == 1
        await house.until_mail("integrated")
        (first, second) = house.dpi.received
        # A DPI that remembers what it refused would refuse the same MSH-10 again (hl7v2 digest §4.1).
        assert first.control_id != second.control_id
        assert f"|{second.control_id}|".encode() in second.content
        assert _document(first.content) == _document(second.content)


async def test_what_was_given_up_is_tried_again_as_often_and_in_the_same_message(store_url: str) -> None:
    async with hospital(store_url, max_attempts=2) as house:
        house.dpi.answers = [AWAY] * 3
        house.post.inbox.put_nowait(a_mail())
        await house.until_mail("refused")
        assert (await house.engine.mail_room.decisions.retry(1)).count == 1
        await house.until_mail("integrated")
        assert len(house.dpi.received) == 4
        assert len({message.content for message in house.dpi.received}) == 1


async def test_a_defect_while_an_answer_is_written_does_not_hand_the_document_over_again(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("défaut")

    async with hospital(store_url) as house:
        monkeypatch.setattr(answers, "write_mdn", broken)
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        await house.until_mail("integrated")
        assert await house.mail_state() == ("integrated", "ANSWER_NOT_SENT")
        assert len(house.dpi.received) == 1


async def test_a_defect_after_a_document_was_handed_over_does_not_hand_it_over_again(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hospital(store_url) as house:
        settle = Answers.settle

        async def broken(self: Answers, connection: Connection, message_id: int, *given: Any) -> Any:
            if house.dpi.received:
                raise LookupError("défaut")
            return await settle(self, connection, message_id, *given)

        monkeypatch.setattr(Answers, "settle", broken)
        house.post.inbox.put_nowait(a_mail())

        async def ended() -> bool:
            return bool(await house.fetch("SELECT FROM handovers WHERE state = 'delivered'"))

        await eventually(ended)
        assert len(house.dpi.received) == 1
        assert await house.mail_state() == ("open", "")


async def test_a_mail_that_cannot_be_read_at_all_is_kept(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(raw: bytes) -> InboundMail:
        if raw:
            raise LookupError("défaut")
        return read_mail(raw)

    async with hospital(store_url) as house:
        monkeypatch.setattr(reception, "read_mail", broken)
        house.post.inbox.put_nowait(a_mail())
        assert await house.post.filed() == [Filing.ATTENTION]
        assert await house.mail_state() == ("kept", "MAIL_DEFECT")


async def test_a_monstrous_identifier_does_not_keep_a_mail_out(store_url: str) -> None:
    async with hospital(store_url) as house:
        source = random.Random(7)  # noqa: S311 - no secret
        monstrous = "".join(chr(source.randrange(0x20000, 0x2A6D0)) for _ in range(990))
        raw = re.sub(rb"Message-ID: <[^>]*>", f"Message-ID: <{monstrous}>".encode(), a_mail(), count=1)
        house.post.inbox.put_nowait(raw)
        house.post.inbox.put_nowait(with_headers(raw, Received="from elsewhere"))
        await house.until_mail("integrated", 2)
        assert len(house.dpi.received) == 1


async def test_the_bytes_of_what_was_handed_over_are_purged_with_those_of_the_mail(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        await house.answered()
        await house.until_mail("integrated")

        async def sizes() -> list[int]:
            return [row["size"] for row in await house.fetch("SELECT length(content) AS size FROM handovers")]

        async def finished() -> bool:
            return not await house.fetch("SELECT FROM handovers WHERE state <> 'delivered'")

        await eventually(finished)
        assert all(await sizes())
        await house.fetch("UPDATE handovers SET finished_at = finished_at - interval '31 days'")

        async def purged() -> bool:
            return not any(await sizes())

        await eventually(purged)
        assert len(await sizes()) == 2


def _document(mdm: bytes) -> bytes:
    """The OBX of the document."""
    return next(line for line in mdm.split(b"\r") if line.startswith(b"OBX|1|"))
