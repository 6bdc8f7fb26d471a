"""Opens a ZIP archive that nobody vouches for (PKWARE APPNOTE 6.3.10 §4.3; MSSanté digest §9).

The central directory says what there is, each local header must agree with it, and every byte that comes out is counted
while it comes. No ZIP64, no encryption, no other method than deflate and store, no byte that belongs to two files.
"""

import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pfi.standards.xdm.guards import RATIO_FLOOR, ArchiveLimits, ArchiveRefusedError, path_key, safe_path, shown
from pfi.standards.xdm.zip_records import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    END,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    STORED,
)

_LONGEST_COMMENT: Final = 0xFFFF
_ENCRYPTED: Final = 0x0001 | 0x0040 | 0x2000
"""Bits of the flags: encrypted, strongly encrypted, directory masked."""
_UTF_8: Final = 0x0800
_AES: Final = 99
_ZIP64: Final = 0xFFFF_FFFF
_ZIP64_ENTRIES: Final = 0xFFFF
_ORDINARY: Final = frozenset({0, stat.S_IFREG, stat.S_IFDIR})
"""Kinds of file in the upper half of the external attributes (Unix); 0 is written by other systems."""
_ARCHIVE_SUFFIXES: Final = (".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".tar", ".jar")
_ARCHIVE_MARKS: Final = (LOCAL_SIGNATURE, END_SIGNATURE, b"7z\xbc\xaf", b"Rar!", b"\x1f\x8b\x08", b"BZh", b"\xfd7zX")
_MARK_BYTES: Final = 4
_HEAD_BYTES: Final = 512
"""Compressed bytes looked at: more than the tables of a deflate block take."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive. `path` is safe, with forward slashes; `number` counts all entries from 1."""

    path: str
    number: int
    method: int
    crc: int
    offset: int
    """Of the local header; the compressed content goes from `start` to `stop`."""
    start: int
    stop: int
    size: int
    """As declared: to be checked, never to be trusted."""

    @property
    def name(self) -> str:
        """The path, or the rank when the path may name somebody."""
        return shown(self.path, self.number)


@dataclass(frozen=True, slots=True)
class _Header:
    """One record of the central directory."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    attributes: int
    offset: int


class ZipReader:
    """The files of an archive, in the order of its directory. Raises ArchiveRefusedError (container codes)."""

    def __init__(self, data: bytes, limits: ArchiveLimits) -> None:
        self._data = data
        self._limits = limits
        self._left = limits.total
        self.backslashes = False
        """True when a name has backslashes between its folders, against APPNOTE §4.4.17 (old .NET programs do so)."""
        if len(data) > limits.archive:
            raise ArchiveRefusedError(
                "XDM_TOO_LARGE", f"L'archive compte {len(data)} octets, la limite est de {limits.archive} octets."
            )
        directory, end = _end_record(data)
        self.entries = tuple(self._entries(directory, end))
        self._by_key = {path_key(entry.path): entry for entry in self.entries}
        if len(self._by_key) < len(self.entries):
            raise ArchiveRefusedError(
                "XDM_NAME_REPEATED", "Deux fichiers de l'archive portent le même nom, à la casse près."
            )
        _refuse_overlap(self.entries, directory)
        for entry in self.entries:
            self._refuse_nested(entry)

    def find(self, path: str) -> Entry | None:
        """The file of that path, whatever its case."""
        return self._by_key.get(path_key(path))

    def read(self, entry: Entry, most: int | None = None) -> bytes:
        """The bytes of a file, at most `most` of them, within what is left of the limits."""
        limits = self._limits
        single = limits.entry if most is None else min(most, limits.entry)
        packed = entry.stop - entry.start
        by_ratio = max(RATIO_FLOOR, packed * limits.ratio)
        allowed = min(single, self._left, by_ratio)
        content = self._inflate(entry, allowed)
        if len(content) > allowed:
            raise _too_much(entry, allowed, single, self._left)
        self._left -= len(content)
        if len(content) != entry.size or zlib.crc32(content) != entry.crc:
            raise ArchiveRefusedError(
                "XDM_DAMAGED", f"Le fichier {entry.name} n'a pas la taille ou la somme de contrôle annoncées."
            )
        return content

    def _inflate(self, entry: Entry, allowed: int) -> bytes:
        """The content; one byte more than `allowed` when there is more."""
        packed = memoryview(self._data)[entry.start : entry.stop]
        if entry.method == STORED:
            return bytes(packed[: allowed + 1])
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, allowed + 1)
        except zlib.error:
            raise _damaged_data(entry) from None
        if len(content) <= allowed and (not inflater.eof or inflater.unused_data):
            raise _damaged_data(entry)
        return content

    def _entries(self, position: int, end: int) -> Iterator[Entry]:
        number = 0
        while position < end:
            number += 1
            if number > self._limits.entries:
                text = f"L'archive compte plus de {self._limits.entries} fichiers."
                raise ArchiveRefusedError("XDM_TOO_MANY_ENTRIES", text)
            header, position = self._central(position, end)
            if not header.raw_name.endswith((b"/", b"\\")):
                yield self._entry(header, number)
            else:
                self._path(header, number)

    def _central(self, position: int, end: int) -> tuple[_Header, int]:
        data = self._data
        names = position + CENTRAL.size
        if names > end:
            raise _damaged_directory()
        fields = CENTRAL.unpack_from(data, position)
        signature, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, attributes, at = fields
        following = names + name + extra + comment
        if signature != CENTRAL_SIGNATURE or following > end or disk:
            raise _damaged_directory()
        if _ZIP64 in (packed, size, at):
            raise _zip64()
        raw_name = data[names : names + name]
        return _Header(raw_name, flags, method, crc, packed, size, attributes, at), following

    def _entry(self, header: _Header, number: int) -> Entry:
        path = self._path(header, number)
        name = shown(path, number)
        if header.flags & _ENCRYPTED or header.method == _AES:
            text = f"Le fichier {name} est chiffré : l'archive ne peut pas être lue."
            raise ArchiveRefusedError("XDM_ENCRYPTED", text, "Envoyer l'archive sans mot de passe.")
        if header.method not in (STORED, DEFLATED):
            text = f"Le fichier {name} est compressé par une méthode inconnue (n° {header.method})."
            raise ArchiveRefusedError("XDM_COMPRESSION_UNKNOWN", text, "Employer la méthode deflate.")
        if path.lower().endswith(_ARCHIVE_SUFFIXES):
            raise _nested(name)
        start = self._data_start(header, name)
        stop = start + header.packed
        return Entry(path, number, header.method, header.crc, header.offset, start, stop, header.size)

    def _path(self, header: _Header, number: int) -> str:
        name = header.raw_name.decode("utf-8" if header.flags & _UTF_8 else "cp437", "replace")
        path = safe_path(name)
        if path is None:
            text = f"Le nom du fichier n° {number} de l'archive est dangereux ou inutilisable."
            raise ArchiveRefusedError("XDM_NAME_UNSAFE", text)
        if stat.S_IFMT(header.attributes >> 16) not in _ORDINARY:
            text = f"Le fichier {shown(path, number)} n'est pas un fichier ordinaire (lien symbolique, périphérique)."
            raise ArchiveRefusedError("XDM_SPECIAL_FILE", text)
        self.backslashes = self.backslashes or "\\" in name
        return path

    def _data_start(self, header: _Header, name: str) -> int:
        """Where the content begins, after a local header that says what the directory says."""
        data, offset = self._data, header.offset
        if offset + LOCAL.size > len(data):
            raise _damaged_directory()
        name_length: int
        extra: int
        signature, _, flags, method, _, _, _, _, _, name_length, extra = LOCAL.unpack_from(data, offset)
        start = offset + LOCAL.size + name_length + extra
        raw_name = data[offset + LOCAL.size : offset + LOCAL.size + name_length]
        if (
            signature != LOCAL_SIGNATURE
            or raw_name != header.raw_name
            or method != header.method
            or flags & _ENCRYPTED
            or (method == STORED and header.packed != header.size)
            or start + header.packed > len(data)
        ):
            text = f"L'en-tête du fichier {name} ne dit pas ce que dit le répertoire de l'archive."
            raise ArchiveRefusedError("XDM_DAMAGED", text)
        return start

    def _refuse_nested(self, entry: Entry) -> None:
        """An archive inside the archive, by its first bytes: nobody would open it, nobody should receive it."""
        head = memoryview(self._data)[entry.start : min(entry.stop, entry.start + _HEAD_BYTES)]
        if entry.method == STORED:
            mark = bytes(head[:_MARK_BYTES])
        else:
            try:
                mark = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, _MARK_BYTES)
            except zlib.error:
                mark = b""  # told when the file is read, if ever it is
        if mark.startswith(_ARCHIVE_MARKS):
            raise _nested(entry.name)


def _end_record(data: bytes) -> tuple[int, int]:
    """Where the central directory begins and ends: the record whose comment ends with the archive."""
    lowest = max(0, len(data) - END.size - _LONGEST_COMMENT)
    position = data.rfind(END_SIGNATURE, lowest)
    while position >= 0:
        if position + END.size <= len(data):
            _, disk, first, here, entries, size, offset, comment = END.unpack_from(data, position)
            if position + END.size + comment == len(data):
                if entries == _ZIP64_ENTRIES or _ZIP64 in (size, offset):
                    raise _zip64()
                if disk or first or here != entries or offset + size != position:
                    raise _damaged_directory()
                return offset, position
        position = data.rfind(END_SIGNATURE, lowest, position + len(END_SIGNATURE) - 1)
    if data.startswith(LOCAL_SIGNATURE):
        raise ArchiveRefusedError(
            "XDM_TRUNCATED",
            "L'archive est tronquée, ou suivie d'octets étrangers.",
            "Demander un nouvel envoi du courriel.",
        )
    raise ArchiveRefusedError("XDM_NOT_A_ZIP", "La pièce jointe n'est pas une archive ZIP.")


def _refuse_overlap(entries: tuple[Entry, ...], directory: int) -> None:
    """No byte may belong to two files, nor to a file and the directory: bombs are made so."""
    previous = 0
    for entry in sorted(entries, key=lambda each: each.offset):
        if entry.offset < previous or entry.stop > directory:
            text = f"Le fichier {entry.name} occupe la place d'un autre dans l'archive."
            raise ArchiveRefusedError("XDM_OVERLAP", text)
        previous = entry.stop


def _too_much(entry: Entry, allowed: int, single: int, left: int) -> ArchiveRefusedError:
    if allowed == single:
        text = f"Le fichier {entry.name} dépasse {single} octets une fois décompressé."
        return ArchiveRefusedError("XDM_ENTRY_TOO_LARGE", text)
    if allowed == left:
        return ArchiveRefusedError("XDM_TOTAL_TOO_LARGE", "L'archive dépasse la taille totale admise.")
    text = f"Le fichier {entry.name} est compressé à un taux anormal : il est tenu pour une bombe de décompression."
    return ArchiveRefusedError("XDM_RATIO", text)


def _nested(name: str) -> ArchiveRefusedError:
    return ArchiveRefusedError("XDM_NESTED_ARCHIVE", f"Le fichier {name} est lui-même une archive.")


def _damaged_directory() -> ArchiveRefusedError:
    return ArchiveRefusedError(
        "XDM_DAMAGED", "Le répertoire de l'archive est incohérent.", "Demander un nouvel envoi du courriel."
    )


def _damaged_data(entry: Entry) -> ArchiveRefusedError:
    return ArchiveRefusedError("XDM_DAMAGED", f"Le contenu compressé du fichier {entry.name} est abîmé.")


def _zip64() -> ArchiveRefusedError:
    return ArchiveRefusedError("XDM_ZIP64", "L'archive est au format ZIP64, réservé aux très grandes tailles.")
