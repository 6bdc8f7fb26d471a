"""The sandbox's DPI over MLLP, plain and with TLS: gets business acknowledgments (ZAM) and documents that came by mail
(MDM; hl7v2 digest §4.2, §5.2)."""

import asyncio
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.sandbox.certificates import Certificates
from connectors.sandbox.faults import FaultBook, FaultKind, Service
from connectors.sandbox.filed import FiledDocument, WrongMdmError, read_mdm
from pfi.model.errors import PfiError
from pfi.standards.hl7v2.mllp import Frame, Framer, Noise, Oversize, wrap
from pfi.standards.hl7v2.tokenizer import Message, Segment, parse

_MAX_FRAME: Final = 64 * 1024 * 1024
_READ: Final = 64 * 1024
_STATUS: Final = {"Z01": "ACK_RECEPTION_DMP", "Z02": "ACK_RECEPTION_MSS", "Z03": "ACK_LECTURE_MSS"}
_MAILBOX: Final = {"Z02": "DESTINATAIRE_MSS", "Z03": "LECTEUR_MSS"}
_ERROR_TABLES: Final = {
    "Z01": frozenset({"DMP_ERROR_CODE", "DMPERRORCODE"}),
    "Z02": frozenset({"SMTPERRORCODE"}),
    "Z03": frozenset({"applicationErrorCondition"}),
}
_CONDITIONS: Final = {
    "900": "Version du document erronée",
    "901": "Auteur non autorisé",
    "902": "Identifiant de patient inconnu",
    "903": "INS absente du document",
    "904": "INS non strictement identique",
    "905": "INS incomplète",
    "906": "Autre erreur",
}
_CHARSETS: Final = {"UNICODE UTF-8": "utf-8", "8859/15": "iso-8859-15"}
_TIMESTAMP: Final = re.compile(r"^\d{8}(?:\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,4})?)?)?)?(?:[+-]\d{4})?$")


@dataclass(frozen=True, slots=True)
class ReceivedZam:
    """One ZAM that was acknowledged AA. `request` is OBX-4: MSH-10 of the ORU or MDM."""

    event: str
    control_id: str
    request: str
    success: bool
    mailbox: str
    error_code: str
    error_text: str
    raw: bytes

    def summary(self) -> dict[str, object]:
        return {
            "event": self.event,
            "control_id": self.control_id,
            "request": self.request,
            "success": self.success,
            "mailbox": self.mailbox,
            "error_code": self.error_code,
            "error_text": self.error_text,
        }


