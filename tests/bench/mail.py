"""CPU of the two mails of a document of 250 kB, and mails per second: `python -m tests.bench.mail`.

First what is made (archive, PDF, MIME), then the same with the submission over mutual TLS to a light operator, which is
another process. CPU of this process, all threads counted, for one mail: each document leaves in two, to professionals
and to the patient, which share the compressed document and the PDF. Then as many mails a second as the connector gives
with its default number of connections, the operator on the other core.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import uvloop

from connectors.mssante.composition import Composer
from connectors.mssante.connector import MssanteConnector
from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, DeliveryIds, OutcomeKind
from pfi.model.document import Document
from pfi.standards.cda.body import embedded_pdf
from pfi.standards.cda.header import read_header
from pfi.standards.mail.address import patient_address
from pfi.standards.pdf.copies import pdf_copies
from tests.bench.feed import level_1, level_3, level_3_dense
from tests.unit.mssante.material import delivery, patient_recipient, professional

ROUNDS = 60
MAILS = 300
AT_ONCE: Final = 16
SURROUNDINGS: Final = Surroundings(system_clock, IdSource(), "PFI", "1.0")
_ROOT: Final = Path(__file__).parents[2]


def structured_with_pdf() -> bytes:
    """A laboratory report of level 3 with its PDF copy."""
    content = level_3()
    end = content.rindex(b"</value>")
    start = content.rindex(b">", 0, end) + 1
    pdf = content[start:end].strip()
    whole = content[:start] + pdf[: len(pdf) // 4 * 4] + content[end:]
    assert embedded_pdf(whole) is not None
    return whole


def pdf_alone() -> bytes:
    """An imaging report of level 1."""
    assert embedded_pdf(level_1()) is not None
    return level_1()


def structured_alone() -> bytes:
    """A laboratory report of level 3 without PDF, which is rendered once for both mails."""
    assert embedded_pdf(level_3_dense()) is None
    return level_3_dense()


@contextmanager
def operator() -> Iterator[MssanteSettings]:
    """A light operator in a process of its own: it takes every mail and keeps none."""
    with tempfile.TemporaryDirectory(prefix="pfi-bench-") as folder:
        command = [sys.executable, "-m", "connectors.sandbox", "--directory", folder, "--light", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_ROOT) as process:
            try:
                assert process.stdout is not None
                block: dict[str, Any] = json.loads(process.stdout.readline())["mssante"]
                yield MssanteSettings.model_validate({**block, "reports_folder": None})
            finally:
                process.terminate()


class Mails:
    """The deliveries of one document, each time as a document that nobody has seen yet."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._header = read_header(content)
        self._numbers = count()

    def pair(self) -> tuple[Delivery, Delivery]:
        """To a professional, then to the patient."""
        document = Document(self._content + b"<!-- %d -->" % next(self._numbers), self._header)
        patient = self._header.patient
        assert patient.ins is not None
        given = delivery(documents=(document,), patient=patient, recipients=(professional("dr@bench.mssante.fr"),))
        citizen = patient_recipient(patient_address(patient.ins) or "")
        return self._new(given), self._new(replace(given, channel=Channel.CIT, recipients=(citizen,)))

    def _new(self, given: Delivery) -> Delivery:
        ids = DeliveryIds(SURROUNDINGS.ids.oid(), SURROUNDINGS.ids.oid(), str(uuid.uuid4()), uuid.uuid4().hex, "c")
        return replace(given, id=uuid.uuid4(), ids=ids)


def composed(mails: Mails, settings: MssanteSettings) -> tuple[list[float], int]:
    """CPU of making one mail, in seconds, the PDF of the document included; bytes of a mail."""
    composer, spent, size = Composer(settings, SURROUNDINGS), [], 0
    for _ in range(ROUNDS):
        pair = mails.pair()
        started = time.process_time()
        pdfs = pdf_copies(pair[0].documents, pair[0].created_at)
        for each in pair:
            size = len(composer.compose(each, [each.recipients[0].address], pdfs).content)
        spent.append((time.process_time() - started) / 2)
    return spent, size


async def sent(mails: Mails, settings: MssanteSettings) -> list[float]:
    """CPU of each mail through the connector, in seconds, on kept connections, one document after the other."""
    connector = MssanteConnector(settings, SURROUNDINGS)
    await connector.open()
    spent = []
    try:
        for _ in range(ROUNDS + 1):
            pair = mails.pair()
            started = time.process_time()
            outcomes = await asyncio.gather(*map(connector.send, pair))
            spent.append((time.process_time() - started) / 2)
            assert {outcome.kind for outcome in outcomes} == {OutcomeKind.DELIVERED}, outcomes
    finally:
        await connector.close()
    return spent[1:]  # the first ones opened the connections


async def rate(mails: Mails, settings: MssanteSettings) -> float:
    """Mails per second, `AT_ONCE` deliveries being under way at any time."""
    connector = MssanteConnector(settings, SURROUNDINGS)
    await connector.open()
    pairs = iter([mails.pair() for _ in range(MAILS // 2)])

    async def one_after_the_other() -> None:
        for pair in pairs:
            for outcome in await asyncio.gather(*map(connector.send, pair)):
                assert outcome.kind is OutcomeKind.DELIVERED, outcome

    try:
        started = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE // 2)))
        return MAILS / (time.perf_counter() - started)
    finally:
        await connector.close()


def figures(content: bytes, settings: MssanteSettings) -> dict[str, float]:
    """Bytes of the document and of a mail; milliseconds of CPU of a mail made, of a mail made and submitted: median and
    least (what a machine that does nothing else would show); mails per second."""
    mails = Mails(content)
    composed(mails, settings)
    made, size = composed(mails, settings)
    spent = {"composed": made}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        spent["sent"] = runner.run(sent(mails, settings))
        found: dict[str, float] = {"bytes": len(content), "mail_bytes": size}
        found["mails_per_second"] = round(runner.run(rate(mails, settings)), 1)
    for name, each in spent.items():
        found |= {f"{name}_ms": milliseconds(each, statistics.median), f"{name}_least_ms": milliseconds(each, min)}
    return found


def milliseconds(spent: list[float], of: Callable[[list[float]], float]) -> float:
    return round(of(spent) * 1000, 2)


def main() -> None:
    """Prints one JSON object. Times in milliseconds of CPU for one mail."""
    documents = (structured_with_pdf, pdf_alone, structured_alone)
    with operator() as settings:
        json.dump({each.__name__: figures(each(), settings) for each in documents}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
