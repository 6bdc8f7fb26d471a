"""The MDM of a received document, for the consumer that its route names (hl7v2 digest §5.2)."""

from dataclasses import dataclass, field
from datetime import datetime

from pfi.engine.context import Context
from pfi.engine.mailroom.opening import OpenedDocument
from pfi.engine.mailroom.settings import ReceptionSettings, RouteSettings
from pfi.model.errors import BugError
from pfi.model.parties import Organization
from pfi.model.profile import Environment
from pfi.standards.hl7v2.mdm import Addressing, MailOrigin, MailRecipient, write_mdm
from pfi.standards.mail.inbound import InboundMail

_APPLICATION = "PFI"


@dataclass(frozen=True, slots=True)
class Written:
    """A message ready to be handed over to a consumer."""

    consumer: str
    control_id: str
    content: bytes = field(repr=False)


class Writer:
    def __init__(self, context: Context, reception: ReceptionSettings) -> None:
        self._context = context
        self._reception = reception

    def write(self, opened: OpenedDocument, mail: InboundMail, mailbox: str, received_at: datetime) -> Written:
        """Raises BugError for a document without route."""
        route = opened.route
        if route is None:
            raise BugError("MDM_NO_ROUTE", "Le document n'a pas de destinataire dans l'établissement.")
        consumer = self._reception.consumer(route.consumer)
        settings = self._context.settings
        control_id = self._context.ids.control_id()
        content = write_mdm(
            opened.document,
            request=opened.request,
            flags=opened.flags,
            mail=MailOrigin(
                message_id=mail.message_id,
                subject=mail.subject,
                text=mail.text,
                received_at=received_at,
                sender=mail.sender,
                recipients=(MailRecipient(mailbox, _unit(route)),),
                reply_to=mail.reply_to,
            ),
            addressing=Addressing(
                _APPLICATION,
                "",
                consumer.application,
                consumer.facility,
                "P" if settings.ins.environment is Environment.PRODUCTION else "D",
            ),
            control_id=control_id,
            now=self._context.clock(),
        )
        return Written(consumer.name, control_id, content)


def _unit(route: RouteSettings) -> Organization | None:
    if not route.unit:
        return None
    return Organization(name=route.unit_name, identifier=route.unit, identifier_type="UF")
