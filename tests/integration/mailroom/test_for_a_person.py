"""What is not the platform's to decide is stored, shown, put where a person looks, and not answered by itself."""

from dataclasses import replace
from functools import partial

import pytest

from pfi.engine.connector import Filing
from pfi.engine.mailroom.decisions import Decided
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.patient import Ins
from pfi.model.submission import Orders
from pfi.store import messages
from tests.integration.engine.fakes import DELIVERED, eventually
from tests.integration.mailroom.post import SENDER, Hospital, a_mail, hospital
from tests.unit.mssante.material import INS_OID, PATIENT, cda

WANTED = {"Disposition_Notification_To": SENDER}


async def test_a_mail_of_which_only_the_header_may_be_read_is_not_said_to_be_broken(store_url: str) -> None:
    async with hospital(store_url) as house:
        large = a_mail(1, headers=WANTED)
        house.post.oversize.add(large)
        house.post.inbox.put_nowait(large)
        house.post.inbox.put_nowait(a_mail(2))
        assert await house.post.filed(2) == [Filing.ATTENTION, Filing.DOCUMENTS]
        assert await house.mail_state() == ("kept", "MAIL_NOT_WHOLE")
        await house.until_mail("integrated", 2)
        assert house.post.submitted == []


async def test_a_mail_over_the_limit_of_the_mail_room_is_kept_whole(store_url: str) -> None:
    async with hospital(store_url, max_mail_bytes=10_000) as house:
        house.post.inbox.put_nowait(a_mail(headers=WANTED) + b" " * 10_000)
        assert await house.post.filed() == [Filing.ATTENTION]
        assert await house.mail_state() == ("kept", "MAIL_OVER_LIMIT")


async def test_an_envelope_outside_the_trust_space_is_a_stranger_whoever_signs(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.distrusted.add("quelqu.un@ailleurs.example")
        house.post.inbox.put_nowait(a_mail(1, headers={**WANTED, "Return_Path": "<quelqu.un@ailleurs.example>"}))
        house.post.inbox.put_nowait(a_mail(2))
        assert await house.post.filed(2) == [Filing.ATTENTION, Filing.DOCUMENTS]
        assert await house.mail_state() == ("kept", "MAIL_SENDER_OUTSIDE")
        assert house.post.submitted == []


async def test_a_mail_that_nobody_may_answer_is_never_answered_by_itself(store_url: str) -> None:
    async with hospital(store_url, mdn_elsewhere="send") as house:
        house.post.inbox.put_nowait(a_mail(headers={**WANTED, "Return_Path": "<>"}))
        await house.until_mail("integrated")
        assert await house.post.filed() == [Filing.ATTENTION]
        assert house.post.submitted == []


async def test_an_answer_left_to_a_person_is_where_a_person_looks(store_url: str) -> None:
    async with hospital(store_url) as house:
        elsewhere = {"Disposition_Notification_To": "ailleurs@ch-exemple.mssante.fr"}
        house.post.inbox.put_nowait(a_mail(headers=elsewhere))
        assert await house.post.filed() == [Filing.ATTENTION]
        await house.until_mail("integrated")


async def test_a_wrong_key_of_the_ins_is_told_and_left_to_the_consumer(store_url: str) -> None:
    async with hospital(store_url) as house:
        wrong = "279035121518988"
        whose = replace(PATIENT, ins=Ins(wrong, INS_OID))
        house.post.inbox.put_nowait(a_mail(content=cda(matricule=wrong), patient=whose))
        await house.until_mail("integrated")
        found = await house.fetch("SELECT code, severity FROM findings WHERE code LIKE 'INS%'")
        assert found == [{"code": "INS_KEY_WRONG", "severity": "warning"}]


async def test_a_mail_that_could_not_be_moved_goes_where_it_should_have_gone(store_url: str) -> None:
    async with hospital(store_url) as house:
        masked = a_mail(orders=Orders(masque_ps=True), headers=WANTED)
        house.post.inbox.put_nowait(masked)
        house.post.inbox.put_nowait(masked)
        assert await house.post.filed(2) == [Filing.ATTENTION, Filing.ATTENTION]


async def test_the_bytes_of_a_mail_are_kept_for_as_long_as_somebody_must_decide(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail(orders=Orders(masque_ps=True)))
        await house.post.filed()
        following = (await house.fetch("SELECT received_on + 1 AS day FROM messages"))[0]["day"]
        async with house.engine.database.connection() as connection:
            assert await messages.drop_partitions(connection, following) == []
            assert (await house.engine.mail_room.decisions.dismiss(1)).count == 1
            assert len(await messages.drop_partitions(connection, following)) == 1
        assert await house.engine.mail_room.decisions.release(1) == Decided(0, "Rien n'attend dans ce courriel.")


async def test_an_answer_that_the_operator_refuses_for_good_is_shown(store_url: str) -> None:
    async with hospital(store_url) as house:
        refused = Outcome(OutcomeKind.REFUSED, "512", "Le correspondant n'est pas dans l'espace de confiance MSSanté.")
        house.post.submissions = [refused] * 2
        house.dpi.answers = [DELIVERED, Outcome(OutcomeKind.REFUSED, "902", "Patient inconnu.")]
        for number, expected in ((1, ("integrated", "ANSWER_NOT_SENT")), (2, ("refused", "902 ANSWER_NOT_SENT"))):
            house.post.inbox.put_nowait(a_mail(number, headers=WANTED))
            await house.post.filed(number)
            await eventually(partial(_is, house, number, expected))
        (row,) = await house.fetch("SELECT text FROM mails WHERE message_id = 1")
        assert "pfi mail retry" in row["text"]
        events = await house.fetch("SELECT detail FROM events WHERE kind = 'handover_refused' ORDER BY message_id")
        assert [row["detail"]["kind"] for row in events] == ["mail", "mdm", "mail"]
        # Once it has left, it is shown no more.
        assert (await house.engine.mail_room.decisions.retry(1)).count == 1

        async def told() -> bool:
            return await house.mail_state(1) == ("integrated", "")

        await eventually(told)
        (row,) = await house.fetch("SELECT text FROM mails WHERE message_id = 1")
        assert row["text"] == "Documents intégrés."


@pytest.mark.parametrize(("written_by", "count"), [("auto-generated", 1), ("auto-replied", 0)])
async def test_a_document_that_a_program_sends_by_itself_is_answered_an_answer_is_not(
    store_url: str, written_by: str, count: int
) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail(headers={**WANTED, "Auto_Submitted": written_by}))
        await house.until_mail("integrated")
        assert len(await house.fetch("SELECT FROM handovers WHERE kind = 'mail'")) == count


async def _is(house: Hospital, number: int, expected: tuple[str, str]) -> bool:
    return await house.mail_state(number) == expected
