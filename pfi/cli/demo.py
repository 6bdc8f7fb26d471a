"""`pfi demo`: the whole chain on one machine: real sockets, real TLS, a real PostgreSQL, strict mock services."""

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from pfi.cli.options import without_hospital_store
from pfi.cli.outcomes import acknowledgments, channel_cell, patient_events
from pfi.engine.configuration import Configuration
from pfi.engine.interpretation import interpret
from pfi.engine.journal import Journal, MessageView
from pfi.model.parties import RecipientKind
from pfi.model.submission import Submission
from pfi.standards.hl7v2.ack import read_ack

if TYPE_CHECKING:
    from connectors.sandbox.sandbox import Sandbox

_LONGEST_WAIT = 90.0


@dataclass(frozen=True, slots=True)
class Step:
    """One message of the demonstration; `story` is what to look at (French)."""

    file: str
    story: str


STEPS = (
    Step("adt/a01-admission-non-opposition.hl7", "ADT : admission, patient informé et non opposé"),
    Step("messages/lettre-de-liaison-en-sejour.hl7", "Lettre de liaison, en séjour"),
    Step("messages/biologie-hors-sejour.hl7", "Biologie hors séjour : le patient la reçoit"),
    Step("messages/biologie-en-sejour.hl7", "Biologie en séjour : pas d'envoi au patient"),
    Step("messages/imagerie-hors-sejour.hl7", "Imagerie hors séjour"),
    Step("messages/compte-rendu-operatoire-en-sejour.hl7", "Compte rendu opératoire, en séjour"),
    Step("messages/prescription-hors-sejour.hl7", "Ordonnance vers la pharmacie choisie"),
    Step("messages/biologie-n1-et-n3.hl7", "Deux niveaux CDA du même document : un lot, un courriel"),
    Step(
        "messages/identite-provisoire.hl7", "INS non qualifiée, absente du CDA : courriel sans INS, à renvoyer ensuite"
    ),
    Step(
        "messages/identite-provisoire-matricule-dans-le-cda.hl7",
        "INS non qualifiée, présente dans le CDA : attend, puis part une fois",
    ),
    Step("messages/mauvais-patient.hl7", "CDA d'un autre patient : refusé, rien ne part"),
    Step("messages/patient-sans-dmp.hl7", "Patient sans DMP"),
    Step("messages/patient-dmp-ferme.hl7", "DMP fermé"),
    Step("adt/a31-opposition.hl7", "ADT : le patient s'oppose à l'alimentation"),
    Step("messages/patient-oppose.hl7", "Patient opposé à l'alimentation du DMP"),
    Step("adt/a31-identite-validee.hl7", "ADT : l'identité en attente est qualifiée"),
    Step("messages/adresse-inconnue.hl7", "Un destinataire inconnu de l'opérateur"),
    Step("messages/doublon-lettre-de-liaison.hl7", "Doublon : même réponse, rien ne repart"),
    Step("messages/demande-imagerie-hors-sejour.hl7", "Le DMP est en panne deux fois, puis accepte"),
    Step("messages/lettre-de-consultation-hors-sejour.hl7", "Réponse du DMP perdue : vérifiée, jamais doublée"),
    Step("messages/invisible-au-patient.hl7", "Document invisible au patient"),
    Step("messages/masque-aux-professionnels.hl7", "Document masqué aux professionnels"),
    Step("bad/xml-tronque.hl7", "CDA illisible : refusé avec sa raison"),
)
DUPLICATE = "messages/doublon-lettre-de-liaison.hl7"
DMP_DOWN_TWICE = "messages/demande-imagerie-hors-sejour.hl7"
ANSWER_LOST = "messages/lettre-de-consultation-hors-sejour.hl7"


@click.command(short_help="Démonstration complète, de bout en bout.")
@click.option(
    "--samples",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("samples"),
    show_default=True,
    help="Dossier des exemples.",
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/demo"),
    show_default=True,
    help="Dossier de travail, vidé au départ : base, certificats, boîtes aux lettres.",
)
def demo(samples: Path, directory: Path) -> None:
    """Démarre le moteur et le bac à sable, envoie les exemples, et montre ce que chaque document est devenu."""
    without_hospital_store()
    if directory.exists():
        if not (directory / "pfi.yaml").is_file() and any(directory.iterdir()):
            raise click.UsageError(f"{directory} n'est pas un dossier de démonstration : il ne sera pas vidé.")
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    console = Console(width=None if sys.stdout.isatty() else 160)
    sys.exit(asyncio.run(_Demo(samples, directory, console).run()))


