"""The operator's notifications (DSN) for our mailbox, read from a folder of mails.

Whatever delivers the mailbox to a folder (Maildir delivery, fetchmail, the sandbox) will do: one file per mail, `.eml`.
A mail that was understood moves to `traites/`, any other to `a-voir/`, where a person looks: nothing is deleted.
Several engine processes may read the same folder.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from pfi.engine.connector import MailReport
from pfi.model.errors import TransportError, system_reason
from pfi.standards.mail.dsn import MAX_BYTES, read_dsn

DONE: Final = "traites"
UNMATCHED: Final = "a-voir"
PATIENCE: Final = 5.0
"""Seconds during which a mail that nothing awaits stays where it is: it may still be being written, or another engine
may have just taken it and be about to move it."""

Take = Callable[[MailReport], Awaitable[bool]]


class ReportFolder:
    """Reads notifications in the order of their file names. Reading a mail twice does no harm: taking is idempotent."""

    def __init__(self, folder: Path, *, patience: float = PATIENCE) -> None:
        self._folder = folder
        self._patience = patience

    async def collect(self, take: Take) -> int:
        """Gives every recipient of every new notification to `take`; returns the number of mails read.

        Raises TransportError when the folder, or a mail in it, cannot be read or moved: the other mails are read first.
        A mail stays where it is when `take` raises.
        """
        failure: OSError | None = None
        read = 0
        try:
            paths = await asyncio.to_thread(self._waiting)
        except OSError as error:
            raise _unreadable(error) from None
        for path in paths:
            try:
                raw = await asyncio.to_thread(_read, path)
            except FileNotFoundError:
                continue  # another engine was faster
            except OSError as error:
                failure = failure or error
                continue
            read += 1
            taken = False
            for report in reports_of(raw):
                taken = await take(report) or taken
            try:
                await asyncio.to_thread(self._put_away, path, taken=taken)
            except FileNotFoundError:
                continue
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise _unreadable(failure)
        return read

    def _waiting(self) -> list[Path]:
        """The mails of the folder itself. Unlike a pattern, a listing says when the folder is not there."""
        with os.scandir(self._folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.name.endswith(".eml") and entry.is_file())

    def _put_away(self, path: Path, *, taken: bool) -> None:
        if not taken and time.time() - path.stat().st_mtime < self._patience:
            return
        folder = self._folder / (DONE if taken else UNMATCHED)
        folder.mkdir(exist_ok=True)
        path.rename(_free(folder / path.name))


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


def _unreadable(error: OSError) -> TransportError:
    return TransportError(
        "MSS_REPORTS_UNREADABLE",
        f"Dossier des accusés de remise illisible ({system_reason(error)}).",
        "Vérifier « reports_folder » et ses droits.",
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def _free(path: Path) -> Path:
    """The path, or the same with a number when a former mail already has this name."""
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
