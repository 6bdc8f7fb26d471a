"""The operator's notifications (DSN) for our mailbox, read from a folder of mails.

Whatever delivers the mailbox to a folder (Maildir delivery, fetchmail, the sandbox) will do: one file per mail, `.eml`.
A mail that was understood moves to `traites/`, any other to `a-voir/`, where a person looks: nothing is deleted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from pfi.engine.connector import MailReport
from pfi.standards.mail.dsn import MAX_BYTES, read_dsn

DONE: Final = "traites"
UNMATCHED: Final = "a-voir"

Take = Callable[[MailReport], Awaitable[bool]]


class ReportFolder:
    """Reads notifications in the order of their file names. Reading a mail twice does no harm: taking is idempotent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def collect(self, take: Take) -> int:
        """Gives every recipient of every new notification to `take`; returns the number of mails read.

        Raises OSError when the folder cannot be read. A mail stays where it is when `take` raises.
        """
        paths = await asyncio.to_thread(lambda: sorted(self._folder.glob("*.eml")))
        for path in paths:
            raw = await asyncio.to_thread(_read, path)
            taken = False
            for report in reports_of(raw):
                taken = await take(report) or taken
            await asyncio.to_thread(_move, path, DONE if taken else UNMATCHED)
        return len(paths)


def reports_of(raw: bytes) -> tuple[MailReport, ...]:
    """What a notification says of each recipient; empty when the mail is no notification that can be read."""
    found = read_dsn(raw)
    if found is None or not found.envelope:
        return ()
    return tuple(
        MailReport(
            envelope=found.envelope,
            address=recipient.original_address or recipient.address,
            action=recipient.action.value,
            code=recipient.code,
        )
        for recipient in found.recipients
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def _move(path: Path, kind: str) -> None:
    folder = path.parent / kind
    folder.mkdir(exist_ok=True)
    path.rename(folder / path.name)
