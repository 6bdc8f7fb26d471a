"""Domains of the trust space, for e-mails that the directory publishes without their type."""

from pathlib import Path

from pfi.model.errors import PfiError
from pfi.standards.mail.whitelist import WhiteList, read_white_list


class Domains:
    """The white list that the MSSanté connector keeps in a file. Without it, no domain is admitted."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._list: WhiteList | None = None
        self.unreadable = False
        """Whether the file, as it is now, is no white list: the one read before still serves."""

    def refresh(self) -> None:
        """Reads the file again when it changed. Blocking; never raises."""
        if self._file is None:
            return
        try:
            state = self._file.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            if stamp != self._stamp:
                self._list = read_white_list(self._file.read_bytes())
                self._stamp = stamp
            self.unreadable = False
        except FileNotFoundError:
            self.unreadable = False  # not fetched yet
        except (OSError, PfiError):
            self.unreadable = True

    def admits(self, address: str) -> bool:
        """Whether the domain of an address is in the list."""
        return self._list is not None and self._list.admits(address)
