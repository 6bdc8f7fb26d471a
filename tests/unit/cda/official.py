"""Where the official samples are, when they are there (`PFI_ANS_DIR`, default `../shared/ans` from the project)."""

import os
from pathlib import Path

import pytest

_PROJECT = Path(__file__).resolve().parents[3]
ANS = Path(os.environ.get("PFI_ANS_DIR", _PROJECT.parent / "shared" / "ans"))
DOCUMENTS = sorted((ANS / "cda").glob("*.xml"))
PACK = ANS / "validation-pack"

needs_documents = pytest.mark.skipif(not DOCUMENTS, reason=f"official CDA documents are absent (PFI_ANS_DIR: {ANS})")
needs_pack = pytest.mark.skipif(
    not (PACK / "infrastructure" / "cda" / "CDA_extended.xsd").is_file(),
    reason=f"the official validation pack is absent (PFI_ANS_DIR: {ANS})",
)
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
