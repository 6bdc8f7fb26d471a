"""What the official tables know of the official documents; their metadata are recomputed by `tests/acceptance`."""

from pathlib import Path

import pytest

from pfi.model.document import Document
from pfi.model.submission import Orders
from pfi.standards.cda.header import read_header
from pfi.standards.xds.mapping import document_entry, patient_id
from tests.unit.xds.documents import official_documents

OFFICIAL = official_documents()
HEAD_ALONE = "01_Modèles_contenus_CDA"
"""Names the head as an imaging region; the official value set has "head and neck"."""

pytestmark = pytest.mark.skipif(not OFFICIAL, reason="documents officiels absents (PFI_ANS_DIR)")


@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_an_official_document_has_nothing_unknown(path: Path) -> None:
    content = path.read_bytes()
    header = read_header(content)
    entry = document_entry(
        Document(content, header), entry_id="D", patient_id=patient_id(header.patient, True), orders=Orders()
    )
    unknown = ["XDS_EVENT_CODE_UNKNOWN"] if path.stem == HEAD_ALONE else []
    assert [finding.code for finding in entry.findings] == unknown
