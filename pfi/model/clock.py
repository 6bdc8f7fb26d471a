"""Time and identifiers are injected, so that a run can be replayed byte for byte."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment, always timezone-aware, in UTC."""

UuidSource = Callable[[], uuid.UUID]


def system_clock() -> datetime:
    """The machine's clock, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class IdSource:
    """Creates every identifier that leaves the engine.

    `oid_root` is the root OID of the establishment; identifiers are `<root>.<decimal of a UUID>`. Without one, the
    UUID-derived arc `2.25` of ITU-T X.667 is used, which needs no registration. Both stay under the 64 characters of
    an XDS uniqueId.
    """

    uuid4: UuidSource = uuid.uuid4
    oid_root: str = "2.25"

    def oid(self) -> str:
        """A new OID, at most 64 characters."""
        number = self.uuid4().int
        if self.oid_root != "2.25":
            number >>= 64  # 20 digits at most: leaves 43 characters to the root
        return f"{self.oid_root}.{number}"

    def urn(self) -> str:
        """A new `urn:uuid:` name."""
        return f"urn:uuid:{self.uuid4()}"

    def message_id(self, domain: str) -> str:
        """A new RFC 5322 Message-ID, with its angle brackets."""
        return f"<{self.uuid4()}@{domain}>"

    def control_id(self) -> str:
        """A new HL7 v2 MSH-10, 20 characters at most (ST 20 before v2.7)."""
        return self.uuid4().hex[:20].upper()
