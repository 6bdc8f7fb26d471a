"""The rules in force, and how others take their place without a restart.

The store says which rules are in force, for every process of the cluster; the files of the configuration say which ones
a host would start with. `RuleRegister` keeps both in step, and remembers every set and every change.
"""

import os
import pwd
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pfi.engine.logs import get_logger
from pfi.model.clock import Clock
from pfi.model.errors import ConfigurationError
from pfi.routing import vectors
from pfi.routing.rules import RuleBook, default_rule_paths, load_texts
from pfi.routing.vectors import VectorReport
from pfi.standards.yaml import YamlFile
from pfi.store import messages, rulesets
from pfi.store.database import Connection, Database
from pfi.store.rulesets import Activation, RuleSet, RuleText

_LOG = get_logger("rules")

ACTIVATED = "rules_activated"
"""Event: rules were put in force (digest, author, host)."""
TAKEN = "rules_taken"
"""Event: an engine process now decides with them."""
UNREADABLE = "rules_unreadable"
"""Event: an engine process cannot read them and keeps those that it has."""
STALE = "rules_stale"
"""Event: a host started with files that are no longer the rules in force."""
_AT_START = "démarrage"
_SHORTEST_DIGEST = 6


class Rulebooks:
    """Holds the one book that every decision of this process is made with. A change is one assignment: a decision is
    made wholly with the old rules or wholly with the new ones."""

    def __init__(self, book: RuleBook, activation: int = 0) -> None:
        """`activation`: the one in the store that the book comes from; 0 = none."""
        self.book = book
        self.activation = activation


@dataclass(frozen=True, slots=True)
class Candidate:
    """Rules that were read and checked, with the texts that would be stored."""

    book: RuleBook
    rule_set: RuleSet


class Standing(StrEnum):
    """What the files of a host are to the store, at start."""

    NEW = "new"
    """Never in force so far: they are now."""
    CURRENT = "current"
    STALE = "stale"
    """They were in force once and others took their place: those stay."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a starting engine decides with."""

    book: RuleBook
    activation: Activation
    standing: Standing


@dataclass(frozen=True, slots=True)
class Applied:
    """`changed` is false when these rules were in force already: nothing was written."""

    activation: Activation
    changed: bool
    tests: int


class TestsFailedError(ConfigurationError):
    """Some tests of the rule files fail: `report` says which."""

    __test__ = False  # not a test, whatever its name begins with

    def __init__(self, report: VectorReport) -> None:
        super().__init__(
            "RULES_TESTS_FAILED",
            f"{len(report.failures)} des {len(report.results)} tests des règles échouent : rien n'est mis en vigueur.",
            "Corriger les règles ou leurs tests ; « pfi rules test » montre les écarts.",
        )
        self.report = report


def read_rules(paths: Sequence[Path] = ()) -> Candidate:
    """Reads rule files, those shipped with the PFI when there are none. Raises ConfigurationError."""
    given = {str(path): _text(path) for path in paths or default_rule_paths()}
    book = load_texts(list(given.items()))
    # A set holds all that decides, the shipped files too: another host may have another version of these.
    texts = [given[name] if name in given else _text(Path(name)) for name in book.files]
    files = tuple(RuleText(name, text) for name, text in zip(_names(book.files), texts, strict=True))
    return Candidate(book, RuleSet(book.digest, files))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        YamlFile.read(path)  # says in French what is wrong
        raise


def load_set(rule_set: RuleSet) -> RuleBook:
    """The book of a stored set, under the digest it was stored with. Raises ConfigurationError when this version of the
    PFI cannot read it."""
    book = load_texts([(file.name, file.text) for file in rule_set.files])
    return book if book.digest == rule_set.digest else replace(book, digest=rule_set.digest)


def _names(files: Sequence[str]) -> list[str]:
    """Names without folder; where two are the same, with their rank."""
    names = [Path(file).name for file in files]
    return [name if names.count(name) == 1 else f"{rank}-{name}" for rank, name in enumerate(names, start=1)]


