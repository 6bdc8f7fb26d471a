"""How much of an archive received by mail is believed: its limits, its names, its refusals (MSSanté digest §9).

Nothing is ever written to a disk under a name of the archive; the names are guarded all the same, for a name that looks
for trouble tells what the archive is.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from pfi.model.errors import SenderDataError

MEBIBYTE: Final = 1024 * 1024
RATIO_FLOOR: Final = MEBIBYTE
"""Below this size a file may be compressed at any ratio: empty lines cost nobody anything."""

_LONGEST_NAME: Final = 255
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HARMLESS: Final = re.compile(
    r"(?:IHE_XDM/)?(?:SUBSET[0-9]{1,4}/)?(?:METADATA\.XML|INDEX\.HTML?|README\.TXT|DOC[0-9]{1,8}\.[A-Z]{3})",
    re.IGNORECASE,
)
"""Names of the layout. Any other one may hold the name of a patient and is never shown."""


class ArchiveRefusedError(SenderDataError):
    """The archive is hostile, damaged, or not one of IHE XDM: nothing of it is used.

    Container: `XDM_TOO_LARGE`, `XDM_NOT_A_ZIP`, `XDM_TRUNCATED`, `XDM_DAMAGED`, `XDM_ZIP64`, `XDM_ENCRYPTED`,
    `XDM_COMPRESSION_UNKNOWN`, `XDM_OVERLAP`, `XDM_TOO_MANY_ENTRIES`, `XDM_ENTRY_TOO_LARGE`, `XDM_TOTAL_TOO_LARGE`,
    `XDM_RATIO`, `XDM_NAME_UNSAFE`, `XDM_NAME_REPEATED`, `XDM_SPECIAL_FILE`, `XDM_NESTED_ARCHIVE`.
    Layout: `XDM_METADATA_MISSING`, `XDM_METADATA_SEVERAL`, `XDM_METADATA_UNREADABLE`, `XDM_METADATA_FORM`,
    `XDM_DOCUMENTS_NONE`, `XDM_DOCUMENT_MISSING`, `XDM_URI_MISSING`, `XDM_URI_UNSAFE`, `XDM_URI_REPEATED`.
    """


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may cost, in bytes unless said otherwise.

    Sizes are counted while inflating, never read from the archive. `ratio` is uncompressed over compressed, looked at
    above `RATIO_FLOOR`.
    """

    archive: int = 64 * MEBIBYTE
    entries: int = 1000
    """Number of files and folders."""
    entry: int = 64 * MEBIBYTE
    total: int = 128 * MEBIBYTE
    metadata: int = 2 * MEBIBYTE
    """Size of one METADATA.XML."""
    ratio: int = 200


DEFAULT_LIMITS: Final = ArchiveLimits()


def safe_path(name: str) -> str | None:
    """The name with `/` between its folders, without `.` nor empty folders; `None` when it must not be used.

    Unsafe: empty, too long, control characters, absolute, a drive or a stream (`:`), any folder made of dots and
    blanks only other than `.`.
    """
    if not name or len(name) > _LONGEST_NAME or _CONTROL.search(name) or ":" in name:
        return None
    forward = name.replace("\\", "/")
    if forward.startswith("/"):
        return None
    parts = [part for part in forward.split("/") if part not in ("", ".")]
    if not parts or not all(part.strip(" .") for part in parts):
        return None
    return "/".join(parts)


def path_key(path: str) -> str:
    """What two names have in common when a file system that ignores case would take one for the other."""
    return unicodedata.normalize("NFC", path).casefold()


def shown(path: str, number: int) -> str:
    """How an operator reads about a file: its name when it is one of the layout, else its rank (from 1)."""
    return f"« {path} »" if _HARMLESS.fullmatch(path) else f"n° {number} de l'archive"
