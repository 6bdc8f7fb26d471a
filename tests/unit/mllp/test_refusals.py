"""What is said of bytes that are no message."""

import pytest

from connectors.mllp import refusals
from connectors.mllp.refusals import Refusal
from pfi.model.finding import Severity

REFUSALS = (
    refusals.noise(b"GET /"),
    refusals.too_much_noise(b"GET /", 10),
    refusals.truncated(b"MSH|"),
    refusals.too_large(b"MSH|", 10),
    refusals.too_slow(b"MSH|", 60.0),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.finding.code)
def test_a_refusal_has_a_stable_code_and_never_quotes_the_bytes(refusal: Refusal) -> None:
    assert refusal.finding.code.startswith("MLLP_")
    assert refusal.finding.severity is Severity.ERROR
    assert "MSH|" not in refusal.finding.text
    assert "GET" not in repr(refusal)


def test_only_what_may_hold_a_message_header_can_be_answered() -> None:
    assert [refusal.finding.err3 for refusal in REFUSALS] == ["", "", "102", "102", "102"]


def test_only_what_cannot_be_resynchronised_ends_the_connection() -> None:
    assert [refusal.close for refusal in REFUSALS] == [False, True, False, True, True]
