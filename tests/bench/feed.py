"""CPU of feeding the DMP with a document of 250 kB: `python -m tests.bench.feed`.

First what is made for it (metadata, signed VIHF, signature of the lot, MTOM request), then the same with the exchange
over mutual TLS with a light sink, which is another process. CPU of this process, all threads counted; median of many.
Three documents: a report of level 3 with its PDF copy, one of level 3 without PDF, one of level 1.
"""

import asyncio
import base64
import copy
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvloop
from lxml import etree

from connectors.dmp.caller import caller
from connectors.dmp.connector import DmpConnector
from connectors.dmp.feed import Lot, describe, feed_request
from connectors.dmp.settings import DmpSettings
from connectors.dmp.wire import Wire
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, DeliveryIds, OutcomeKind
from pfi.model.document import Document
from pfi.standards.cda.header import read_header
from pfi.standards.x509.identity import load
from pfi.standards.xds.ebrim import write_submit_objects
from pfi.standards.xds.mapping import patient_id
from pfi.standards.xmlsign.lot import sign_lot
from tests.unit.dmp.given import delivery

BYTES = 250_000
ROUNDS = 200
_V3: Final = "{urn:hl7-org:v3}"
SURROUNDINGS: Final = Surroundings(system_clock, IdSource(), "PFI", "1.0")
SAMPLES: Final = Path(__file__).parents[2] / "samples" / "bench"


def level_1() -> bytes:
    """An imaging report as a PDF."""
    return _filled(_sample("imagerie-n1.hl7"), b"</text>")


def level_3() -> bytes:
    """A laboratory report of 1,800 elements with its PDF copy. Official documents of that size have 500 to 3,400."""
    return _filled(_sample("biologie-n3.hl7"), b"</value>")


def _filled(content: bytes, after_pdf: bytes) -> bytes:
    """The document with a PDF long enough to make its size."""
    end = content.rindex(after_pdf)
    pdf = content[:end].rstrip(b"=")
    return pdf + b"A" * (BYTES - len(content)) + content[end:]


def level_3_dense() -> bytes:
    """A laboratory report of entries alone, without PDF: more to canonicalise than in any official document."""
    cda = etree.fromstring(_sample("biologie-n3.hl7"))
    body = cda.find(f"{_V3}component/{_V3}structuredBody")
    assert body is not None
    for section in body:
        if next(section.iter(f"{_V3}observationMedia"), None) is not None:
            body.remove(section)
    sections = list(body)
    of_one = sum(len(etree.tostring(section)) for section in sections)
    for _ in range((BYTES - len(etree.tostring(cda))) // of_one):
        body.extend(copy.deepcopy(sections))
    return etree.tostring(cda, xml_declaration=True, encoding="UTF-8")


def _sample(name: str) -> bytes:
    found = re.search(rb"\^XML\^Base64\^([A-Za-z0-9+/=]+)", (SAMPLES / name).read_bytes(), re.IGNORECASE)
    assert found is not None
    return base64.b64decode(found[1] + b"==")


@contextmanager
def sink() -> Iterator[dict[str, Any]]:
    """A light sandbox in a process of its own; gives the settings by which the connector reaches it."""
    with tempfile.TemporaryDirectory(prefix="pfi-bench-") as folder:
        command = [sys.executable, "-m", "connectors.sandbox", "--directory", folder, "--light", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=SAMPLES.parents[1]) as process:
            try:
                assert process.stdout is not None
                yield json.loads(process.stdout.readline())["dmp"]
            finally:
                process.terminate()


class Feed:
    """What feeding one document takes, in pieces."""

    def __init__(self, content: bytes, settings: DmpSettings) -> None:
        self._content = content
        self._header = read_header(content)
        self._settings = settings
        signing = settings.signing
        self._key = load(signing.certificate, signing.key, subject="signature", purpose="sign", now=system_clock())
        self._wire = Wire(settings, SURROUNDINGS, self._key, "0000")
        first = self.delivery()
        found = caller(first, settings)
        assert found is not None
        self._caller = found
        self._patient = patient_id(first.patient, True)

    def delivery(self) -> Delivery:
        """A delivery that nobody has looked at yet: no digest of its document is known."""
        ids = DeliveryIds(SURROUNDINGS.ids.oid(), SURROUNDINGS.ids.oid(), "m", "e", "c")
        document = Document(self._content, self._header)
        return delivery(documents=(document,), patient=self._header.patient, ids=ids, created_at=system_clock())

    def lot(self, sent: Delivery) -> Lot:
        made = describe(sent, self._caller, self._settings, resource_id=self._patient, replaced={})
        assert isinstance(made, Lot), made
        return made

    def metadata(self, sent: Delivery) -> None:
        """Mapped and written."""
        made = self.lot(sent)
        write_submit_objects(made.submission_set, made.entries, marker_inside=True)

    def vihf(self, _: Delivery) -> None:
        """Written, signed, in its envelope."""
        self._wire.plain(self._settings.urls.registry, "urn:bench", self._caller, self._patient, b"")

    def signature(self, sent: Delivery) -> None:
        """Of the lot: canonical form of the document, two digests, one signature."""
        signed = [(document.unique_id, document.content) for document in sent.documents]
        sign_lot(sent.ids.submission_set, signed, self._key, signed_at=system_clock())

    def request(self, sent: Delivery) -> None:
        """Everything, up to the bytes of the POST."""
        made = self.lot(sent)
        feed_request(made, sent, self._caller, self._settings, wire=self._wire, key=self._key, now=SURROUNDINGS.clock())

    async def exchanged(self) -> list[float]:
        """CPU of each whole feed through the connector, in seconds, on a kept connection."""
        connector = DmpConnector(self._settings, SURROUNDINGS)
        await connector.open()
        spent = []
        try:
            for _ in range(ROUNDS + 1):
                sent = self.delivery()
                started = time.process_time()
                outcome = await connector.send(sent)
                spent.append(time.process_time() - started)
                assert outcome.kind is OutcomeKind.DELIVERED, outcome
        finally:
            await connector.close()
        return spent[1:]  # the first one opened the connection and asked whether the DMP exists


def measured(work: Callable[[Delivery], None], given: Callable[[], Delivery]) -> list[float]:
    """CPU of each call, in seconds; making the delivery is not counted."""
    spent = []
    for _ in range(ROUNDS):
        sent = given()
        started = time.process_time()
        work(sent)
        spent.append(time.process_time() - started)
    return spent


def figures(content: bytes, settings: DmpSettings) -> dict[str, float]:
    """Bytes, elements, and milliseconds of CPU of each piece, of the request and of the whole feed: the median, and the
    least for the last two (what a machine that does nothing else would show)."""
    feed = Feed(content, settings)
    measured(feed.request, feed.delivery)
    spent = {
        work.__name__: measured(work, feed.delivery)
        for work in (feed.metadata, feed.vihf, feed.signature, feed.request)
    }
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        spent["request_and_exchange"] = runner.run(feed.exchanged())
    found: dict[str, float] = {"bytes": len(content), "elements": len(re.findall(rb"<[A-Za-z]", content))}
    found |= {f"{name}_ms": round(statistics.median(each) * 1000, 2) for name, each in spent.items()}
    return found | {
        f"{name}_least_ms": round(min(spent[name]) * 1000, 2) for name in ("request", "request_and_exchange")
    }


def main() -> None:
    """Prints one JSON object. Times in milliseconds of CPU, medians."""
    with sink() as block:
        settings = DmpSettings.model_validate(block)
        results = {work.__name__: figures(work(), settings) for work in (level_3, level_3_dense, level_1)}
    json.dump(results, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
