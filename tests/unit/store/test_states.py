"""The table of moves is closed."""

from pfi.store.states import MOVES, OPEN, DeliveryState


def test_every_state_has_its_moves() -> None:
    assert set(MOVES) == set(DeliveryState)


def test_every_open_state_can_be_left() -> None:
    assert all(MOVES[state] for state in OPEN)


def test_what_was_delivered_never_moves() -> None:
    assert MOVES[DeliveryState.DELIVERED] == frozenset()


def test_what_may_have_left_is_claimed_for_resolution_or_given_up_never_queued() -> None:
    assert MOVES[DeliveryState.UNKNOWN] == {DeliveryState.IN_FLIGHT, DeliveryState.FAILED}
