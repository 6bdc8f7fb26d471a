"""`pfi rules` as the author of rules uses it: apply, history, show, rollback, diff, coverage."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pfi.engine.rulebooks import account
from samples.generator.request import Flags
from tests.acceptance.explaining import traits_in
from tests.acceptance.running import SAMPLES, Ran, pfi
from tests.integration.engine.fakes import house, letter
from tests.integration.engine.rule_files import FAILING_TEST, NO_MAIL_TO_PATIENTS, NO_MAIL_TO_PROFESSIONALS
from tests.stores import store_server, store_url  # noqa: F401  # fixtures


class Author:
    """A configuration, a store with three letters of the last days, and rule files to write."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.config = folder / "pfi.yaml"
        content = {
            "ins": {"environment": "test"},
            "database": {"url": url},
            "senders": [{"name": "dpi", "match": {"application": "DPI"}}],
        }
        self.config.write_text(yaml.safe_dump(content), encoding="utf-8")

    def write(self, text: str, name: str = "regles-site.yaml") -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def rules(self, *arguments: str) -> Ran:
        return pfi("rules", *arguments, "--config", str(self.config))

    def json(self, *arguments: str) -> Any:
        return self.rules(*arguments, "--json").json


@pytest.fixture
def author(tmp_path: Path, store_url: str) -> Author:  # noqa: F811  # the fixture
    async def traffic() -> None:
        async with house(store_url) as home:
            assert await home.code(letter("M1")) == "AA"
            assert await home.code(letter("M2")) == "AA"
            assert await home.code(letter("M3", flags=Flags(dest_mss_pat=False))) == "AA"

    asyncio.run(traffic())
    return Author(tmp_path, store_url)


# In force -------------------------------------------------------------------------------------------------------------


def test_rules_are_applied_and_the_history_says_who_and_why(author: Author) -> None:
    path = author.write(NO_MAIL_TO_PATIENTS)

    applied = author.rules("apply", path, "--reason", "réunion du lundi")
    history = author.json("history")

    assert applied.code == 0
    assert "0 en échec" in applied.out
    assert f"Règles en vigueur : empreinte {history[0]['digest'][:12]}" in applied.out
    assert f"remplacent {history[1]['digest'][:12]}" in applied.out
    assert "Aucun moteur en marche" in applied.out
    assert "la configuration nomme d'autres règles" in applied.err
    assert [(line["author"], line["reason"]) for line in history] == [
        (account(), "réunion du lundi"),
        (account(), "démarrage"),
    ]
    assert "réunion du lundi" in author.rules("history").out


def test_without_files_the_ones_of_the_configuration_are_applied(author: Author) -> None:
    author.write(NO_MAIL_TO_PATIENTS)
    author.config.write_text(author.config.read_text() + "rules: [regles-site.yaml]\n", encoding="utf-8")

    first, again = author.rules("apply"), author.rules("apply")

    assert (first.code, again.code) == (0, 0)
    assert first.err == ""
    assert "déjà en vigueur" in again.out
    assert len(author.json("history")) == 2


def test_rules_whose_tests_fail_are_not_applied(author: Author) -> None:
    applied = author.rules("apply", author.write(FAILING_TEST))

    assert applied.code == 1
    assert "ÉCHEC  regles-site.yaml" in applied.out
    assert "rien n'est mis en vigueur" in applied.err
    assert len(author.json("history")) == 1


def test_wrong_files_are_not_applied(author: Author) -> None:
    applied = author.rules("apply", author.write("kind: site\ntagz: []\n"))

    assert applied.code == 2
    assert "regles-site.yaml:2:1" in applied.err
    assert len(author.json("history")) == 1


def test_past_rules_are_shown_and_put_back_in_force(author: Author) -> None:
    shipped = author.json("history")[0]["digest"]
    author.rules("apply", author.write(NO_MAIL_TO_PATIENTS))
    changed = author.json("history")[0]["digest"]
    author.rules("apply", author.write(NO_MAIL_TO_PROFESSIONALS))

    shown = author.rules("show", changed[:12])
    stored = author.json("show", changed)
    written = author.rules("show", changed, "--out", str(author.folder / "copie"))
    back, further = author.rules("rollback", "--reason", "retour"), author.json("rollback", shipped[:12])

    assert shown.out.startswith(f"# ---- regles-site.yaml ----\n{NO_MAIL_TO_PATIENTS}")
    assert stored["files"][0] == {"name": "regles-site.yaml", "text": NO_MAIL_TO_PATIENTS}
    assert (author.folder / "copie" / "regles-site.yaml").read_text() == NO_MAIL_TO_PATIENTS
    assert "exceptions.yaml" in written.out
    assert f"empreinte {changed[:12]}" in back.out
    assert (further["digest"], further["changed"], further["engines"]) == (shipped, True, {"living": 0, "taken": 0})
    assert [line["digest"] for line in author.json("history", "--limit", "2")] == [shipped, changed]


