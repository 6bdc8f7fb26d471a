"""A store with letters and stays, two engines' watches over it, and a clock."""

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from pfi.engine.alerts import Alerts, DischargeLetters
from pfi.engine.context import Context
from pfi.engine.rulebooks import Rulebooks
from pfi.engine.settings import Settings
from pfi.model.clock import IdSource
from pfi.model.patient import Episode
from pfi.model.submission import Request
from pfi.routing.rules import RuleBook, load_rules
from pfi.store import letters, stays
from pfi.store.alerts import Alert
from pfi.store.database import Database
from pfi.store.letters import Letter
from pfi.store.patients import PatientKeys

MORNING = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
"""Of the day of discharge."""
MIDNIGHT = datetime(2026, 3, 5, 23, 0, tzinfo=UTC)
"""In Paris, the end of that day."""
VISIT = "5500041^2.25.7"
DOCTOR = "899700000011"
MAILBOX = "medecin@test.mssante.fr"
MINUTE = timedelta(minutes=1)

LETTER = Letter(
    lineage="2.25.9",
    request=Request.INITIAL,
    received_at=MORNING,
    visit_text=f"visit:{VISIT}",
    discharged_on=date(2026, 3, 5),
    referring_known=True,
    referring_ids=(DOCTOR, DOCTOR[1:]),
    referring_addresses=(MAILBOX,),
)
STAY = Episode(visit=VISIT, patient_class="I", admitted_at=MORNING - timedelta(days=3), discharged_at=MORNING)


@cache
def rules() -> RuleBook:
    return load_rules()


class Ward:
    """A store, two engines' watches over it, and a clock."""

    def __init__(self, database: Database, keys: PatientKeys) -> None:
        self.database = database
        self.keys = keys
        self.now = MORNING
        self.patient = uuid.uuid4()
        self.watch, self.other = self.engine(), self.engine()

    def engine(self, **changes: Any) -> DischargeLetters:
        context = Context(
            settings=Settings.model_validate({"alerts": changes}),
            database=self.database,
            rulebooks=Rulebooks(rules()),
            clock=lambda: self.now,
            ids=IdSource(),
            worker=uuid.uuid4(),
        )
        return DischargeLetters(context)

    def opaque(self, text: str) -> bytes:
        return self.keys.opaque(text)

    @property
    def subject(self) -> str:
        return f"stay:{stays.stay_id(self.opaque(f'visit:{VISIT}'))}"

    async def receive(self, letter: Letter = LETTER, state: str = "queued", *, action: str = "send") -> int:
        """Stores a letter with its decision and, unless it is denied, its delivery to professionals."""
        letter = replace(letter, received_at=self.now)
        async with self.database.transaction() as connection:
            message: int = await connection.fetchval(
                "INSERT INTO messages (received_at, received_on, listener, peer, certificate, sender, sender_key,"
                " control_id, message_type, digest, size, kind, ack_code)"
                " VALUES ($1, $2, 'l', 'p', '', 's', 's', '1', 'ORU^R01', $3, 0, 'request', 'AA') RETURNING id",
                letter.received_at,
                letter.received_at.date(),
                uuid.uuid4().bytes,
            )
            await connection.execute(
                "INSERT INTO decisions (message_id, run, position, document, channel, action, code, because,"
                " recipients, due, gap, legal_gap, rules_digest)"
                " VALUES ($1, 1, 1, 'd', 'PRO', $2, $3, '[]', '[]', true, false, false, '')",
                message,
                action,
                "ORDER_NO" if action == "deny" else "",
            )
            if action == "send":
                await connection.execute(
                    "INSERT INTO deliveries (id, message_id, channel, destination, lineage, request, qualified, ids,"
                    " addressees, recipients, created_at, state)"
                    " VALUES ($1, $2, 'PRO', 'mssante', $3, $4, true, '{}', $5, '[]', $6, $7)",
                    uuid.uuid4(),
                    message,
                    letter.lineage,
                    letter.request,
                    [{"address": MAILBOX.upper(), "identifier": DOCTOR}],
                    letter.received_at,
                    state,
                )
            await letters.record(connection, message, letter, self.opaque)
        return message

    async def answer(
        self,
        message: int,
        address: str = MAILBOX,
        outcome: str = "delivered",
        *,
        party: str = "",
        code: str = "",
        dsn: str = "none",
    ) -> None:
        """What became of one mailbox."""
        async with self.database.connection() as connection:
            await connection.execute(
                "INSERT INTO recipient_results (delivery_id, address, party_id, outcome, code, text, at, envelope, dsn)"
                " SELECT id, $2, $3, $4, $5, '', $6, '', $7 FROM deliveries WHERE message_id = $1 AND channel = 'PRO'"
                " ON CONFLICT (delivery_id, address) DO UPDATE SET outcome = excluded.outcome, code = excluded.code,"
                " dsn = excluded.dsn",
                message,
                address,
                party,
                outcome,
                code,
                self.now,
                dsn,
            )

    async def told(self, *episodes: Episode) -> None:
        """The ADT feed tells the stays of the patient."""
        async with self.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO patients (id, state, updated_at) VALUES ($1, '{}', $2) ON CONFLICT DO NOTHING",
                self.patient,
                self.now,
            )
            await stays.project(connection, self.patient, episodes, self.opaque, self.now)

    async def at(self, now: datetime) -> int:
        self.now = now
        return await self.watch.check()

    async def open(self) -> list[Alert]:
        return list(await Alerts(self.database).current())

    async def all(self) -> list[Alert]:
        return list(await Alerts(self.database).history())

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]
