"""What becomes of one channel when a message is decided again: the whole table, state by state."""

import itertools
import uuid

import pytest

from pfi.engine.changes import CANCELLED_BY_OPERATOR, Change, change_of
from pfi.model.decision import Action, Channel, Decision
from pfi.store.deliveries import Existing
from pfi.store.states import MOVES, DeliveryState

OPENING = (Action.SEND, Action.HOLD)
CLOSING = (Action.DENY, Action.VOID)
FLAGS = tuple(itertools.product((False, True), repeat=2))

TABLE = {
    DeliveryState.HELD: {Action.SEND: Change.LET_GO, Action.HOLD: Change.HOLD, None: Change.STOP},
    DeliveryState.WAITING: {Action.SEND: Change.CONFIRM, Action.HOLD: Change.HOLD, None: Change.STOP},
    DeliveryState.QUEUED: {Action.SEND: Change.CONFIRM, Action.HOLD: Change.HOLD, None: Change.STOP},
    DeliveryState.IN_FLIGHT: {Action.SEND: Change.REVISE, Action.HOLD: Change.TOO_LATE, None: Change.TOO_LATE},
    DeliveryState.UNKNOWN: {Action.SEND: Change.CONFIRM, Action.HOLD: Change.TOO_LATE, None: Change.TOO_LATE},
    DeliveryState.DELIVERED: {Action.SEND: Change.NOTHING, Action.HOLD: Change.NOTHING, None: Change.NOTHING},
}
"""`None`: any decision that closes the channel. These do not depend on what was decided before, nor on a replay."""

STATE_AFTER = {
    Change.LET_GO: {DeliveryState.QUEUED, DeliveryState.WAITING},
    Change.HOLD: {DeliveryState.HELD},
    Change.STOP: {DeliveryState.CANCELLED},
    Change.REOPEN: {DeliveryState.QUEUED},
}


def existing(state: DeliveryState, code: str = "") -> Existing:
    return Existing(uuid.UUID(int=1), Channel.DMP, state, "lineage", code, "", False, 0, False)


def decided(action: Action) -> Decision:
    return Decision("1.2.3", Channel.DMP, action, (), ())


@pytest.mark.parametrize("state", TABLE)
@pytest.mark.parametrize("action", [*Action, None])
def test_what_is_open_or_delivered_follows_the_decision_alone(state: DeliveryState, action: Action | None) -> None:
    """No decision at all closes the channel like a refusal."""
    decision = decided(action) if action is not None else None
    expected = TABLE[state][action if action in OPENING else None]
    for reopen, cured in FLAGS:
        assert change_of(existing(state), decision, reopen=reopen, cured=cured) is expected


@pytest.mark.parametrize("state", [DeliveryState.REFUSED, DeliveryState.FAILED])
@pytest.mark.parametrize("action", [*Action, None])
def test_what_was_refused_or_given_up_is_tried_again_by_a_replay_only(
    state: DeliveryState, action: Action | None
) -> None:
    decision = decided(action) if action is not None else None
    for reopen, cured in FLAGS:
        expected = Change.REOPEN if reopen and action is Action.SEND else Change.NOTHING
        assert change_of(existing(state), decision, reopen=reopen, cured=cured) is expected


@pytest.mark.parametrize("action", [*Action, None])
@pytest.mark.parametrize("code", ["DMP_OPPOSED", CANCELLED_BY_OPERATOR])
def test_what_was_stopped_comes_back_when_cured_unless_a_person_gave_it_up(action: Action | None, code: str) -> None:
    decision = decided(action) if action is not None else None
    for reopen, cured in FLAGS:
        born = cured and action in OPENING and code != CANCELLED_BY_OPERATOR
        change = change_of(existing(DeliveryState.CANCELLED, code), decision, reopen=reopen, cured=cured)
        assert change is (Change.BIRTH if born else Change.NOTHING)


@pytest.mark.parametrize("action", [*Action, None])
def test_a_channel_without_delivery_gets_one_when_its_refusal_is_cured_or_by_a_replay(action: Action | None) -> None:
    decision = decided(action) if action is not None else None
    for reopen, cured in FLAGS:
        born = action in OPENING and (cured or reopen)
        assert change_of(None, decision, reopen=reopen, cured=cured) is (Change.BIRTH if born else Change.NOTHING)


def test_every_change_is_a_move_that_the_store_allows() -> None:
    for state, action, (reopen, cured) in itertools.product(DeliveryState, Action, FLAGS):
        change = change_of(existing(state), decided(action), reopen=reopen, cured=cured)
        after = STATE_AFTER.get(change, set()) - {state}
        assert after <= MOVES[state], (state, action, change)


def test_nothing_that_closes_a_channel_ever_makes_something_leave() -> None:
    leaving = {Change.LET_GO, Change.BIRTH, Change.CONFIRM, Change.REOPEN, Change.REVISE}
    for state, action, (reopen, cured) in itertools.product([None, *DeliveryState], CLOSING, FLAGS):
        mine = existing(state) if state is not None else None
        assert change_of(mine, decided(action), reopen=reopen, cured=cured) not in leaving
