"""What is kept of an ADT statement, and the key that tells whether it was told before (INS digest §9).

Nothing more of an identity is kept than the fold needs: the INS, local identifiers and their status, no trait.
"""

import hashlib
import json
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pfi.model.adt import PatientEvent
from pfi.model.parties import Author, Person
from pfi.model.patient import Identifier, Traits
from pfi.model.submission import MessageHeader

_LOCAL: Final = ("PI", "")
"""CX-5 of the local identifiers that are kept: neither billing numbers nor those of other domains are of use."""


def storable(event: PatientEvent) -> PatientEvent:
    """The event as it is kept: no traits, no identifier of another nature, nothing that changes when it is repeated.

    `fold` gives the same state for it, and `storable` of it is itself.
    """
    header = event.message
    return replace(
        event,
        message=MessageHeader(
            sending_application=header.sending_application,
            sending_facility=header.sending_facility,
            receiving_application="",
            receiving_facility="",
            message_code=header.message_code,
            trigger_event=header.trigger_event,
            structure="",
            control_id="",
            processing_id="",
            version="",
            charset="",
        ),
        patient=replace(event.patient, traits=Traits(), identifiers=_local(event.patient.identifiers)),
        prior_identifiers=_local(event.prior_identifiers),
        referring_professionals=tuple(_named(each) for each in event.referring_professionals),
        ended_roles=tuple(_named(each) for each in event.ended_roles),
    )


def digest(event: PatientEvent) -> bytes:
    """Stable key of a statement (SHA-256): the same one repeated under another control id or time of sending has the
    same key. Fields that say nothing do not count, so that the key outlives new versions of the model."""
    return hashlib.sha256(canonical(storable(event)).encode("utf-8", "surrogatepass")).digest()


def canonical(event: PatientEvent) -> str:
    """The same text for the same statement, whatever the process and the time zones of its moments."""
    return json.dumps(_plain(event), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _local(identifiers: tuple[Identifier, ...]) -> tuple[Identifier, ...]:
    return tuple(identifier for identifier in identifiers if identifier.type_code in _LOCAL)


def _named(author: Author) -> Author:
    person = author.person or Person()
    return Author(
        person=Person(identifier=person.identifier, family=person.family, given=person.given), role=author.role
    )


def _plain(value: Any) -> Any:
    """A value of the model as JSON, fields at their default left out."""
    if is_dataclass(value):
        told = {}
        for each in fields(value):
            content = getattr(value, each.name)
            if each.default is not MISSING and content == each.default:
                continue
            plain = _plain(content)
            if plain not in ({}, []):
                told[each.name] = plain
        return told
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value
