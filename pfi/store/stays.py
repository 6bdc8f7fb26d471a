"""Stays as the ADT feed tells them: the projection of `PatientState.episodes`, found by opaque keys."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from pfi.model.patient import Episode, Identifier
from pfi.model.submission import Submission
from pfi.store import sql
from pfi.store.database import Connection
from pfi.store.values import clean

_SQL = sql.load("stays")

Opaque = Callable[[str], bytes]
"""Turns the text of a key into the key under which it is found (HMAC-SHA256 under the installation's secret)."""


def visit_text(visit: str, account: str) -> str:
    """The text under which a stay is found: its visit number (PV1-19), else its account number (PID-18), each as
    `value^authority`; empty = no stay is named (hl7v2 digest §1.5)."""
    if visit:
        return f"visit:{visit}"
    return f"account:{account}" if account else ""


def visit_text_of(submission: Submission) -> str:
    """The same text for the stay that a document message names."""
    return visit_text(named(submission.stay.visit), named(submission.patient.account))


def named(identifier: Identifier | None) -> str:
    """A visit or account number as episodes name it: `value^authority`, empty = none."""
    if identifier is None:
        return ""
    return f"{identifier.value}^{identifier.authority_oid or identifier.authority_name}"


def stay_id(visit_key: bytes) -> uuid.UUID:
    """Number of the stay found under that key: the same for ADT and documents, whichever comes first."""
    return uuid.UUID(bytes=visit_key[:16])


async def project(
    connection: Connection, patient: uuid.UUID, episodes: Sequence[Episode], opaque: Opaque, now: datetime
) -> None:
    """Makes the stays of one patient record those of its episodes; a stay that another record had moves here. After a
    merge, the surviving record comes first, then those that lost their episodes.

    An episode that names neither visit nor account is nobody's stay. Must run inside a transaction.
    """
    found = {opaque(text): episode for episode in episodes if (text := visit_text(episode.visit, episode.account))}
    await connection.execute(_SQL["forget"], patient, list(found))
    if not found:
        return
    await connection.execute(
        _SQL["put"],
        patient,
        now,
        [stay_id(key) for key in found],
        list(found),
        [clean(each.patient_class) for each in found.values()],
        [clean(each.ej) for each in found.values()],
        [clean(each.eg) for each in found.values()],
        [clean(each.unit) for each in found.values()],
        [each.admitted_at for each in found.values()],
        [each.discharged_at for each in found.values()],
        [clean(each.exit_mode) for each in found.values()],
        [each.cancelled for each in found.values()],
    )
