"""The mail room as one part of an engine: what reads, what hands over, what people decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pfi.engine.connector import MailCarrier, MailReceiver, MessageConnector
from pfi.engine.context import Context
from pfi.engine.mailroom import handovers
from pfi.engine.mailroom.answers import Answers
from pfi.engine.mailroom.decisions import MailDecisions
from pfi.engine.mailroom.handovers import Handovers
from pfi.engine.mailroom.reception import Reception
from pfi.engine.mailroom.watch import MailWatch
from pfi.engine.mailroom.writing import Writer
from pfi.engine.notifications import Notifications
from pfi.store.database import Connection


@dataclass(frozen=True, slots=True)
class MailRoom:
    context: Context
    reception: Reception
    handovers: Handovers
    decisions: MailDecisions
    watch: MailWatch

    @classmethod
    def build(
        cls,
        context: Context,
        notifications: Notifications,
        connectors: Mapping[str, object],
        consumers: Mapping[str, MessageConnector],
    ) -> "MailRoom":
        """`connectors` by destination: those that receive or submit mails are used; `consumers` by configured name."""
        settings = context.settings.reception
        carriers = {name: each for name, each in connectors.items() if isinstance(each, MailCarrier)}
        answers = Answers(context, settings, {name: each.letterhead for name, each in carriers.items()})
        writer = Writer(context, settings)
        reception = Reception(context, settings, notifications, answers, writer)
        return cls(
            context,
            reception,
            Handovers(context, settings, answers, consumers, carriers),
            MailDecisions(context, settings, answers, writer),
            MailWatch(
                context,
                reception,
                {name: each for name, each in connectors.items() if isinstance(each, MailReceiver)},
            ),
        )

    async def recover(self, connection: Connection, lease: timedelta, now: datetime) -> int:
        """Takes over what dead processes had claimed; returns how many hand-overs."""
        active = tuple(self.handovers.active)
        return await handovers.recover(self.context, connection, active, lease=lease, now=now)
