"""Settling a received mail once its documents were answered for, and telling its sender (hl7v2 digest §5.3, §5.4)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from pfi.engine.connector import Letterhead
from pfi.engine.context import Context
from pfi.engine.logs import get_logger
from pfi.engine.mailroom.settings import ReceptionSettings
from pfi.model.errors import BugError
from pfi.standards.hl7v2.codes import APPLICATION_ERRORS, OTHER_APPLICATION_ERROR
from pfi.standards.mail.address import domain_of
from pfi.standards.mail.answers import Answer, IntegrationError
from pfi.standards.mail.error_mail import write_error_mail
from pfi.standards.mail.mdn_writer import MdnForm, write_mdn
from pfi.store import mailroom, messages, queue
from pfi.store.database import Connection
from pfi.store.mailroom import (
    Filed,
    HandoverKind,
    HandoverState,
    MailState,
    NewHandover,
    Reply,
    RunnableHandover,
    StoredMail,
)

_LOG = get_logger("mailroom")
_WAITING = frozenset({HandoverState.HELD, HandoverState.QUEUED, HandoverState.IN_FLIGHT})
_GIVEN_UP = "Le logiciel du destinataire n'a pas pu être joint."

UNANSWERED: Final = "ANSWER_NOT_SENT"
"""Shown beside what became of a mail whose sender could not be answered."""
UNANSWERED_TEXT: Final = (
    "La réponse à l'expéditeur n'a pas pu partir : le prévenir autrement, ou la retenter (pfi mail retry)."
)


class Answers:
    """`letterheads` by destination."""

    def __init__(self, context: Context, reception: ReceptionSettings, letterheads: Mapping[str, Letterhead]) -> None:
        self._context = context
        self._reception = reception
        self._letterheads = letterheads

    async def settle(
        self, connection: Connection, message_id: int, errors: Iterable[IntegrationError] = ()
    ) -> MailState | None:
        """Ends a mail when nothing of it waits any more, and writes its answer; `None` when something waits.

        `errors`: what is wrong with the mail as a whole. Called in the transaction of what ended last, or in the one
        that stores the mail.
        """
        mail = await mailroom.lock_mail(connection, message_id)
        if mail is None or mail.state is not MailState.OPEN:
            return None
        filed = await mailroom.filed(connection, message_id)
        if any(each.state in _WAITING for each in filed):
            return None
        now = self._context.clock()
        told = (*errors, *_errors(filed))
        state = MailState.REFUSED if told else MailState.INTEGRATED
        code = told[0].code if told else ""
        text = told[0].words if told else "Documents intégrés."
        await mailroom.settle(connection, message_id, state, code, text, now)
        await self._answer(connection, mail, told, now)
        _LOG.info("mail_settled", message=message_id, state=state.value, code=code)
        return state

    async def _answer(
        self, connection: Connection, mail: StoredMail, errors: tuple[IntegrationError, ...], now: datetime
    ) -> None:
        """The answer that was due when the mail came, now that its content is known."""
        letterhead = self._letterheads.get(mail.destination)
        if mail.body is None or letterhead is None or mail.answer not in (Reply.MDN, Reply.ERROR_MAIL):
            return
        if mail.answer is Reply.ERROR_MAIL and not errors:
            return
        mail_id = self._context.ids.message_id(domain_of(mail.mailbox))
        answer = Answer(
            sender=mail.mailbox,
            to=mail.answer_to,
            date=now,
            message_id=mail_id,
            nil=letterhead.nil,
            errors=errors,
            sender_label=letterhead.label,
        )
        try:
            content = self._write(mail.answer, answer, mail.body)
        except Exception as error:
            # The documents have been answered for: that must be kept, whatever the mail, or they would be handed over
            # again for ever. The text of a defect may quote the mail.
            code = error.code if isinstance(error, BugError) else "BUG"
            _LOG.error("answer_unwritten", message=mail.message_id, code=code, error=type(error).__name__)
            await messages.add_event(
                connection, "mail_answer_unwritten", now, message_id=mail.message_id, detail={"code": code}
            )
            await mailroom.mark_answer(connection, mail.message_id, UNANSWERED, UNANSWERED_TEXT, missing=True)
            return
        handover = NewHandover(
            id=self._context.ids.uuid4(),
            kind=HandoverKind.MAIL,
            position=0,
            line=mail.destination,
            control_id=mail_id.strip("<>"),
            content=content,
            created_at=now,
            mailbox=mail.mailbox,
            recipient=mail.answer_to,
        )
        await mailroom.add_handovers(connection, mail.message_id, [handover])
        await queue.enqueue(
            connection, [queue.Job.hand_over(RunnableHandover(handover.id, handover.kind, handover.line, 0))]
        )

    def _write(self, reply: Reply, answer: Answer, original: bytes) -> bytes:
        if reply is Reply.MDN:
            return write_mdn(answer, original, form=MdnForm(self._reception.mdn_form))
        return write_error_mail(answer, original)


def _errors(filed: Iterable[Filed]) -> tuple[IntegrationError, ...]:
    """What the consumers said: 900 to 906, anything technical is 906 (hl7v2 digest §5.3)."""
    errors = []
    for each in filed:
        if each.state is HandoverState.REFUSED:
            known = each.code in APPLICATION_ERRORS
            errors.append(
                IntegrationError(
                    each.code if known else OTHER_APPLICATION_ERROR,
                    APPLICATION_ERRORS[each.code] if known else each.text,
                )
            )
        elif each.state is HandoverState.FAILED:
            errors.append(IntegrationError(OTHER_APPLICATION_ERROR, _GIVEN_UP))
    return tuple(errors)
