"""Ordered faults of the DMP: its answer, spoilt at one level between the envelope and the connection."""

import re
from typing import Final

from aiohttp import web

from connectors.sandbox.connection import cut, cut_in_answer, silent
from connectors.sandbox.dmp.soap import SoapFaultError, write_fault
from connectors.sandbox.dmp.verdict import PARTIAL_SUCCESS, SUCCESS, RegistryError
from connectors.sandbox.faults import Fault, FaultKind

_RELATES_TO: Final = re.compile(rb"<wsa:RelatesTo>[^<]*</wsa:RelatesTo>")
_BODY: Final = re.compile(rb"<env:Body>.*</env:Body>", re.DOTALL)
_STATUS: Final = {FaultKind.HTTP_500: 500, FaultKind.HTTP_503: 503}


def ordered_warning(fault: Fault | None) -> tuple[RegistryError, ...]:
    """The warning that a success must carry."""
    if fault is None or fault.kind is not FaultKind.WARN:
        return ()
    code = fault.code or "XDSExtraMetadataNotSaved"
    return (RegistryError(code, fault.text or "avertissement commandé", warning=True),)


def spoilt_envelope(fault: Fault, envelope: bytes, relates_to: str) -> bytes:
    """The SOAP answer as it leaves."""
    match fault.kind:
        case FaultKind.SOAP_FAULT:
            code, _, subcode = (fault.code or "Receiver").partition("/")
            written = write_fault(SoapFaultError(subcode, fault.text or "panne commandée"), relates_to=relates_to)
            return written.replace(b"env:Sender<", f"env:{code}<".encode(), 1)
        case FaultKind.WRONG_ANSWER:
            return envelope.replace(b"<wsa:RelatesTo>urn:uuid:", b"<wsa:RelatesTo>urn:uuid:f", 1)
        case FaultKind.UNRELATED_ANSWER:
            return _RELATES_TO.sub(b"", envelope)
        case FaultKind.OTHER_ROOT:
            return _BODY.sub(b'<env:Body><other xmlns="urn:other"/></env:Body>', envelope)
        case FaultKind.PARTIAL_SUCCESS:
            return envelope.replace(SUCCESS.encode(), PARTIAL_SUCCESS.encode())
    return envelope


def spoilt_package(fault: Fault, content_type: str, content: bytes) -> tuple[str, bytes]:
    """Content-Type and body of the answer as they leave."""
    match fault.kind:
        case FaultKind.NOT_XML:
            return "text/plain", "Service momentanément dérangé.".encode()
        case FaultKind.NO_BOUNDARY:
            return 'multipart/related; type="application/xop+xml"', content
        case FaultKind.NO_ROOT_PART:
            other = (
                b"--sans-racine\r\nContent-Type: text/plain\r\nContent-ID: <autre>\r\n\r\nrien\r\n--sans-racine--\r\n"
            )
            return 'multipart/related; type="application/xop+xml"; start="<racine>"; boundary="sans-racine"', other
        case FaultKind.TRUNCATED:
            return content_type, content[: len(content) // 2]
    return content_type, content


async def spoilt_exchange(request: web.Request, fault: Fault, response: web.Response) -> web.StreamResponse:
    """Ends the exchange as ordered: the answer, an HTTP error in its place, or no answer."""
    match fault.kind:
        case FaultKind.CLOSE_BEFORE_ANSWER | FaultKind.CLOSE_AFTER_BODY | FaultKind.CUT_IN_REQUEST:
            return cut(request)
        case FaultKind.SILENCE:
            return await silent(request, fault.seconds)
        case FaultKind.HEADERS_ONLY:
            return cut_in_answer(request, response, 0)
        case FaultKind.HALF_ANSWER:
            return cut_in_answer(request, response, len(response.body) // 2 if isinstance(response.body, bytes) else 0)
        case FaultKind.HTTP_500 | FaultKind.HTTP_503 | FaultKind.HTTP_ERROR:
            status = _STATUS.get(fault.kind) or int(fault.code)
            return web.Response(status=status, headers={"Retry-After": "1"} if status == 503 else None)
        case FaultKind.CLOSE_AFTER_ANSWER:
            response.force_close()
    return response