def write_configuration(path: Path, sandbox: "Sandbox", *, retry_seconds: float = 1.0, **more: Any) -> Configuration:
    """Writes the `pfi.yaml` of an engine that talks to a sandbox, and reads it back."""
    return write_configuration_of(path, sandbox.configuration(), retry_seconds=retry_seconds, **more)


def write_configuration_of(
    path: Path, found: dict[str, Any], *, retry_seconds: float = 1.0, **more: Any
) -> Configuration:
    """The same, from what `pfi sandbox --json` printed."""
    reply = {"connector": "mllp", "settings": {"host": found["dpi"]["host"], "port": found["dpi"]["port"]}}
    retry = {"first_seconds": retry_seconds, "factor": 1.5, "max_attempts": 8}
    content: dict[str, Any] = {
        "data_dir": "data",
        "ins": {"environment": "test"},
        "listeners": [{"name": "hopital", "source": "mllp", "settings": {"host": "127.0.0.1", "port": 0}}],
        "senders": [
            {"name": name.lower(), "match": {"application": name}, "reply": reply}
            for name in ("DPI", "SGL", "RIS", "GAM")
        ],
        "destinations": {
            "dmp": {"connector": "dmp", "channels": ["DMP"], "retry": retry, "settings": found["dmp"]},
            "mssante": {
                "connector": "mssante",
                "channels": ["PRO", "CIT"],
                "retry": retry,
                "settings": found["mssante"],
            },
        },
        "logs": {"format": "json", "level": "warning"},
        **more,
    }
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return Configuration.read(path)


def read_sample(path: Path, configuration: Configuration) -> Submission | None:
    """What a sample says: to open its mailboxes in the sandbox and to name it in the table."""
    return interpret(path.read_bytes(), configuration.settings.profile_of).submission


