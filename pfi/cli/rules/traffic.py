"""`pfi rules diff` and `pfi rules coverage`: rules against the traffic."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from pfi.cli.desk import at_desk
from pfi.cli.explanation import CHANNELS
from pfi.cli.options import config_option, json_option
from pfi.cli.rules.words import CHANGES, SKIPPED, change_lines, change_object
from pfi.engine import logs
from pfi.engine.comparison import Change, Tally, compare_folder
from pfi.engine.configuration import Configuration
from pfi.engine.coverage import Coverage, RuleUse, cover
from pfi.engine.desk import Desk, open_rule_register
from pfi.engine.folder import Folder
from pfi.engine.rulebooks import read_rules
from pfi.engine.settings import LogSettings, Settings
from pfi.model.clock import system_clock
from pfi.routing.rules import RuleBook

_days = click.option(
    "--days", type=click.IntRange(1, 3650), metavar="NOMBRE", help="Sur les messages de ces derniers jours (7)."
)
_WEEK = 7


@click.command(short_help="Compare de nouvelles règles à celles en vigueur, sur le trafic.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FICHIER...")
@config_option
@_days
@click.option(
    "--messages",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Sur les messages et les CDA de ce dossier, au lieu du journal.",
)
@json_option
def diff(files: tuple[Path, ...], config_path: Path, days: int | None, folder: Path | None, as_json: bool) -> None:
    """Rejoue le trafic avec les règles en vigueur et avec celles de FICHIER..., sans rien envoyer ni enregistrer.

    Liste chaque décision qui changerait, puis les compte. Donner tous les fichiers qui seraient en vigueur ensemble.
    L'état des patients est celui d'aujourd'hui ; dans un dossier, les messages ADT sont appliqués d'abord. Code de
    retour : 0 si rien ne change, 1 sinon, 2 en cas d'erreur.
    """
    if folder is not None and days is not None:
        raise click.UsageError("--days et --messages ne vont pas ensemble.")
    logs.configure(LogSettings(level="warning"))
    new = read_rules(files).book
    report = _Report(as_json=as_json)
    if folder is None:
        since = system_clock() - timedelta(days=days or _WEEK)

        async def on_journal(desk: Desk) -> RuleBook:
            await report.take(desk.comparison.journal(new, since, report.tally))
            return desk.rules

        old = at_desk(Configuration.read(config_path), on_journal)
    else:
        old = _in_force(config_path)
        configured = config_path.is_file()
        settings = Configuration.read(config_path).settings if configured else Settings()
        files_of = Folder(folder, settings, follow_ins=not configured)
        report.take_all(compare_folder(files_of, old, new, system_clock(), report.tally))
    report.end(old, new)
    sys.exit(1 if report.tally.changes else 0)


@click.command(short_help="Dit quelles règles servent, et lesquelles ne servent jamais.")
@config_option
@_days
@json_option
def coverage(config_path: Path, days: int | None, as_json: bool) -> None:
    """Compte les décisions qui nomment chaque règle en vigueur, et nomme celles que rien n'a jamais employées.

    Compte les décisions enregistrées pour les messages reçus ces derniers jours, relectures comprises.
    """
    since = system_clock() - timedelta(days=days or _WEEK)

    async def work(desk: Desk) -> Coverage:
        return await cover(desk.database, desk.rules, since)

    found = at_desk(Configuration.read(config_path), work)
    if as_json:
        _dump(
            {
                "digest": found.digest,
                "since": found.since,
                "decisions": found.decisions,
                "rules": [{name: getattr(each, name) for name in each.__dataclass_fields__} for each in found.rules],
                "never": [each.rule for each in found.never],
            }
        )
        return
    click.echo(f"{found.decisions} décisions depuis le {found.since:%Y-%m-%d} ; règles en vigueur {found.digest[:12]}.")
    _print_used([each for each in found.rules if each.decisions])
    _print_never(found.never)


def _print_used(rules: Sequence[RuleUse]) -> None:
    width = max((len(each.rule) for each in rules), default=0)
    if rules:
        click.echo(f"{'Règle':{width}}  Décisions  Dernière (UTC)    Libellé")
    for each in rules:
        seen = f"{each.last_seen:%Y-%m-%d %H:%M}"
        click.echo(_cut(f"{each.rule:{width}}  {each.decisions:9}  {seen}  {each.label}"))


def _print_never(rules: Sequence[RuleUse]) -> None:
    width = max((len(each.rule) for each in rules), default=0)
    for file, each_of_file in groupby(rules, key=lambda each: each.file):
        click.echo(f"Jamais employées, {file} :")
        for each in each_of_file:
            click.echo(_cut(f"  ligne {each.line:<4} {each.rule:{width}}  {each.label}"))


def _cut(line: str) -> str:
    """The line, as far as the terminal goes: one line for each rule."""
    columns = shutil.get_terminal_size().columns
    return line if len(line) <= columns else f"{line[: columns - 1].rstrip()}…"


class _Report:
    """Writes changes as they are found: a long journal never stands whole in memory."""

    def __init__(self, *, as_json: bool) -> None:
        self.tally = Tally()
        self._as_json = as_json
        self._started = time.monotonic()
        self._last = ""
        if as_json:
            click.echo('{"changes": [', nl=False)

    async def take(self, changes: AsyncIterator[Change]) -> None:
        async for change in changes:
            self._write(change)

    def take_all(self, changes: Iterator[Change]) -> None:
        for change in changes:
            self._write(change)

    def _write(self, change: Change) -> None:
        if self._as_json:
            separator = ",\n" if self.tally.changes > 1 else "\n"
            click.echo(separator + orjson.dumps(change_object(change)).decode(), nl=False)
            return
        for line in change_lines(change, same_message=change.message == self._last):
            click.echo(line)
        self._last = change.message

    def end(self, old: RuleBook, new: RuleBook) -> None:
        seconds = time.monotonic() - self._started
        if self._as_json:
            summary = self._summary(old, new, seconds)
            click.echo(f'\n], "summary": {orjson.dumps(summary).decode()}}}')
        else:
            self._print(old, new, seconds)

    def _summary(self, old: RuleBook, new: RuleBook, seconds: float) -> dict[str, Any]:
        tally = self.tally
        return {
            "in_force": old.digest,
            "new": new.digest,
            "messages": tally.messages,
            "decisions": tally.decisions,
            "changes": tally.changes,
            "counts": [
                {"channel": channel, "change": what, "count": count}
                for (channel, what), count in sorted(tally.by_change.items())
            ],
            "skipped": {str(reason): count for reason, count in sorted(tally.skipped.items())},
            "seconds": round(seconds, 3),
        }

    def _print(self, old: RuleBook, new: RuleBook, seconds: float) -> None:
        tally = self.tally
        if tally.changes:
            click.echo()
        click.echo(f"Règles en vigueur {old.digest[:12]}, nouvelles règles {new.digest[:12]}.")
        rate = f" ({tally.messages / seconds:.0f} messages par seconde)" if seconds and tally.messages else ""
        click.echo(f"{tally.messages} messages comparés, {tally.decisions} décisions{rate}.")
        for reason, count in sorted(tally.skipped.items()):
            click.echo(f"Non comparés : {count}, {SKIPPED[reason]}.")
        if not tally.changes:
            click.echo("Aucune décision ne changerait.")
            return
        click.echo(f"Décisions qui changeraient : {tally.changes}.")
        table = Table("Canal", "Changement", "Nombre")
        for channel in CHANNELS:
            for what, label in CHANGES.items():
                if count := tally.by_change[channel, what]:
                    table.add_row(CHANNELS[channel], label, str(count))
        Console().print(table)


def _in_force(config_path: Path) -> RuleBook:
    """The rules in force where there is a configuration, else those shipped."""
    if not config_path.is_file():
        return read_rules().book
    configuration = Configuration.read(config_path)

    async def run() -> RuleBook:
        async with open_rule_register(configuration) as register:
            active = await register.in_force()
        return active[1] if active else read_rules(configuration.settings.rules).book

    return asyncio.run(run())


def _dump(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
