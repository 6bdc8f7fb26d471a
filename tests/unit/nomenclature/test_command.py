"""`pfi nomenclature`: what operators read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pfi.cli.nomenclature import nomenclature
from pfi.model.errors import ConfigurationError
from pfi.standards.nomenclature import use
from pfi.standards.nomenclature.tables import SCHEMAS, load
from tests.unit.nomenclature.packages import svs_map, svs_set, written


@pytest.fixture(autouse=True)
def _ours_again() -> Iterator[None]:
    yield
    use(None)


def pfi(*arguments: str | Path) -> Result:
    return CliRunner().invoke(nomenclature, [str(argument) for argument in arguments])


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return written(tmp_path / "package", a=svs_map("ASS_X16-x", [("60280-5", "31")]))


def test_show_lists_each_table_and_its_edition() -> None:
    shown = pfi("show")
    assert shown.exit_code == 0
    assert any(line.split() == ["JDV_J66", "TypeCode", "DMP", "2024-09-27"] for line in shown.output.splitlines())


def test_refresh_writes_every_table_and_says_what_changes(package: Path, tmp_path: Path) -> None:
    told = pfi("refresh", package, "--into", tmp_path / "tables")
    assert told.exit_code == 0, told.output
    assert "ASS_X16 : édition 2030-01-01, au lieu de 2026-07" in told.output
    assert "~ modifié 60280-5" in told.output
    assert "Absent du paquet, laissé tel quel" in told.output
    assert "« nomenclature: " in told.output
    assert {file.name for file in (tmp_path / "tables").iterdir()} == set(SCHEMAS)
    assert load(tmp_path / "tables").types["60280-5"].class_code == "31"


def test_an_older_edition_is_told(tmp_path: Path) -> None:
    old = written(tmp_path / "old", a=svs_map("ASS_X16-x", [("60280-5", "11")], day="20200101"))
    assert "plus ancienne que celle en vigueur" in pfi("refresh", old, "--dry-run").output


def test_a_dry_run_writes_nothing(package: Path, tmp_path: Path) -> None:
    told = pfi("refresh", package, "--into", tmp_path / "tables", "--dry-run")
    assert told.exit_code == 0
    assert "Rien n'est écrit." in told.output
    assert not (tmp_path / "tables").exists()


def test_refresh_writes_where_the_configuration_says_and_starts_from_there(package: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "pfi.yaml").write_text("nomenclature: tables\n")
    first = pfi("refresh", package, "--config", tmp_path / "pfi.yaml")
    assert first.exit_code == 0, first.output
    assert "« nomenclature: " not in first.output
    again = pfi("refresh", package, "--config", tmp_path / "pfi.yaml", "--dry-run")
    assert "ASS_X16 : édition 2030-01-01, inchangée" in again.output
    assert "Aucun changement." in again.output


def test_refresh_asks_where_to_write(package: Path) -> None:
    told = pfi("refresh", package)
    assert told.exit_code == 2
    assert "--into" in told.output


def test_a_package_without_any_useful_table_fails_and_writes_nothing(tmp_path: Path) -> None:
    useless = written(tmp_path / "p", a=svs_set("JDV_Autre", [("A", "1.2", "a")]), b="<a>")
    told = pfi("refresh", useless, "--into", tmp_path / "tables")
    assert told.exit_code == 1
    assert "aucune table utile" in told.output
    assert "fichier illisible, ignoré : b.xml" in told.output
    assert not (tmp_path / "tables").exists()


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    refused = pfi("refresh", tmp_path / "a.txt", "--dry-run")
    assert isinstance(refused.exception, ConfigurationError)
    assert refused.exception.code == "PACKAGE_UNREADABLE"
