"""Discharge letters and the day they are due, kept beside their message (CSP R. 1112-1-2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pfi.model.decision import Action
from pfi.model.submission import Request
from pfi.store import sql
from pfi.store.database import Connection
from pfi.store.states import DeliveryState
from pfi.store.stays import Opaque, stay_id
from pfi.store.values import clean

_SQL = sql.load("letters")


@dataclass(frozen=True, slots=True)
class Letter:
    """What one message says of a letter due on the day of discharge.

    `visit_text` names the stay (`pfi.store.stays`), empty = none. `discharged_on` is the local day of PV1-45, `None` =
    not told. `referring_known`: the médecin traitant is known by at least one of `referring_ids` (national identifiers,
    each in every form that a sender may write); `referring_addresses` are their mailboxes among the recipients, in
    lower case.
    """

    lineage: str
    request: Request
    received_at: datetime
    visit_text: str
    discharged_on: date | None
    referring_known: bool
    referring_ids: tuple[str, ...] = ()
    referring_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """When a letter is late. `today` is the local day of `now` in `zone`. `oldest` and `oldest_silent` bound the days
    of discharge that may open an alert (letters; stays without letter), `None` = any. Letters received before
    `forgotten` that raised no alert are no longer watched."""

    now: datetime
    today: date
    zone: str
    grace: timedelta
    every_stay: bool
    oldest: date | None
    oldest_silent: date
    forgotten: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One subject whose alert opens or closes, or that needs no more watching (`settles`: `delivered`, `expired`).
    `message_id` is its newest letter, `None` = no letter. `ending` says why an alert closes: `delivered`, `deleted`,
    `cancelled` (stay or discharge), `not_due` (the day of discharge was put off)."""

    subject: str
    message_id: int | None
    day: date | None
    opens: bool
    closes: bool
    settles: str
    ending: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """What keeps a letter from the médecin traitant. `state`, `code`: of the delivery to professionals, `None` = there
    is none; `action`, `decision_code`: of the last decision; `outcome`, `outcome_code`: result of the mailbox of the
    médecin traitant (of any, when they are not known); `named`: they are among the addressees."""

    referring_known: bool
    named: bool
    state: DeliveryState | None = None
    code: str = ""
    action: Action | None = None
    decision_code: str = ""
    outcome: str = ""
    outcome_code: str = ""


async def record(connection: Connection, message_id: int, letter: Letter, opaque: Opaque) -> None:
    """Starts watching the deadline of a letter; a deletion ends it for its whole lineage. Doing it again for the same
    message corrects the day of discharge and the médecin traitant. Must run in the transaction that stores the
    message."""
    lineage = clean(letter.lineage)
    if letter.request is Request.DELETE:
        await connection.execute(_SQL["delete"], lineage)
        return
    stay = stay_id(opaque(letter.visit_text)) if letter.visit_text else None
    await connection.execute(
        _SQL["record"],
        message_id,
        letter.received_at,
        lineage,
        stay,
        f"stay:{stay}" if stay else f"document:{lineage}",
        letter.discharged_on,
        letter.referring_known,
        [clean(each) for each in letter.referring_ids],
        [clean(each) for each in letter.referring_addresses],
    )


async def check(connection: Connection, kind: str, terms: Terms) -> tuple[Change, ...]:
    """What changes for the alerts of that kind. Reads only; cheap with any number of settled letters."""
    rows = await connection.fetch(
        _SQL["check"],
        kind,
        terms.now,
        terms.today,
        terms.zone,
        terms.grace,
        terms.every_stay,
        terms.oldest,
        terms.oldest_silent,
        terms.forgotten,
    )
    return tuple(
        Change(
            row["subject"],
            row["message_id"],
            row["day"],
            bool(row["opens"]),
            bool(row["closes"]),
            row["settles"],
            row["ending"],
        )
        for row in rows
    )


async def settle(connection: Connection, subjects: Iterable[str], how: str) -> None:
    """Ends the watch over the letters of these subjects."""
    if wanted := list(subjects):
        await connection.execute(_SQL["settle"], wanted, how)


async def blocked(connection: Connection, message_id: int) -> Blocked | None:
    """What keeps a letter back; `None` when the message carries none."""
    row = await connection.fetchrow(_SQL["cause"], message_id)
    if row is None:
        return None
    return Blocked(
        referring_known=row["referring_known"],
        named=row["named"],
        state=DeliveryState(row["state"]) if row["state"] else None,
        code=row["code"] or "",
        action=Action(row["action"]) if row["action"] else None,
        decision_code=row["decision_code"] or "",
        outcome=row["outcome"] or "",
        outcome_code=row["outcome_code"] or "",
    )