def account(environment: Mapping[str, str] = os.environ) -> str:
    """Who gives the command: the account of this process and, behind `sudo`, the person."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    person = environment.get("SUDO_USER", "")
    return f"{name} (sudo {person})" if person and person != name else name


class RuleRegister:
    """What is in force, what was, and putting others in force."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def settle(self, candidate: Candidate) -> Settled:
        """What an engine starts with. Files never in force so far are put in force; files that were superseded are
        not, so that a restart on another host rolls nothing back.

        Raises ConfigurationError when the rules in force cannot be read by this version.
        """
        mine = candidate.rule_set
        async with self._database.transaction() as connection:
            await rulesets.lock(connection)
            active = await rulesets.newest(connection)
            if active is None or not await self._known(connection, mine, active):
                failures = len(vectors.run(candidate.book).failures)
                activation = await self._activate(connection, mine, _AT_START, {"tests_failed": failures})
                if failures:
                    _LOG.warning("rules_tests_failed", digest=mine.digest[:12], failures=failures)
                return Settled(candidate.book, activation, Standing.NEW)
            (stored,) = await rulesets.find(connection, active.digest)
            if mine.digest == active.digest or mine.files == stored.files:
                return Settled(replace(candidate.book, digest=active.digest), active, Standing.CURRENT)
            detail = {"digest": mine.digest, "in_force": active.digest, "host": socket.gethostname()}
            await messages.add_event(connection, STALE, self._clock(), detail=detail)
        _LOG.warning("rules_stale", files=mine.digest[:12], in_force=active.digest[:12])
        return Settled(self._load(stored), active, Standing.STALE)

    async def in_force(self) -> tuple[Activation, RuleBook] | None:
        """The rules in force; `None` when no engine ever started on this store. Raises ConfigurationError."""
        async with self._database.connection() as connection:
            active = await rulesets.newest(connection)
            if active is None:
                return None
            (stored,) = await rulesets.find(connection, active.digest)
        return active, self._load(stored)

    async def apply(self, candidate: Candidate, reason: str) -> Applied:
        """Runs the tests, stores the set and puts it in force, in one transaction that wakes every engine.

        Raises TestsFailedError.
        """
        report = vectors.run(candidate.book)
        if not report.passed:
            raise TestsFailedError(report)
        async with self._database.transaction() as connection:
            await rulesets.lock(connection)
            active = await rulesets.newest(connection)
            if active is not None and active.digest == candidate.rule_set.digest:
                return Applied(active, changed=False, tests=len(report.results))
            activation = await self._activate(connection, candidate.rule_set, reason, {})
        _LOG.info(ACTIVATED, digest=activation.digest[:12], activation=activation.id)
        return Applied(activation, changed=True, tests=len(report.results))

    async def history(self, limit: int) -> tuple[Activation, ...]:
        """Every activation, newest first."""
        async with self._database.connection() as connection:
            return await rulesets.history(connection, limit)

    async def find(self, beginning: str) -> RuleSet:
        """The set whose digest begins so. Raises ConfigurationError when there is none, or several."""
        if len(beginning) < _SHORTEST_DIGEST:
            raise ConfigurationError(
                "RULE_SET_AMBIGUOUS", f"Donner au moins {_SHORTEST_DIGEST} caractères de l'empreinte.", _SEE_HISTORY
            )
        async with self._database.connection() as connection:
            found = await rulesets.find(connection, beginning.lower())
        if not found:
            raise ConfigurationError(
                "RULE_SET_UNKNOWN", f"Aucun jeu de règles d'empreinte « {beginning} ».", _SEE_HISTORY
            )
        if len(found) > 1:
            text = f"Plusieurs empreintes commencent par « {beginning} »."
            raise ConfigurationError("RULE_SET_AMBIGUOUS", text, "En donner davantage.")
        return found[0]

    async def before(self) -> RuleSet:
        """The set that was in force before the present one. Raises ConfigurationError when there was none."""
        async with self._database.connection() as connection:
            digest = await rulesets.previous(connection)
        if digest is None:
            raise ConfigurationError("RULE_SET_UNKNOWN", "Aucunes autres règles n'ont été en vigueur.", _SEE_HISTORY)
        return await self.find(digest)

    async def taken(self, activation: Activation, silence: float) -> tuple[int, int]:
        """How many engine processes live (seen for `silence` seconds), and how many decide with an activation."""
        async with self._database.connection() as connection:
            return await rulesets.living(connection, silence, TAKEN, activation.id, activation.at)

    async def _known(self, connection: Connection, mine: RuleSet, active: Activation) -> bool:
        """Whether a set was ever in force, be it under the digest that another version of the PFI computed."""
        if await rulesets.was_in_force(connection, mine.digest):
            return True
        (stored,) = await rulesets.find(connection, active.digest)
        return stored.files == mine.files

    async def _activate(
        self, connection: Connection, rule_set: RuleSet, reason: str, more: Mapping[str, object]
    ) -> Activation:
        now: datetime = self._clock()
        author, host = account(), socket.gethostname()
        number = await rulesets.activate(connection, rule_set, at=now, author=author, host=host, reason=reason)
        detail = {"activation": number, "digest": rule_set.digest, "author": author, "host": host, **more}
        await messages.add_event(connection, ACTIVATED, now, detail=detail)
        return Activation(number, rule_set.digest, now, author, host, reason)

    def _load(self, rule_set: RuleSet) -> RuleBook:
        try:
            return load_set(rule_set)
        except ConfigurationError as error:
            raise ConfigurationError(
                "RULES_IN_FORCE_UNREADABLE",
                f"Cette version de la PFI ne sait pas lire les règles en vigueur ({rule_set.digest[:12]}).\n"
                f"{error.text}",
                "Mettre la PFI à jour sur cette machine, ou appliquer d'autres règles (pfi rules apply).",
            ) from error


_SEE_HISTORY = "« pfi rules history » donne les empreintes."
