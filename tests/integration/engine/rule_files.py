"""Rule files of a site, as small as can be, for tests of what is in force."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pfi.engine.rulebooks import Candidate, RuleRegister, read_rules
from pfi.model.clock import system_clock
from pfi.routing.rules import RuleBook, default_rule_paths, load_rules
from pfi.store import rulesets
from pfi.store.database import Database, open_database
from pfi.store.rulesets import RuleSet, RuleText

NO_MAIL_TO_PATIENTS = "kind: site\ntags:\n  - {senders: [dpi], add: [cit_opposed]}\n"
"""Nothing of the sender `dpi` is mailed to the patient."""
NO_MAIL_TO_PROFESSIONALS = "kind: site\ntags:\n  - {senders: [dpi], add: [pro_opposed]}\n"
FAILING_TEST = (
    NO_MAIL_TO_PATIENTS + 'tests:\n  - name: faux\n    given: {type: "11490-0", date: 2026-01-15}\n'
    "    expect: {rows: [R01]}\n"
)
OF_THE_FUTURE = RuleSet("f" * 64, (RuleText("site.yaml", "kind: site\nteleportation: []\n"),))
"""A set that no version of today can read."""


def site(folder: Path, then: str) -> RuleBook:
    """The shipped rules and one of the site, about professionals."""
    file = folder / "site.yaml"
    file.write_text(
        f'kind: site\nrules:\n  - {{id: SITE, text: "Règle du site.", when: {{channels: [PRO]}}, then: {{{then}}}}}\n'
    )
    return load_rules([*default_rule_paths(), file])


def candidate(folder: Path, text: str) -> Candidate:
    path = folder / "regles-site.yaml"
    path.write_text(text, encoding="utf-8")
    return read_rules([path])


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[tuple[Database, RuleRegister]]:
    database = await open_database(url, Path("unused"), pool=4)
    try:
        yield database, RuleRegister(database, system_clock)
    finally:
        await database.close()


async def put_in_force(database: Database, rule_set: RuleSet) -> None:
    """As another version of the PFI would: without reading it."""
    async with database.transaction() as connection:
        await rulesets.lock(connection)
        await rulesets.activate(connection, rule_set, at=system_clock(), author="autre", host="autre", reason="")


async def events(database: Database, kind: str) -> list[dict[str, object]]:
    """Details of the events of a kind, oldest first."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT detail FROM events WHERE kind = $1 ORDER BY id", kind)
    return [row["detail"] for row in rows]
