"""Reading a message outside the event loop when it is large: the parsers release the interpreter lock."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from pfi.engine.interpretation import Interpretation, interpret
from pfi.engine.settings import Settings
from pfi.model.profile import SenderProfile
from pfi.model.submission import MessageHeader, Standard

_INLINE_BYTES = 64 * 1024
_THREADS = 2


class Reader:
    """Interprets messages with the settings of their senders."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pfi-read")

    async def read(
        self, raw: bytes, listener: str, received_at: datetime, standard: Standard | None = None
    ) -> tuple[Interpretation, bytes]:
        """What a message says, and the SHA-256 of its bytes. `standard`: what the sender must speak; `None` = what the
        bytes are, for those that were accepted once."""
        if len(raw) <= _INLINE_BYTES:
            return self._read(raw, listener, received_at, standard)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, raw, listener, received_at, standard)

    def digest(self, raw: bytes) -> bytes:
        return hashlib.sha256(raw).digest()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read(
        self, raw: bytes, listener: str, received_at: datetime, standard: Standard | None
    ) -> tuple[Interpretation, bytes]:
        def profile_for(header: MessageHeader) -> SenderProfile | None:
            if self._settings.unknown_senders == "refuse" and self._settings.sender_of(header, listener) is None:
                return None
            return self._settings.profile_of(header, listener)

        return interpret(raw, profile_for, received_at, standard), self.digest(raw)
