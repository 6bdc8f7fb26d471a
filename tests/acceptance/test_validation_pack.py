"""`pfi validation-pack` and `pfi explain --validate`, as an administrator uses them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pfi.cli.main import cli
from tests.unit.cda.documents import document
from tests.unit.cda.tinypack import cda, write_pack, zip_pack


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def pfi(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def told(*arguments: str) -> Any:
    result = pfi(*arguments, "--json")
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def test_a_pack_is_imported_listed_and_checked(tmp_path: Path) -> None:
    archive = zip_pack(tmp_path / "pack.zip")
    assert "pack installé" in pfi("validation-pack", "import", str(archive)).output
    (listed,) = told("validation-pack", "list")
    assert listed["current"] is True
    assert listed["source"] == "pack.zip"
    assert listed["digest"][:16] in pfi("validation-pack", "list").output
    checked = pfi("validation-pack", "check")
    assert checked.exit_code == 0
    assert "2 défaut(s) réparé(s), 0 schematron(s) incomplet(s)" in checked.output
    assert told("validation-pack", "check")["digest"] == listed["digest"]


def test_a_configuration_says_where(tmp_path: Path) -> None:
    (tmp_path / "pfi.yaml").write_text("data_dir: ici\n")
    config = ("--config", str(tmp_path / "pfi.yaml"))
    told("validation-pack", "import", str(write_pack(tmp_path / "pack")), *config)
    assert (tmp_path / "ici/validation/packs/current").is_file()
    assert len(told("validation-pack", "list", *config)) == 1
    assert told("validation-pack", "list") == []


def test_what_a_pack_lacks_is_told_and_the_exit_code_says_so(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack", **{"entete.sch": None})
    checked = pfi("validation-pack", "check", str(folder))
    assert checked.exit_code == 1
    assert "CI-SIS_BIO-CR-BIO_2024.01" in checked.output
    assert {each["kind"] for each in told("validation-pack", "check", str(folder))["faults"]} == {
        "repaired",
        "incomplete",
    }
    assert "1 schematron(s) incomplet(s)" in pfi("validation-pack", "import", str(folder)).output


def test_without_pack_each_command_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cda.xml").write_bytes(document())
    assert "Aucun pack installé" in pfi("validation-pack", "list").output
    for arguments in (("validation-pack", "check"), ("explain", str(tmp_path / "cda.xml"), "--validate")):
        error = pfi(*arguments).exception
        assert "VALIDATION_PACK_MISSING" in str(error)


def test_explain_shows_what_validation_finds_with_rule_and_place(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    path = tmp_path / "cda.xml"
    path.write_bytes(document(title=""))
    explained = told("explain", str(path), "--validate", "--pack", str(pack))
    found = {each["code"]: each for each in explained["findings"]}
    assert found["CDA_SCHEMATRON"]["rule"] == "ASIP-STRUCT-MIN-StrucMin/entete/1"
    assert found["CDA_SCHEMATRON"]["where"] == "ClinicalDocument"
    assert found["CDA_SCHEMATRON"]["severity"] == "error"
    assert "le DMP ne serait pas alimenté" in found["CDA_VALIDATION"]["text"]
    page = pfi("explain", str(path), "--validate", "--pack", str(pack)).output
    assert "StrucMin" in page
    without = told("explain", str(path))
    assert not {"CDA_SCHEMATRON", "CDA_VALIDATION"} & {each["code"] for each in without["findings"]}


def test_explain_validates_with_the_installed_pack(tmp_path: Path) -> None:
    told("validation-pack", "import", str(write_pack(tmp_path / "pack")))
    path = tmp_path / "cda.xml"
    path.write_bytes(document())
    explained = told("explain", str(path), "--validate")
    (validated,) = [each for each in explained["findings"] if each["code"] == "CDA_VALIDATION"]
    assert "document conforme" in validated["text"]
    assert list(Path("data/validation/compiled").rglob("manifest.json"))


def test_the_document_of_the_tiny_pack_is_explained_without_error(tmp_path: Path) -> None:
    path = tmp_path / "cda.xml"
    path.write_bytes(cda())
    result = pfi("explain", str(path), "--validate", "--pack", str(write_pack(tmp_path / "pack")))
    assert result.exception is None or "CDA_" in str(result.exception)
