"""`pfi explain` shows what the site's rules do: what is awaited, how long, from when, from which mailbox."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pfi.cli.main import cli
from tests.acceptance.explaining import SAMPLES

BIOLOGY = str(SAMPLES / "messages/biologie-hors-sejour.hl7")
SITE = """
kind: site
rules:
  - id: RELECTURE
    text: "Les résultats sont relus avant d'arriver au patient."
    when: {channels: [CIT]}
    then: {hold: {code: A_RELIRE, until: human_release, expiry_days: 7}}
  - id: BOITE_DU_LABORATOIRE
    text: "Le laboratoire écrit de sa boîte."
    when: {channels: [PRO]}
    then:
      mailbox: laboratoire
      priority: high
      schedule: {days: [mon], from: "08:00", to: "18:00"}
"""
ON_A_SUNDAY = ("--at", "2026-01-18")


@pytest.fixture
def site(tmp_path: Path) -> str:
    path = tmp_path / "regles-site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return str(path)


def explain(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["explain", BIOLOGY, *arguments], env={"COLUMNS": "80"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def decisions(*arguments: str) -> dict[str, dict[str, Any]]:
    found = json.loads(explain("--json", *arguments))
    return {each["channel"]: each for each in found["decisions"]}


def test_the_object_says_everything_of_a_decision(site: str) -> None:
    found = decisions("--rules", site, *ON_A_SUNDAY)

    assert (
        found["CIT"] | {"action": "hold", "code": "A_RELIRE", "until": "human_release", "expiry_days": 7}
        == found["CIT"]
    )
    assert found["PRO"]["not_before"] == "2026-01-19T07:00:00+00:00"
    assert (found["PRO"]["mailbox"], found["PRO"]["priority"]) == ("laboratoire", "high")
    assert (found["DMP"]["until"], found["DMP"]["expiry_days"], found["DMP"]["mailbox"]) == (None, None, None)
    assert found["DMP"]["due"]


def test_the_page_says_the_same_in_french_within_80_columns(site: str) -> None:
    page = explain("--rules", site, *ON_A_SUNDAY)
    words = " ".join(page.replace("│", " ").split())

    assert max(len(line) for line in page.splitlines()) <= 80
    for said in (
        "attendre",
        "A_RELIRE",
        "revue à : la décision d'un",
        "abandon après 7 jours",
        "pas avant le 2026-01-19 à",
        "priorité haute",
        "boîte laboratoire",
        "RELECTURE (règle du site)",
        "R06 (table légale)",
        "1 destinataire",
    ):
        assert said in words, said


def test_the_page_and_the_object_name_the_rules_that_decided(site: str) -> None:
    rules = json.loads(explain("--json", "--rules", site))["rules"]

    assert [Path(name).name for name in rules["files"]] == ["regles-site.yaml", "l1111-15.yaml", "exceptions.yaml"]
    assert f"Règles {rules['digest'][:12]} : regles-site.yaml" in explain("--rules", site)


def test_a_hold_without_term_lasts_as_the_sender_is_set(tmp_path: Path, site: str) -> None:
    Path(site).write_text(SITE.replace(", expiry_days: 7", ""), encoding="utf-8")
    config = tmp_path / "pfi.yaml"
    config.write_text(
        "ins: {environment: test}\nrules: [regles-site.yaml]\n"
        "senders: [{name: sgl, match: {application: SGL}, hold: {expiry_days: 12}}]\n",
        encoding="utf-8",
    )

    assert decisions("--rules", site)["CIT"]["expiry_days"] == 30
    assert decisions("--config", str(config))["CIT"]["expiry_days"] == 12
