"""`pfi patient`: what is known of a patient, and the local register of objections."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import click
import orjson

from pfi.cli.desk import at_desk
from pfi.cli.options import config_option, json_option
from pfi.engine.configuration import Configuration
from pfi.engine.register import Entry, named
from pfi.model.patient import DmpStatus, Feeding, Ins, Patient, PatientState
from pfi.model.profile import Environment

_OIDS = {Environment.PRODUCTION: "1.2.250.1.213.1.4.8", Environment.TEST: "1.2.250.1.213.1.4.10"}
_FEEDING = {
    Feeding.NOT_OPPOSED: "informé, ne s'oppose pas",
    Feeding.OPPOSED: "opposé",
    Feeding.NOT_COLLECTED: "non recueillie",
}
_DMP = {DmpStatus.ACTIVE: "ouvert", DmpStatus.CLOSED: "fermé", DmpStatus.ABSENT: "inexistant"}
_OBJECTIONS = {"pro": "pro_opposed", "cit": "cit_opposed"}


def _patient_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--oid", metavar="OID", default="", help="OID de l'INS ; par défaut selon ins.environment."),
        click.option("--ins", metavar="MATRICULE", default="", help="INS sur 15 caractères."),
        click.option("--authority", metavar="AUTORITÉ", default="", help="Autorité de l'IPP (CX-4.2, sinon CX-4.1)."),
        click.option("--ipp", metavar="IPP", default="", help="Identifiant local, avec --authority."),
    ):
        command = option(command)
    return command


def _named(configuration: Configuration, ipp: str, authority: str, ins: str, oid: str) -> Patient:
    if not ipp and not ins:
        raise click.UsageError("Désigner le patient : --ipp et --authority, ou --ins.")
    if ipp and not authority:
        raise click.UsageError("--ipp demande --authority : un IPP n'a de sens qu'avec son autorité.")
    default = _OIDS[configuration.settings.ins.environment]
    return named(ipp=ipp, authority=authority, ins=Ins(ins, oid or default) if ins else None)


@click.group(short_help="Montre ce que l'on sait d'un patient, tient le registre local.", subcommand_metavar="COMMANDE")
def patient() -> None:
    """Ce que les messages ADT et le registre local disent d'un patient, sans aucun trait d'identité."""


@patient.command(short_help="Montre ce que l'on sait d'un patient.")
@_patient_options
@config_option
@json_option
def show(ipp: str, authority: str, ins: str, oid: str, config_path: Path, as_json: bool) -> None:
    """Montre le statut d'identité, l'état du DMP, les oppositions et les séjours connus."""
    configuration = Configuration.read(config_path)
    named_patient = _named(configuration, ipp, authority, ins, oid)
    state = at_desk(configuration, lambda desk: desk.register.known(named_patient))
    facts = dict(_facts(state)) if state is not None else {}
    if as_json:
        click.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())
    elif state is None:
        click.echo("Aucun message ADT n'a parlé de ce patient.")
    else:
        width = max(len(name) for name in facts)
        for name, value in facts.items():
            click.echo(f"{name.ljust(width)}  {value}")


@patient.command("register", short_help="Inscrit une opposition ou une INS impossible au registre local.")
@_patient_options
@click.option("--object", "objections", type=click.Choice(list(_OBJECTIONS)), multiple=True, help="Opposition.")
@click.option("--lift", "lifted", type=click.Choice(list(_OBJECTIONS)), multiple=True, help="Opposition levée.")
@click.option(
    "--ins-impossible/--ins-possible", default=None, help="Aucune INS n'existera jamais (AME, étranger de passage)."
)
@config_option
def register_entry(
    ipp: str,
    authority: str,
    ins: str,
    oid: str,
    objections: tuple[str, ...],
    lifted: tuple[str, ...],
    ins_impossible: bool | None,
    config_path: Path,
) -> None:
    """Inscrit ce que le patient a dit à l'hôpital : « pro » = pas de courriel aux professionnels, « cit » = pas de
    courriel à lui-même. Les documents qui attendent sont décidés de nouveau."""
    if set(objections) & set(lifted):
        raise click.UsageError("La même opposition ne peut pas être inscrite et levée à la fois.")
    told = {_OBJECTIONS[each]: True for each in objections} | {_OBJECTIONS[each]: False for each in lifted}
    entry = Entry(told.get("pro_opposed"), told.get("cit_opposed"), ins_impossible)
    if entry.empty:
        raise click.UsageError("Rien à inscrire : --object, --lift, --ins-impossible ou --ins-possible.")
    configuration = Configuration.read(config_path)
    named_patient = _named(configuration, ipp, authority, ins, oid)
    at_desk(configuration, lambda desk: desk.register.enter(named_patient, entry))
    click.echo("Inscrit au registre local.")


def _facts(state: PatientState) -> Iterator[tuple[str, str]]:
    yield "Identité (PID-32)", _dated(" ".join(state.reliability) or "non dite", state.reliability_at)
    known = "connue" if state.identity.ins is not None else "inconnue"
    yield "INS", _dated("retirée" if state.ins_withdrawn else known, state.ins_at)
    if state.birth_date_corrected:
        yield "Date de naissance", "corrigée : l'identité ne peut pas être qualifiée"
    yield "DMP", _dated(_DMP[state.dmp_status] if state.dmp_status else "non dit", state.dmp_status_at)
    yield "Alimentation du DMP", _dated(_FEEDING[state.feeding] if state.feeding else "non dite", state.feeding_at)
    yield "Consultation du DMP", _dated(state.consultation or "non dite", state.consultation_at)
    yield "Courriels aux professionnels", "opposé" if state.pro_opposed else "pas d'opposition"
    yield "Courriels au patient", "opposé" if state.cit_opposed else "pas d'opposition"
    if state.ins_impossible:
        yield "INS impossible", "oui"
    if state.deceased:
        yield "Décès", "oui"
    yield "Équipe de soins", ", ".join(f"{each.role} {each.identifier}" for each in state.care_team) or "non dite"
    for episode in state.episodes:
        yield (
            f"Venue {episode.visit or episode.account}",
            f"{episode.patient_class or '?'}, UF {episode.unit or '?'}, du {_day(episode.admitted_at)} au "
            f"{_day(episode.discharged_at)}{' (annulée)' if episode.cancelled else ''}",
        )


def _dated(text: str, at: datetime | None) -> str:
    return f"{text} (le {at:%Y-%m-%d à %H:%M} UTC)" if at else text


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else "?"
