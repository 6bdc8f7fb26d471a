"""The sandbox's DPI takes the ZAM that follow their profile, and answers AE to the others."""

import asyncio
import re
import ssl

import pytest

from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.conftest import client_context

Z01 = (
    "MSH|^~\\&|PFI|CH|DPI|CH|20260105101500+0100||ZAM^Z01^ZAM_Z01|P1|T|2.6|||||FRA|UNICODE UTF-8|||"
    "2.1^CISIS_CDA_HL7_V2\r"
    "EVN||20260105101459+0100\r"
    "OBX|1|CWE|ACK_RECEPTION_DMP^Accusé de réception DMP^AckMetierZAM|M42|Y^^expandedYes-NoIndicator||||||F\r"
)
N01 = Z01.replace("|Y^^", "|N^^") + (
    "ERR|||207^Application error^messageErrorCondition|E|DMPClosed^DMP fermé^DMP_ERROR_CODE\r"
)
Z02 = (
    Z01.replace("Z01^", "Z02^").replace("ACK_RECEPTION_DMP^Accusé de réception DMP", "ACK_RECEPTION_MSS^x")
    + "OBX|2|XTN|DESTINATAIRE_MSS^Destinataire MSSanté^AckMetierZAM||^^X.400^a@b.mssante.fr||||||F\r"
)
_FAILED = "ERR|||207^Application error^messageErrorCondition|E|510^Adresse invalide^SMTPERRORCODE\r"
N02 = Z02.replace("|Y^^", "|N^^") + _FAILED
N03 = N02.replace("Z02^", "Z03^").replace("ACK_RECEPTION_MSS", "ACK_LECTURE_MSS").replace("DESTINATAIRE", "LECTEUR")
Z03 = Z02.replace("Z02^", "Z03^").replace("ACK_RECEPTION_MSS", "ACK_LECTURE_MSS").replace("DESTINATAIRE", "LECTEUR")


async def exchange(sandbox: Sandbox, *messages: str | bytes, tls: bool = False) -> list[str]:
    """Sends messages one after the other on one connection; the answers, `""` when the connection is closed."""
    context = client_context(sandbox.certificates.ca, sandbox.certificates.auth_cli) if tls else None
    port = sandbox.dpi.tls_port if tls else sandbox.dpi.port
    reader, writer = await asyncio.open_connection("localhost" if tls else "127.0.0.1", port, ssl=context)
    answers = []
    for message in messages:
        payload = message.encode() if isinstance(message, str) else message
        writer.write(b"\x0b" + payload + b"\x1c\r")
        try:
            answer = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 5)
        except (asyncio.IncompleteReadError, ConnectionError):
            answer = b""
        answers.append(answer[1:-2].decode())
    writer.close()
    await writer.wait_closed()
    return answers


@pytest.mark.parametrize("tls", [False, True])
async def test_every_event_is_acknowledged_and_kept(tls: bool, sandbox: Sandbox) -> None:
    answers = await exchange(sandbox, Z01, N01, Z02, Z03, tls=tls)
    assert [re.findall(r"\|ACK\^(\w+)\^ACK\|.*\rMSA\|(\w+)\|(\w+)\r", answer) for answer in answers] == [
        [("Z01", "AA", "P1")],
        [("Z01", "AA", "P1")],
        [("Z02", "AA", "P1")],
        [("Z03", "AA", "P1")],
    ]
    kept = [(one.event, one.success, one.request, one.mailbox, one.error_code) for one in sandbox.dpi.zams]
    assert kept == [
        ("Z01", True, "M42", "", ""),
        ("Z01", False, "M42", "", "DMPClosed"),
        ("Z02", True, "M42", "a@b.mssante.fr", ""),
        ("Z03", True, "M42", "a@b.mssante.fr", ""),
    ]


async def test_a_mail_that_could_not_leave_for_want_of_an_address_is_told(sandbox: Sandbox) -> None:
    (answer,) = await exchange(
        sandbox, N02.replace("a@b.mssante.fr", "").replace("AckMetierZAM||^^", "AckMetierZAM|8|^^")
    )
    assert "\rMSA|AA|P1\r" in answer
    assert [(one.event, one.success, one.mailbox, one.error_code) for one in sandbox.dpi.zams] == [
        ("Z02", False, "", "510")
    ]


