"""A sandbox of its own for each test; certificates are made once."""

import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from connectors.sandbox.certificates import CertificateFiles, Certificates
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.dmp_assertion import Signer
from tests.integration.sandbox.dmp_client import DmpClient


@pytest.fixture(scope="session")
def certificate_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sandbox") / "certificates"
    Certificates(directory)
    return directory


@pytest.fixture
def directory(tmp_path: Path, certificate_directory: Path) -> Path:
    shutil.copytree(certificate_directory, tmp_path / "certificates")
    return tmp_path


@pytest.fixture
async def sandbox(directory: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(directory) as started:
        yield started


@pytest.fixture
def signer(sandbox: Sandbox) -> Signer:
    return Signer.load(sandbox.certificates.sign)


def client_context(ca: Path, files: CertificateFiles | None) -> ssl.SSLContext:
    """The TLS of a client that shows a certificate, or none."""
    context = ssl.create_default_context(cafile=str(ca))
    if files is not None:
        context.load_cert_chain(files.certificate, files.key)
    return context


@pytest.fixture
async def dmp(sandbox: Sandbox, signer: Signer) -> AsyncIterator[DmpClient]:
    context = client_context(sandbox.certificates.ca, sandbox.certificates.auth_cli)
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        yield DmpClient(http, sandbox, signer)
