"""Named SQL and numbered migrations."""

import re

import pytest

from pfi.store import schema, sql


def test_a_statement_is_found_by_its_name() -> None:
    assert sql.load("acks")["reopen"].startswith("UPDATE business_acks")


def test_statements_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        sql.load("acks")["claim"] = ""  # type: ignore[index]  # what the test proves


def test_migrations_are_numbered_from_one_without_gap() -> None:
    found = schema.migrations()
    assert [migration.number for migration in found] == list(range(1, len(found) + 1))
    assert all(re.match(r"\d{4}_", migration.name) for migration in found)
