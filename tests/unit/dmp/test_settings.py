"""Settings that cannot work are refused when they are read."""

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.dmp.settings import DmpSettings
from tests.unit.dmp.given import settings


@pytest.mark.parametrize(
    "changes",
    [
        {"urls": {"repository": "http://x/a", "registry": "https://x/b", "patients": "https://x/c"}},
        {"source_oid": "1.02.3"},
        {"source_oid": "DPI"},
        {"default_content_type": "XX"},
        {"structure": {"identifier": "CH", "name": "CH"}},
        {"vihf": {"version": "trois"}},
        {"environment": "recette"},
        {"unknown": 1},
    ],
)
def test_a_wrong_value_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)


def test_every_setting_is_documented() -> None:
    undocumented = [name for name, field in DmpSettings.model_fields.items() if not field.description]
    assert undocumented == []
