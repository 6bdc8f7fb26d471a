"""A small ZIP writer: reproducible bytes, deflate by ISA-L, and members that are compressed once for several archives.

PKWARE APPNOTE 6.3.10 §4.3: local headers with sizes, central directory, end record. No ZIP64: bounded sizes.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from isal import isal_zlib

from pfi.model.errors import BugError
from pfi.standards.xdm.zip_records import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    END,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
)

MAX_MEMBER: Final = 0xFFFF_FFFE
_LEVEL: Final = 2
_VERSION: Final = 20
_FIRST_YEAR: Final = 1980


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive. `name` in ASCII with forward slashes."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Packed:
    data: bytes
    crc: int
    size: int


class Packer:
    """Compresses contents and remembers the last ones: a document that leaves in two mails is deflated once.

    `capacity` bounds what is remembered, in bytes of plain content. Safe to use from several threads.
    """

    def __init__(self, capacity: int = 16 * 1024 * 1024) -> None:
        self._capacity = capacity
        self.held = 0
        """Bytes of plain content remembered."""
        self._packed: OrderedDict[bytes, _Packed] = OrderedDict()
        self._lock = Lock()

    def write_zip(self, members: Sequence[Member], moment: datetime) -> bytes:
        """The archive: members in the order given, all dated `moment` (UTC). Same arguments, same bytes."""
        date, time = _dos_moment(moment)
        chunks: list[bytes] = []
        directory: list[bytes] = []
        offset = 0
        for member in members:
            name = member.name.encode("ascii")
            packed = self._pack(member.content)
            common = (DEFLATED, time, date, packed.crc, len(packed.data), packed.size, len(name), 0)
            local = LOCAL.pack(LOCAL_SIGNATURE, _VERSION, 0, *common)
            directory += (CENTRAL.pack(CENTRAL_SIGNATURE, _VERSION, _VERSION, 0, *common, 0, 0, 0, 0, offset), name)
            chunks += (local, name, packed.data)
            offset += len(local) + len(name) + len(packed.data)
        size = sum(map(len, directory))
        end = END.pack(END_SIGNATURE, 0, 0, len(members), len(members), size, offset, 0)
        return b"".join((*chunks, *directory, end))

    def _pack(self, content: bytes) -> _Packed:
        with self._lock:
            # Keyed by the bytes themselves: their hash is computed once per object, and equality is exact.
            packed = self._packed.get(content)
            if packed is not None:
                self._packed.move_to_end(content)
                return packed
        packed = _deflate(content)
        with self._lock:
            if content not in self._packed and len(content) <= self._capacity:
                self._packed[content] = packed
                self.held += len(content)
            while self.held > self._capacity:
                self.held -= len(self._packed.popitem(last=False)[0])
        return packed


def _deflate(content: bytes) -> _Packed:
    if len(content) > MAX_MEMBER:
        raise BugError("ZIP_TOO_LARGE", "Un fichier de l'archive dépasse la limite du format ZIP.")
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -15)
    data = compressor.compress(content) + compressor.flush()
    return _Packed(data, isal_zlib.crc32(content), len(content))


def _dos_moment(moment: datetime) -> tuple[int, int]:
    """MS-DOS date and time (APPNOTE §4.4.6): two-second steps from 1980 on."""
    utc = moment.astimezone(UTC)
    if utc.year < _FIRST_YEAR:
        return (1 << 5) | 1, 0
    date = (utc.year - _FIRST_YEAR) << 9 | utc.month << 5 | utc.day
    return date, utc.hour << 11 | utc.minute << 5 | utc.second // 2
