"""One authenticated SMTP connection to the operator, and what a transaction on it ends with.

Opened by `opening`, carried by `wire`: a mail begins with MAIL, RCPT and DATA in one write when the operator takes them
so (RFC 2920), and its content is known to be in CRLF.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiosmtplib import SMTPResponse

from connectors.mssante.opening import SessionError, open_wire
from connectors.mssante.replies import failed, refusal, scrubbed
from connectors.mssante.settings import MssanteSettings
from connectors.mssante.wire import Wire, WireLostError
from pfi.model.delivery import OutcomeKind, RecipientOutcome
from pfi.standards.mail.smtp_codes import enhanced_status

_SENDER_TOO_LARGE: Final = 552
_LEAVING: Final = 421
"""The server closes the connection, whatever was asked (RFC 5321 §3.8)."""
_START_INPUT: Final = 354
_LINE_ENDS: Final = re.compile(rb"\r\n?|\n")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What SMTP needs beside the content. `sender` is empty for an answer, which nobody may answer (RFC 8098 §3).
    `notify_success` asks for reports of success too (RFC 3461); `silent` asks for none. `eight_bit`: the content is not
    all ASCII (RFC 6152)."""

    sender: str
    recipients: tuple[str, ...]
    envelope_id: str
    notify_success: bool
    silent: bool = False
    eight_bit: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """Result for each recipient of the envelope, in its order; `reply` is the final answer without any address."""

    outcomes: tuple[RecipientOutcome, ...]
    reply: str = ""
    warnings: tuple[str, ...] = ()
    reports: bool = False
    """Whether notifications (DSN) were asked for: else the operator's answer is the last thing we will know."""
    busy: bool = False
    """Whether the operator was busy or went away, whatever the mail."""


@dataclass(slots=True)
class _Progress:
    """Recipients decided so far."""

    envelope: Envelope
    decided: dict[str, RecipientOutcome] = field(default_factory=dict)
    busy: bool = False

    @property
    def waiting(self) -> bool:
        """Whether somebody has no end yet: the server accepted them."""
        return any(address not in self.decided for address in self.envelope.recipients)

    def rest(self, outcome: RecipientOutcome) -> None:
        """The same end for every recipient that has none yet."""
        for address in self.envelope.recipients:
            if address not in self.decided:
                self.decided[address] = RecipientOutcome(address, outcome.kind, outcome.code, outcome.text)

    def outcomes(self) -> tuple[RecipientOutcome, ...]:
        return tuple(self.decided[address] for address in self.envelope.recipients)


