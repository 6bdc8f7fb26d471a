"""Checks a whole configuration: rules, store, certificates, then each neighbour (reached, never given a document)."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pfi.engine.configuration import Configuration
from pfi.engine.connector import CertificateHolder, CheckResult, Directory, Surroundings, Verifier
from pfi.engine.directory import build_directory
from pfi.engine.settings import Settings
from pfi.engine.storage import database_url
from pfi.engine.verification import build_verifier
from pfi.model.clock import IdSource, system_clock
from pfi.model.decision import Channel
from pfi.model.errors import PfiError
from pfi.model.profile import SenderProfile
from pfi.routing.rules import RuleBook, default_rule_paths, load_rules
from pfi.store.database import open_database


async def check_everything(configuration: Configuration, *, offline: bool) -> tuple[CheckResult, ...]:
    """One line per subject. Never raises for what it checks."""
    settings = configuration.settings
    results: list[CheckResult] = []
    try:
        rules = load_rules(settings.rules or default_rule_paths())
        results.append(CheckResult("règles", True, f"empreinte {rules.digest[:12]}"))
        results += _names_in_rules(rules, settings)
    except PfiError as error:
        results.append(CheckResult("règles", False, f"{error.text} {error.next_step}"))
    results.append(await _store(settings, offline=offline))
    if not settings.listeners:
        results.append(CheckResult("listeners", False, "Aucune écoute : rien ne pourra entrer. Ajouter « listeners »."))
    for index, listener in enumerate(settings.listeners):
        subject = f"écoute {listener.name}"
        try:
            configuration.source(listener.source, listener.settings, ("listeners", index))
            results.append(CheckResult(subject, True, "réglages corrects"))
        except PfiError as error:
            results.append(CheckResult(subject, False, f"{error.text} {error.next_step}"))
    for channel in Channel:
        if not settings.carries(channel):
            text = "aucune destination : ce qui est demandé pour ce canal restera en attente"
            results.append(CheckResult(f"canal {channel}", True, text))
    surroundings = Surroundings(system_clock, IdSource(oid_root=settings.site.oid_root))
    for name, destination in settings.destinations.items():
        results += await _neighbour(
            configuration,
            f"destination {name}",
            destination.connector,
            destination.settings,
            ("destinations", name),
            surroundings,
            offline=offline,
        )
    for index, sender in enumerate(settings.senders):
        if sender.reply is None:
            results.append(
                CheckResult(f"retour {sender.name}", True, "aucun : les accusés métier ne seront pas envoyés")
            )
            continue
        results += await _neighbour(
            configuration,
            f"retour {sender.name}",
            sender.reply.connector,
            sender.reply.settings,
            ("senders", index, "reply"),
            surroundings,
            offline=offline,
        )
    for index, consumer in enumerate(settings.reception.consumers):
        results += await _neighbour(
            configuration,
            f"réception {consumer.name}",
            consumer.connector,
            consumer.settings,
            ("reception", "consumers", index),
            surroundings,
            offline=offline,
        )
    results += await _service("vérification INSi", build_verifier, configuration, surroundings, offline=offline)
    results += await _service("annuaire", build_directory, configuration, surroundings, offline=offline)
    return tuple(results)


def _names_in_rules(rules: RuleBook, settings: Settings) -> Iterator[CheckResult]:
    """What the rules borrow from the configuration: a rule about a sender that does not exist never applies, a mailbox
    that does not exist refuses every mail, a directory that is not configured finds nobody."""
    senders = {sender.name for sender in settings.senders} | {SenderProfile().name}
    mailboxes = {name for each in settings.destinations.values() for name in each.settings.get("mailboxes", {})}
    for rule in rules.site.rules:
        for name in sorted((rule.when.senders or frozenset()) - senders):
            yield CheckResult(f"règle {rule.id}", False, f"émetteur « {name} » inconnu dans « senders »")
        if rule.then.annuaire and settings.directory is None:
            text = "elle laisse des adresses à l'annuaire, mais la configuration n'a pas de section « directory »"
            yield CheckResult(f"règle {rule.id}", False, text)
        if rule.then.mailbox is not None and rule.then.mailbox not in mailboxes:
            text = f"boîte « {rule.then.mailbox} » inconnue dans « mailboxes » de la destination MSSanté"
            yield CheckResult(f"règle {rule.id}", False, text)
    for tag in rules.tags:
        for name in sorted(tag.senders - senders):
            yield CheckResult("étiquettes du site", False, f"émetteur « {name} » inconnu dans « senders »")


async def _service(
    subject: str,
    build: Callable[[Configuration, Surroundings], Verifier | Directory | None],
    configuration: Configuration,
    surroundings: Surroundings,
    *,
    offline: bool,
) -> list[CheckResult]:
    """A service that a configuration may do without."""
    try:
        service = build(configuration, surroundings)
        if service is None:
            return []
        await service.open()
    except PfiError as error:
        return [CheckResult(subject, False, f"{error.text} {error.next_step}")]
    try:
        if offline:
            return [CheckResult(subject, True, "réglages et certificats corrects")]
        return [CheckResult(f"{subject} / {each.subject}", each.ok, each.text) for each in await service.check()]
    finally:
        await service.close()


async def _store(settings: Settings, *, offline: bool) -> CheckResult:
    """The hospital's own server is reached; the embedded one only needs its folder, and is not started for a check."""
    url = database_url(settings)
    if url is None:
        folder = settings.data_dir
        nearest = _nearest(folder)
        writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
        text = f"embarquée dans {folder}" if writable else f"{folder} : dossier non modifiable. Vérifier les droits."
        return CheckResult("base", writable, text)
    if offline:
        return CheckResult("base", True, "serveur de l'établissement, non contacté")
    try:
        database = await open_database(url, settings.data_dir, pool=2)
    except PfiError as error:
        return CheckResult("base", False, f"{error.text} {error.next_step}")
    await database.close()
    return CheckResult("base", True, "serveur de l'établissement joint")


def _nearest(folder: Path) -> Path:
    """The folder, or the first of its parents that exists."""
    return next(each for each in (folder, *folder.resolve().parents) if each.exists())


async def _neighbour(
    configuration: Configuration,
    subject: str,
    connector_name: str,
    connector_settings: dict[str, object],
    location: tuple[int | str, ...],
    surroundings: Surroundings,
    *,
    offline: bool,
) -> list[CheckResult]:
    try:
        connector_class, checked = configuration.neighbour(connector_name, connector_settings, location)
        connector = connector_class(checked, surroundings)
        await connector.open()
    except PfiError as error:
        return [CheckResult(subject, False, f"{error.text} {error.next_step}")]
    try:
        if offline:
            correct = CheckResult(subject, True, "réglages et certificats corrects")
            states = await connector.certificates() if isinstance(connector, CertificateHolder) else ()
            faults = [
                CheckResult(f"{subject} / {each.subject}", False, each.fault_text) for each in states if each.fault
            ]
            return faults or [correct]
        found: tuple[CheckResult, ...] = await connector.check()
        return [CheckResult(f"{subject} / {each.subject}", each.ok, each.text) for each in found]
    finally:
        await connector.close()
