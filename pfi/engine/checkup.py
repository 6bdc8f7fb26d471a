"""Checks a whole configuration: rules, certificates, then each neighbour (which is reached, never given a document)."""

from pfi.engine.configuration import Configuration
from pfi.engine.connector import CheckResult, Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.errors import PfiError
from pfi.routing.rules import default_rule_paths, load_rules


async def check_everything(configuration: Configuration, *, offline: bool) -> tuple[CheckResult, ...]:
    """One line per subject. Never raises for what it checks."""
    settings = configuration.settings
    results: list[CheckResult] = []
    try:
        rules = load_rules(settings.rules or default_rule_paths())
        results.append(CheckResult("règles", True, f"empreinte {rules.digest[:12]}"))
    except PfiError as error:
        results.append(CheckResult("règles", False, f"{error.text} {error.next_step}"))
    if not settings.listeners:
        results.append(CheckResult("listeners", False, "Aucune écoute : rien ne pourra entrer. Ajouter « listeners »."))
    for index, listener in enumerate(settings.listeners):
        subject = f"écoute {listener.name}"
        try:
            configuration.source(listener.source, listener.settings, ("listeners", index))
            results.append(CheckResult(subject, True, "réglages corrects"))
        except PfiError as error:
            results.append(CheckResult(subject, False, f"{error.text} {error.next_step}"))
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
    return tuple(results)


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
            return [CheckResult(subject, True, "réglages et certificats corrects")]
        found: tuple[CheckResult, ...] = await connector.check()
        return [CheckResult(f"{subject} / {each.subject}", each.ok, each.text) for each in found]
    finally:
        await connector.close()
