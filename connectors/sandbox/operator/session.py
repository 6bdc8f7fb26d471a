"""SMTP submission as the operator speaks it: STARTTLS with client certificate, SIZE, DSN (RFC 3461), PIPELINING."""

import asyncio
import logging
import re
import ssl
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509

from connectors.sandbox.operator.mailboxes import canonical

# aiosmtpd writes addresses, hence INS, and even mails in its log.
logging.getLogger("mail.log").setLevel(logging.ERROR)

_PATH: Final = re.compile(r"^<(?P<address>[^<>\s]*)>(?: (?P<parameters>.*))?$")
_XTEXT: Final = re.compile(r"^(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$")
_NOTIFY: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})


class ParameterError(ValueError):
    """An ESMTP parameter is wrong; the text is the SMTP reply."""


@dataclass(frozen=True, slots=True)
class MailParameters:
    """Parameters of MAIL: `ret` is `FULL`, `HDRS` or empty; `envelope_id` decoded."""

    size: int = 0
    ret: str = ""
    envelope_id: str = ""


@dataclass(frozen=True, slots=True)
class RcptParameters:
    """Parameters of RCPT: `notify` empty = not given; `original` is ORCPT decoded, type included."""

    notify: frozenset[str] = frozenset()
    original: str = ""

    def wants(self, event: str) -> bool:
        """Whether a DSN is to be sent: without NOTIFY, for failures only (RFC 3461 §4.1)."""
        return event in self.notify if self.notify else event == "FAILURE"


