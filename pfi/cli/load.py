"""Makes and sends the messages of `pfi bench`: real messages, each with its own MSH-10 and document id."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pybase64

from connectors.mllp.client import MllpClient
from pfi.model.clock import IdSource
from pfi.model.errors import ConfigurationError
from pfi.standards.hl7v2.ack import read_ack

_DOCUMENT = re.compile(rb"\^XML\^Base64\^([A-Za-z0-9+/=]+)", re.IGNORECASE)
_DOCUMENT_ID = re.compile(rb'<id\b[^>]*\broot="([0-9.]+)"')
_SET_ID = re.compile(rb'<setId\b[^>]*\broot="([0-9.]+)"')


class Template:
    """A message that can be made again with new identifiers: only they change, sizes stay as they are."""

    def __init__(self, path: Path) -> None:
        raw = path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r")
        self.name = path.name
        self.size = len(raw)
        segments = raw.split(b"\r", 1)[0].split(b"|")
        found = _DOCUMENT.search(raw)
        if len(segments) < 10 or found is None:
            raise ConfigurationError(
                "BENCH_MESSAGE", f"{path} : pas une demande avec un document CDA.", "Voir samples/bench."
            )
        self._control_id = segments[9]
        self._head, self._tail = raw[: found.start(1)], raw[found.end(1) :]
        coded = found[1]
        self._document = pybase64.b64decode(coded + b"=" * (-len(coded) % 4))
        header = self._document[: self._document.find(b"<recordTarget")]
        identifier = _DOCUMENT_ID.search(header)
        if identifier is None:
            raise ConfigurationError("BENCH_MESSAGE", f"{path} : CDA sans identifiant.", "Voir samples/bench.")
        self._document_id = identifier[1]
        lineage = _SET_ID.search(header)
        self._set_id = lineage[1] if lineage else b""

    def make(self, control_id: str, document_id: str, set_id: str) -> bytes:
        """The message under other identifiers: another document, of another lineage."""
        replaced = document_id.encode()
        document = self._document.replace(self._document_id, replaced)
        if self._set_id and self._set_id != self._document_id:
            document = document.replace(self._set_id, set_id.encode())
        head = self._head.replace(b"|" + self._control_id + b"|", b"|" + control_id.encode() + b"|", 1)
        return (
            head.replace(self._document_id, replaced)
            + pybase64.b64encode(document)
            + self._tail.replace(self._document_id, replaced)
        )


@dataclass(slots=True)
class Sent:
    """What a run of sending saw. Latencies in seconds, from the first byte sent to the acknowledgment."""

    accepted: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """Latency that `share` (0 to 1) of the acknowledgments did not exceed, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


class Load:
    """Sends messages to a listener over several connections."""

    def __init__(self, templates: Sequence[Template], port: int, connections: int) -> None:
        self._templates = templates
        self._port = port
        self._connections = connections
        self._ids = IdSource()
        self.made = 0
        """Messages handed to a connection so far."""

    async def flat_out(self, count: int) -> Sent:
        """As many as possible: each connection sends its next message when the last is acknowledged."""
        return await self._run(count, None)

    async def steady(self, count: int, rate: float) -> Sent:
        """At `rate` messages a second, whatever the answers: latencies include the wait for a free connection."""
        return await self._run(count, rate)

    async def _run(self, count: int, rate: float | None) -> Sent:
        sent = Sent()
        queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(maxsize=self._connections * 2)
        workers = [asyncio.create_task(self._connection(queue, sent)) for _ in range(self._connections)]
        started = time.perf_counter()
        async for item in self._due(count, rate, started):
            await queue.put(item)
        for _ in workers:
            await queue.put(None)
        await asyncio.gather(*workers)
        sent.seconds = time.perf_counter() - started
        return sent

    async def _due(self, count: int, rate: float | None, started: float) -> AsyncIterator[tuple[float, bytes]]:
        for index in range(count):
            template = self._templates[self.made % len(self._templates)]
            self.made += 1
            message = template.make(self._ids.control_id(), self._ids.oid(), self._ids.oid())
            if rate is None:
                yield 0.0, message
                continue
            due = started + index / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            yield due, message

    async def _connection(self, queue: "asyncio.Queue[tuple[float, bytes] | None]", sent: Sent) -> None:
        async with MllpClient("127.0.0.1", self._port, timeout=120.0) as client:
            while (item := await queue.get()) is not None:
                due, message = item
                begun = due or time.perf_counter()
                ack = read_ack(await client.exchange(message))
                sent.latencies.append(time.perf_counter() - begun)
                if ack.code == "AA":
                    sent.accepted += 1
                else:
                    sent.refused += 1
