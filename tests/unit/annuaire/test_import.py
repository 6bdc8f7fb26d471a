"""The extraction of the day: read by its columns, checked, put in place in one step."""

import sqlite3
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.annuaire.extract import Extract, ExtractError
from connectors.annuaire.identifiers import Professional, Structure
from connectors.annuaire.importing import import_file
from connectors.annuaire.rows import ExtractionRefusedError
from connectors.annuaire.settings import ExtractSettings
from pfi.engine.connector import Ambiguous, Found, Lookup, Mailbox, Nothing
from pfi.model.errors import ConfigurationError
from tests.unit.annuaire.given import HEADER, NAME, NOW, organisational, personal, written

LINES = (
    personal("one@x.fr", "10000000001"),
    personal("two@x.fr", "10000000002", "990000025"),
    personal("two-bis@x.fr", "10000000002", "990000033"),
    organisational("office@x.fr", "990000025", "Urgences"),
)


@pytest.fixture
def settings(tmp_path: Path) -> ExtractSettings:
    return ExtractSettings(file=tmp_path / "data" / "annuaire.sqlite")


def imported(settings: ExtractSettings, source: Path) -> Extract:
    import_file(source, settings, lambda: NOW)
    return Extract(settings)


def asked(extract: Extract, rpps: str, structure: str = "") -> Lookup:
    return extract.of_professional(Professional(f"8{rpps}"), structure)


def test_a_professional_is_found_by_place_and_a_structure_by_finess(settings: ExtractSettings, tmp_path: Path) -> None:
    extract = imported(settings, written(tmp_path, *LINES))
    assert asked(extract, "10000000001") == Found(Mailbox("one@x.fr", "PER", "", "", "99000"))
    here = Mailbox("two@x.fr", "PER", "990000025", "CH DEMO", "99000")
    assert asked(extract, "10000000002", "990000025") == Found(here)
    assert isinstance(asked(extract, "10000000002"), Ambiguous)
    assert asked(extract, "10000000003") == Nothing()
    office = Mailbox("office@x.fr", "ORG", "990000025", "Urgences", "99000")
    assert extract.of_structure(Structure("990000025")) == Found(office)


def test_the_archive_gives_what_the_text_gives(settings: ExtractSettings, tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(written(tmp_path, *LINES), NAME)
    extract = imported(settings, archive)
    assert isinstance(asked(extract, "10000000001"), Found)
    assert extract.edition().made_at == datetime(2026, 3, 5, 3, 12, tzinfo=UTC)
    assert extract.edition().rows == len(LINES)


def test_columns_are_found_by_name_wherever_they_are_and_however_accented(
    settings: ExtractSettings, tmp_path: Path
) -> None:
    names = HEADER.split("|")
    moved = "\ufeff" + "|".join(["Nouvelle colonne", *reversed(names)]).upper()
    line = "|".join(["x", *reversed(LINES[0].split("|"))])
    extract = imported(settings, written(tmp_path, line, header=moved))
    assert isinstance(asked(extract, "10000000001"), Found)


def test_the_same_mailbox_on_several_lines_is_kept_once(settings: ExtractSettings, tmp_path: Path) -> None:
    extract = imported(settings, written(tmp_path, LINES[0], LINES[0], LINES[0]))
    assert extract.edition().rows == 1


def test_no_name_of_anybody_is_kept(settings: ExtractSettings, tmp_path: Path) -> None:
    imported(settings, written(tmp_path, *LINES))
    assert b"ESSAI" not in settings.file.read_bytes()


def test_a_patient_s_address_is_never_imported(settings: ExtractSettings, tmp_path: Path) -> None:
    lines = [personal(f"p{n}@x.fr", f"1000000{n:04}") for n in range(200)]
    extract = imported(
        settings, written(tmp_path, *lines, personal("279035121518989@patient.mssante.fr", "10000000999"))
    )
    assert asked(extract, "10000000999") == Nothing()
    assert b"279035121518989" not in settings.file.read_bytes()


def test_an_edition_that_lost_a_fifth_of_the_mailboxes_does_not_replace_the_one_in_use(
    settings: ExtractSettings, tmp_path: Path
) -> None:
    lines = [personal(f"p{n}@x.fr", f"1000000{n:04}") for n in range(10)]
    imported(settings, written(tmp_path, *lines))
    with pytest.raises(ExtractionRefusedError, match="7 boîtes seulement, contre 10"):
        import_file(written(tmp_path, *lines[:7]), settings, lambda: NOW)
    assert Extract(settings).edition().rows == 10
    assert import_file(written(tmp_path, *lines[:8]), settings, lambda: NOW).before == 10
    assert Extract(settings).edition().rows == 8


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Colonne"),
        (b"a|b|c\n1|2|3\n", "Colonne"),
        (HEADER.encode() + b"\n", "aucune boîte"),
        (HEADER.encode() + b"\n" + b"x" * 70_000, "anormalement longue"),
        (HEADER.encode() + b"\n\xe9\xe9\n", "UTF-8"),
        (HEADER.encode() + b"\n" + LINES[0].encode() + b"\nPER|no address\n", "inutilisables"),
        (b"PK\x03\x04 not an archive", "Colonne"),
    ],
)
def test_what_is_no_extraction_leaves_the_one_in_use(
    settings: ExtractSettings, tmp_path: Path, content: bytes, says: str
) -> None:
    imported(settings, written(tmp_path, *LINES))
    before = settings.file.read_bytes()
    wrong = tmp_path / "wrong.txt"
    wrong.write_bytes(content)
    with pytest.raises(ExtractionRefusedError, match=says):
        import_file(wrong, settings, lambda: NOW)
    assert settings.file.read_bytes() == before
    assert [each.name for each in settings.file.parent.iterdir()] == [settings.file.name]


