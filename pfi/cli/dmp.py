"""`pfi dmp`: the DMP read for a professional, in the modes that allow it. Each question is traced in the journal."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from pfi import __version__
from pfi.cli.options import config_option, json_option
from pfi.engine import logs
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Surroundings
from pfi.engine.desk import open_desk
from pfi.engine.patientkeys import ins_keys
from pfi.engine.settings import LogSettings
from pfi.model.clock import IdSource, system_clock
from pfi.model.decision import Channel
from pfi.model.delivery import Outcome
from pfi.model.document import CodedValue
from pfi.model.errors import ConfigurationError, system_reason
from pfi.model.patient import Ins
from pfi.model.profile import Environment
from pfi.standards import nomenclature
from pfi.store import messages
from pfi.store.database import Database
from pfi.store.patients import PatientKeys

if TYPE_CHECKING:
    from connectors.dmp.consultation import Consultation, Found, Professional, Trace
    from connectors.dmp.consultation_retrieval import RetrievedDocument

EVENT = "dmp_consultation"
"""Kind of the events of the journal: one before the question leaves, one with its answer. Identifiers only."""

_OIDS = {Environment.PRODUCTION: "1.2.250.1.213.1.4.8", Environment.TEST: "1.2.250.1.213.1.4.10"}
_STATES = {"en-vigueur": "APPROVED", "remplacé": "DEPRECATED", "archivé": "ARCHIVED"}
_VISIBILITIES = {
    "MASQUE_PS": "masqué aux professionnels",
    "INVISIBLE_PATIENT": "non visible par le patient",
    "INVISIBLE_REPRESENTANTS_LEGAUX": "non visible par les représentants légaux",
}
_NOT_HASHED = "Attention : le DMP ne donne pas d'empreinte pour ce document, elle n'a pas pu être vérifiée."


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks about whom; the same for every command."""

    professional: "Professional"
    ins: Ins
    destination: str
    establishment: str


@click.group(short_help="Consulte le DMP d'un patient, pour un professionnel.", subcommand_metavar="COMMANDE")
def dmp() -> None:
    """Consultation du DMP au nom d'un professionnel (mode « consultation » : AIR ou direct), tracée dans le journal.

    Rien de ce que le DMP répond n'est conservé.
    """


def _asking(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--establishment", metavar="NOM", default="", help="Établissement (FINESS) qui consulte."),
        click.option("--destination", metavar="NOM", default="", help="Destination DMP, s'il y en a plusieurs."),
        click.option("--speciality", metavar="CODE", default="", help="Spécialité (TRE_R01, TRE_G05)."),
        click.option("--profession", metavar="CODE", required=True, help="Profession (TRE_G15) : 10 pour un médecin."),
        click.option("--given", metavar="PRÉNOM", default="", help="Prénom du professionnel."),
        click.option("--family", metavar="NOM", required=True, help="Nom du professionnel."),
        click.option("--as", "identifier", metavar="PSIDNAT", required=True, help="Professionnel : 8 et son RPPS."),
        click.option("--oid", metavar="OID", default="", help="OID de l'INS ; par défaut selon ins.environment."),
        click.option("--ins", metavar="MATRICULE", required=True, help="INS du patient, sur 15 caractères."),
    ):
        command = option(command)
    return command


