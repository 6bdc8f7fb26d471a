"""One IMAP connection to the sandbox: the commands of RFC 3501 that a client of application mailboxes needs, IDLE
(RFC 2177), MOVE (RFC 6851) and UIDPLUS (RFC 4315)."""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509

from connectors.sandbox.certificates import Usage, allows
from connectors.sandbox.operator.folders import DELETED, INBOX, Cabinet, FolderError
from connectors.sandbox.operator.imap_grammar import (
    Command,
    GrammarError,
    chosen,
    items,
    quoted,
    read_command,
    read_section,
)

EXTENSIONS: Final = ("IDLE", "MOVE", "UIDPLUS", "NAMESPACE", "UNSELECT")
"""What is offered once the mailbox is open."""
_LOOK: Final = 0.1
"""Seconds between two looks at the folder on disk during IDLE: files may be dropped there by hand."""
_FLAGS: Final = r"(\Seen \Deleted)"


class House(Protocol):
    """Who decides who may open what."""

    validity: int
    """UIDVALIDITY of every folder."""
    passwords: dict[str, str]

    def offered(self) -> tuple[str, ...]:
        """Those of `EXTENSIONS` that are offered."""

    def context(self) -> ssl.SSLContext:
        """TLS of the server."""

    def opened_by(self, address: str, certificate: x509.Certificate | None, password: str | None) -> Cabinet | None:
        """The mailbox, for who may open it; `password` `None` = known by the certificate alone."""


class _RefusedError(Exception):
    """The text is what the server answers after NO."""


