"""The sinks for benchmarks: cheap, over real TLS, and answering what a client checks."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from connectors.sandbox.__main__ import main
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import MATRICULE
from tests.integration.sandbox.conftest import client_context
from tests.integration.sandbox.dmp_assertion import Assertion, Signer
from tests.integration.sandbox.dmp_request import Feed, existence_request
from tests.integration.sandbox.mail_sample import DOCTOR, SENDER, Mail
from tests.integration.sandbox.test_dpi import Z01, exchange


@pytest.fixture
async def light(directory: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(directory, light=True) as started:
        yield started


async def test_any_lot_succeeds_and_the_answer_relates_to_it(light: Sandbox) -> None:
    signer = Signer.load(light.certificates.sign)
    context = client_context(light.certificates.ca, light.certificates.auth_cli)
    urls = light.configuration()["dmp"]["urls"]
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        for number in range(3):
            headers, body = Feed(cda=b"<big>" + b"x" * 700_000 * number + b"</big>").write(signer)
            chunks = iter([body[:9000], body[9000:]])

            async def stream() -> AsyncIterator[bytes]:
                for chunk in chunks:  # noqa: B023 - used at once
                    yield chunk

            content = stream() if number == 1 else body
            response = await http.post(urls["repository"], content=content, headers=headers)
            assert b"ResponseStatusType:Success" in response.content
            message_id = body.partition(b"<wsa:MessageID>")[2].partition(b"<")[0]
            assert b"<wsa:RelatesTo>" + message_id + b"</wsa:RelatesTo>" in response.content
    assert light.state()["dmp_requests"] == 3


async def test_every_patient_has_a_dmp_and_no_document(light: Sandbox) -> None:
    signer = Signer.load(light.certificates.sign)
    context = client_context(light.certificates.ca, light.certificates.auth_cli)
    urls = light.configuration()["dmp"]["urls"]
    headers, body = existence_request(Assertion(), signer)
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        answer = (await http.post(urls["patients"], content=body, headers=headers)).text
        assert "DMPFound" in answer
        assert f'extension="{MATRICULE}"' in answer
        found = await http.post(urls["registry"], content=b"<x/>", headers={"Expect": "100-continue"})
        assert "<rim:RegistryObjectList/>" in found.text
        deleted = await http.post(urls["registry"], content=b"urn:ihe:iti:2010:UpdateDocumentSet")
        assert "RegistryResponse" in deleted.text


async def test_a_client_without_certificate_is_refused(light: Sandbox) -> None:
    context = client_context(light.certificates.ca, None)
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        with pytest.raises(httpx.TransportError):
            await http.post(light.configuration()["dmp"]["urls"]["patients"], content=b"x")


async def test_any_mail_is_taken_on_one_connection(light: Sandbox) -> None:
    context = client_context(light.certificates.ca, light.certificates.mssante)
    client = aiosmtplib.SMTP(hostname="localhost", port=light.smtp_port, start_tls=True, tls_context=context)
    async with client:
        await client.ehlo()
        assert "dsn" in client.esmtp_extensions
        for size in (1, 300_000, 2_000_000):
            await client.sendmail(SENDER, DOCTOR, b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n..\r\n" * (size // 10))
        await client.sendmail(SENDER, DOCTOR, Mail().write(), mail_options=["ENVID=1"], rcpt_options=["NOTIFY=SUCCESS"])
    assert light.state()["mails"] == 4


async def test_pipelined_commands_and_mail_are_told_apart(light: Sandbox) -> None:
    context = client_context(light.certificates.ca, light.certificates.mssante)
    client = aiosmtplib.SMTP(hostname="localhost", port=light.smtp_port, start_tls=True, tls_context=context)
    await client.connect()
    transport = client.transport
    assert isinstance(transport, asyncio.Transport)
    reader = asyncio.StreamReader()
    transport.set_protocol(asyncio.StreamReaderProtocol(reader))
    for piece in (
        b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n",
        b".\r\nNOOP\r\nDATA\r\nx\r",
        b"\n.",
        b"\r\nRSET\r\nQUIT\r\n",
    ):
        transport.write(piece)
        await asyncio.sleep(0.02)
    codes = [line[:3] for line in (await asyncio.wait_for(reader.read(), 5)).split(b"\r\n")[:-1]]
    assert codes == [b"250", b"250", b"354", b"250", b"250", b"354", b"250", b"250", b"221"]
    assert light.state()["mails"] == 2
    transport.abort()


async def test_nothing_is_taken_in_clear(light: Sandbox) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", light.smtp_port)
    writer.write(b"MAIL FROM:<a>\r\n")
    assert (await reader.readline(), (await reader.readline())[:3]) == (b"220 smtp.sandbox ESMTP\r\n", b"530")
    writer.close()


async def test_zam_are_still_checked(light: Sandbox) -> None:
    (answer,) = await exchange(light, Z01)
    assert "MSA|AA|P1" in answer


@pytest.mark.parametrize("arguments", [[], ["--light"]])
async def test_the_sandbox_runs_in_a_process_of_its_own(arguments: list[str], directory: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "connectors.sandbox", "--directory", str(directory), "--json", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    configuration = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    async with httpx.AsyncClient(trust_env=False) as http:
        state = (await http.get(f"{configuration['control']['url']}/state")).json()
    assert state["light"] is bool(arguments)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0


def test_the_command_line_needs_a_directory(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "--directory" in capsys.readouterr().err
