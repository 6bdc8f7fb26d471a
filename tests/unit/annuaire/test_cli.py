"""`pfi annuaire`: what an operator sees, and the exit codes."""

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner, Result

from pfi.cli.annuaire import annuaire
from pfi.model.errors import ConfigurationError
from tests.unit.annuaire.given import organisational, personal, written


def configured(folder: Path, **settings: Any) -> str:
    path = folder / "pfi.yaml"
    path.write_text(yaml.safe_dump({"directory": {"settings": settings}} if settings else {}))
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(annuaire, arguments)


@pytest.fixture
def ready(tmp_path: Path) -> str:
    config = configured(tmp_path, extract={"file": "data/a.sqlite", "max_age_days": 10_000})
    source = written(
        tmp_path,
        personal("one@x.fr", "10000000001"),
        personal("two@x.fr", "10000000002", "990000025"),
        organisational("office@x.fr", "990000025", "Urgences"),
    )
    result = run("import", str(source), "--config", config)
    assert result.exit_code == 0, result.output
    assert "3 boîtes importées, du 05/03/2026." in result.output
    return config


def test_one_mailbox_is_shown_and_the_exit_code_says_so(ready: str) -> None:
    result = run("find", "10000000001", "--config", ready)
    assert (result.exit_code, "one@x.fr" in result.output) == (0, True)
    assert "Une boîte s'impose" in result.output


def test_an_address_is_whole_on_a_narrow_terminal(tmp_path: Path) -> None:
    config = configured(tmp_path, extract={"file": "data/a.sqlite", "max_age_days": 10_000})
    address = "secretariat.des.consultations@centre-hospitalier.mssante.fr"
    source = written(tmp_path, organisational(address, "990000025", "Consultations de cardiologie"))
    assert run("import", str(source), "--config", config).exit_code == 0
    result = CliRunner().invoke(annuaire, ["find", "990000025", "--config", config], env={"COLUMNS": "80"})
    assert address in result.output


def test_who_has_no_mailbox_is_told_with_what_to_do(ready: str) -> None:
    result = run("find", "10000000009", "--config", ready)
    assert result.exit_code == 1
    assert "Aucune boîte MSSanté publiée" in result.output
    assert "carnet d'adresses" in result.output


def test_a_structure_is_found_by_its_finess(ready: str) -> None:
    result = run("find", "1990000025", "--config", ready)
    assert (result.exit_code, "Urgences" in result.output) == (0, True)


def test_a_mailbox_that_does_not_impose_itself_is_shown_and_not_counted(ready: str) -> None:
    result = run("find", "810000000002", "--config", ready)
    assert result.exit_code == 1
    assert "Aucune boîte ne s'impose" in result.output
    assert "two@x.fr" in result.output
    result = run("find", "810000000002", "--structure", "990000025", "--config", ready)
    assert result.exit_code == 0


def test_json_is_for_machines(ready: str) -> None:
    said = orjson.loads(run("find", "10000000001", "--config", ready, "--json").output)
    assert (said["outcome"], said["mailboxes"][0]["address"]) == ("found", "one@x.fr")
    assert orjson.loads(run("find", "10000000009", "--config", ready, "--json").output) == {
        "outcome": "nothing",
        "mailboxes": [],
    }


@pytest.mark.parametrize(
    "arguments",
    [("find", "279035121518989"), ("find", "DUPONT"), ("find", "10000000001", "--structure", "x"), ("import",)],
)
def test_wrong_words_are_a_wrong_use(ready: str, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, "--config", ready).exit_code == 2


def test_the_check_tells_the_age_of_the_extraction(ready: str, tmp_path: Path) -> None:
    result = run("check", "--config", ready)
    assert result.exit_code == 0
    assert "3 boîtes, du 05/03/2026." in result.output
    old = configured(tmp_path, extract={"file": "data/a.sqlite", "max_age_days": 0.001})
    result = run("check", "--config", old)
    assert result.exit_code == 1
    assert "Trop ancienne" in result.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("find", "10000000001"), "ANNUAIRE_NOT_CONFIGURED"),
        (("check",), "ANNUAIRE_NOT_CONFIGURED"),
    ],
)
def test_without_the_section_the_remedy_is_told(tmp_path: Path, arguments: tuple[str, ...], code: str) -> None:
    result = run(*arguments, "--config", configured(tmp_path))
    assert isinstance(result.exception, ConfigurationError)
    assert result.exception.code == code


def test_fetching_without_authorities_of_its_own_is_refused(tmp_path: Path) -> None:
    result = run("import", "--fetch", "--config", configured(tmp_path, extract={"file": "a.sqlite"}))
    assert isinstance(result.exception, ConfigurationError)
    assert result.exception.code == "ANNUAIRE_EXTRACT_CA"


def test_a_wrong_setting_is_told_by_its_place(tmp_path: Path) -> None:
    result = run("check", "--config", configured(tmp_path, key="x", attempts=99))
    assert isinstance(result.exception, ConfigurationError)
    assert "pfi.yaml:3:5 : « attempts »" in result.exception.text
