"""The PDF pages of the samples: PDF/A-1b by Typst, the same bytes at every run of one Typst version.

They are committed in `samples/pdf/` and only compiled again by `generate.py --pdf`, so that a new Typst does not
change every sample.
"""

import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

_COMPILED_AT = datetime(2026, 3, 5, 10, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """One document to print. `rows` is a table (first row = heads); `picture` a square picture of that many pixels."""

    file: str
    title: str
    sender: str
    patient: str
    paragraphs: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    picture: int = 0


def compile_page(page: Page) -> bytes:
    """PDF/A-1b bytes of the page, with the fonts shipped inside Typst only."""
    import typst

    with TemporaryDirectory() as folder:
        source = Path(folder) / "page.typ"
        source.write_text(_markup(page), encoding="utf-8")
        if page.picture:
            (Path(folder) / "picture.png").write_bytes(_picture(page.picture, seed=page.file))
        compiled = typst.compile(
            source, format="pdf", pdf_standards="a-1b", ignore_system_fonts=True, timestamp=_COMPILED_AT, pdf_tags=False
        )
    if not isinstance(compiled, bytes):  # several outputs exist for images only
        raise TypeError("Typst did not return one PDF")
    return compiled


def _markup(page: Page) -> str:
    parts = [
        f'#set document(title: "{page.title}", date: datetime(year: 2026, month: 3, day: 5))',
        '#set text(lang: "fr", size: 10pt)',
        f"#align(right)[{_escape(page.sender)}]",
        f"= {_escape(page.title)}",
        f"*Patient :* {_escape(page.patient)}",
        *(_escape(paragraph) for paragraph in page.paragraphs),
    ]
    if page.rows:
        parts.append(_table(page.rows))
    if page.picture:
        parts.append('#align(center, image("picture.png", width: 11cm))')
        parts.append("#align(center)[_Image de synthèse, sans valeur diagnostique._]")
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Sequence[str]]) -> str:
    cells = "\n".join("  " + ", ".join(f"[{_escape(cell)}]" for cell in row) + "," for row in rows)
    return f"#table(\n  columns: {len(rows[0])},\n{cells}\n)"


def _escape(text: str) -> str:
    """Everything that Typst would interpret, but the stars of bold text."""
    return "".join(f"\\{character}" if character in "\\#_$@<>[]`=~" else character for character in text)


def _picture(side: int, *, seed: str) -> bytes:
    """A grey picture of soft discs and grain (PNG): it weighs what a real radiography weighs, and shows nobody."""
    grain = random.Random(seed)  # noqa: S311 - a picture, not a secret
    centre, lines = side / 2, bytearray()
    for y in range(side):
        lines.append(0)  # PNG filter type "none"
        for x in range(side):
            distance = ((x - centre) ** 2 + (y - centre) ** 2) ** 0.5 / centre
            level = 200 - 150 * min(distance, 1.2) + grain.gauss(0, 9)
            lines.append(max(0, min(255, int(level))))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(lines), 9)), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