def test_an_unknown_digest_is_explained(author: Author) -> None:
    shown = author.rules("show", "0" * 12)

    assert shown.code == 2
    assert "pfi rules history" in shown.err


def test_a_store_on_which_no_engine_started_has_no_history(tmp_path: Path, store_url: str) -> None:  # noqa: F811
    author = Author(tmp_path, store_url)

    assert "Aucune règle" in author.rules("history").out
    assert author.json("history") == []


# On the traffic -------------------------------------------------------------------------------------------------------


def test_the_changes_on_the_journal_are_listed_and_counted(author: Author) -> None:
    path = author.write(NO_MAIL_TO_PATIENTS)

    told, found = author.rules("diff", path), author.rules("diff", path, "--days", "2", "--json")
    summary = found.json["summary"]

    assert (told.code, found.code) == (1, 1)
    assert "envoyer à 1 destinataire -> ne pas envoyer (CIT_OPPOSED)" in " ".join(told.out.split())
    assert "n° 1 : " in told.out
    assert "3 messages comparés, 9 décisions" in told.out
    assert "Décisions qui changeraient : 3." in told.out
    assert [(change["message"], change["channel"], change["change"]) for change in found.json["changes"]] == [
        ("1", "CIT", "send>deny"),
        ("2", "CIT", "send>deny"),
        ("3", "CIT", "code"),
    ]
    assert summary["counts"] == [
        {"channel": "CIT", "change": "code", "count": 1},
        {"channel": "CIT", "change": "send>deny", "count": 2},
    ]
    assert (summary["messages"], summary["skipped"]) == (3, {})
    assert not traits_in(told.out + found.out)
    assert len(author.json("history")) == 1


def test_the_rules_in_force_compared_with_themselves_change_nothing(author: Author) -> None:
    path = author.write(NO_MAIL_TO_PATIENTS)
    author.rules("apply", path)

    told, found = author.rules("diff", path), author.rules("diff", path, "--json")

    assert (told.code, found.code) == (0, 0)
    assert "Aucune décision ne changerait." in told.out
    assert found.json["changes"] == []


def test_the_changes_on_a_folder_need_neither_journal_nor_configuration(tmp_path: Path) -> None:
    rules_file = tmp_path / "site.yaml"
    rules_file.write_text("kind: site\ntags:\n  - {types: ['11502-2'], add: [cit_opposed]}\n", encoding="utf-8")
    missing = str(tmp_path / "aucune.yaml")

    told = pfi("rules", "diff", str(rules_file), "--messages", str(SAMPLES / "messages"), "--config", missing)
    as_json = pfi("rules", "diff", str(rules_file), "--messages", str(SAMPLES), "--config", missing, "--json").json

    assert told.code == 1
    assert "biologie-hors-sejour.hl7 : " in told.out
    assert "lettre-de-liaison" not in told.out
    assert not traits_in(told.out)
    assert max(len(line) for line in told.out.splitlines()) <= 80
    assert {change["type_code"] for change in as_json["changes"]} == {"11502-2"}
    # pictures, broken messages: said, not hidden
    assert as_json["summary"]["skipped"]["unreadable"] >= 1
    assert as_json["summary"]["skipped"]["refused"] >= 1


