"""Processing a stored message again: after a correction of the configuration, or of the world.

What was delivered stays delivered and what is under way stays under way. What was refused or given up gets a new
attempt, with the identifiers it has; what may have left is resolved first. What is held and may now go is released, and
a channel that is now decided gets its delivery.
"""

import uuid
from dataclasses import dataclass

from pfi.engine.changes import Cause, Change
from pfi.engine.reassessment import Reassessment


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did. `done` false: nothing, for the reason in `text` (French)."""

    done: bool
    text: str
    run: int = 0
    reopened: tuple[uuid.UUID, ...] = ()
    released: tuple[uuid.UUID, ...] = ()
    created: tuple[uuid.UUID, ...] = ()
    stopped: tuple[uuid.UUID, ...] = ()
    acks: int = 0


class Replay:
    def __init__(self, reassessment: Reassessment) -> None:
        self._reassessment = reassessment

    async def replay(self, message_id: int) -> ReplayReport:
        """Processes a message again. Only an accepted one: the sender of a refused message will send it again."""
        done = await self._reassessment.message(message_id, Cause.REPLAY, reopen=True)
        if not done.done:
            return ReplayReport(False, done.text)
        return ReplayReport(
            True,
            done.text,
            done.run,
            reopened=done.of(Change.REOPEN),
            released=done.of(Change.LET_GO),
            created=done.of(Change.BIRTH),
            stopped=(*done.of(Change.STOP), *done.of(Change.TOO_LATE)),
            acks=done.acks,
        )