class Session:
    """A connection ready to carry mails, one at a time."""

    def __init__(self, wire: Wire, settings: MssanteSettings, extensions: Mapping[str, str]) -> None:
        """`extensions`: what EHLO announced once encrypted, keywords in lower case."""
        self._wire = wire
        self._settings = settings
        self._extensions = extensions

    @classmethod
    async def open(cls, settings: MssanteSettings, tls: ssl.SSLContext, password: str) -> "Session":
        """Connects, encrypts, says who we are. Raises SessionError."""
        wire, extensions = await open_wire(settings, tls, password)
        return cls(wire, settings, extensions)

    @property
    def usable(self) -> bool:
        """Whether the connection is still there, as far as is known without asking."""
        return self._wire.usable

    @property
    def reports(self) -> bool:
        """Whether the operator reports deliveries (extension DSN, RFC 3461)."""
        return "dsn" in self._extensions

    @property
    def pipelines(self) -> bool:
        """Whether commands may be sent without waiting for each reply (RFC 2920)."""
        return self._settings.pipelining and "pipelining" in self._extensions

    @property
    def size_limit(self) -> int | None:
        """The operator's SIZE (RFC 1870), `None` when it gives none."""
        value = self._extensions.get("size", "").strip()
        return int(value) if value.isdigit() and int(value) > 0 else None

    @property
    def tls_version(self) -> str:
        """Version of TLS in use (`TLSv1.3`)."""
        return self._wire.tls_version

    async def close(self) -> None:
        """QUIT when the connection is there, then closes."""
        if not self._wire.usable:
            self._wire.abort()
            return
        with contextlib.suppress(WireLostError):
            self._wire.send(b"QUIT")
            await self._wire.reply(min(5.0, self._settings.timeouts.command))
        self._wire.close()

    async def refuses(self, sender: str) -> int | None:
        """Code with which the operator refuses that this account writes from a mailbox; `None` when it does not. Nobody
        is written to: MAIL, then RSET. Raises SessionError when it does not answer."""
        try:
            self._wire.send(f"MAIL FROM:<{sender}>".encode("ascii"))
            answer = await self._wire.reply(self._settings.timeouts.command)
            self._wire.send(b"RSET")
            await self._wire.reply(self._settings.timeouts.command)
        except WireLostError:
            raise SessionError("442", failed("442", again=True).text, stale=True, busy=True) from None
        return None if _positive(answer) else answer.code

    async def submit(self, envelope: Envelope, content: bytes) -> Transaction:
        """One transaction. Raises SessionError only when nothing at all was decided for any recipient."""
        limit = self.size_limit
        progress = _Progress(envelope)
        if limit is not None and len(content) > limit:
            progress.rest(failed("523"))
            return Transaction(progress.outcomes())
        reports = self.reports
        warnings = () if reports else ("L'opérateur ne propose pas d'accusés de remise (extension DSN absente).",)
        commands = [self._mail(envelope, len(content)), *self._recipients(envelope), b"DATA"]
        replies = await self._begin(commands)
        if not replies:
            raise SessionError("442", failed("442", again=True).text, stale=True, busy=True)
        refused = self._sender_refused(envelope, replies[0])
        if isinstance(refused, SessionError):
            await self._drop(replies, commands)
            raise refused
        if refused is not None:
            progress.rest(refused)
            await self._drop(replies, commands)
            busy = _busy(replies[0])
            return Transaction(progress.outcomes(), warnings=warnings, reports=reports, busy=busy)
        for address, reply in zip(envelope.recipients, replies[1:], strict=False):
            if not _positive(reply):
                progress.decided[address] = refusal(address, reply.code, reply.message)
        final = await self._rest(progress, replies, commands, content)
        return Transaction(progress.outcomes(), final, warnings, reports, progress.busy)

    async def _begin(self, commands: Sequence[bytes]) -> list[SMTPResponse]:
        """Replies to MAIL, RCPT..., DATA, in their order; fewer when the connection was lost, or when a reply makes the
        commands after it useless. In one write, every reply is read before any is judged (RFC 2920 §3.1)."""
        replies: list[SMTPResponse] = []
        timeout = self._settings.timeouts.command
        with contextlib.suppress(WireLostError):
            if self.pipelines:
                self._wire.send(*commands)
                while len(replies) < len(commands):
                    replies.append(await self._wire.reply(timeout))
            else:
                while len(replies) < len(commands) and _goes_on(replies, commands):
                    self._wire.send(commands[len(replies)])
                    replies.append(await self._wire.reply(timeout))
        if any(reply.code == _LEAVING for reply in replies):
            self._wire.abort()
        return replies

    async def _rest(
        self, progress: _Progress, replies: Sequence[SMTPResponse], commands: Sequence[bytes], content: bytes
    ) -> str:
        """What follows the replies to RCPT: the content, if anybody is to have it. Returns the final answer."""
        if not self._wire.usable:
            progress.rest(failed("442", again=True))
            progress.busy = True
            return ""
        if not progress.waiting:
            await self._drop(replies, commands)
            return ""
        answer = replies[-1]
        if answer.code == _START_INPUT:
            return await self._content(progress, content)
        progress.rest(refusal("", answer.code, answer.message))
        progress.busy = _busy(answer)
        if answer.code < _START_INPUT:
            self._wire.abort()  # no answer to DATA: what came before it was not either
        else:
            await self._drop(replies, commands)
        return scrubbed(answer)

    async def _drop(self, replies: Sequence[SMTPResponse], commands: Sequence[bytes]) -> None:
        """Ends a transaction that carries nothing. A server may ask for the content although it refused the sender or
        every recipient: it gets an empty mail for nobody (RFC 2920 §3.1), whose answer means nothing. The connection is
        dropped when nothing answers."""
        asked = len(replies) == len(commands) and replies[-1].code == _START_INPUT
        with contextlib.suppress(WireLostError):
            self._wire.send(b"." if asked else b"RSET")
            await self._wire.reply(self._settings.timeouts.command)

    def _mail(self, envelope: Envelope, size: int) -> bytes:
        options = [f"SIZE={size}"] if "size" in self._extensions else []
        if self.reports and not envelope.silent:
            options += ["RET=HDRS", f"ENVID={_xtext(envelope.envelope_id)}"]
        if envelope.eight_bit and "8bitmime" in self._extensions:
            options.append("BODY=8BITMIME")
        return " ".join([f"MAIL FROM:<{envelope.sender}>", *options]).encode("ascii")

    def _recipients(self, envelope: Envelope) -> Iterator[bytes]:
        notify = "SUCCESS,FAILURE,DELAY" if envelope.notify_success else "FAILURE,DELAY"
        if envelope.silent:
            notify = "NEVER"
        for address in envelope.recipients:
            options = [f"NOTIFY={notify}", f"ORCPT=rfc822;{_xtext(address)}"] if self.reports else []
            yield " ".join([f"RCPT TO:<{address}>", *options]).encode("ascii")

    def _sender_refused(self, envelope: Envelope, reply: SMTPResponse) -> RecipientOutcome | SessionError | None:
        """What the reply to MAIL means: the outcome of all recipients when it refuses this mail, the fault of the
        session when every other mail would be refused alike, `None` when it is positive."""
        if _positive(reply):
            return None
        outcome = refusal("", reply.code, reply.message)
        if reply.code == _LEAVING:
            return SessionError("421", outcome.text, stale=True, busy=True)
        if outcome.kind is OutcomeKind.NOT_DELIVERED or outcome.code in ("523", "552"):
            return failed("523") if reply.code == _SENDER_TOO_LARGE else outcome
        # The sender is our own mailbox: nothing about this mail, every other one from it would be refused alike. A
        # further mailbox is only some of the mails: they wait, the others go on.
        usual = envelope.sender == self._settings.mailbox
        return SessionError(
            outcome.code,
            f"L'opérateur MSSanté refuse d'envoyer depuis la boîte de la PFI ({reply.code}).",
            f"Vérifier « {'mailbox' if usual else 'mailboxes'} » et l'authentification auprès de l'opérateur.",
            stop=usual,
        )

    async def _content(self, progress: _Progress, content: bytes) -> str:
        """The bytes, the final answer. Decides every accepted recipient."""
        whole = False
        try:
            async with asyncio.timeout(self._settings.timeouts.content):
                whole = await self._wire.transfer(_transparent(content))
                answer = await self._wire.reply()
        except (WireLostError, TimeoutError):
            self._wire.abort()
            progress.busy = True
            lost = "Connexion perdue avant la réponse finale de l'opérateur."
            # Without its end mark, the operator cannot have taken the mail (RFC 5321 §4.1.1.4).
            progress.rest(
                RecipientOutcome("", OutcomeKind.UNKNOWN, "442", lost) if whole else failed("442", again=True)
            )
            return ""
        if not whole or answer.code == _LEAVING:
            self._wire.abort()
        if not _positive(answer):
            progress.rest(refusal("", answer.code, answer.message))
            progress.busy = _busy(answer)
        elif whole:
            progress.rest(RecipientOutcome("", OutcomeKind.DELIVERED))
        else:
            progress.rest(failed("451", again=True))
        return scrubbed(answer)


