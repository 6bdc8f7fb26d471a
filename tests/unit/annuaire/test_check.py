"""What `pfi check` says of the directory."""

from pathlib import Path

from pfi.engine.checkup import check_everything
from pfi.engine.configuration import Configuration
from pfi.engine.connector import CheckResult

RULE = 'kind: site\nrules:\n  - {id: ANNUAIRE, text: "Adresses laissées à l\'annuaire.", then: {annuaire: true}}\n'


async def checked(folder: Path, configuration: str) -> dict[str, CheckResult]:
    """Results by subject, nobody being reached."""
    (folder / "site.yaml").write_text(RULE, encoding="utf-8")
    file = folder / "pfi.yaml"
    file.write_text(f"data_dir: data\nrules: [site.yaml]\n{configuration}", encoding="utf-8")
    return {each.subject: each for each in await check_everything(Configuration.read(file), offline=True)}


async def test_a_rule_that_asks_a_directory_needs_one(tmp_path: Path) -> None:
    found = await checked(tmp_path, "")
    assert not found["règle ANNUAIRE"].ok
    assert "« directory »" in found["règle ANNUAIRE"].text
    assert "annuaire" not in found


async def test_a_directory_that_is_configured_is_checked(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n", encoding="utf-8")
    found = await checked(tmp_path, "directory: {settings: {key: {file: key}}}\n")
    assert "règle ANNUAIRE" not in found
    assert found["annuaire"].ok


async def test_a_key_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    found = await checked(tmp_path, "directory: {settings: {key: {file: nowhere}}}\n")
    assert not found["annuaire"].ok
    assert "nowhere" in found["annuaire"].text
