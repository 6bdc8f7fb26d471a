"""Settings that cannot work are refused when the configuration is read."""

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.insi.settings import InsiSettings, Operation
from pfi.model.profile import Environment
from tests.unit.insi.given import settings


def test_by_default_identities_of_production_are_verified_never_searched() -> None:
    values = settings().model_dump(exclude={"environment", "operation", "timeouts"})
    defaults = InsiSettings.model_validate(values)
    assert defaults.operation is Operation.VERIFY
    assert defaults.environment is Environment.PRODUCTION


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://insi.invalid/lps"},
        {"url": "https://"},
        {"issuer": ""},
        {"software": {"idam": "X", "instance": "pas un uuid"}},
        {"software": {"instance": "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026"}},
        {"verify": {"element": "a b"}},
        {"verify": {"wrapper": "<x>"}},
        {"operation": "recuperer"},
        {"max_calls": 0},
        {"timeouts": {"total": 1000}},
        {"inconnu": 1},
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)


def test_the_password_of_the_key_is_not_shown() -> None:
    tls = {"certificate": "c", "key": "k", "ca": "a", "key_password": "4242"}
    assert "4242" not in repr(settings(tls=tls))
