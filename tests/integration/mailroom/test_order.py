"""The documents of one lineage reach the DPI in the order of their mails, whatever becomes of the first."""

from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.submission import Orders, Request
from pfi.standards.hl7v2.tokenizer import parse
from tests.integration.mailroom.post import Hospital, a_mail, hospital
from tests.unit.mssante.material import cda, document

AWAY = Outcome(OutcomeKind.NOT_DELIVERED, "MLLP_UNREACHABLE", "Injoignable.")
FIRST, SECOND, OTHER = "1.2.250.1.999.1.7.1", "1.2.250.1.999.1.7.2", "1.2.250.1.999.1.7.3"


def replacing(unique_id: str, parent: str) -> bytes:
    """A document that replaces another one."""
    related = (
        f'<relatedDocument typeCode="RPLC"><parentDocument><id root="{parent}"/></parentDocument></relatedDocument>'
    )
    return cda(unique_id=unique_id).replace(b"<componentOf>", related.encode() + b"<componentOf>")


def replacement() -> bytes:
    return a_mail(2, documents=(document(replacing(SECOND, FIRST)),), request=Request.REPLACE)


def deletion() -> bytes:
    return a_mail(3, documents=(document(replacing(SECOND, FIRST)),), request=Request.DELETE)


def events(house: Hospital) -> list[tuple[str, str]]:
    """(event, uniqueId) of the messages that the DPI got, repeated ones once."""
    read = [parse(each.content) for each in house.dpi.received]
    return list(dict.fromkeys((each.msh.component(9, 2), each.all("TXA")[0].component(12)) for each in read))


async def test_a_replacement_and_a_deletion_wait_for_what_the_dpi_could_not_take_yet(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.dpi.answers = [AWAY] * 4
        for raw in (a_mail(1, content=cda(unique_id=FIRST)), replacement(), deletion()):
            house.post.inbox.put_nowait(raw)
        await house.until_mail("integrated", 3)
        assert events(house) == [("T02", FIRST), ("T10", SECOND), ("T04", SECOND)]
        assert await house.mail_state(1) == await house.mail_state(2) == ("integrated", "")


async def test_a_document_of_another_lineage_waits_for_nobody(store_url: str) -> None:
    async with hospital(store_url, first_seconds=5, longest_seconds=5) as house:
        house.dpi.answers = [AWAY]
        for raw in (a_mail(1, content=cda(unique_id=FIRST)), replacement()):
            house.post.inbox.put_nowait(raw)
        await house.integrated(1)
        house.post.inbox.put_nowait(a_mail(4, content=cda(unique_id=OTHER)))
        await house.until_mail("integrated", 3)
        assert events(house) == [("T02", FIRST), ("T02", OTHER)]


async def test_a_replacement_waits_for_what_a_person_holds_back(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail(1, content=cda(unique_id=FIRST), orders=Orders(masque_ps=True)))
        house.post.inbox.put_nowait(replacement())
        await house.post.filed(2)
        assert house.dpi.received == []
        assert (await house.engine.mail_room.decisions.release(1)).count == 1
        await house.until_mail("integrated", 2)
        assert events(house) == [("T02", FIRST), ("T10", SECOND)]


async def test_a_replacement_leaves_once_what_it_replaces_was_given_up(store_url: str) -> None:
    async with hospital(store_url) as house:
        house.post.inbox.put_nowait(a_mail(1, content=cda(unique_id=FIRST), orders=Orders(masque_ps=True)))
        house.post.inbox.put_nowait(replacement())
        await house.post.filed(2)
        assert (await house.engine.mail_room.decisions.dismiss(1)).count == 1
        await house.until_mail("integrated", 2)
        assert events(house) == [("T10", SECOND)]
