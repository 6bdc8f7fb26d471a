"""What becomes of one channel of a message that is decided again: the table of changes."""

from enum import StrEnum

from pfi.model.decision import Action, Decision
from pfi.store.deliveries import Existing
from pfi.store.states import DeliveryState

PENDING = frozenset({DeliveryState.WAITING, DeliveryState.QUEUED})
"""Still here, and to be sent."""
_AWAY = frozenset({DeliveryState.IN_FLIGHT, DeliveryState.UNKNOWN})
_GIVEN_UP = frozenset({DeliveryState.REFUSED, DeliveryState.FAILED})
CANCELLED_BY_OPERATOR = "CANCELLED_BY_OPERATOR"
"""Code of what an operator gave up: nothing brings it back."""


class Cause(StrEnum):
    """Why a message is decided again; also the kind of the event that says so."""

    PATIENT = "patient_changed"
    RELEASE = "released"
    REPLAY = "replayed"


class Change(StrEnum):
    """What becomes of one channel of a message that is decided again."""

    NOTHING = "nothing"
    BIRTH = "birth"
    """A delivery that did not exist: the refusal is cured, or the configuration was corrected."""
    LET_GO = "let_go"
    HOLD = "hold"
    CONFIRM = "confirm"
    """Still to be sent; who is served, and under which identity, as decided now."""
    REVISE = "revise"
    """In flight, and still to be sent: should it come back, it is sent as decided then."""
    STOP = "stop"
    TOO_LATE = "too_late"
    """It may no longer leave, but it is in flight, or may have left."""
    REOPEN = "reopen"
    """Refused or given up, and an operator wants another try."""


def change_of(existing: Existing | None, decision: Decision | None, *, reopen: bool, cured: bool) -> Change:
    """The table of changes. Pure.

    `decision` is `None` for a channel on which nothing can be decided any more. `cured`: the last decision was a
    refusal, and said which event would cure it; without an existing delivery, only this or a replay makes one be born.
    """
    action = decision.action if decision is not None else Action.DENY
    if existing is None:
        born = action in (Action.SEND, Action.HOLD) and (cured or reopen)
        return Change.BIRTH if born else Change.NOTHING
    match existing.state, action:
        case DeliveryState.HELD, Action.SEND:
            return Change.LET_GO
        case DeliveryState.HELD, Action.HOLD:
            return Change.HOLD
        case DeliveryState.HELD, _:
            return Change.STOP
        case state, Action.SEND if state in PENDING:
            return Change.CONFIRM
        case state, Action.HOLD if state in PENDING:
            return Change.HOLD
        case state, _ if state in PENDING:
            return Change.STOP
        case DeliveryState.UNKNOWN, Action.SEND:
            return Change.CONFIRM
        case DeliveryState.IN_FLIGHT, Action.SEND:
            return Change.REVISE
        case state, _ if state in _AWAY:
            return Change.TOO_LATE
        case state, Action.SEND if state in _GIVEN_UP and reopen:
            return Change.REOPEN
        case DeliveryState.CANCELLED, Action.SEND | Action.HOLD if cured and existing.code != CANCELLED_BY_OPERATOR:
            return Change.BIRTH
        case _:
            return Change.NOTHING