@dmp.command(short_help="Liste les documents d'un patient (TD3.1a).")
@_asking
@click.option("--type", "types", multiple=True, metavar="CODE", help="De ce type (typeCode, répétable).")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="AAAA-MM-JJ", help="Créés depuis (UTC).")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="AAAA-MM-JJ", help="Créés avant (UTC).")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(list(_STATES)), help="Dans cet état (répétable) ; en vigueur."
)
@config_option
@json_option
def find(
    types: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    states: tuple[str, ...],
    config_path: Path,
    as_json: bool,
    **asking: str,
) -> None:
    """Liste les documents du DMP d'un patient : identifiants, types, dates et états, sans titre ni contenu."""
    from connectors.dmp.consultation_query import Availability, DocumentQuery

    query = DocumentQuery(
        types=tuple(_type(code) for code in types),
        created_from=since.replace(tzinfo=UTC) if since else None,
        created_to=until.replace(tzinfo=UTC) if until else None,
        states=tuple(Availability[_STATES[state]] for state in states) or (Availability.APPROVED,),
    )
    configuration = _configuration(config_path)
    asked = _asked(configuration, asking)

    async def act(consultation: "Consultation", traces: list["Trace"]) -> "Found | Outcome":
        return await consultation.find(asked.professional, asked.ins, query, traces)

    found = asyncio.run(_consult(configuration, asked, {"operation": "find"}, act))
    if isinstance(found, Outcome):
        sys.exit(_refused(found))
    if as_json:
        click.echo(orjson.dumps(_listed(found), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found)


@dmp.command(short_help="Écrit un document du DMP dans un fichier (TD3.2).")
@click.argument("unique_id", metavar="UNIQUEID")
@_asking
@click.option("--out", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Fichier à écrire.")
@click.option("--force", is_flag=True, help="Remplace le fichier s'il existe.")
@config_option
@json_option
def get(unique_id: str, path: Path, force: bool, config_path: Path, as_json: bool, **asking: str) -> None:
    """Écrit le document UNIQUEID (un OID) dans un fichier lisible par son seul propriétaire.

    Sa taille, son empreinte, son identifiant et son patient sont vérifiés : rien n'est écrit s'ils ne conviennent pas.
    """
    if not force and os.path.lexists(path):
        raise _taken(path)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise click.UsageError(f"{path.parent} n'est pas un dossier où écrire : rien n'est demandé au DMP.")
    configuration = _configuration(config_path)
    asked = _asked(configuration, asking)

    async def act(consultation: "Consultation", traces: list["Trace"]) -> "RetrievedDocument | Outcome":
        return await consultation.get(asked.professional, asked.ins, unique_id, traces)

    got = asyncio.run(_consult(configuration, asked, {"operation": "get", "document": unique_id}, act))
    if isinstance(got, Outcome):
        sys.exit(_refused(got))
    try:
        _write(path, got.content, force=force)
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise ConfigurationError(
            "FILE_NOT_WRITTEN", f"{path} n'a pas pu être écrit ({system_reason(error)})."
        ) from None
    size, mime_type = len(got.content), got.entry.mime_type
    if as_json:
        written = {"file": str(path), "size": size, "sha1": got.entry.hash, "mime_type": mime_type}
        click.echo(orjson.dumps({**written, "warnings": got.warnings}, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(_printable(f"{path} : {size} octets, {mime_type or 'type inconnu'}."))
    if got.warnings:
        click.secho(_NOT_HASHED, fg="yellow", err=True)


# --- the question, between its two traces ---


async def _consult(
    configuration: Configuration,
    asked: _Asked,
    what: dict[str, Any],
    act: Callable[["Consultation", list["Trace"]], Awaitable[Any]],
) -> Any:
    from connectors.dmp.consultation import OFF
    from connectors.dmp.settings import ConsultationMode

    consultation = _consultation(configuration, asked)
    if consultation.mode is ConsultationMode.OFF:
        return OFF
    async with open_desk(configuration) as desk:
        await consultation.open()
        traces: list[Trace] = []
        try:
            trail = await _Trail.of(desk.database, asked, {**what, "mode": consultation.mode})
            await trail.add("asked")
            answer = await act(consultation, traces)
        finally:
            await consultation.close()
        vihf = [
            {"transaction": each.transaction, "message": each.message_id, "assertion": each.assertion_id}
            for each in traces
        ]
        await trail.add("answered", result=_result(answer), vihf=vihf)
        return answer


def _result(answer: Any) -> dict[str, Any]:
    """How it ended: codes and identifiers."""
    if isinstance(answer, Outcome):
        return {"outcome": answer.kind, "code": answer.code}
    documents = getattr(answer, "documents", None)
    if documents is None:
        return {"outcome": "ok", "sha1": answer.entry.hash, "size": len(answer.content)}
    return {"outcome": "ok", "documents": [each.unique_id for each in documents]}


class _Trail:
    """The trace of one question: nothing is asked when it cannot be kept (EX_AIR-070)."""

    def __init__(self, database: Database, detail: dict[str, Any]) -> None:
        self._database = database
        self._detail = detail

    @classmethod
    async def of(cls, database: Database, asked: _Asked, what: dict[str, Any]) -> "_Trail":
        """The patient is named by the opaque key of this installation, the professional by the national identifier."""
        async with database.connection() as connection:
            keys = await PatientKeys.load(connection)
        detail = {
            **what,
            "professional": asked.professional.identifier,
            "patient": keys.keys((), ins_keys([asked.ins])).ins[0].hex(),
            "establishment": asked.establishment,
        }
        return cls(database, detail)

    async def add(self, step: str, **more: Any) -> None:
        async with self._database.connection() as connection:
            await messages.add_event(connection, EVENT, system_clock(), detail={"step": step, **self._detail, **more})


def _consultation(configuration: Configuration, asked: _Asked) -> "Consultation":
    from connectors.dmp.consultation import Consultation
    from connectors.dmp.settings import DmpSettings

    destinations = {
        name: each
        for name, each in configuration.settings.destinations.items()
        if Channel.DMP in each.channels and asked.destination in ("", name)
    }
    if len(destinations) != 1:
        raise ConfigurationError("DMP_DESTINATION_UNKNOWN", "La configuration n'a pas cette destination pour le DMP.")
    ((name, destination),) = destinations.items()
    _class, settings = configuration.neighbour(
        destination.connector, destination.settings, ("destinations", name, "connector")
    )
    if not isinstance(settings, DmpSettings):
        raise ConfigurationError(
            "DMP_CONSULTATION_UNSUPPORTED", f"Le connecteur « {destination.connector} » ne sait pas consulter le DMP."
        )
    ids = IdSource(oid_root=configuration.settings.site.oid_root)
    surroundings = Surroundings(system_clock, ids, product_version=__version__)
    return Consultation(settings, surroundings, asked.establishment)


def _configuration(path: Path) -> Configuration:
    logs.configure(LogSettings(level="warning"))
    return Configuration.read(path)


def _asked(configuration: Configuration, asking: dict[str, str]) -> _Asked:
    from connectors.dmp.consultation import Professional

    who = Professional(
        identifier=asking["identifier"],
        family=asking["family"],
        given=asking["given"],
        profession=asking["profession"],
        speciality=asking["speciality"],
    )
    ins = Ins(asking["ins"], asking["oid"] or _OIDS[configuration.settings.ins.environment])
    return _Asked(who, ins, asking["destination"], asking["establishment"])


def _type(code: str) -> CodedValue:
    known = nomenclature.type_code(code)
    if known is None:
        raise click.UsageError(f"Type de document inconnu : {code}.")
    return known


# --- what is shown ---


def _refused(outcome: Outcome) -> int:
    click.secho(f"{outcome.code} : {outcome.text}", fg="red", err=True)
    return 1


def _listed(found: "Found") -> dict[str, Any]:
    return {
        "incomplete": found.incomplete,
        "documents": [
            {
                "unique_id": each.unique_id,
                "type": each.type_code.code if each.type_code else "",
                "format": each.format_code.code if each.format_code else "",
                "mime_type": each.mime_type,
                "state": _state(each.state),
                "confidentiality": each.confidentiality,
                "created": each.creation_time,
                "service_start": each.service_start,
                "service_stop": each.service_stop,
                "size": each.size,
                "sha1": each.hash,
            }
            for each in found.documents
        ],
    }


def _print(found: "Found") -> None:
    """Two lines a document: its uniqueId, whole for `get` whatever the width of the terminal, then what it is."""
    for each in found.documents:
        code = each.type_code.code if each.type_code else ""
        hidden = ", ".join(_VISIBILITIES[one] for one in each.confidentiality if one in _VISIBILITIES)
        facts = (
            f"{code} {nomenclature.type_label(code)}".strip() or "type inconnu",
            f"créé le {each.creation_time:%d/%m/%Y à %H:%M} UTC" if each.creation_time else "",
            _state(each.state),
            hidden,
            "" if each.size is None else f"{each.size} octets",
        )
        click.echo(_printable(each.unique_id))
        click.echo(_printable(f"    {' ; '.join(fact for fact in facts if fact)}"))
    if not found.documents:
        click.echo("Aucun document ne répond à cette recherche.")
    if found.incomplete:
        click.secho("Le DMP dit que cette liste est incomplète.", fg="yellow", err=True)


def _printable(text: str) -> str:
    """What the DMP wrote, unable to command the terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _state(status: str) -> str:
    from connectors.dmp.consultation_query import Availability

    names = {Availability[name].value: word for word, name in _STATES.items()}
    return names.get(status, "inconnu").replace("-", " ")


def _taken(path: Path) -> click.UsageError:
    return click.UsageError(f"{path} existe déjà : choisir un autre nom, ou --force.")


def _write(path: Path, content: bytes, *, force: bool) -> None:
    """All of it or nothing, readable by its owner only. Without `force`, the place of nothing: not even of what came
    there meanwhile (FileExistsError)."""
    if not force:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        temporary.replace(path)
    except BaseException:
        for ours in (temporary, None if force else path):
            if ours is not None:
                ours.unlink(missing_ok=True)
        raise
