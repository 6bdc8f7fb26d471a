"""Where the official HL7 v2 examples are; they are never copied here."""

import os
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@cache
def samples() -> tuple[Path, ...]:
    """All files that begin with MSH under `$PFI_ANS_DIR/hl7v2` (default `../shared/ans`); their names do not matter."""
    folder = Path(os.environ.get("PFI_ANS_DIR", ROOT.parent / "shared" / "ans")) / "hl7v2"
    if not folder.is_dir():
        return ()
    return tuple(path for path in sorted(folder.rglob("*")) if path.is_file() and path.read_bytes()[:3] == b"MSH")


def of_type(code: str) -> tuple[Path, ...]:
    """Those whose MSH-9.1 is `code`."""
    return tuple(path for path in samples() if path.read_bytes().split(b"|")[8].startswith(code.encode()))
