"""What several contract tests stand on: the certificates of a DMP, and real mail servers where they can be had."""

from pathlib import Path

import pytest

from pfi.standards.x509.authority import TestAuthority
from tests.mailservers.fixtures import *  # noqa: F403  # fixtures
from tests.unit.dmp.given import NOW, certificates


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of the DMP and of its client, and `stranger.pem`: an authority that nobody trusts."""
    where = tmp_path_factory.mktemp("certificates")
    certificates().write(where)
    stranger = TestAuthority("AC inconnue", lambda: NOW)
    (where / "stranger.pem").write_bytes(stranger.ca_pem)
    return where
