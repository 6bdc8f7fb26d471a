"""`pfi rules` says whether rule files are sound and whether their tests pass."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from pfi.cli.rules import rules
from pfi.routing.schema import rules_schema_text

FAILING = (
    'kind: site\ntests:\n  - name: faux\n    given: {type: "11502-2", date: 2025-03-03}\n    expect: {rows: [R06]}\n'
)


def pfi(*arguments: str) -> Result:
    return CliRunner().invoke(rules, arguments)


def test_check_of_the_shipped_rules_is_correct() -> None:
    result = pfi("check")

    assert result.exit_code == 0
    assert "13 lignes" in result.stdout


def test_check_in_json_gives_the_digest() -> None:
    content = json.loads(pfi("check", "--json").stdout)

    assert content["ok"] is True
    assert len(content["digest"]) == 64


def test_check_of_a_wrong_file_says_where_and_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "faux.yaml"
    path.write_text("kind: site\ntagz: []\n", "utf-8")

    result = pfi("check", str(path))
    as_json = json.loads(pfi("check", "--json", str(path)).stdout)

    assert result.exit_code == 1
    assert "faux.yaml:2:1 : clé inconnue « tagz »" in result.stderr
    assert "« tags »" in result.stderr
    assert as_json["error"]["code"] == "RULES_INVALID"


def test_test_runs_the_shipped_vectors() -> None:
    result = pfi("test")

    assert result.exit_code == 0
    assert ", 0 en échec." in result.stdout


def test_test_ends_with_1_when_a_vector_fails(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(FAILING, "utf-8")

    result = pfi("test", str(path))
    as_json = pfi("test", "--json", str(path))
    content = json.loads(as_json.stdout)

    assert result.exit_code == as_json.exit_code == 1
    assert "ÉCHEC  site.yaml, ligne 3 : faux" in result.stdout
    assert "attendu « R06 », obtenu « R04 »" in result.stdout
    assert content["ok"] is False
    assert [each["name"] for each in content["tests"] if not each["ok"]] == ["faux"]


def test_schema_is_printed() -> None:
    assert pfi("schema").stdout == rules_schema_text()
