"""What a person decides about a received mail: let its held documents go, give them up, try again."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pfi.engine.context import Context
from pfi.engine.mailroom.answers import Answers
from pfi.engine.mailroom.opening import open_mail
from pfi.engine.mailroom.settings import ReceptionSettings
from pfi.engine.mailroom.writing import Writer
from pfi.model.submission import Request
from pfi.standards.mail.inbound import read_mail
from pfi.store import mailroom, messages, queue
from pfi.store.database import Connection
from pfi.store.mailroom import HandoverKind, RunnableHandover, StoredMail

_DISMISSED = "906"
_DISMISSED_TEXT = "Document écarté par le destinataire."
_NO_MAIL = "Aucun courriel reçu ne porte ce numéro."
_NOTHING_HELD = "Rien n'attend dans ce courriel."
_NOTHING_TO_RETRY = "Rien de ce courriel ne peut être retenté : aucune remise n'a échoué, ou une personne l'a écarté."
_NO_BODY = "Le contenu de ce courriel a été purgé : il ne peut plus être remis."
_NO_ROUTE = "Aucune règle de réception ne dit à quel logiciel remettre ce document (reception.routes) : en ajouter une."


@dataclass(frozen=True, slots=True)
class Decided:
    """`count` documents were concerned; `text` is French and says why when there is none."""

    count: int
    text: str = ""


class MailDecisions:
    def __init__(self, context: Context, reception: ReceptionSettings, answers: Answers, writer: Writer) -> None:
        self._context = context
        # A person has seen that the document is masked.
        self._reception = reception.model_copy(update={"masked": "deliver"})
        self._answers = answers
        self._writer = writer

    async def release(self, message_id: int) -> Decided:
        """Hands over the held documents of a mail, by the routes of the present configuration."""
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            mail = await mailroom.lock_mail(connection, message_id)
            if mail is None:
                return Decided(0, _NO_MAIL)
            held = await mailroom.held(connection, message_id)
            if not held:
                return Decided(0, _NOTHING_HELD)
            if mail.body is None:
                return Decided(0, _NO_BODY)
            released = await self._write_anew(connection, mail, mail.body, held, now)
            if released:
                await queue.enqueue(connection, [queue.Job.hand_over(each) for each in released])
                await messages.add_event(connection, "mail_released", now, message_id=message_id, detail={})
        return Decided(len(released), "" if released else _NO_ROUTE)

    async def dismiss(self, message_id: int) -> Decided:
        """Gives the held documents of a mail up; its sender is told (906) when they asked to be."""
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            if await mailroom.lock_mail(connection, message_id) is None:
                return Decided(0, _NO_MAIL)
            count = await mailroom.dismiss(connection, message_id, now, _DISMISSED, _DISMISSED_TEXT)
            if not count:
                return Decided(0, _NOTHING_HELD)
            await messages.add_event(connection, "mail_dismissed", now, message_id=message_id, detail={})
            await self._answers.settle(connection, message_id)
            followers = await mailroom.followers(connection, message_id, now)
            await queue.enqueue(connection, [queue.Job.hand_over(each) for each in followers])
        return Decided(count)

    async def retry(self, message_id: int) -> Decided:
        """Tries again what was refused or given up: the documents, and else the answer. What was given up may have
        arrived, and keeps its MSH-10; what was refused is another message (hl7v2 digest §4.1: an AE is sent again only
        after correction), by the routes of the present configuration. An answer that was told is not told again; one
        that had not left is written anew, once it is known what became of the documents."""
        now = self._context.clock()
        async with self._context.database.transaction() as connection:
            mail = await mailroom.lock_mail(connection, message_id)
            if mail is None:
                return Decided(0, _NO_MAIL)
            again = list(await mailroom.retry(connection, message_id, HandoverKind.MDM, now))
            refused = await mailroom.refused(connection, message_id)
            if mail.body is not None:
                again += await self._write_anew(connection, mail, mail.body, refused, now)
            if again:
                await mailroom.withdraw_answers(connection, message_id)
                await mailroom.reopen(connection, message_id)
            else:
                again += await mailroom.retry(connection, message_id, HandoverKind.MAIL, now)
            if not again:
                return Decided(0, _why_not(mail, refused))
            await queue.enqueue(connection, [queue.Job.hand_over(each) for each in again])
            await messages.add_event(connection, "mail_retried", now, message_id=message_id, detail={})
        return Decided(len(again))

    async def _write_anew(
        self,
        connection: Connection,
        mail: StoredMail,
        body: bytes,
        named: Mapping[uuid.UUID, tuple[str, Request]],
        now: datetime,
    ) -> list[RunnableHandover]:
        """Queues documents in messages of their own; one that no route wants stays as it is."""
        if not named:
            return []
        read = read_mail(body)
        opened = open_mail(read, mail.mailbox, self._reception, self._context.settings.ins.environment)
        documents = {(each.document.unique_id, each.request): each for each in opened.documents}
        queued = []
        for handover_id, name in named.items():
            document = documents.get(name)
            if document is None or document.route is None:
                continue
            written = self._writer.write(replace(document, held=""), read, mail.mailbox, mail.received_at)
            again = await mailroom.rewrite(
                connection, handover_id, written.consumer, written.control_id, written.content, now
            )
            if again is not None:
                queued.append(again)
        return queued


def _why_not(mail: StoredMail, refused: Mapping[uuid.UUID, tuple[str, Request]]) -> str:
    """Why nothing could be tried again."""
    if not refused:
        return _NOTHING_TO_RETRY
    return _NO_BODY if mail.body is None else _NO_ROUTE