WRONG = {
    "another type": (Z01.replace("ZAM^Z01^ZAM_Z01", "ORU^R01^ORU_R01"), "200"),
    "another event": (Z01.replace("ZAM^Z01", "ZAM^Z09"), "201"),
    "another version": (Z01.replace("|2.6|", "|2.5|"), "203"),
    "no control id": (Z01.replace("|P1|", "||"), "101"),
    "another charset": (Z01.replace("UNICODE UTF-8", "ASCII"), "103"),
    "another profile": (Z01.replace("CISIS_CDA_HL7_V2", "AUTRE"), "103"),
    "no EVN": (Z01.replace("EVN||20260105101459+0100\r", ""), "100"),
    "EVN without time": (Z01.replace("EVN||20260105101459+0100", "EVN||hier"), "102"),
    "no OBX": (Z01.partition("OBX")[0], "100"),
    "a PID": (Z01.replace("OBX|1", "PID|1\rOBX|1"), "100"),
    "OBX of another type": (Z01.replace("|CWE|", "|CE|"), "103"),
    "another status": (Z01.replace("ACK_RECEPTION_DMP", "ACK_RECEPTION_MSS"), "103"),
    "accented table": (Z01.replace("AckMetierZAM", "AckMétierZAM"), "103"),
    "no request": (Z01.replace("|M42|", "||"), "101"),
    "neither yes nor no": (Z01.replace("|Y^^", "|P^^"), "103"),
    "N without ERR": (Z01.replace("|Y^^", "|N^^"), "100"),
    "Y with ERR": (N01.replace("|N^^", "|Y^^"), "100"),
    "another ERR-3": (N01.replace("207^", "199^"), "103"),
    "no severity": (N01.replace("|E|", "||"), "103"),
    "ERR-5 of another table": (N01.replace("DMP_ERROR_CODE", "SMTPERRORCODE"), "103"),
    "ERR-5 without label": (N01.replace("DMP fermé", ""), "103"),
    "Z02 without a mailbox": (Z02.partition("OBX|2")[0], "100"),
    "mailbox of another code": (Z02.replace("DESTINATAIRE_MSS", "LECTEUR_MSS"), "103"),
    "mailbox of another type": (Z02.replace("|XTN|", "|ST|"), "103"),
    "mailbox without address": (Z02.replace("a@b.mssante.fr", ""), "102"),
    "nobody read it": (N03.replace("a@b.mssante.fr", ""), "102"),
    "not an address": (N02.replace("a@b.mssante.fr", "810000000017"), "102"),
    "line feeds": (Z01.replace("\r", "\r\n"), "199"),
    "no last CR": (Z01.removesuffix("\r"), "199"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_zam_that_breaks_its_profile_is_answered_ae(name: str, sandbox: Sandbox) -> None:
    message, code = WRONG[name]
    (answer,) = await exchange(sandbox, message)
    assert re.search(rf"\rMSA\|AE\|P?1?\rERR\|\|[^|]*\|{code}\^", answer), answer
    assert sandbox.dpi.zams == []
    assert len(sandbox.dpi.refusals) == 1


async def test_what_is_no_message_closes_the_connection(sandbox: Sandbox) -> None:
    assert await exchange(sandbox, b"bonjour") == [""]


async def first_byte(host: str, port: int, context: ssl.SSLContext) -> bytes:
    """Connects and waits for a byte: with TLS 1.3 a server refuses after the client's own handshake."""
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.write(b"\x0b" + Z01.encode() + b"\x1c\r")
    return await asyncio.wait_for(reader.read(1), 5)


async def test_tls_needs_a_certificate(sandbox: Sandbox) -> None:
    context = client_context(sandbox.certificates.ca, None)
    try:
        answer = await first_byte("localhost", sandbox.dpi.tls_port, context)
    except OSError:
        answer = b""
    assert (answer, sandbox.dpi.zams) == (b"", [])
