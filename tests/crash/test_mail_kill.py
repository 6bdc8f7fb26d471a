"""SIGKILL while mails are received: each document is filed by the DPI once, in one message, and its sender is told.

Six kills; `PFI_CRASH_ROUNDS` sets another number.
"""

import asyncio
import collections
import json
import os
import random
from email import message_from_bytes
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from connectors.sandbox.faults import Fault, FaultKind, Service
from connectors.sandbox.operator.mailboxes import APPLICATION_MAILBOX
from connectors.sandbox.sandbox import Sandbox
from tests.crash.nursery import Nursery
from tests.integration.engine.fakes import eventually
from tests.integration.mailroom.post import SENDER, a_mail, with_headers

pytestmark = pytest.mark.crash

KILLS: Final = int(os.environ.get("PFI_CRASH_ROUNDS") or 6)
_ENGINE: Final = ("tests.crash.mail_process", "connectors.mssante.connector", "connectors.mllp.connector")
MAILS_A_LIFE: Final = 12
DONE: Final = "Trait&AOk-s"
_SOURCE: Final = random.SystemRandom()


class Correspondent:
    """Sends mails one after the other, each asking for an answer; some reach the mailbox twice, by two ways."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._mailboxes = sandbox.operator.mailboxes
        self.sent: dict[str, str] = {}
        """uniqueId of the document of each mail, by Message-ID."""
        self.files = 0

    async def send(self, count: int) -> None:
        for _ in range(count):
            number = len(self.sent) + 1
            raw = a_mail(number, headers={"Disposition_Notification_To": SENDER})
            self.sent[str(message_from_bytes(raw)["Message-ID"])] = f"1.2.250.1.999.1.7.{number}"
            self._deliver(raw)
            if number % 5 == 0:
                self._deliver(with_headers(raw, Received="from elsewhere"))
            await asyncio.sleep(_SOURCE.uniform(0, 0.1))

    def _deliver(self, raw: bytes) -> None:
        self.files += 1
        self._mailboxes.deliver(APPLICATION_MAILBOX, raw)


@pytest.mark.timeout(60 + 15 * KILLS)
async def test_killing_the_engine_while_mails_come_loses_none_and_files_none_twice(
    store_url: str, tmp_path: Path
) -> None:
    async with Sandbox(tmp_path / "sandbox") as sandbox:
        sandbox.operator.mailboxes.create(SENDER)
        # Slow enough for a kill to fall anywhere: a document is filed, then its acknowledgment waits.
        sandbox.faults.order(Fault(Service.DPI, FaultKind.LATENCY, times=None, seconds=0.02))
        config = tmp_path / "settings.json"
        config.write_text(json.dumps(_settings(sandbox)))
        correspondent = Correspondent(sandbox)
        async with Nursery(*_ENGINE) as nursery:
            for _ in range(KILLS):
                assert await nursery.start(str(config), store_url) == "ready"
                sending = asyncio.create_task(correspondent.send(MAILS_A_LIFE))
                await asyncio.sleep(_SOURCE.uniform(0.2, 1.6))
                await nursery.kill()
                await sending
            assert await nursery.start(str(config), store_url) == "ready"
            await _examine(store_url, sandbox, correspondent)


async def _examine(url: str, sandbox: Sandbox, correspondent: Correspondent) -> None:
    folder = sandbox.operator.mailboxes.folder(APPLICATION_MAILBOX)
    connection = await asyncpg.connect(url)
    try:

        async def finished() -> bool:
            left = await connection.fetchval(
                "SELECT (SELECT count(*) FROM mails WHERE state <> 'integrated')"
                " + (SELECT count(*) FROM handovers WHERE state <> 'delivered')"
            )
            return left == 0 and not list(folder.glob("*.eml"))

        await eventually(finished, seconds=40)
        stored = await connection.fetchval("SELECT count(*) FROM mails")
    finally:
        await connection.close()
    sent = correspondent.sent
    assert len(sent) == KILLS * MAILS_A_LIFE
    assert stored == correspondent.files == len(list((folder / DONE).glob("*.eml")))
    filed = collections.Counter(each.unique_id for each in sandbox.dpi.filed)
    assert filed == collections.Counter(sent.values())
    assert len({each.control_id for each in sandbox.dpi.filed}) == len(sent)
    assert sandbox.dpi.refusals == []
    # An answer keeps its Message-ID: what came twice is recognised by it.
    answers = [message_from_bytes(path.read_bytes()) for path in sandbox.operator.mailboxes.messages(SENDER)]
    told = {str(each["Message-ID"]): str(each["In-Reply-To"]) for each in answers}
    assert collections.Counter(told.values()) == collections.Counter(list(sent))


def _settings(sandbox: Sandbox) -> dict[str, Any]:
    found = sandbox.configuration()
    account = dict(found["mssante"])
    del account["reports_folder"]
    account |= {"mailbox": APPLICATION_MAILBOX, "nil": "9999-TEST", "source_oid": "1.2.250.1.999.1"}
    account |= {"imap": {"port": sandbox.operator.imap.port, "retry_seconds": 1.0}}
    dpi = {"connector": "mllp", "settings": {"host": "127.0.0.1", "port": sandbox.dpi.port}}
    return {
        "data_dir": "/nonexistent",
        "ins": {"environment": "test"},
        "senders": [],
        "destinations": {"mssante": {"connector": "mssante", "channels": ["PRO", "CIT"], "settings": account}},
        "reception": {
            "consumers": [{"name": "dpi", **dpi, "application": "DPI"}],
            "routes": [{"consumer": "dpi"}],
            "first_seconds": 0.2,
            "longest_seconds": 0.5,
        },
    }