class WrongZamError(ValueError):
    """The ZAM breaks its profile: HL70357 code, ERR-2 location, French sentence."""

    def __init__(self, code: str, location: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.location = location


class DpiServer:
    """MLLP on loopback. `port` (plain) and `tls_port` (client certificate required) are known after `start`."""

    def __init__(self, certificates: Certificates, faults: FaultBook, *, clock: Callable[[], datetime]) -> None:
        self.zams: list[ReceivedZam] = []
        self.filed: list[FiledDocument] = []
        self.repeats = 0
        """Messages that came again with the MSH-10 of one that was filed: acknowledged, filed once."""
        self.refusals: list[str] = []
        self.port = 0
        self.tls_port = 0
        self._certificates = certificates
        self._faults = faults
        self._clock = clock
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0

    async def start(self, port: int = 0, tls_port: int = 0) -> None:
        self.port = await self._listen(port, None)
        self.tls_port = await self._listen(tls_port, self._certificates.server_context(self._certificates.dpi_server))

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()

    async def _listen(self, port: int, context: ssl.SSLContext | None) -> int:
        server = await asyncio.start_server(self._connected, "127.0.0.1", port, ssl=context)
        self._servers.append(server)
        number: int = server.sockets[0].getsockname()[1]
        return number

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer(_MAX_FRAME)
        try:
            while data := await reader.read(_READ):
                for event in framer.feed(data):
                    if isinstance(event, Frame) and await self._take(event.payload, writer):
                        continue
                    if isinstance(event, Frame | Oversize | Noise):
                        return
        except (ConnectionError, ssl.SSLError):
            return
        finally:
            writer.close()

    async def _take(self, payload: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answers one frame; false when the connection is to be closed."""
        try:
            message = parse(payload)
        except PfiError as unreadable:
            self.refusals.append(unreadable.text)
            return False
        event = message.msh.component(9, 2)
        observation = message.first("OBX")
        facts = {
            "event": frozenset({event}),
            "request": frozenset({observation.text(4) if observation is not None else ""}),
        }
        await self._faults.delay(Service.DPI, facts)
        fault = self._faults.take(Service.DPI, facts)
        kind = fault.kind if fault is not None else None
        if kind is FaultKind.CLOSE_BEFORE_ANSWER:
            return False
        code, error = "AA", ""
        if kind in (FaultKind.REFUSE, FaultKind.TEMPORARY) and fault is not None:
            code = "AE" if kind is FaultKind.REFUSE else "AR"
            error = _err(fault.code or "207", "", fault.text or "panne commandée")
        else:
            try:
                self._keep(message, payload)
            except (WrongZamError, WrongMdmError) as wrong:
                self.refusals.append(str(wrong))
                code, error = "AE", _err(wrong.code, wrong.location, str(wrong))
        if kind is FaultKind.CLOSE_AFTER_BODY:
            return False
        acknowledged = "AUTRE" if kind is FaultKind.WRONG_ANSWER else message.msh.text(10)
        writer.write(wrap(self._ack(message, event, code, acknowledged, error)))
        await writer.drain()
        return True

    def _keep(self, message: Message, payload: bytes) -> None:
        """Raises WrongZamError, WrongMdmError."""
        if message.msh.component(9) != "MDM":
            self.zams.append(read(message, payload))
            return
        document = read_mdm(message)
        if any(each.control_id == document.control_id for each in self.filed):
            self.repeats += 1
            return
        self.filed.append(document)

    def _ack(self, message: Message, event: str, code: str, acknowledged: str, error: str) -> bytes:
        """ACK in original mode, in the charset of the message (hl7v2 digest §4.1)."""
        self._number += 1
        msh = message.msh
        now = self._clock().strftime("%Y%m%d%H%M%S+0000")
        charset = msh.text(18)
        text = (
            f"MSH|^~\\&|{msh.text(5)}|{msh.text(6)}|{msh.text(3)}|{msh.text(4)}|{now}||ACK^{event}^ACK|"
            f"DPI{self._number:08d}|{msh.text(11)}|2.6|||||FRA|{charset}\rMSA|{code}|{acknowledged}\r{error}"
        )
        return text.encode(_CHARSETS.get(charset, "utf-8"), "replace")


def read(message: Message, payload: bytes) -> ReceivedZam:
    """Checks a ZAM against its profile. Raises WrongZamError."""
    if not payload.endswith(b"\r") or b"\n" in payload:
        raise WrongZamError("199", "", "chaque segment doit se terminer par CR, sans LF")
    event = _check_header(message)
    names = [segment.name for segment in message]
    expected = ["MSH", *["SFT" for name in names if name == "SFT"], "EVN", "OBX"]
    expected += ["OBX"] if event in _MAILBOX else []
    status = message.all("OBX")[0] if message.all("OBX") else None
    failed = status is not None and status.component(5) == "N"
    if names != [*expected, *(["ERR"] if failed else [])]:
        raise WrongZamError("100", "", "segments attendus : MSH, EVN, OBX, second OBX pour Z02 et Z03, ERR si N")
    evn = message.all("EVN")[0]
    if _TIMESTAMP.match(evn.text(2)) is None:
        raise WrongZamError("102", "EVN^1^2", "EVN-2 doit être une date et une heure")
    observations = message.all("OBX")
    for problem in _check_status(observations[0], event):
        raise problem
    mailbox = _check_mailbox(observations[1], event, failed=failed) if event in _MAILBOX else ""
    error = _check_error(message.all("ERR")[0], event) if failed else ("", "")
    return ReceivedZam(
        event, message.msh.text(10), observations[0].text(4), not failed, mailbox, error[0], error[1], payload
    )


def _check_header(message: Message) -> str:
    msh = message.msh
    event = msh.component(9, 2)
    if msh.component(9) != "ZAM" or msh.component(9, 3) != "ZAM_Z01":
        raise WrongZamError("200", "MSH^1^9", "type de message différent de ZAM^Znn^ZAM_Z01")
    if event not in _STATUS:
        raise WrongZamError("201", "MSH^1^9", "évènement autre que Z01, Z02 ou Z03")
    if msh.text(12) != "2.6":
        raise WrongZamError("203", "MSH^1^12", "un ZAM est toujours en version 2.6")
    if not msh.text(10) or _TIMESTAMP.match(msh.text(7)) is None:
        raise WrongZamError("101", "MSH^1^10", "MSH-7 ou MSH-10 absent ou mal formé")
    if msh.text(17) != "FRA" or msh.text(18) not in _CHARSETS:
        raise WrongZamError("103", "MSH^1^18", "MSH-17 FRA et MSH-18 UNICODE UTF-8 ou 8859/15 attendus")
    if (msh.component(21), msh.component(21, 2)) != ("2.1", "CISIS_CDA_HL7_V2"):
        raise WrongZamError("103", "MSH^1^21", "MSH-21 : 2.1^CISIS_CDA_HL7_V2 attendu")
    return event


def _check_status(obx: Segment, event: str) -> Iterator[WrongZamError]:
    if (obx.text(1), obx.text(2), obx.text(11)) != ("1", "CWE", "F"):
        yield WrongZamError("103", "OBX^1^2", "premier OBX : 1, CWE et F attendus")
    if (obx.component(3), obx.component(3, 3)) != (_STATUS[event], "AckMetierZAM"):
        yield WrongZamError("103", "OBX^1^3", f"OBX-3 : {_STATUS[event]} de AckMetierZAM attendu")
    if not obx.text(4):
        yield WrongZamError("101", "OBX^1^4", "OBX-4 doit porter MSH-10 de la demande")
    if obx.component(5) not in ("Y", "N") or obx.component(5, 3) != "expandedYes-NoIndicator":
        yield WrongZamError("103", "OBX^1^5", "OBX-5 : Y ou N de expandedYes-NoIndicator attendu")


def _check_mailbox(obx: Segment, event: str, *, failed: bool) -> str:
    """The mailbox; empty when nothing was sent because no address was known, which the volet does not foresee: the
    sender is told all the same, by OBX-4 if it named somebody (hl7v2 digest §4.2)."""
    if (obx.text(1), obx.text(2), obx.text(11)) != ("2", "XTN", "F"):
        raise WrongZamError("103", "OBX^2^2", "second OBX : 2, XTN et F attendus")
    if (obx.component(3), obx.component(3, 3)) != (_MAILBOX[event], "AckMetierZAM"):
        raise WrongZamError("103", "OBX^2^3", f"OBX-3 : {_MAILBOX[event]} de AckMetierZAM attendu")
    address = obx.component(5, 4)
    known = "@" in address or (event == "Z02" and failed and not address)
    if obx.component(5, 3) != "X.400" or not known:
        raise WrongZamError("102", "OBX^2^5", "OBX-5 : X.400 et une adresse attendus")
    return address


def _check_error(err: Segment, event: str) -> tuple[str, str]:
    if (err.component(3), err.component(3, 3)) != ("207", "messageErrorCondition"):
        raise WrongZamError("103", "ERR^1^3", "ERR-3 : 207 de messageErrorCondition attendu")
    if err.text(4) not in ("E", "F", "W", "I"):
        raise WrongZamError("103", "ERR^1^4", "ERR-4 : E, F, W ou I attendu")
    if not err.component(5) or not err.component(5, 2) or err.component(5, 3) not in _ERROR_TABLES[event]:
        raise WrongZamError("103", "ERR^1^5", f"ERR-5 : code^libellé^{min(_ERROR_TABLES[event])} attendu")
    return err.component(5), err.component(5, 2)


def _err(code: str, location: str, text: str) -> str:
    condition = code if code in _CONDITIONS else "906"
    application = f"{condition}^{_CONDITIONS[condition]}^applicationErrorCode" if code in ("207", condition) else ""
    said = "207" if application else code
    return f"ERR||{location}|{said}^^messageErrorCondition|E|{application}|||{text}\r"
