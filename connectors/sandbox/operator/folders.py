"""A mailbox as IMAP shows it: folders on disk, mails named by their UID, flags for the time of the sandbox."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.sandbox.operator.mailboxes import Mailboxes

INBOX: Final = "INBOX"
DELETED: Final = r"\Deleted"
_NAME: Final = re.compile(r"^[A-Za-z0-9&+,_ -]{1,64}$")
"""Names in modified UTF-7 (RFC 3501 §5.1.3), without hierarchy: they are names of folders on disk as they are."""


class FolderError(ValueError):
    """The text is what the server answers after NO."""


@dataclass(slots=True)
class Cabinet:
    """The folders of one mailbox. INBOX is the mailbox's own folder, where `Mailboxes` delivers `NNNNNN.eml`."""

    mailboxes: Mailboxes
    address: str
    flags: dict[Path, set[str]] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        root = self.mailboxes.folder(self.address)
        return (INBOX, *sorted(path.name for path in root.iterdir() if path.is_dir() and _NAME.match(path.name)))

    def create(self, name: str) -> None:
        """Raises FolderError."""
        if name.upper() == INBOX or self._path(name).exists():
            raise FolderError("[ALREADYEXISTS] folder exists")
        self._path(name).mkdir()

    def mails(self, name: str) -> dict[int, Path]:
        """UID to file, ascending. Raises FolderError."""
        paths = self._existing(name).glob("*.eml")
        return {int(path.stem): path for path in sorted(paths) if path.stem.isdigit()}

    def copy(self, path: Path, name: str) -> int:
        """The UID of the copy. Raises FolderError."""
        target = self.mailboxes.free_path(self._existing(name))
        temporary = target.with_suffix(".tmp")
        temporary.write_bytes(path.read_bytes())
        temporary.rename(target)
        return int(target.stem)

    def move(self, path: Path, name: str) -> int:
        """The new UID. Raises FolderError."""
        target = self.mailboxes.free_path(self._existing(name))
        path.rename(target)
        self.flags.pop(path, None)
        return int(target.stem)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.flags.pop(path, None)

    def _existing(self, name: str) -> Path:
        path = self._path(name)
        if not path.is_dir():
            raise FolderError("[TRYCREATE] no such folder")
        return path

    def _path(self, name: str) -> Path:
        root = self.mailboxes.folder(self.address)
        if name.upper() == INBOX:
            return root
        if _NAME.match(name) is None:
            raise FolderError("[CANNOT] name not allowed here")
        return root / name
