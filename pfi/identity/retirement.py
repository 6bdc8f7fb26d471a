"""Local identifiers that were merged away or changed (MRG-1 of A40 and A47; INS digest §3.4, hl7v2 digest §6.1)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pfi.model.adt import PatientEvent
from pfi.model.patient import Identifier, Patient

_MERGE: Final = "A40"

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Retirement:
    """`identifiers` are those that the patient no longer has, in the order in which they were retired. `merged`: those
    of identities that were merged away; what was said of an identity under them no longer counts."""

    identifiers: tuple[Identifier, ...] = ()
    merged: frozenset[_Key] = field(default=frozenset())

    def covers(self, patient: Patient) -> bool:
        """True when the patient is named by an identity that was merged away: by one of its identifiers, and by no
        other of the same authority."""
        told = [_key(identifier) for identifier in patient.identifiers]
        authorities = {authority for authority, value in told if (authority, value) in self.merged}
        return bool(authorities) and not any(
            authority in authorities and (authority, value) not in self.merged for authority, value in told
        )

    def without(self, identifiers: tuple[Identifier, ...]) -> tuple[Identifier, ...]:
        """Those that are not retired."""
        retired = {_key(identifier) for identifier in self.identifiers}
        return tuple(identifier for identifier in identifiers if _key(identifier) not in retired)


def retirement(events: Iterable[PatientEvent], known: tuple[Identifier, ...]) -> Retirement:
    """What the merges and changes of identifiers of a record retire. `events` in the order in which they were told;
    `known`: what was retired before. An identity that survives a later merge is no longer retired."""
    retired = {_key(identifier): identifier for identifier in known}
    merged = set(retired)
    for event in events:
        if not event.prior_identifiers:
            continue
        surviving = {_key(identifier) for identifier in event.patient.identifiers}
        for key in surviving:
            retired.pop(key, None)
        merged -= surviving
        for identifier in event.prior_identifiers:
            key = _key(identifier)
            if key not in surviving:
                retired[key] = identifier
                if event.trigger == _MERGE:
                    merged.add(key)
    return Retirement(tuple(retired.values()), frozenset(merged))


def _key(identifier: Identifier) -> _Key:
    return identifier.authority_oid or identifier.authority_name, identifier.value