def _positive(reply: SMTPResponse) -> bool:
    return 200 <= reply.code < 300


def _busy(reply: SMTPResponse) -> bool:
    """Whether a temporary refusal is about the operator (RFC 3463 §3: system, network, protocol), neither about the
    mail (4.6) nor about who writes to whom (4.1, 4.2, 4.7)."""
    subject = enhanced_status(reply.message)[:4]
    return reply.code == _LEAVING or (400 <= reply.code < 500 and subject in ("", "4.3.", "4.4.", "4.5."))


def _goes_on(replies: Sequence[SMTPResponse], commands: Sequence[bytes]) -> bool:
    """Whether the next command is worth sending after these replies to MAIL and RCPT."""
    if replies and (not _positive(replies[0]) or replies[-1].code == _LEAVING):
        return False
    return len(replies) < len(commands) - 1 or any(map(_positive, replies[1:]))


def _transparent(content: bytes) -> bytes:
    """The content as it goes after DATA, end mark included (RFC 5321 §4.5.2). Our own mails have no line to change.

    A mail that an answer returns is somebody else's: a lone CR or LF in it, before a dot, could end the mail for some
    servers and begin another one in our name (RFC 5321 §2.3.8 forbids them)."""
    if content.count(b"\r\n") != content.count(b"\n") or content.count(b"\r\n") != content.count(b"\r"):
        content = _LINE_ENDS.sub(b"\r\n", content)
    if content.startswith(b".") or b"\r\n." in content:
        content = (b"." if content.startswith(b".") else b"") + content.replace(b"\r\n.", b"\r\n..")
    return content + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")


def _xtext(value: str) -> str:
    """RFC 3461 §4: `+`, `=` and anything that is not printable ASCII as `+XX`."""
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte not in b"+=" else f"+{byte:02X}" for byte in value.encode("utf-8")
    )
