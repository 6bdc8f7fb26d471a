"""A small SMTP server that follows a script: it answers, fails or dies where a test wants it to."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Self

GOOD = ("PIPELINING", "SIZE 20000000", "DSN", "8BITMIME", "AUTH PLAIN LOGIN EXTERNAL")


@dataclass
class Script:
    """`replies` by command (`MAIL`, `RCPT`, `RCPT <address>`, `DATA`, `END` for the final answer, `EHLO`, `GREETING`,
    `AUTH`, `STARTTLS`); `die_at` closes the connection instead of answering; `silent_at` never answers.

    `die_once` stops dying after the first time; `replies_once` are used once, then the good answer. `asks_for_nothing`
    answers 354 to DATA although nobody is to have the mail. `interrupts` is said in the middle of the content, and no
    more is read.
    """

    replies: dict[str, str] = field(default_factory=dict)
    replies_once: dict[str, str] = field(default_factory=dict)
    die_at: str = ""
    silent_at: str = ""
    die_once: bool = False
    extensions: tuple[str, ...] = GOOD
    close_after_mail: bool = False
    asks_for_nothing: bool = False
    interrupts: str = ""


class ScriptedServer:
    """Listens on 127.0.0.1; remembers commands (with their connection number) and contents.

    It knows the order of commands (RFC 5321 §4.1.4) and, with each command, whether more had come along: `hurried` are
    the commands that others followed without waiting for the reply, `faults` what a strict server resents of that."""

    def __init__(self, script: Script, tls: ssl.SSLContext, *, implicit: bool = False) -> None:
        self.script = script
        self.commands: list[tuple[int, str]] = []
        self.contents: list[bytes] = []
        self.hurried: list[str] = []
        self.faults: list[str] = []
        self.certificates: list[bytes] = []
        self.received = asyncio.Event()
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._implicit = implicit
        self._server: asyncio.Server | None = None
        self._last = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, ssl=self._tls if self._implicit else None, limit=2**26
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    def said(self, verb: str) -> list[str]:
        """Commands that start with `verb`, in order."""
        return [command for _connection, command in self.commands if command.upper().startswith(verb)]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        if self._implicit:
            self._recognise(writer)
        try:
            await self._talk(self.connections, reader, writer)
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # a cancelled task would make asyncio's own callback fail (3.11)
        finally:
            if not writer.is_closing():
                writer.transport.abort()

    async def _talk(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = self._implicit
        sender, recipients = False, 0
        if not await self._answer(writer, "GREETING", "220 mx.exemple.test ESMTP"):
            return
        while line := await reader.readline():
            command = line.decode("ascii").rstrip("\r\n")
            self.commands.append((number, command))
            verb = command.split(" ")[0].upper()
            self._watch(verb, more=bool(vars(reader)["_buffer"]))
            if verb == "QUIT":
                await self._answer(writer, "QUIT", "221 2.0.0 Bye")
                return
            if verb == "EHLO":
                offered = self.script.extensions if secure else ("STARTTLS",)
                words = "".join(f"250-{each}\r\n" for each in ("mx.exemple.test", *offered))
                if not await self._answer(writer, "EHLO", words + "250 HELP"):
                    return
            elif verb == "STARTTLS":
                if not await self._answer(writer, "STARTTLS", "220 2.0.0 Ready"):
                    return
                await writer.start_tls(self._tls)
                secure = True
                self._recognise(writer)
            elif verb == "AUTH":
                if not await self._authenticate(command, reader, writer):
                    return
            elif verb == "MAIL":
                if not await self._answer(writer, "MAIL", "250 2.1.0 Ok"):
                    return
                sender, recipients = self._last.startswith("2"), 0
            elif verb == "RCPT":
                address = command.partition("<")[2].partition(">")[0]
                if not sender:
                    await self._say(writer, "503 5.5.1 MAIL first")
                    continue
                if not await self._answer(writer, f"RCPT {address}", "250 2.1.5 Ok", general="RCPT"):
                    return
                recipients += self._last.startswith("2")
            elif verb == "DATA":
                if not recipients and not self.script.asks_for_nothing:
                    await self._say(writer, "554 5.5.1 No valid recipients")
                    continue
                if not await self._data(reader, writer):
                    return
                sender, recipients = False, 0
            elif not await self._answer(writer, verb, "250 2.0.0 Ok"):
                return

    async def _authenticate(self, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if command.upper() in ("AUTH LOGIN",):
            for prompt in (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"):
                writer.write(prompt)
                self.commands.append((0, f"LOGIN {(await reader.readline()).decode().strip()}"))
        elif command.upper().startswith("AUTH LOGIN"):
            writer.write(b"334 UGFzc3dvcmQ6\r\n")
            self.commands.append((0, f"LOGIN {(await reader.readline()).decode().strip()}"))
        return await self._answer(writer, "AUTH", "235 2.7.0 Ok")

    async def _data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if not await self._answer(writer, "DATA", "354 Go ahead"):
            return False
        if self._last.startswith("354"):
            if self.script.die_at == "CONTENT":
                await reader.readexactly(100)
                return self._dies("CONTENT")
            if self.script.interrupts:
                await reader.readexactly(100)
                await self._say(writer, self.script.interrupts)
                await asyncio.sleep(0.5)
                return False
            content = await reader.readline()
            if content != b".\r\n":
                content += await reader.readuntil(b"\r\n.\r\n")
            self.contents.append(content[:-3].replace(b"\r\n..", b"\r\n."))
            self.received.set()
            answered = await self._answer(writer, "END", "250 2.0.0 Ok: queued as 4XyZ")
            return answered and not self.script.close_after_mail
        return True

    async def _answer(self, writer: asyncio.StreamWriter, step: str, good: str, general: str = "") -> bool:
        """False when the connection ends here."""
        script = self.script
        for name in filter(None, (step, general)):
            if script.silent_at == name:
                await asyncio.sleep(60)
            if script.die_at == name and self._dies(name) is False:
                return False
            if name in script.replies_once:
                good = script.replies_once.pop(name)
                break
            if name in script.replies:
                good = script.replies[name]
                break
        await self._say(writer, good)
        return not good.startswith("421")

    async def _say(self, writer: asyncio.StreamWriter, reply: str) -> None:
        self._last = reply
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()

    def _watch(self, verb: str, *, more: bool) -> None:
        if not more:
            return
        self.hurried.append(verb)
        if "PIPELINING" not in self.script.extensions:
            self.faults.append(f"{verb}: pipelining was not offered")
        if verb in ("EHLO", "DATA", "QUIT", "STARTTLS"):
            self.faults.append(f"{verb}: must be the last of its group")

    def _recognise(self, writer: asyncio.StreamWriter) -> None:
        """Remembers who the client is."""
        channel = writer.get_extra_info("ssl_object")
        self.certificates.append((channel and channel.getpeercert(binary_form=True)) or b"")

    def _dies(self, step: str) -> bool:
        if self.script.die_once:
            self.script.die_at = ""
        return False
