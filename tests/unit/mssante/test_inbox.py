"""Which mailboxes are read, and as whom."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.mssante.imap.inbox import Inbox, inboxes
from connectors.mssante.settings import ImapSasl
from pfi.engine.connector import Filing
from pfi.model.errors import ConfigurationError
from tests.unit.mssante.material import settings


def read(imap: dict[str, Any], **changes: Any) -> tuple[Inbox, ...]:
    return inboxes(settings(imap=imap, **changes))


def test_nothing_is_read_unless_asked_for() -> None:
    assert inboxes(settings()) == ()


def test_the_connectors_own_mailbox_is_read_as_it_sends() -> None:
    (inbox,) = read({}, username="pfi", password="secret")
    assert (inbox.address, inbox.user, inbox.place) == ("pfi.app@ch-exemple.mssante.fr", "pfi", "127.0.0.1:143")
    assert inbox.account.client_cert == Path("client.pem")
    (plain,) = read({"host": "imap.test", "port": 993})
    assert (plain.user, plain.place) == ("pfi.app@ch-exemple.mssante.fr", "imap.test:993")


def test_a_mailbox_may_have_its_own_name_password_and_certificate() -> None:
    first, second = read(
        {
            "sasl": "login",
            "mailboxes": {
                "cardio@ch-exemple.mssante.fr": {"username": "cardio", "password": "a", "client_cert": "cardio.pem"},
                "urgences@ch-exemple.mssante.fr": {},
            },
        },
        password="b",
        client_key="client.key",
    )
    assert (first.address, first.user, first.secret()) == ("cardio@ch-exemple.mssante.fr", "cardio", "a")
    assert (first.account.client_cert, first.account.client_key) == (Path("cardio.pem"), None)
    assert (second.user, second.secret()) == ("urgences@ch-exemple.mssante.fr", "b")
    assert (second.account.client_cert, second.account.client_key) == (Path("client.pem"), Path("client.key"))


@pytest.mark.parametrize(
    ("sasl", "given", "expected"),
    [("none", None, "external"), ("plain", None, "plain"), ("plain", "xoauth2", "xoauth2"), ("none", "none", "none")],
)
def test_imap_authenticates_as_smtp_does_unless_told(sasl: str, given: str | None, expected: str) -> None:
    (inbox,) = read({"sasl": given}, sasl=sasl, password="x")
    assert inbox.sasl is ImapSasl(expected)


def test_a_password_that_is_needed_and_not_there_is_told() -> None:
    (inbox,) = read({"sasl": "plain"})
    with pytest.raises(ConfigurationError, match="password"):
        inbox.secret()
    (external,) = read({})
    assert external.secret() == ""


def test_each_filing_has_its_folder() -> None:
    (inbox,) = read({"folders": {"reports": "Retours"}})
    assert [inbox.folder_for(filing) for filing in Filing] == ["Traités", "Retours", "À voir"]


@pytest.mark.parametrize(
    "imap",
    [
        {"mailboxes": {"pas une adresse": {}}},
        {"mailboxes": {"a@ch.mssante.fr": {}, "A@ch.mssante.fr": {}}},
        {"idle_seconds": 1741},
        {"idle_seconds": 0},
        {"folders": {"documents": ""}},
        {"inconnu": 1},
    ],
)
def test_settings_that_mean_nothing_are_refused(imap: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(imap)