class ImapSession:
    """One connection."""

    def __init__(self, server: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._certificate: x509.Certificate | None = None
        self._encrypted = False
        self._cabinet: Cabinet | None = None
        self._folder: str | None = None
        self._known: list[int] = []

    async def talk(self) -> None:
        """Until LOGOUT or the end of the connection."""
        self._say("* OK IMAP4rev1 sandbox ready")
        while line := await self._reader.readline():
            try:
                command = read_command(line)
            except GrammarError as wrong:
                self._say(f"* BAD {wrong}")
                continue
            if command.verb == "LOGOUT":
                self._say("* BYE", f"{command.tag} OK done")
                await self._writer.drain()
                return
            await self._answer(command)
            await self._writer.drain()

    async def _answer(self, command: Command) -> None:
        tag = command.tag
        handler = self._handler(command.verb)
        if handler is None:
            self._say(f"{tag} BAD {command.verb} is not for here and now")
            return
        try:
            text = await handler(command)
        except GrammarError as wrong:
            self._say(f"{tag} BAD {wrong}")
        except (_RefusedError, FolderError) as refused:
            self._say(f"{tag} NO {refused}")
        else:
            self._say(f"{tag} OK {text}")
            if command.verb == "STARTTLS":
                await self._encrypt()

    def _handler(self, verb: str) -> Callable[[Command], Awaitable[str]] | None:
        """What may be said depends on the state (RFC 3501 §3)."""
        always = {"CAPABILITY": self._capability, "NOOP": self._noop}
        if verb in always:
            return always[verb]
        if not self._encrypted:
            return {"STARTTLS": self._starttls}.get(verb)
        if self._cabinet is None:
            return {"AUTHENTICATE": self._authenticate, "LOGIN": self._login}.get(verb)
        authenticated = {
            "NAMESPACE": self._namespace,
            "LIST": self._list,
            "CREATE": self._create,
            "SUBSCRIBE": self._subscribe,
            "SELECT": self._select,
        }
        if verb in authenticated:
            return authenticated[verb]
        if self._folder is None:
            return None
        selected = {
            "UID SEARCH": self._search,
            "UID FETCH": self._fetch,
            "UID STORE": self._store,
            "UID COPY": self._copy,
            "UID EXPUNGE": self._uid_expunge,
            "EXPUNGE": self._expunge,
            "UID MOVE": self._move,
            "IDLE": self._idle,
            "UNSELECT": self._unselect,
        }
        needed = {"UID EXPUNGE": "UIDPLUS", "UID MOVE": "MOVE"}.get(verb, verb)
        if needed in EXTENSIONS and needed not in self._server.offered():
            return None
        return selected.get(verb)

    # Before the mailbox is open.

    async def _capability(self, command: Command) -> str:
        words = ["IMAP4rev1"]
        if not self._encrypted:
            words += ["STARTTLS", "LOGINDISABLED"]
        elif self._cabinet is None:
            words += ["AUTH=EXTERNAL", "AUTH=PLAIN"] if self._server.passwords else ["AUTH=EXTERNAL", "LOGINDISABLED"]
        else:
            words += self._server.offered()
        self._say(f"* CAPABILITY {' '.join(words)}")
        return "done"

    async def _noop(self, command: Command) -> str:
        self._tell_changes()
        return "done"

    async def _starttls(self, command: Command) -> str:
        return "begin TLS"

    async def _encrypt(self) -> None:
        await self._writer.drain()
        await self._writer.start_tls(self._server.context())
        tls = self._writer.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
        self._certificate = x509.load_der_x509_certificate(der) if der else None
        if self._certificate is None or not allows(self._certificate, Usage.AUTH_CLI):
            self._writer.transport.abort()
            raise ConnectionAbortedError
        self._encrypted = True

    async def _authenticate(self, command: Command) -> str:
        (mechanism,) = command.only(1)
        self._say("+ ")
        await self._writer.drain()
        line = (await self._reader.readline()).strip()
        try:
            said = base64.b64decode(line, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            raise GrammarError("base64 expected") from None
        if mechanism.upper() == "EXTERNAL":
            return self._open(said, None)
        parts = said.split("\0")
        if mechanism.upper() != "PLAIN" or len(parts) != 3:
            raise _RefusedError("[CANNOT] mechanism not offered")
        return self._open(parts[1], parts[2])

    async def _login(self, command: Command) -> str:
        user, password = command.only(2)
        return self._open(user, password)

    def _open(self, address: str, password: str | None) -> str:
        self._cabinet = self._server.opened_by(address, self._certificate, password)
        if self._cabinet is None:
            raise _RefusedError("[AUTHENTICATIONFAILED] not yours")
        return "welcome"

    # With the mailbox open.

    @property
    def _open_cabinet(self) -> Cabinet:
        if self._cabinet is None:
            raise _RefusedError("no mailbox is open")
        return self._cabinet

    async def _namespace(self, command: Command) -> str:
        self._say('* NAMESPACE (("" "/")) NIL NIL')
        return "done"

    async def _list(self, command: Command) -> str:
        directory, pattern = command.only(2)
        wanted = directory + pattern
        for name in self._open_cabinet.names():
            if wanted in ("*", "%", name) or (name == INBOX and wanted.upper() == INBOX):
                self._say(f'* LIST () "/" {quoted(name)}')
        return "done"

    async def _create(self, command: Command) -> str:
        (name,) = command.only(1)
        self._open_cabinet.create(name)
        return "done"

    async def _subscribe(self, command: Command) -> str:
        command.only(1)
        return "done"

    async def _select(self, command: Command) -> str:
        (name,) = command.only(1)
        self._folder = None
        mails = self._open_cabinet.mails(name)
        self._folder, self._known = name, list(mails)
        following = max(mails, default=0) + 1
        self._say(
            f"* FLAGS {_FLAGS}",
            f"* {len(mails)} EXISTS",
            "* 0 RECENT",
            f"* OK [UIDVALIDITY {self._server.validity}] valid",
            f"* OK [UIDNEXT {following}] next",
            f"* OK [PERMANENTFLAGS {_FLAGS}] kept",
        )
        return "[READ-WRITE] selected"

    async def _unselect(self, command: Command) -> str:
        self._folder = None
        return "done"

    # With the folder selected.

    def _mails(self) -> dict[int, Path]:
        return self._open_cabinet.mails(self._folder or INBOX)

    def _chosen(self, text: str) -> dict[int, Path]:
        mails = self._mails()
        return {uid: mails[uid] for uid in chosen(text, tuple(mails))}

    def _tell_changes(self) -> None:
        """EXPUNGE of what went, EXISTS of what came (RFC 3501 §7.3 and §7.4.1)."""
        if self._folder is None:
            return
        now = list(self._mails())
        for position in range(len(self._known), 0, -1):
            if self._known[position - 1] not in now:
                self._say(f"* {position} EXPUNGE")
                del self._known[position - 1]
        if len(now) > len(self._known):
            self._known = now
            self._say(f"* {len(now)} EXISTS")

    async def _search(self, command: Command) -> str:
        self._tell_changes()
        found = self._mails()
        words = list(command.arguments)
        while words:
            word = words.pop(0).upper()
            if word == "UNDELETED":
                flags = self._open_cabinet.flags
                found = {uid: path for uid, path in found.items() if DELETED not in flags.get(path, ())}
            elif word == "UID" and words:
                uids = chosen(words.pop(0), tuple(found))
                found = {uid: found[uid] for uid in uids}
            elif word != "ALL":
                raise GrammarError("search keys here: ALL, UNDELETED, UID")
        self._say(" ".join(["* SEARCH", *map(str, found)]))
        return "done"

    async def _fetch(self, command: Command) -> str:
        if len(command.arguments) < 2:
            raise GrammarError("sequence set and items expected")
        wanted = items(command.arguments[1:])
        for uid, path in self._chosen(command.arguments[0]).items():
            try:
                content = await asyncio.to_thread(path.read_bytes)
                moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            except FileNotFoundError:
                continue  # moved by another session
            if uid not in self._known:
                self._tell_changes()
            parts = [b"UID %d" % uid, *(self._item(item, path, content, moment) for item in wanted)]
            self._writer.write(b"* %d FETCH (%s)\r\n" % (self._known.index(uid) + 1, b" ".join(parts)))
            await self._writer.drain()
        return "done"

    def _item(self, item: str, path: Path, content: bytes, moment: datetime) -> bytes:
        match item.upper():
            case "RFC822.SIZE":
                return b"RFC822.SIZE %d" % len(content)
            case "INTERNALDATE":
                return f'INTERNALDATE "{_date(moment)}"'.encode()
            case "FLAGS":
                return f"FLAGS ({' '.join(sorted(self._open_cabinet.flags.get(path, ())))})".encode()
            case "UID":
                raise GrammarError("UID comes by itself")
        section = read_section(item)
        if not section.peek:
            self._open_cabinet.flags.setdefault(path, set()).add(r"\Seen")
        part = section.of(content)
        return f"{section.name} {{{len(part)}}}\r\n".encode() + part

    async def _store(self, command: Command) -> str:
        if len(command.arguments) < 3:
            raise GrammarError("sequence set, operation and flags expected")
        sequence, operation, *_ = command.arguments
        flags = set(items(command.arguments[2:]))
        if operation.upper() not in ("+FLAGS", "+FLAGS.SILENT") or not flags <= {DELETED, r"\Seen"}:
            raise GrammarError(r"operations here: +FLAGS with \Seen and \Deleted")
        for path in self._chosen(sequence).values():
            self._open_cabinet.flags.setdefault(path, set()).update(flags)
        return "done"

    async def _copy(self, command: Command) -> str:
        sequence, name = command.only(2)
        copied = {uid: self._open_cabinet.copy(path, name) for uid, path in self._chosen(sequence).items()}
        return f"{self._copied(copied)}done"

    async def _move(self, command: Command) -> str:
        sequence, name = command.only(2)
        moved = {uid: self._open_cabinet.move(path, name) for uid, path in self._chosen(sequence).items()}
        if moved:
            self._say(f"* OK {self._copied(moved)}moved")
        self._tell_changes()
        return "done"

    def _copied(self, uids: dict[int, int]) -> str:
        """COPYUID (RFC 4315 §3)."""
        if not uids or "UIDPLUS" not in self._server.offered():
            return ""
        before, after = (",".join(map(str, each)) for each in (uids, uids.values()))
        return f"[COPYUID {self._server.validity} {before} {after}] "

    async def _expunge(self, command: Command) -> str:
        command.only(0)
        self._remove(self._mails())
        return "done"

    async def _uid_expunge(self, command: Command) -> str:
        (sequence,) = command.only(1)
        self._remove(self._chosen(sequence))
        return "done"

    def _remove(self, mails: dict[int, Path]) -> None:
        cabinet = self._open_cabinet
        for path in mails.values():
            if DELETED in cabinet.flags.get(path, ()):
                cabinet.remove(path)
        self._tell_changes()

    async def _idle(self, command: Command) -> str:
        """RFC 2177: tells changes until DONE."""
        self._say("+ idling")
        await self._writer.drain()
        reading = asyncio.ensure_future(self._reader.readline())
        try:
            while not (await asyncio.wait({reading}, timeout=_LOOK))[0]:
                self._tell_changes()
                await self._writer.drain()
        finally:
            reading.cancel()
        line = reading.result()
        if line.strip().upper() != b"DONE":
            raise GrammarError("DONE expected")
        return "done"

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._writer.write(line.encode("ascii") + b"\r\n")


def _date(moment: datetime) -> str:
    """RFC 3501 date-time; month names whatever the language of the process."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{moment.day:2d}-{months[moment.month - 1]}-{moment.year} {moment:%H:%M:%S} +0000"
