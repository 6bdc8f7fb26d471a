"""`pfi bench`: what one document costs, from the first MLLP byte to the business acknowledgments. Loopback, bounded.

The engine runs as its own process with its own embedded PostgreSQL, exactly as `pfi run`; the DMP and the operator are
light sinks in another process, so that the engine is what is measured. CPU is the operating system's own accounting.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pfi.cli.demo import write_configuration_of
from pfi.cli.load import Load, Sent, Template
from pfi.cli.options import json_option, without_hospital_store
from pfi.engine.configuration import Configuration
from pfi.engine.desk import open_desk
from pfi.engine.journal import Journal
from pfi.model.errors import ConfigurationError

_WARM_UP = 40
_DELIVERY_TIMEOUT = 600.0
_LOOK_SECONDS = 0.1
_OPEN = frozenset({"waiting", "queued", "in_flight", "unknown"})


def _installed_pack() -> Path | None:
    """The pack that the tests use, where there is one (docs/testing.md)."""
    pack = Path(os.environ.get("PFI_ANS_DIR", "../shared/ans")) / "validation-pack"
    return pack if pack.is_dir() else None


@dataclass(frozen=True, slots=True)
class Result:
    """What `--json` prints. Documents per second: delivered to all three destinations, acknowledgments sent back."""

    documents: int
    message_bytes: int
    xsd: bool
    documents_per_second: float
    acknowledged_per_second: float
    ack_p50_ms: float
    ack_p99_ms: float
    half_load_per_second: float
    cpu_ms_per_document: float
    engine_cpu_ms_per_document: float
    postgres_cpu_ms_per_document: float
    rss_mb: float
    rss_start_mb: float
    rss_peak_mb: float
    deliveries: int
    not_delivered: int
    refused: int


@click.command(short_help="Mesure les performances, en local.")
@click.option(
    "--documents",
    default=600,
    show_default=True,
    type=click.IntRange(20, 200_000),
    metavar="NOMBRE",
    help="Documents, à fond.",
)
@click.option(
    "--steady",
    default=200,
    show_default=True,
    type=click.IntRange(0, 100_000),
    metavar="NOMBRE",
    help="Documents à demi-charge.",
)
@click.option(
    "--connections",
    default=8,
    show_default=True,
    type=click.IntRange(1, 100),
    metavar="NOMBRE",
    help="Connexions MLLP.",
)
@click.option(
    "--messages",
    type=click.Path(exists=True, path_type=Path),
    default=Path("samples/bench"),
    show_default=True,
    help="Message ou dossier de messages à multiplier.",
)
@click.option(
    "--pack",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="PFI_VALIDATION_PACK",
    show_envvar=True,
    default=_installed_pack,
    help="Pack de validation officiel : ajoute le contrôle XSD de chaque document. Par défaut : celui de PFI_ANS_DIR.",
)
@json_option
def bench(documents: int, steady: int, connections: int, messages: Path, pack: Path | None, as_json: bool) -> None:
    """Mesure débit, latence des accusés, CPU par document (moteur et PostgreSQL) et mémoire."""
    paths = [messages] if messages.is_file() else sorted(messages.glob("*.hl7"))
    if not paths:
        raise ConfigurationError("BENCH_MESSAGES", f"{messages} : aucun message .hl7.", "Voir samples/bench.")
    without_hospital_store()
    templates = [Template(path) for path in paths]
    console = Console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="pfi-bench-") as scratch:
        result = asyncio.run(_Bench(Path(scratch), templates, connections, pack, console).run(documents, steady))
    if as_json:
        click.echo(json.dumps(asdict(result), indent=2))
    else:
        _print(console, result)
    sys.exit(0 if result.not_delivered == 0 and result.refused == 0 else 1)


class _Bench:
    def __init__(
        self, scratch: Path, templates: list[Template], connections: int, pack: Path | None, console: Console
    ) -> None:
        self._scratch = scratch
        self._templates = templates
        self._connections = connections
        self._pack = pack
        self._console = console

    async def run(self, documents: int, steady: int) -> Result:
        with _process(
            sys.executable,
            "-m",
            "connectors.sandbox",
            "--directory",
            str(self._scratch / "sandbox"),
            "--light",
            "--json",
        ) as sandbox:
            found = json.loads(_first_line(sandbox))
            more: dict[str, Any] = {"validation": {"pack": str(self._pack.resolve())}} if self._pack else {}
            configuration = write_configuration_of(self._scratch / "pfi.yaml", found, **more)
            path = str(self._scratch / "pfi.yaml")
            with _process(sys.executable, "-m", "pfi.cli", "run", "--config", path, "--ports") as engine:
                port = json.loads(_first_line(engine))["hopital"]
                return await self._measure(configuration, psutil.Process(engine.pid), port, documents, steady)

    async def _measure(
        self, configuration: Configuration, engine: psutil.Process, port: int, documents: int, steady: int
    ) -> Result:
        load = Load(self._templates, port, self._connections)
        async with open_desk(configuration) as desk:
            journal = desk.journal
            with Progress(console=self._console, transient=True) as progress:
                bar = progress.add_task("Échauffement", total=_WARM_UP)
                await _until_finished(journal, load.flat_out(_WARM_UP), lambda: None)
                meter = _Meter(engine, configuration.settings.data_dir)
                progress.update(bar, description="À fond", total=documents)

                def show() -> None:
                    meter.memory()
                    progress.update(bar, completed=load.made - _WARM_UP)

                before, started = meter.read(), time.perf_counter()
                sent = await _until_finished(journal, load.flat_out(documents), show)
                seconds = time.perf_counter() - started
                after = meter.read()
                rate = documents / seconds
                calm = Sent()
                if steady:
                    progress.update(bar, description="À demi-charge", completed=0, total=steady)
                    calm = await _until_finished(
                        journal,
                        load.steady(steady, rate / 2),
                        lambda: progress.update(bar, completed=load.made - _WARM_UP - documents),
                    )
            counts = await journal.counts()
        done = sum(count for (state, _channel), count in counts.items() if state == "delivered")
        lost = sum(count for (state, _channel), count in counts.items() if state != "delivered")
        engine_ms = (after[0] - before[0]) * 1000 / documents
        postgres_ms = (after[1] - before[1]) * 1000 / documents
        return Result(
            documents=documents,
            message_bytes=sum(template.size for template in self._templates) // len(self._templates),
            xsd=self._pack is not None,
            documents_per_second=round(rate, 1),
            acknowledged_per_second=round(sent.accepted / sent.seconds, 1),
            ack_p50_ms=round(calm.percentile(0.50), 1),
            ack_p99_ms=round(calm.percentile(0.99), 1),
            half_load_per_second=round(rate / 2, 1),
            cpu_ms_per_document=round(engine_ms + postgres_ms, 1),
            engine_cpu_ms_per_document=round(engine_ms, 1),
            postgres_cpu_ms_per_document=round(postgres_ms, 1),
            rss_mb=round(meter.memory() / 1e6, 1),
            rss_start_mb=round(meter.start_memory / 1e6, 1),
            rss_peak_mb=round(meter.peak_memory / 1e6, 1),
            deliveries=done,
            not_delivered=lost,
            refused=sent.refused + calm.refused,
        )


class _Meter:
    """CPU seconds and memory of the engine and of its PostgreSQL."""

    def __init__(self, engine: psutil.Process, data_dir: Path) -> None:
        self._engine = engine
        pid_file = next(data_dir.rglob("postmaster.pid"))
        self._postmaster = psutil.Process(int(pid_file.read_text().split()[0]))
        self.peak_memory = 0
        self.start_memory = self.memory()

    def read(self) -> tuple[float, float]:
        """(engine, PostgreSQL) CPU seconds since they started, threads and ended children included."""
        times = self._engine.cpu_times()
        postgres = self._postmaster.cpu_times()
        total = postgres.user + postgres.system + postgres.children_user + postgres.children_system
        for backend in self._postmaster.children():
            own = backend.cpu_times()
            total += own.user + own.system
        return times.user + times.system, total

    def memory(self) -> int:
        """Resident memory of the engine now, bytes; the highest seen is kept."""
        now = int(self._engine.memory_info().rss)
        self.peak_memory = max(self.peak_memory, now)
        return now


async def _until_finished(journal: Journal, sending: Coroutine[Any, Any, Sent], show: Callable[[], None]) -> Sent:
    """Sends, then waits until no delivery is open any more: what counts is delivered, not taken."""
    task = asyncio.create_task(sending)
    deadline = time.perf_counter() + _DELIVERY_TIMEOUT
    while True:
        show()
        if task.done():
            counts = await journal.counts()
            moving = sum(number for (state, _channel), number in counts.items() if state in _OPEN)
            if not moving or time.perf_counter() > deadline:
                return await task
        else:
            deadline = time.perf_counter() + _DELIVERY_TIMEOUT
        await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def _process(*command: str) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own commands
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_line(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    line = process.stdout.readline()
    if not line:
        raise ConfigurationError("BENCH_START", "Un processus du banc n'a pas démarré.", "Voir ses messages ci-dessus.")
    return line


def _print(console: Console, result: Result) -> None:
    table = Table(title="Banc de mesure", show_header=False)
    rows = (
        ("Documents (trois destinations chacun)", f"{result.documents} de {result.message_bytes / 1000:.0f} ko"),
        ("Contrôle XSD", "oui" if result.xsd else "non (--pack)"),
        ("Débit acquitté", f"{result.acknowledged_per_second} documents/s"),
        ("Débit livré", f"{result.documents_per_second} documents/s"),
        ("Accusé, demi-charge, médiane", f"{result.ack_p50_ms} ms"),
        ("Accusé, demi-charge, 99e centile", f"{result.ack_p99_ms} ms"),
        ("CPU par document", f"{result.cpu_ms_per_document} ms"),
        ("  dont moteur", f"{result.engine_cpu_ms_per_document} ms"),
        ("  dont PostgreSQL", f"{result.postgres_cpu_ms_per_document} ms"),
        (
            "Mémoire du moteur",
            f"{result.rss_start_mb} Mo au départ, {result.rss_mb} à la fin, {result.rss_peak_mb} au plus",
        ),
        ("Livraisons non abouties", str(result.not_delivered)),
        ("Messages refusés (AE)", str(result.refused)),
    )
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
