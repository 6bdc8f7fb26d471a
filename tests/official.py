"""Where the official samples, validation pack and schemas are, for tests that are skipped without them.

`docs/testing.md` says how to obtain them. They are test data only: nothing of them is part of this project.
"""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
ANS_DIR = Path(os.environ.get("PFI_ANS_DIR", _ROOT.parent / "shared" / "ans"))
XSD_DIR = Path(os.environ.get("PFI_XSD_DIR", _ROOT.parent / "shared" / "xsd"))

needs_official_samples = pytest.mark.skipif(
    not ANS_DIR.is_dir(), reason="official ANS samples not found (PFI_ANS_DIR): see docs/testing.md"
)
needs_public_schemas = pytest.mark.skipif(
    not XSD_DIR.is_dir(), reason="public ebXML and XAdES schemas not found (PFI_XSD_DIR): see docs/testing.md"
)


def official_messages() -> list[Path]:
    """Every official HL7 v2 file, whatever its name: some have no extension."""
    found = (path for path in sorted((ANS_DIR / "hl7v2").rglob("*")) if path.is_file())
    return [path for path in found if path.read_bytes().lstrip(b"\xef\xbb\xbf").startswith(b"MSH")]


def official_documents() -> list[Path]:
    """Every official CDA document."""
    return sorted((ANS_DIR / "cda").glob("*.xml"))
