"""Readings and conclusions of messages made for these tests."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime

from pfi.engine.conclusion import Conclusion, conclude
from pfi.engine.interpretation import Interpretation, interpret
from pfi.model.patient import PatientState
from pfi.model.profile import Environment, SenderProfile
from pfi.routing.rules import default_rule_paths, load_rules

NOW = datetime(2026, 3, 6, 10, tzinfo=UTC)
TEST = SenderProfile(environment=Environment.TEST)
RULES = load_rules(default_rule_paths())


def interpreted(raw: bytes) -> Interpretation:
    """A message read with the default switches, in a test environment."""
    return interpret(raw, lambda _: TEST, NOW)


def concluded(raw: bytes, state: PatientState | None = None) -> Conclusion:
    return conclude(interpreted(raw), state, RULES, NOW)


def changed(raw: bytes, change: Callable[[bytes], bytes], *, which: int = 0) -> bytes:
    """The message with another content in its document number `which`."""
    seen = -1

    def again(match: re.Match[bytes]) -> bytes:
        nonlocal seen
        seen += 1
        if seen != which:
            return match[0]
        return match[1] + base64.b64encode(change(base64.b64decode(match[2])))

    return re.sub(rb"(\^XML\^Base64\^)([A-Za-z0-9+/=]+)", again, raw)
