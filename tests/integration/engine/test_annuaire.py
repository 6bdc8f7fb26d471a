"""Addresses that a rule leaves to the directory, on a real store: looked up once, written down, never a second mail."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pfi.engine.connector import Ambiguous, Lookup, Mailbox, Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, Outcome, OutcomeKind, RecipientOutcome
from pfi.store import attempts
from samples.generator import world
from samples.generator.request import Flags
from tests.integration.engine.fakes import UNKNOWN, Answering, House, house, letter, to_everybody
from tests.integration.engine.patients import adt, letter_of
from tests.integration.engine.rule_files import site
from tests.unit.annuaire.test_step import AWAY, Book, found

ONLY_MAIL = Flags(dest_dmp=False, dest_mss_pat=False)
DOCTOR = replace(world.FAMILY_DOCTOR, mailbox="")
"""Named by the sender, without PRT-15.4."""
COLLEAGUE = world.CARDIOLOGIST
QUESTION = (DOCTOR.national_id, "")


class AskingHouse(House):
    """A house with a directory, and one rule of the site that leaves addresses to it."""

    def __init__(self, url: str, folder: Path, *answers: Lookup, then: str = "annuaire: true") -> None:
        self.book = Book({}, Surroundings(system_clock, IdSource()))
        self.answers = list(answers)
        super().__init__(url)
        self.directory = self.book
        self.book.resolve = self._resolve  # type: ignore[method-assign]
        self.engine = self.new_engine()
        self.rules = site(folder, then)

    async def _resolve(self, professional: str = "", structure: str = "") -> Lookup:
        self.book.asked.append((professional, structure))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def __aenter__(self) -> "AskingHouse":
        await self.engine.start()
        self.engine._parts.context.rulebooks.book = self.rules
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.stop(grace=2)

    @property
    def served(self) -> list[list[str]]:
        """Addresses of each mail that the connector was given, resolutions included."""
        return [[each.address for each in delivery.recipients] for delivery in (*self.mail.sent, *self.mail.resolved)]


async def test_a_recipient_named_without_address_gets_the_one_mailbox(store_url: str, tmp_path: Path) -> None:
    async with AskingHouse(store_url, tmp_path, found("bruno@ville.mssante.fr")) as home:
        home.mail.answers = [to_everybody(OutcomeKind.DELIVERED)]
        assert await home.code(letter(recipients=(DOCTOR,), flags=ONLY_MAIL)) == "AA"
        await home.until(PRO="delivered")
        assert home.book.asked == [QUESTION]
        assert home.served == [["bruno@ville.mssante.fr"]]
        assert await home.told(1) == [("Z02", True, "bruno@ville.mssante.fr", "")]


async def test_without_a_rule_nobody_is_looked_up(store_url: str, tmp_path: Path) -> None:
    async with AskingHouse(store_url, tmp_path, found("bruno@ville.mssante.fr"), then="priority: high") as home:
        await home.accept(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        assert await home.told(1) == [("Z02", False, "", "510")]
        assert home.book.asked == []
        assert home.served == []


async def test_who_is_not_found_is_told_and_the_others_are_served(store_url: str, tmp_path: Path) -> None:
    several = Ambiguous((Mailbox("a@ville.mssante.fr"), Mailbox("b@ville.mssante.fr")))
    async with AskingHouse(store_url, tmp_path, several) as home:
        home.mail.answers = [to_everybody(OutcomeKind.DELIVERED)]
        await home.accept(letter(recipients=(COLLEAGUE, DOCTOR), flags=ONLY_MAIL))
        await home.until(PRO="refused")
        assert home.served == [[COLLEAGUE.mailbox]]
        assert await home.told(2) == [("Z02", False, "", "510"), ("Z02", True, COLLEAGUE.mailbox, "")]
        rows = await home.fetch("SELECT address, party_id, looked_up, outcome FROM recipient_results ORDER BY outcome")
        assert [(row["address"], row["outcome"]) for row in rows] == [
            (COLLEAGUE.mailbox, "delivered"),
            (DOCTOR.rpps, "refused"),
        ]
        (refused,) = await home.fetch("SELECT text FROM recipient_results WHERE outcome = 'refused'")
        assert "plusieurs boîtes" in refused["text"]


async def test_after_a_doubt_the_mail_goes_to_the_same_mailbox(store_url: str, tmp_path: Path) -> None:
    """Even if the directory publishes another one meanwhile: else a lost answer becomes a second mail elsewhere."""
    async with AskingHouse(store_url, tmp_path, found("old@ville.mssante.fr"), found("new@ville.mssante.fr")) as home:
        home.mail.answers = [UNKNOWN]
        home.mail.resolutions = [to_everybody(OutcomeKind.DELIVERED)]
        await home.accept(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        await home.until(PRO="delivered")
        assert home.served == [["old@ville.mssante.fr"], ["old@ville.mssante.fr"]]
        assert home.book.asked == [QUESTION]
        assert home.mail.resolved[0].addressees == home.mail.sent[0].recipients


async def test_a_defect_of_the_connector_does_not_forget_the_mailbox(store_url: str, tmp_path: Path) -> None:
    async with AskingHouse(store_url, tmp_path, found("old@ville.mssante.fr"), found("new@ville.mssante.fr")) as home:
        home.mail.answers = [RuntimeError("defect")]
        await home.accept(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        await home.until(PRO="delivered")
        assert home.served == [["old@ville.mssante.fr"], ["old@ville.mssante.fr"]]


async def test_an_engine_that_dies_while_sending_has_written_the_mailbox_down(store_url: str, tmp_path: Path) -> None:
    async with AskingHouse(store_url, tmp_path, found("old@ville.mssante.fr")) as home:
        home.mail.gate = asyncio.Event()
        await home.accept(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        await home.mail.entered.wait()
        (row,) = await home.fetch("SELECT state, recipients, addressees FROM deliveries")
        assert row["state"] == "in_flight"
        for people in (row["recipients"], row["addressees"]):
            assert [(each["address"], each["looked_up"]) for each in people] == [("old@ville.mssante.fr", True)]
        home.mail.gate.set()
        await home.until(PRO="delivered")


async def test_nothing_leaves_when_another_process_took_the_delivery(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AskingHouse(store_url, tmp_path, found("old@ville.mssante.fr")) as home:
        looked_up = asyncio.Event()

        async def taken(*arguments: object) -> bool:
            looked_up.set()
            return False

        monkeypatch.setattr(attempts, "address", taken)
        await home.accept(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        await looked_up.wait()
        await asyncio.sleep(0.1)
        assert home.served == []


async def test_a_mailbox_served_is_not_looked_up_again_when_the_document_is_decided_again(
    store_url: str, tmp_path: Path
) -> None:
    """One of two was served, the other waits; something is told of the patient: only the other is written to."""
    async with AskingHouse(store_url, tmp_path, found("old@ville.mssante.fr"), found("new@ville.mssante.fr")) as home:
        home.mail.gate = asyncio.Event()
        home.mail.answers = [_only("old@ville.mssante.fr")]
        await home.accept(letter_of(world.DOMINIQUE, recipients=(DOCTOR, COLLEAGUE), flags=ONLY_MAIL))
        await home.mail.entered.wait()
        await home.accept(adt("A31", world.DOMINIQUE, feeding="INO"))
        home.mail.gate.set()
        await home.until(PRO="delivered")
        assert sorted(home.served[0]) == sorted(["old@ville.mssante.fr", COLLEAGUE.mailbox])
        assert home.served[1:] == [[COLLEAGUE.mailbox]]


async def test_nothing_changed_is_not_decided_again(store_url: str, tmp_path: Path) -> None:
    """What is in flight to a mailbox that was looked up is the same as what is planned without address."""
    async with AskingHouse(store_url, tmp_path, found("old@ville.mssante.fr")) as home:
        home.mail.gate = asyncio.Event()
        await home.accept(letter_of(world.DOMINIQUE, recipients=(DOCTOR,), flags=ONLY_MAIL))
        await home.mail.entered.wait()
        await home.accept(adt("A31", world.DOMINIQUE, feeding="INO"))
        await asyncio.sleep(0.5)
        assert await home.fetch("SELECT revise, recheck FROM deliveries") == [{"revise": False, "recheck": False}]
        home.mail.gate.set()
        await home.until(PRO="delivered")


async def test_a_decision_made_again_before_a_retry_keeps_the_mailbox(store_url: str, tmp_path: Path) -> None:
    async with AskingHouse(store_url, tmp_path, found("old@ville.mssante.fr"), found("new@ville.mssante.fr")) as home:
        home.mail.gate = asyncio.Event()
        home.mail.answers = [UNKNOWN]
        home.mail.resolutions = [to_everybody(OutcomeKind.DELIVERED)]
        await home.accept(letter_of(world.DOMINIQUE, recipients=(DOCTOR,), flags=ONLY_MAIL))
        await home.mail.entered.wait()
        await home.accept(adt("A31", world.DOMINIQUE, feeding="INO"))
        home.mail.gate.set()
        await home.until(PRO="delivered")
        assert home.served == [["old@ville.mssante.fr"], ["old@ville.mssante.fr"]]


async def test_a_directory_that_is_away_is_waited_for(store_url: str, tmp_path: Path) -> None:
    away = replace(AWAY, retry_after=0.05)
    async with AskingHouse(store_url, tmp_path, away, found("bruno@ville.mssante.fr")) as home:
        home.mail.answers = [to_everybody(OutcomeKind.DELIVERED)]
        await home.accept(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        await home.until(PRO="delivered")
        codes = [row["code"] for row in await home.fetch("SELECT code FROM attempts ORDER BY number")]
        assert codes == ["DIRECTORY_AWAY", ""]
        assert home.served == [["bruno@ville.mssante.fr"]]


async def test_a_replay_asks_again_for_who_was_not_found(store_url: str, tmp_path: Path) -> None:
    several = Ambiguous((Mailbox("a@ville.mssante.fr"), Mailbox("b@ville.mssante.fr")))
    async with AskingHouse(store_url, tmp_path, several, found("bruno@ville.mssante.fr")) as home:
        home.mail.answers = [to_everybody(OutcomeKind.DELIVERED), to_everybody(OutcomeKind.DELIVERED)]
        await home.accept(letter(recipients=(COLLEAGUE, DOCTOR), flags=ONLY_MAIL))
        await home.until(PRO="refused")
        (row,) = await home.fetch("SELECT message_id FROM deliveries")
        await home.engine.replay.replay(row["message_id"])
        await home.until(PRO="delivered")
        assert home.served == [[COLLEAGUE.mailbox], ["bruno@ville.mssante.fr"]]


async def test_a_directory_that_is_not_configured_refuses_and_says_so(store_url: str, tmp_path: Path) -> None:
    async with house(store_url) as home:
        home.engine._parts.context.rulebooks.book = site(tmp_path, "annuaire: true")
        await home.accept(letter(recipients=(DOCTOR,), flags=ONLY_MAIL))
        await home.until(PRO="refused")
        (row,) = await home.fetch("SELECT code, text FROM deliveries")
        assert row["code"] == "NO_MSS_ADDRESS"
        assert "docs/annuaire.md" in row["text"]


def _only(address: str) -> Answering:
    """This recipient is served, the others are for a next try."""

    def answer(delivery: Delivery) -> Outcome:
        served = (RecipientOutcome(address, OutcomeKind.DELIVERED),)
        return Outcome(OutcomeKind.NOT_DELIVERED, "450", "Boîte occupée.", recipients=served)

    return answer
