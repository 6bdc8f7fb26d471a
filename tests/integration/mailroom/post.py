"""A post office under the test's control, and an engine that reads its mailbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from connectors.mssante.composition import Composer
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Filing, FoundMail, Letterhead, OutboundMail
from pfi.engine.runner import Engine
from pfi.engine.settings import Settings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.errors import TransportError
from samples.generator.request import Flags
from tests.integration.engine.fakes import (
    FAST,
    PEER,
    FakeConnector,
    FakeReply,
    eventually,
    letter,
    make_settings,
    to_everybody,
)
from tests.unit.mssante.material import SURROUNDINGS, cda, delivery, document, settings

MAILBOX = "dpi.app@ch-exemple.mssante.fr"
SENDER = "pfi.app@ch-exemple.mssante.fr"
"""Who sends the mails of `a_mail`: the mailbox of the material."""
DOCTOR = "bruno.peuplier@medecin-exemple.mssante.fr"


class PostOffice(FakeConnector):
    """A connector with one mailbox: mails put into `inbox` are read in order, and filed in `folders`."""

    def __init__(self, *mailboxes: str) -> None:
        super().__init__()
        self._mailboxes = mailboxes or (MAILBOX,)
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.oversize: set[bytes] = set()
        """Mails of which only the header may be read."""
        self.folders: list[tuple[Filing, bytes]] = []
        self.submitted: list[OutboundMail] = []
        self.submissions: list[Outcome] = []
        self.distrusted: set[str] = set()
        self.readers = 0
        self.left = 0
        """How often a mail was not taken, and stayed."""
        self.failures = 0
        self.break_off = asyncio.Event()
        """The session is lost, once."""

    @property
    def letterhead(self) -> Letterhead:
        return Letterhead("NIL-TEST", "CH d'Exemple")

    @property
    def mailboxes(self) -> tuple[str, ...]:
        return self._mailboxes

    def trusts(self, address: str) -> bool:
        return address not in self.distrusted

    async def receive(self, mailbox: str, take: Callable[[FoundMail], Awaitable[Filing]]) -> None:
        if self.failures:
            self.failures -= 1
            raise TransportError("IMAP_UNREACHABLE", "La boîte ne répond pas.")
        self.readers += 1
        try:
            while True:
                raw = await self._next()
                try:
                    filing = await take(self._found(raw))
                except BaseException:
                    self.left += 1
                    self.inbox.put_nowait(raw)
                    raise
                self.folders.append((filing, raw))
        finally:
            self.readers -= 1

    async def _next(self) -> bytes:
        coming, lost = asyncio.ensure_future(self.inbox.get()), asyncio.ensure_future(self.break_off.wait())
        try:
            await asyncio.wait({coming, lost}, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                return coming.result()
            self.break_off.clear()
            raise TransportError("IMAP_LOST", "La session est perdue.")
        finally:
            coming.cancel()
            lost.cancel()

    def _found(self, raw: bytes) -> FoundMail:
        if raw not in self.oversize:
            return FoundMail(raw)
        return FoundMail(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", whole=False)

    async def send_mail(self, mail: OutboundMail) -> Outcome:
        self.submitted.append(mail)
        return self.submissions.pop(0) if self.submissions else Outcome(OutcomeKind.DELIVERED)

    async def filed(self, count: int = 1) -> list[Filing]:
        """Where the first mails went, once there are that many."""

        async def enough() -> bool:
            return len(self.folders) >= count

        await eventually(enough)
        return [filing for filing, _ in self.folders]


class Hospital:
    """An engine with a mailbox, a DPI that takes documents, and a sender that is told of what it sends."""

    def __init__(self, url: str, *, lease: float = FAST.lease, **reception: Any) -> None:
        self.post = PostOffice()
        self.dmp = FakeConnector()
        self.dpi = FakeReply()
        self.reply = FakeReply()
        self.url = url
        self.timings = replace(FAST, collect=0.05, lease=lease)
        self.settings = _settings(reception)
        self.engine = self.new_engine()

    def new_engine(self, post: PostOffice | None = None) -> Engine:
        return Engine(
            Configuration(self.settings),
            clock=system_clock,
            ids=IdSource(),
            timings=self.timings,
            url=self.url,
            connectors={"dmp": self.dmp, "mssante": post or self.post},
            replies={"dpi": self.reply},
            consumers={"dpi": self.dpi},
        )

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.engine.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]

    async def mail_state(self, message_id: int = 1) -> tuple[str, str]:
        """(state, code) of a mail."""
        (row,) = await self.fetch("SELECT state, code FROM mails WHERE message_id = $1", message_id)
        return row["state"], row["code"]

    async def until_mail(self, state: str, message_id: int = 1) -> None:
        async def reached() -> bool:
            rows = await self.fetch("SELECT state FROM mails WHERE message_id = $1", message_id)
            return [row["state"] for row in rows] == [state]

        await eventually(reached)

    async def answered(self, count: int = 1) -> list[EmailMessage]:
        """The mails submitted as answers, once there are that many."""

        async def enough() -> bool:
            return len(self.post.submitted) >= count

        await eventually(enough)
        return [read(mail.content) for mail in self.post.submitted]

    async def integrated(self, count: int = 1) -> list[bytes]:
        """The messages that the DPI got, once there are that many."""

        async def enough() -> bool:
            return len(self.dpi.received) >= count

        await eventually(enough)
        return [message.content for message in self.dpi.received]

    async def send_letter(self, control_id: str = "M1", *, receipt: bool = True, reading: bool = True) -> Delivery:
        """A letter sent by mail to the doctor; the operator has taken it, and reports later."""
        flags = Flags(dest_dmp=False, dest_mss_pat=False, ack_reception=receipt, ack_lecture_mss=reading)
        self.post.answers.append(to_everybody(OutcomeKind.DELIVERED, dsn="expected" if receipt else "none"))
        await self.engine.intake.accept(letter(control_id, flags=flags), PEER)

        async def sent() -> bool:
            return bool(await self.fetch("SELECT FROM recipient_results"))

        await eventually(sent)
        return self.post.sent[-1]

    async def told(self, count: int) -> list[tuple[str, bool, str, str]]:
        async def enough() -> bool:
            return len(self.reply.received) >= count

        await eventually(enough)
        return self.reply.told


@asynccontextmanager
async def hospital(url: str, *, lease: float = FAST.lease, **reception: Any) -> AsyncIterator[Hospital]:
    built = Hospital(url, lease=lease, **reception)
    await built.engine.start()
    try:
        yield built
    finally:
        await built.engine.stop(grace=2)


def a_mail(number: int = 1, **changes: Any) -> bytes:
    """A document mail as our own connector writes it; `changes` replace fields of the delivery or, `headers`, of the
    mail."""
    headers = changes.pop("headers", {})
    content = changes.pop("content", None) or cda(unique_id=f"1.2.250.1.999.1.7.{number}")
    ids = replace(delivery().ids, message_id=f"9b0c2a52-0d3c-4f43-8a57-{number:012d}")
    made = delivery(**{"documents": (document(content),), "ids": ids, **changes})
    composed = Composer(settings(), SURROUNDINGS).compose(made, (MAILBOX,), (b"%PDF-1.4",) * len(made.documents))
    return with_headers(composed.content, **{"Return_Path": f"<{SENDER}>", **headers})


def with_headers(raw: bytes, **headers: str) -> bytes:
    """The same mail with headers in front, as a mail system adds them."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items() if value]
    return "".join(lines).encode() + raw


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def _settings(reception: dict[str, Any]) -> Settings:
    base = make_settings().model_dump(mode="json", exclude_defaults=True)
    values = {
        "consumers": [{"name": "dpi", "application": "DPI", "facility": "CH"}],
        "routes": [{"consumer": "dpi", "unit": "3001", "unit_name": "Cardiologie"}],
        "first_seconds": 0.05,
        "longest_seconds": 0.2,
        **reception,
    }
    return Settings.model_validate({**base, "reception": values})
