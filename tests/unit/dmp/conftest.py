"""xmlsec must be told how to read `urn:oid:` references; the default callbacks would look for files."""

import io
from collections.abc import Iterator

import pytest
import xmlsec

from tests.unit.dmp.given import XmlsecVerifier


@pytest.fixture
def verifier() -> Iterator[XmlsecVerifier]:
    judge = XmlsecVerifier()

    def opened(uri: bytes) -> io.BytesIO:
        return io.BytesIO(judge.documents.get(uri.decode(), b"<x/>"))

    xmlsec.cleanup_callbacks()
    xmlsec.register_callbacks(
        lambda uri: uri.startswith(b"urn:oid:"), opened, lambda handle, buffer: handle.readinto(buffer), lambda _: None
    )
    yield judge
    xmlsec.cleanup_callbacks()
    xmlsec.register_default_callbacks()
