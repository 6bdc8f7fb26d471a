"""The whole way with real TLS: a rule leaves an address to the Annuaire Santé, the mail reaches the mailbox found."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connectors.sandbox.annuaire import KEY
from connectors.sandbox.annuaire_register import Box
from connectors.sandbox.annuaire_register import Professional as Published
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.configuration import Configuration
from pfi.engine.runner import Engine
from pfi.engine.settings import Settings
from pfi.routing.rules import default_rule_paths
from samples.generator import world
from samples.generator.request import Flags
from tests.integration.engine.fakes import PEER, eventually, letter
from tests.integration.mail.hospitals import TIMINGS

ONLY_MAIL = Flags(dest_dmp=False, dest_mss_pat=False)
DOCTOR = replace(world.FAMILY_DOCTOR, mailbox="")
MAILBOX = "docteur.essai@medecin.mssante.fr"
RULE = """kind: site
rules:
  - {id: ANNUAIRE, text: "Adresses laissées à l'annuaire.", when: {channels: [PRO]}, then: {annuaire: true}}
"""


@dataclass
class Hospital:
    sandbox: Sandbox
    engine: Engine

    async def send(self, raw: bytes) -> None:
        answer = await self.engine.intake.accept(raw, PEER)
        assert answer.content is not None
        assert b"MSA|AA" in answer.content

    async def told(self, count: int) -> list[tuple[Any, ...]]:
        """What the sender learnt."""

        async def received() -> bool:
            return len(self.sandbox.dpi.zams) >= count

        await eventually(received)
        told = [zam.summary() for zam in self.sandbox.dpi.zams]
        return sorted((each["event"], each["success"], each["mailbox"], each["error_code"]) for each in told)

    def publish(self, *addresses: str) -> None:
        self.sandbox.annuaire.register.people.append(
            Published(DOCTOR.rpps, DOCTOR.family, tuple(Box(address) for address in addresses))
        )


@asynccontextmanager
async def hospital(folder: Path, url: str) -> AsyncIterator[Hospital]:
    rule = folder / "annuaire.yaml"
    rule.write_text(RULE, encoding="utf-8")
    key = folder / "annuaire.key"
    key.write_text(f"{KEY}\n")
    async with Sandbox(folder / "sandbox") as sandbox:
        found = sandbox.configuration()
        settings = Settings.model_validate(
            {
                "ins": {"environment": "test"},
                "rules": [*default_rule_paths(), rule],
                "senders": [
                    {
                        "name": "dpi",
                        "match": {"application": "DPI"},
                        "reply": {
                            "connector": "mllp",
                            "settings": {"host": found["dpi"]["host"], "port": found["dpi"]["port"]},
                        },
                    }
                ],
                "destinations": {
                    "mssante": {"connector": "mssante", "channels": ["PRO", "CIT"], "settings": found["mssante"]}
                },
                "directory": {"settings": {**found["annuaire"], "key": {"file": key}}},
            }
        )
        engine = Engine(Configuration(settings), timings=TIMINGS, url=url)
        await engine.start()
        try:
            yield Hospital(sandbox, engine)
        finally:
            await engine.stop(grace=2)


async def test_the_mail_reaches_the_one_mailbox_that_is_published(store_url: str, tmp_path: Path) -> None:
    async with hospital(tmp_path, store_url) as home:
        home.publish(MAILBOX)
        await home.send(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        assert await home.told(1) == [("Z02", True, MAILBOX, "")]
        (mail,) = home.sandbox.operator.mails
        assert mail.recipients == (MAILBOX,)
        asked = [each for each in home.sandbox.annuaire.requests if DOCTOR.rpps in each]
        assert asked
        assert not any("279035121518989" in each for each in home.sandbox.annuaire.requests)


async def test_nobody_is_chosen_among_several(store_url: str, tmp_path: Path) -> None:
    async with hospital(tmp_path, store_url) as home:
        home.publish(MAILBOX, "cabinet.demo@medecin.mssante.fr")
        await home.send(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        assert await home.told(1) == [("Z02", False, "", "510")]
        assert home.sandbox.operator.mails == []