def test_adt_messages_of_the_folder_are_applied_first(tmp_path: Path) -> None:
    """The objection closes the DMP with both sets of rules: nothing is left to change there."""
    rules_file = tmp_path / "site.yaml"
    rules_file.write_text(
        "kind: site\nrules:\n  - id: SITE_DMP_WAITS\n    text: Rien au DMP pour le moment.\n"
        "    when: {channels: [DMP]}\n    then: {deny: {code: SITE_DMP_WAITS}}\n",
        encoding="utf-8",
    )
    traffic = tmp_path / "trafic"
    traffic.mkdir()
    (traffic / "1.hl7").write_bytes((SAMPLES / "messages/patient-oppose.hl7").read_bytes())
    arguments = ("rules", "diff", str(rules_file), "--messages", str(traffic), "--config", "aucune.yaml", "--json")

    alone = pfi(*arguments).json
    (traffic / "2-adt.hl7").write_bytes((SAMPLES / "adt/a31-opposition.hl7").read_bytes())
    (traffic / ".cache").write_bytes(b"MSH|")
    told = pfi(*arguments).json

    assert [(each["channel"], each["change"]) for each in alone["changes"]] == [("DMP", "send>deny")]
    assert [each["change"] for each in told["changes"]] != ["send>deny"]
    assert told["summary"]["skipped"] == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["diff", "absent.yaml"], "absent.yaml"),
        (["diff", "--days", "3"], ""),
        (["diff", "a.yaml", "--days", "3", "--messages", "."], "--messages"),
    ],
)
def test_a_comparison_that_cannot_be_made_ends_with_2(author: Author, arguments: list[str], said: str) -> None:
    ran = author.rules(*arguments)

    assert ran.code == 2
    assert said in ran.err


def test_coverage_counts_the_decisions_that_name_each_rule_and_names_the_others(author: Author) -> None:
    found = author.json("coverage", "--days", "1")
    used = {each["rule"]: each["decisions"] for each in found["rules"] if each["decisions"]}
    told = author.rules("coverage")

    assert found["decisions"] == 9
    # The discharge letter is due on each of the three channels of each of the three messages.
    assert used["R02"] == 9
    assert "E23" in found["never"]
    assert set(used).isdisjoint(found["never"])
    assert len(used) + len(found["never"]) == len(found["rules"])
    assert "9 décisions depuis le" in told.out
    assert "E23" in told.out.partition("Jamais employées, exceptions.yaml :")[2]


def test_coverage_only_looks_at_the_days_asked_for(author: Author, store_url: str) -> None:  # noqa: F811
    async def age() -> None:
        async with house(store_url) as home:
            await home.fetch("UPDATE messages SET received_at = now() - interval '3 days' WHERE id < 3")

    asyncio.run(age())

    assert author.json("coverage", "--days", "2")["decisions"] == 3
    assert author.json("coverage", "--days", "4")["decisions"] == 9


def test_what_is_printed_as_json_is_json(author: Author, capsys: pytest.CaptureFixture[str]) -> None:
    commands: list[Callable[[], Ran]] = [
        lambda: author.rules("coverage", "--json"),
        lambda: author.rules("history", "--json"),
        lambda: author.rules("diff", author.write(NO_MAIL_TO_PATIENTS), "--json"),
    ]
    for command in commands:
        assert json.loads(command().out)


SITE_RULE = (
    "kind: site\nrules:\n  - id: SITE_RULE\n    text: Règle d'essai.\n"
    "    when: {{channels: [{channel}]}}\n    then: {then}\n"
)


@pytest.mark.parametrize(
    ("channel", "then", "change", "said"),
    [
        ("PRO", '{add_recipients: [{address: "bis@ch.mssante.fr", kind: organization}]}', "recipients", "à 2 destin"),
        ("PRO", "{mailbox: laboratoire}", "terms", "sans condition -> boîte laboratoire"),
        ("DMP", "{hold: {code: A_RELIRE, until: human_release}}", "send>hold", "envoyer -> attendre (A_RELIRE)"),
    ],
)
def test_each_kind_of_change_is_told_with_the_rule_that_makes_it(
    tmp_path: Path, channel: str, then: str, change: str, said: str
) -> None:
    rules_file, traffic = tmp_path / "site.yaml", tmp_path / "trafic"
    rules_file.write_text(SITE_RULE.format(channel=channel, then=then), encoding="utf-8")
    traffic.mkdir()
    (traffic / "1.hl7").write_bytes((SAMPLES / "messages/imagerie-hors-sejour.hl7").read_bytes())
    arguments = ("rules", "diff", str(rules_file), "--messages", str(traffic), "--config", "aucune.yaml")

    (found,) = pfi(*arguments, "--json").json["changes"]

    assert (found["channel"], found["change"], "SITE_RULE" in found["rules"]) == (channel, change, True)
    assert said in " ".join(pfi(*arguments).out.split())


def test_a_folder_is_compared_with_the_rules_in_force_of_the_configuration(author: Author) -> None:
    path = author.write(NO_MAIL_TO_PATIENTS)
    before = author.rules("diff", path, "--messages", str(SAMPLES / "messages"))
    author.rules("apply", path)
    after = author.rules("diff", path, "--messages", str(SAMPLES / "messages"))

    assert (before.code, after.code) == (1, 0)
