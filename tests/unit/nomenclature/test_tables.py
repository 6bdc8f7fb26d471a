"""The tables in force: ours, or those that a site brings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pfi.engine.configuration import Configuration
from pfi.model.errors import ConfigurationError
from pfi.standards import nomenclature
from pfi.standards.nomenclature import tables
from tests.unit.xds.documents import document

PRACTICE = """
nomenclature: practiceSettingCode
sources: [{name: Table du site, version: "2030"}]
system: 1.2.3
values: [{code: SITE, label: Site}]
"""


@pytest.fixture(autouse=True)
def _ours_again() -> Iterator[None]:
    yield
    nomenclature.use(None)


def brought(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_site_replaces_one_table_and_keeps_the_others(tmp_path: Path) -> None:
    nomenclature.use(brought(tmp_path, "practice_settings.yaml", PRACTICE))
    found = nomenclature.practice_setting("SITE")
    assert found is not None
    assert found.system == "1.2.3"
    assert nomenclature.practice_setting("HAD") is None
    assert nomenclature.accepted_by_dmp("11490-0")
    assert nomenclature.versions()["Table du site"] == "2030"
    nomenclature.use(None)
    assert nomenclature.practice_setting("HAD") is not None


def test_the_configuration_puts_tables_in_force(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    brought(tmp_path / "tables", "practice_settings.yaml", PRACTICE)
    (tmp_path / "pfi.yaml").write_text("nomenclature: tables\n")
    Configuration.read(tmp_path / "pfi.yaml")
    assert nomenclature.practice_setting("SITE") is not None
    (tmp_path / "other.yaml").write_text("data_dir: data\n")
    Configuration.read(tmp_path / "other.yaml")
    assert nomenclature.practice_setting("SITE") is None


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        nomenclature.use(tmp_path / "absent")
    assert refused.value.code == "NOMENCLATURE_FOLDER"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("practice_settings.yaml", "values: [", "YAML illisible"),
        ("practice_settings.yaml", PRACTICE.replace("label: Site", "lable: Site"), "practice_settings.yaml:5"),
        ("practice_settings.yaml", PRACTICE.replace("values: [", "values: [{code: SITE, label: Autre}, "), "deux fois"),
        (
            "class_codes.yaml",
            'nomenclature: x\nsources: []\nsystem: "1.2"\nvalues: [{code: "10", label: Compte rendu}]\n',
            "la classe",
        ),
        (
            "content_types.yaml",
            'nomenclature: x\nsources: []\nsystem: "1.2"\npatient_classes: {I: "03"}\ndefault: "97"\nvalues: []\n',
            "la valeur 03",
        ),
        (
            "format_codes.yaml",
            "nomenclature: x\nsources: []\nsystems: {}\nmedia_types: {}\nfallback: urn:x\ntemplates: {}\n",
            "système de codage",
        ),
    ],
)
def test_a_table_that_cannot_serve_is_refused_and_nothing_changes(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    before = tables.current()
    with pytest.raises(ConfigurationError) as refused:
        nomenclature.use(brought(tmp_path, name, text))
    assert reason in refused.value.text
    assert tables.current() is before


def test_a_type_listed_twice_is_refused(tmp_path: Path) -> None:
    row = '{code: "1-1", label: x, class: "10", dmp: true}'
    text = f"nomenclature: x\nsources: []\nsystems: {{loinc: a, words: b}}\ntypes: [{row}, {row}]\n"
    with pytest.raises(ConfigurationError, match="deux fois"):
        nomenclature.use(brought(tmp_path, "type_codes.yaml", text))


def test_a_type_may_have_a_system_of_its_own(tmp_path: Path) -> None:
    row = '{code: "1-1", label: x, class: "10", dmp: true, system: "9.9"}'
    text = f"nomenclature: x\nsources: []\nsystems: {{loinc: a, words: b}}\ntypes: [{row}]\n"
    nomenclature.use(brought(tmp_path, "type_codes.yaml", text))
    found = nomenclature.type_code("1-1")
    assert found is not None
    assert found.system == "9.9"


def test_every_format_of_a_document_is_named_once() -> None:
    body = "<structuredBody><component><section><text>Texte</text></section></component></structuredBody>"
    lab = document(body=body, template='1.2.250.1.213.1.1.1.55"/><templateId root="1.3.6.1.4.1.19376.1.3.3')
    assert [code.code for code in nomenclature.format_codes(lab.header)] == ["urn:ihe:lab:xd-lab:2008"]
