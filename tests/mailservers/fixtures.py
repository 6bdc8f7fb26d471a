"""Fixtures: both servers once for a session, their mailboxes empty for each test."""

from collections.abc import Iterator

import pytest

from tests.mailservers.kit import MailServers, mail_servers_running
from tests.mailservers.programs import why_not

__all__ = ["mail_servers", "running_mail_servers"]


@pytest.fixture(scope="session")
def running_mail_servers() -> Iterator[MailServers]:
    """Skips, with the reason, where the servers cannot be started."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with mail_servers_running() as servers:
        yield servers


@pytest.fixture
def mail_servers(running_mail_servers: MailServers) -> MailServers:
    """The running servers with empty mailboxes."""
    running_mail_servers.empty()
    return running_mail_servers