def test_an_archive_without_the_expected_file_or_damaged_is_refused(settings: ExtractSettings, tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("autre.txt", "x")
    with pytest.raises(ExtractionRefusedError, match="un seul"):
        import_file(archive, settings, lambda: NOW)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(written(tmp_path, *LINES * 50), NAME)
    content = bytearray(archive.read_bytes())
    content[120:200] = b"\0" * 80
    archive.write_bytes(content)
    with pytest.raises(ExtractionRefusedError, match="endommagée"):
        import_file(archive, settings, lambda: NOW)


def test_a_folder_that_cannot_be_written_is_a_matter_of_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    settings = ExtractSettings(file=tmp_path / "file" / "annuaire.sqlite")
    with pytest.raises(ConfigurationError, match="ANNUAIRE_EXTRACT_NOT_WRITABLE"):
        import_file(written(tmp_path, *LINES), settings, lambda: NOW)


def test_an_edition_is_fresh_for_three_days(settings: ExtractSettings, tmp_path: Path) -> None:
    extract = imported(settings, written(tmp_path, *LINES))
    made = datetime(2026, 3, 5, 3, 12, tzinfo=UTC)
    assert extract.is_fresh(made + timedelta(days=3))
    assert not extract.is_fresh(made + timedelta(days=3, seconds=1))


def test_a_missing_damaged_or_foreign_file_is_said_so(settings: ExtractSettings, tmp_path: Path) -> None:
    extract = Extract(settings)
    with pytest.raises(ExtractError, match="ANNUAIRE_EXTRACT_MISSING"):
        extract.edition()
    settings.file.parent.mkdir()
    settings.file.write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(ExtractError, match="ANNUAIRE_EXTRACT_UNREADABLE"):
        extract.edition()
    settings.file.unlink()
    extract = imported(settings, written(tmp_path, *LINES))
    edition = extract.edition()
    with sqlite3.connect(settings.file) as connection:
        connection.execute("UPDATE edition SET format = 99")
    connection.close()
    with pytest.raises(ExtractError, match="ANNUAIRE_EXTRACT_UNREADABLE"):
        extract.edition()
    assert replace(edition, rows=4) == edition
