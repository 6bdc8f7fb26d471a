"""The MLLP listener over TLS: who is let in, and the same promises."""

import asyncio
import ssl
from pathlib import Path

import pytest

from connectors.mllp.client import MllpClient, UnansweredError, UnreachableError
from pfi.standards.hl7v2.mllp import wrap
from tests.contract.mllp_peers import (
    RecordingIntake,
    TlsFiles,
    ack,
    eventually,
    listening,
    message,
    read_message,
    tls_files,
)


@pytest.fixture
def intake() -> RecordingIntake:
    return RecordingIntake()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return tls_files(tmp_path_factory.mktemp("tls"))


def _server_tls(files: TlsFiles, certificates: str) -> dict[str, object]:
    return {
        "tls": {
            "certificate": files.server,
            "key": files.server_key,
            "ca": files.ca,
            "client_certificates": certificates,
        }
    }


def _client_tls(files: TlsFiles, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


async def test_the_subject_of_the_client_certificate_reaches_the_intake(
    intake: RecordingIntake, files: TlsFiles
) -> None:
    context = _client_tls(files, files.client, files.client_key)
    async with (
        listening(intake, **_server_tls(files, "required")) as listener,
        MllpClient("127.0.0.1", listener.port, ssl_context=context) as client,
    ):
        answers = [await client.exchange(message(f"M{n}", 300_000)) for n in range(3)]

    assert answers == [ack(f"M{n}") for n in range(3)]
    assert intake.peers[0].certificate == "CN=sgl,O=Labo,C=FR"


async def test_a_required_certificate_must_be_shown_and_trusted(intake: RecordingIntake, files: TlsFiles) -> None:
    async with listening(intake, **_server_tls(files, "required")) as listener:
        for context in (_client_tls(files), _client_tls(files, files.stranger, files.stranger_key)):
            async with MllpClient("127.0.0.1", listener.port, ssl_context=context) as client:
                with pytest.raises((UnansweredError, UnreachableError)):
                    await client.exchange(message("M"))

    assert intake.accepted == []


async def test_an_optional_certificate_may_be_missing(intake: RecordingIntake, files: TlsFiles) -> None:
    async with (
        listening(intake, **_server_tls(files, "optional")) as listener,
        MllpClient("127.0.0.1", listener.port, ssl_context=_client_tls(files)) as client,
    ):
        assert await client.exchange(message("M")) == ack("M")

    assert intake.peers[0].certificate == ""


async def test_old_versions_of_tls_are_refused(intake: RecordingIntake, files: TlsFiles) -> None:
    context = _client_tls(files)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with (
        listening(intake, **_server_tls(files, "none")) as listener,
        MllpClient("127.0.0.1", listener.port, ssl_context=context) as client,
    ):
        with pytest.raises(UnreachableError):
            await client.connect()


async def test_a_half_message_over_tls_is_recorded_too(intake: RecordingIntake, files: TlsFiles) -> None:
    async with listening(intake, **_server_tls(files, "none")) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=_client_tls(files))
        writer.write(b"\x0bMSH|half")
        await writer.drain()
        writer.close()
        await eventually(lambda: intake.refused)
        await writer.wait_closed()
        del reader

    assert intake.codes == ["MLLP_TRUNCATED_FRAME"]


async def test_an_oversize_message_over_tls_is_answered_before_the_close(
    intake: RecordingIntake, files: TlsFiles
) -> None:
    settings = {**_server_tls(files, "none"), "limits": {"max_frame_bytes": 100_000}}
    async with listening(intake, **settings) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=_client_tls(files))
        writer.write(wrap(message("BIG", 2_000_000)))
        assert await read_message(reader) == ack("?", "AE")
        writer.transport.abort()

    assert intake.codes == ["MLLP_FRAME_TOO_LARGE"]