class DsnEnvelope(Envelope):
    """An envelope that remembers the DSN parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters = MailParameters()
        self.recipients: dict[str, RcptParameters] = {}


class Judge(Protocol):
    """Who decides on senders and recipients; each method returns the SMTP reply."""

    async def mail_from(self, server: "OperatorSession", address: str) -> str: ...

    async def rcpt_to(self, server: "OperatorSession", address: str) -> str: ...


class OperatorSession(SMTP):
    """One submission connection. The handler is an `OperatorServer`."""

    event_handler: Judge

    command_size_limit = 1024  # RFC 3461 §4: MAIL and RCPT lines are longer with DSN parameters

    def _create_envelope(self) -> DsnEnvelope:
        return DsnEnvelope()

    def current(self) -> DsnEnvelope:
        """The envelope under way. Not a property: aiosmtpd looks at every one of them when it starts."""
        if not isinstance(self.envelope, DsnEnvelope):
            raise TypeError("aiosmtpd made an envelope by itself")
        return self.envelope

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - name given by aiosmtpd
        if await self.check_helo_needed("EHLO"):
            return
        address, parameters = _split(arg, "FROM:")
        if address is None:
            await self.push("501 5.5.4 Syntax: MAIL FROM:<address>")
            return
        if self.current().mail_from is not None:
            await self.push("503 5.5.1 nested MAIL command")
            return
        try:
            read = read_mail_parameters(parameters)
        except ParameterError as wrong:
            await self.push(str(wrong))
            return
        if read.size > (self.data_size_limit or 0):
            await self.push("552 5.3.4 message size exceeds fixed maximum message size")
            return
        status = await self.event_handler.mail_from(self, address)
        if status.startswith("250"):
            self.current().mail_from = address.lower()
            self.current().parameters = read
        await self.push(status)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802 - name given by aiosmtpd
        if await self.check_helo_needed("EHLO"):
            return
        if self.current().mail_from is None:
            await self.push("503 5.5.1 need MAIL command")
            return
        address, parameters = _split(arg, "TO:")
        if not address:
            await self.push("501 5.5.4 Syntax: RCPT TO:<address>")
            return
        try:
            canonical(address)
            read = read_rcpt_parameters(parameters)
        except ParameterError as wrong:
            await self.push(str(wrong))
            return
        except ValueError:
            await self.push("553 5.1.3 malformed address")
            return
        status = await self.event_handler.rcpt_to(self, address)
        if status.startswith("250"):
            self.current().recipients[address.lower()] = read
            self.current().rcpt_tos.append(address.lower())
        await self.push(status)

    def client_certificate(self) -> x509.Certificate | None:
        """The certificate that the client showed in TLS."""
        tls = ((self.session.ssl if self.session else None) or {}).get("ssl_object")
        der = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
        return x509.load_der_x509_certificate(der) if der else None

    def drop(self) -> None:
        """Cuts the connection without a word."""
        for transport in (self._original_transport, self.transport):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()


class OperatorHooks:
    """Hooks that aiosmtpd looks for by name; what they decide is in `OperatorServer`."""

    async def handle_EHLO(  # noqa: N802 - name given by aiosmtpd
        self, server: Any, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        kept = [line for line in responses[:-1] if "AUTH" not in line]
        if session.ssl is not None:
            kept.append("250-AUTH EXTERNAL")
            kept += ["250-DSN", "250-ENHANCEDSTATUSCODES"]
        return [*kept, "250 PIPELINING"]

    async def auth_EXTERNAL(self, server: OperatorSession, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd
        """SASL EXTERNAL: the client certificate has already said who it is (RFC 4422 appendix A)."""
        return AuthResult(success=server.client_certificate() is not None, handled=False)


def read_mail_parameters(text: str) -> MailParameters:
    """Reads SIZE, BODY, RET and ENVID; raises ParameterError."""
    found = _parameters(text, ("SIZE", "BODY", "RET", "ENVID", "AUTH"))
    if found.get("BODY", "8BITMIME").upper() not in ("7BIT", "8BITMIME"):
        raise ParameterError("501 5.5.4 BODY must be 7BIT or 8BITMIME")
    ret = found.get("RET", "").upper()
    if ret not in ("", "FULL", "HDRS"):
        raise ParameterError("501 5.5.4 RET must be FULL or HDRS")
    size = found.get("SIZE", "0")
    if not size.isdigit() or len(size) > 20:
        raise ParameterError("501 5.5.4 SIZE must be a number")
    return MailParameters(int(size), ret, _decode_xtext(found.get("ENVID", ""), 100))


def read_rcpt_parameters(text: str) -> RcptParameters:
    """Reads NOTIFY and ORCPT; raises ParameterError."""
    found = _parameters(text, ("NOTIFY", "ORCPT"))
    notify = frozenset(found["NOTIFY"].upper().split(",")) if "NOTIFY" in found else frozenset()
    if not (notify <= _NOTIFY or notify == {"NEVER"}):
        raise ParameterError("501 5.5.4 NOTIFY must be NEVER or a list of SUCCESS, FAILURE, DELAY")
    original = found.get("ORCPT", "")
    kind, separator, address = original.partition(";")
    if original and (not separator or not re.match(r"^[A-Za-z0-9-]+$", kind)):
        raise ParameterError("501 5.5.4 ORCPT must be type;address")
    return RcptParameters(notify, f"{kind};{_decode_xtext(address, 500)}" if original else "")


def _split(arg: str | None, keyword: str) -> tuple[str | None, str]:
    """Address and parameters of `FROM:<a@b> X=Y`; `None` when the syntax is wrong."""
    if arg is None or not arg.upper().startswith(keyword):
        return None, ""
    found = _PATH.match(arg[len(keyword) :].strip())
    return (found["address"], found["parameters"] or "") if found else (None, "")


def _parameters(text: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in text.split():
        name, separator, value = item.partition("=")
        if name.upper() not in known:
            raise ParameterError("555 5.5.4 parameter not recognized or not implemented")
        if not separator or not value or name.upper() in found:
            raise ParameterError("501 5.5.4 parameter without value, or repeated")
        found[name.upper()] = value
    return found


def _decode_xtext(value: str, limit: int) -> str:
    """RFC 3461 §4."""
    if value and (_XTEXT.match(value) is None or len(value) > limit):
        raise ParameterError("501 5.5.4 malformed xtext")
    return re.sub(r"\+([0-9A-F]{2})", lambda match: chr(int(match.group(1), 16)), value)