class _Demo:
    def __init__(self, samples: Path, directory: Path, console: Console) -> None:
        self._samples = samples
        self._directory = directory
        self._console = console
        self._ids: dict[str, int] = {}
        self._acks: dict[str, str] = {}

    async def run(self) -> int:
        """Exit code: 0 when everything reached its end in time."""
        from connectors.sandbox.sandbox import Sandbox
        from pfi.engine import logs
        from pfi.engine.runner import Engine

        started = time.monotonic()
        self._console.rule("[bold]PFI : démonstration")
        async with Sandbox(self._directory / "bac-a-sable") as sandbox:
            configuration = write_configuration(self._directory / "pfi.yaml", sandbox)
            # The demonstration orders faults: their warnings, amid the table, would look like mistakes.
            logs.configure(configuration.settings.logs.model_copy(update={"level": "error"}))
            self._prepare(sandbox, configuration)
            engine = Engine(configuration)
            self._console.print(
                "Démarrage : PostgreSQL embarqué, moteur, faux DMP, faux opérateur MSSanté, faux DPI..."
            )
            await engine.start()
            try:
                await self._send(engine.ports["hopital"], engine.journal)
                finished = await self._wait(engine.journal)
                views = await self._views(engine.journal)
                self._print(views, configuration)
                self._summary(sandbox, views, time.monotonic() - started)
            finally:
                await engine.stop()
        if not finished:
            self._console.print("[red]Tout n'est pas arrivé à son terme dans le temps prévu.[/]")
        return 0 if finished else 1

    def _prepare(self, sandbox: "Sandbox", configuration: Configuration) -> None:
        """Opens the DMPs and mailboxes that the samples need, and orders two faults."""
        from connectors.sandbox.dmp.patients import DmpState
        from connectors.sandbox.faults import Fault, FaultKind, Service

        for step in STEPS:
            submission = read_sample(self._samples / step.file, configuration)
            if submission is None:
                continue
            ins = submission.patient.ins or submission.documents[0].header.patient.ins
            if ins is not None:
                matricule = ins.matricule
                state = DmpState.ACTIVE
                if "sans-dmp" in step.file:
                    state = DmpState.ABSENT
                elif "ferme" in step.file:
                    state = DmpState.CLOSED
                sandbox.dmp.put_patient(matricule, state)
                sandbox.operator.mailboxes.create(f"{matricule}@patient.mssante.fr")
            for recipient in submission.recipients:
                known = not recipient.address.startswith("inconnu")
                if known and recipient.kind is not RecipientKind.PATIENT and recipient.address:
                    sandbox.operator.mailboxes.create(recipient.address)
            unique_id = submission.documents[0].unique_id if submission.documents else ""
            match = {"unique_id": unique_id, "transaction": "TD2.1"}
            if step.file == DMP_DOWN_TWICE:
                sandbox.faults.order(Fault(Service.DMP, FaultKind.TEMPORARY, times=2, match=match))
            if step.file == ANSWER_LOST:
                sandbox.faults.order(Fault(Service.DMP, FaultKind.CLOSE_AFTER_BODY, times=1, match=match))

    async def _send(self, port: int, journal: Journal) -> None:
        from connectors.mllp.client import MllpClient

        async with MllpClient("127.0.0.1", port) as client:
            with Progress(console=self._console, transient=True) as progress:
                for step in progress.track(STEPS, description="Envoi en MLLP"):
                    raw = await client.exchange((self._samples / step.file).read_bytes())
                    self._acks[step.file] = str(read_ack(raw).code)
                    newest = (await journal.messages())[0]
                    self._ids[step.file] = newest.id

    async def _views(self, journal: Journal) -> dict[str, MessageView]:
        views = {}
        for step in STEPS:
            view = await journal.message(self._ids[step.file])
            if view is not None:
                views[step.file] = view
        return views

    async def _wait(self, journal: Journal) -> bool:
        """Until nothing is under way any more. What is still held waits for an event that the demo does not send."""
        deadline = time.monotonic() + _LONGEST_WAIT
        with self._console.status("Livraison, reprises et accusés métier..."):
            while time.monotonic() < deadline:
                views = await self._views(journal)
                pending = [
                    row
                    for view in views.values()
                    for row in (*view.deliveries, *view.acks)
                    if row["state"] in ("waiting", "queued", "in_flight", "unknown")
                ]
                awaited = [row for view in views.values() for row in view.recipients if row["dsn"] == "expected"]
                if not pending and not awaited:
                    return True
                await asyncio.sleep(0.2)
        return False

    def _print(self, views: dict[str, MessageView], configuration: Configuration) -> None:
        table = Table(title="Ce que chaque document est devenu", show_lines=True, expand=True)
        table.add_column("Exemple", ratio=5, overflow="fold")
        for heading, width in (("Type", 7), ("De", 3), ("ACK", 3)):
            table.add_column(heading, width=width)
        for heading, ratio in (("DMP", 5), ("MSSanté pros", 5), ("MSSanté citoyenne", 5), ("Accusés métier", 5)):
            table.add_column(heading, ratio=ratio, overflow="fold")
        for step in STEPS:
            table.add_row(*self._row(step, views[step.file], configuration))
        self._console.print(table)

    def _row(self, step: Step, view: MessageView, configuration: Configuration) -> Iterator[str]:
        submission = read_sample(self._samples / step.file, configuration)
        code = self._acks[step.file]
        yield step.story
        if submission is not None:
            yield escape(submission.documents[0].header.code.code)
        else:
            yield "-"
        yield escape(view.message["sender"].upper())
        yield f"[{'green' if code == 'AA' else 'red'}]{code}[/]"
        if step.file == DUPLICATE:
            yield from ("[dim]déjà reçu[/]",) * 3
            yield "[dim]réponse gardée[/]"
            return
        if submission is None:
            yield from ("[dim]-[/]",) * 3
            yield patient_events(view)
            return
        for channel in ("DMP", "PRO", "CIT"):
            yield channel_cell(view, channel)
        yield acknowledgments(view)

    def _summary(self, sandbox: "Sandbox", views: dict[str, MessageView], seconds: float) -> None:
        state = sandbox.state()
        count: Callable[[str], int] = lambda key: len(state[key])  # noqa: E731 - three uses, one line
        self._console.print(
            f"Le bac à sable détient {count('documents')} documents DMP, {count('mails')} courriels, "
            f"{count('zams')} accusés métier (ZAM), en {seconds:.1f} s. "
            f"{len(state['zam_refusals'])} ZAM refusés, {len(state['mail_refusals'])} refus de l'opérateur.",
            highlight=False,
        )
        config = self._directory / "pfi.yaml"
        shown = self._ids["messages/adresse-inconnue.hl7"]
        hint = "" if shutil.which("pfi") else f" (après « source {Path(sys.executable).parent / 'activate'} »)"
        self._console.print(
            f"Pour aller plus loin{hint} :\n"
            f"  pfi messages --config {config}\n"
            f"  pfi show {shown} --config {config}\n"
            f"  pfi explain {self._samples / 'messages/biologie-hors-sejour.hl7'} --out out/explain",
            highlight=False,
            markup=False,
        )
