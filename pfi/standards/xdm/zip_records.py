"""The records of a ZIP archive that the writer and the reader share (PKWARE APPNOTE 6.3.10 §4.3)."""

import struct
from typing import Final

LOCAL: Final = struct.Struct("<4s5H3L2H")
"""Signature, version, flags, method, time, date, CRC, compressed size, size, lengths of name and extra field."""

CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
"""Signature, two versions, flags, method, time, date, CRC, compressed size, size, lengths of name, extra field and
comment, disk, internal and external attributes, offset of the local header."""

END: Final = struct.Struct("<4s4H2LH")
"""Signature, disk, disk of the directory, entries on this disk, entries, size and offset of the directory, length of
the comment."""

LOCAL_SIGNATURE: Final = b"PK\x03\x04"
CENTRAL_SIGNATURE: Final = b"PK\x01\x02"
END_SIGNATURE: Final = b"PK\x05\x06"

STORED: Final = 0
DEFLATED: Final = 8
