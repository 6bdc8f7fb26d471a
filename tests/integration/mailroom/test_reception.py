"""Received mails: stored, handed to the DPI, answered and filed; none lost, none integrated twice."""

from pfi.engine.connector import Filing
from pfi.model.decision import Channel
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.submission import Orders
from pfi.standards.hl7v2.tokenizer import parse
from tests.integration.engine.fakes import eventually
from tests.integration.mailroom.post import MAILBOX, SENDER, PostOffice, a_mail, hospital, with_headers
from tests.unit.mssante.material import cda, document

REFUSED_902 = Outcome(OutcomeKind.REFUSED, "902", "Patient inconnu.")
WANTED = {"Disposition_Notification_To": SENDER}


async def test_a_document_is_handed_to_the_dpi_and_its_sender_is_told(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        assert await house.post.filed() == [Filing.DOCUMENTS]
        (raw,) = await house.integrated()
        message = parse(raw)
        assert (message.msh.component(9, 2), message.msh.component(5)) == ("T02", "DPI")
        (answer,) = await house.answered()
        assert answer.get_content_type() == "multipart/report"
        assert "processed" in answer.as_string()
        assert "[KO" not in str(answer["Subject"])
        (mail,) = house.post.submitted
        assert (mail.mailbox, mail.recipient) == (MAILBOX, SENDER)
        assert await house.mail_state() == ("integrated", "")


async def test_without_request_nobody_is_answered(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail())
        await house.until_mail("integrated")
        assert house.post.submitted == []


async def test_a_refusal_of_the_dpi_is_told_with_its_code(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.dpi.answers = [REFUSED_902]
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        (answer,) = await house.answered()
        assert str(answer["Subject"]).startswith("[KO Intégration système !][902] XDM/1.0/DDM")
        assert await house.mail_state() == ("refused", "902")


async def test_a_failure_without_request_goes_to_the_error_mailbox(store_url: str) -> None:
    async with hospital(store_url, error_mailbox="erreurs@ch-exemple.mssante.fr") as house:
        house.dpi.answers = [REFUSED_902]
        house.post.inbox.put_nowait(a_mail(1))
        (answer,) = await house.answered()
        house.post.inbox.put_nowait(a_mail(2))
        assert answer["To"] == "erreurs@ch-exemple.mssante.fr"
        await house.until_mail("integrated", 2)
        assert len(house.post.submitted) == 1


async def test_a_dpi_that_is_away_gets_the_same_message_later(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.dpi.answers = [Outcome(OutcomeKind.NOT_DELIVERED, "AR"), Outcome(OutcomeKind.UNKNOWN, "MLLP_NO_ANSWER")]
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        await house.until_mail("integrated")
        assert len(house.dpi.received) == 3
        assert len({message.content for message in house.dpi.received}) == 1


async def test_a_dpi_that_never_answers_is_given_up_and_told(store_url: str) -> None:
    async with hospital(store_url, max_attempts=2) as house:
        house.dpi.answers = [Outcome(OutcomeKind.NOT_DELIVERED, "MLLP_UNREACHABLE", "Injoignable.")] * 2
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        (answer,) = await house.answered()
        assert "[906]" in str(answer["Subject"])
        house.dpi.answers = []
        assert (await house.engine.mail_room.decisions.retry(1)).count == 1
        await house.until_mail("integrated")
        assert len(house.post.submitted) == 1


async def test_the_same_mail_read_twice_is_integrated_once(store_url: str) -> None:
    async with hospital(store_url) as house:
        raw = a_mail(headers=WANTED)
        house.post.inbox.put_nowait(raw)
        house.post.inbox.put_nowait(raw)
        assert await house.post.filed(2) == [Filing.DOCUMENTS, Filing.DOCUMENTS]
        await house.until_mail("integrated")
        assert len(await house.fetch("SELECT FROM messages")) == 1
        assert len(house.dpi.received) == 1


async def test_the_same_mail_sent_twice_is_integrated_once(store_url: str) -> None:
    async with hospital(store_url) as house:
        raw = a_mail(headers=WANTED)
        house.post.inbox.put_nowait(raw)
        house.post.inbox.put_nowait(with_headers(raw, Received="from elsewhere"))
        await house.post.filed(2)
        await house.until_mail("integrated", 1)
        await house.until_mail("integrated", 2)
        assert len(house.dpi.received) == 1
        assert [row["code"] for row in await house.fetch("SELECT code FROM findings WHERE message_id = 2")] == [
            "MAIL_REPEATED"
        ]
        assert len(await house.answered()) == 1


async def test_two_documents_are_two_messages_and_one_answer(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.dpi.answers = [Outcome(OutcomeKind.DELIVERED), REFUSED_902]
        two = tuple(document(cda(unique_id=f"1.2.250.1.999.1.7.{number}")) for number in (71, 72))
        house.post.inbox.put_nowait(a_mail(documents=two, headers=WANTED))
        assert len(await house.integrated(2)) == 2
        (answer,) = await house.answered()
        assert "[902]" in str(answer["Subject"])
        assert await house.mail_state() == ("refused", "902")


async def test_a_masked_document_waits_for_a_person(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail(orders=Orders(masque_ps=True), headers=WANTED))
        assert await house.post.filed() == [Filing.ATTENTION]
        assert await house.mail_state() == ("open", "")
        assert house.dpi.received == []
        assert (await house.engine.mail_room.decisions.release(1)).count == 1
        await house.until_mail("integrated")
        (raw,) = await house.integrated()
        assert [obx.component(5) for obx in parse(raw).all("OBX") if obx.component(3) == "MASQUE_PS"] == ["Y"]


async def test_a_masked_document_may_be_given_up(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail(orders=Orders(masque_ps=True), headers=WANTED))
        await house.post.filed()
        assert (await house.engine.mail_room.decisions.dismiss(1)).count == 1
        (answer,) = await house.answered()
        assert "[906]" in str(answer["Subject"])
        assert house.dpi.received == []


async def test_a_document_that_no_route_wants_waits(store_url: str) -> None:
    routes = [{"consumer": "dpi", "types": ["11502-2"]}]
    async with hospital(store_url, routes=routes) as house:
        house.post.inbox.put_nowait(a_mail())
        assert await house.post.filed() == [Filing.ATTENTION]
        decided = await house.engine.mail_room.decisions.release(1)
        assert decided.count == 0
        assert "reception.routes" in decided.text


async def test_a_route_names_the_unit_of_its_mailbox(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail())
        (raw,) = await house.integrated()
        (recipient,) = [prt for prt in parse(raw).all("PRT") if prt.component(4) == "RCT"]
        assert recipient.component(15, 4) == MAILBOX
        assert "3001" in recipient.text(8)


async def test_a_broken_archive_is_answered_and_nothing_is_integrated(store_url: str) -> None:
    async with hospital(store_url) as house:
        raw = a_mail(headers=WANTED)
        house.post.inbox.put_nowait(raw.replace(b"UEsDB", b"AAAAA"))
        assert await house.post.filed() == [Filing.ATTENTION]
        (answer,) = await house.answered()
        assert "[906]" in str(answer["Subject"])
        assert house.dpi.received == []
        assert (await house.mail_state())[0] == "refused"


async def test_a_sender_outside_the_trust_space_is_kept_and_not_answered(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.distrusted = {SENDER}
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        assert await house.post.filed() == [Filing.ATTENTION]
        assert await house.mail_state() == ("kept", "MAIL_SENDER_OUTSIDE")
        assert (house.dpi.received, house.post.submitted) == ([], [])


async def test_a_letter_of_somebody_is_kept_for_a_person(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(b"From: a@b.mssante.fr\r\nSubject: Bonjour\r\nMessage-ID: <x@b>\r\n\r\nMerci.\r\n")
        assert await house.post.filed() == [Filing.ATTENTION]
        assert await house.mail_state() == ("kept", "MAIL_OTHER")
        (row,) = await house.fetch("SELECT kind FROM messages")
        assert row["kind"] == "mail_other"


async def test_a_notification_asked_for_elsewhere_is_left_to_a_person(store_url: str) -> None:
    async with hospital(store_url) as house:
        elsewhere = {"Disposition_Notification_To": "ailleurs@ch-exemple.mssante.fr"}
        house.post.inbox.put_nowait(a_mail(headers=elsewhere))
        await house.until_mail("integrated")
        (row,) = await house.fetch("SELECT answer, answer_to FROM mails")
        assert row == {"answer": "person", "answer_to": "ailleurs@ch-exemple.mssante.fr"}
        assert house.post.submitted == []


async def test_an_answer_that_could_not_leave_is_tried_again_with_the_same_bytes(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.submissions = [Outcome(OutcomeKind.UNKNOWN, "LOST")]
        house.post.inbox.put_nowait(a_mail(headers=WANTED))
        await house.answered(2)
        assert len({mail.content for mail in house.post.submitted}) == 1


async def test_a_mailbox_that_fails_is_read_again(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.failures = 2
        house.post.inbox.put_nowait(a_mail())
        await house.until_mail("integrated")


async def test_a_mailbox_is_read_by_one_process_at_a_time(store_url: str) -> None:
    async with hospital(store_url, lease=10.0) as house:
        other = PostOffice()
        second = house.new_engine(other)

        async def first_reads() -> bool:
            return house.post.readers == 1

        await eventually(first_reads)
        await second.start()
        try:
            house.post.inbox.put_nowait(a_mail())
            await house.until_mail("integrated")
            assert other.readers == 0
            await house.engine.stop(grace=1)

            async def second_reads() -> bool:
                return other.readers == 1

            await eventually(second_reads)
        finally:
            await second.stop(grace=1)


async def test_documents_of_a_patient_are_left_to_a_person_and_no_matricule_is_in_the_journal(store_url: str) -> None:
    async with hospital(store_url) as house:
        raw = a_mail(channel=Channel.PRO)
        sender = b"279035121518989@patient.mssante.fr"
        house.post.inbox.put_nowait(raw.replace(SENDER.encode(), sender))
        assert await house.post.filed() == [Filing.ATTENTION]
        assert await house.mail_state() == ("kept", "MAIL_FROM_PATIENT")
        (row,) = await house.fetch("SELECT peer FROM messages")
        assert row["peer"] == "patient.mssante.fr"


async def test_a_mailbox_that_one_process_cannot_read_is_left_to_another(store_url: str) -> None:
    async with hospital(store_url, lease=10.0) as house:

        async def first_reads() -> bool:
            return house.post.readers == 1

        await eventually(first_reads)
        other = PostOffice()
        second = house.new_engine(other)
        await second.start()
        try:
            house.post.failures = 1000
            house.post.break_off.set()

            async def second_reads() -> bool:
                return other.readers == 1

            await eventually(second_reads, seconds=5)
            other.inbox.put_nowait(a_mail())
            await house.until_mail("integrated")
        finally:
            await second.stop(grace=1)
