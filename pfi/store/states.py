"""The states of what must leave, and the only moves between them."""

from enum import StrEnum


class DeliveryState(StrEnum):
    """`WAITING`: an earlier delivery of its lineage is open. `QUEUED`: a job will try it. `IN_FLIGHT`: claimed by a
    process. `UNKNOWN`: it may have left, a job will resolve it. `HELD`: waits for an event or for its expiry.
    `FAILED`: given up, with the last reason."""

    WAITING = "waiting"
    QUEUED = "queued"
    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    HELD = "held"
    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AckState(StrEnum):
    """A business acknowledgment keeps its MSH-10: sending it again resolves it, so there is no unknown state."""

    QUEUED = "queued"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"


OPEN = frozenset(
    {
        DeliveryState.WAITING,
        DeliveryState.QUEUED,
        DeliveryState.IN_FLIGHT,
        DeliveryState.UNKNOWN,
        DeliveryState.HELD,
    }
)
"""Not finished: keeps the later ones of its lineage waiting."""

MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.WAITING: frozenset({DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.CANCELLED}),
    DeliveryState.QUEUED: frozenset(
        {DeliveryState.IN_FLIGHT, DeliveryState.HELD, DeliveryState.CANCELLED, DeliveryState.FAILED}
    ),
    DeliveryState.IN_FLIGHT: frozenset(
        {
            DeliveryState.QUEUED,
            DeliveryState.UNKNOWN,
            DeliveryState.DELIVERED,
            DeliveryState.REFUSED,
            DeliveryState.FAILED,
        }
    ),
    DeliveryState.UNKNOWN: frozenset({DeliveryState.IN_FLIGHT, DeliveryState.FAILED}),
    DeliveryState.HELD: frozenset(
        {DeliveryState.QUEUED, DeliveryState.WAITING, DeliveryState.FAILED, DeliveryState.CANCELLED}
    ),
    DeliveryState.DELIVERED: frozenset(),
    DeliveryState.REFUSED: frozenset({DeliveryState.QUEUED}),
    DeliveryState.FAILED: frozenset({DeliveryState.QUEUED, DeliveryState.UNKNOWN}),
    DeliveryState.CANCELLED: frozenset(),
}
"""From each state, where it may go. QUEUED and UNKNOWN fail without a try when they must be decided again and their
message can no longer be read. REFUSED and FAILED are left by a replay only, UNKNOWN when it may have left."""
