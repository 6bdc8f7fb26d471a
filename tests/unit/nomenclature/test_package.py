"""An official package is read in every form in which it is published."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from pfi.model.document import CodedValue
from pfi.model.errors import ConfigurationError
from pfi.standards.nomenclature import package as reading
from pfi.standards.nomenclature.package import read_package
from pfi.standards.nomenclature.systems import is_known, system_oid
from tests.unit.nomenclature.packages import (
    A05,
    LOINC_OID,
    NOS,
    WORDS_OID,
    concepts,
    fhir_map,
    fhir_set,
    svs_map,
    svs_set,
    written,
)

SETTINGS = [("HAD", "1.2.250.1.213.1.1.4.9", "Hospitalisation à domicile")]


def test_a_value_set_of_ihe_svs_is_known_by_its_number_and_its_oid(tmp_path: Path) -> None:
    folder = written(
        tmp_path, a=svs_set("JDV_J04_XdsPracticeSettingCode_CISIS", SETTINGS, id="1.2.250.1.213.1.1.5.467")
    )
    found = read_package(folder)
    assert found.sets["JDV_J04"] == found.sets["1.2.250.1.213.1.1.5.467"]
    assert found.sets["JDV_J04"].version == "2030-01-01"
    assert found.sets["JDV_J04"].concepts == (CodedValue("HAD", "Hospitalisation à domicile", "1.2.250.1.213.1.1.4.9"),)


def test_an_association_of_ihe_svs_is_pairs_of_codes(tmp_path: Path) -> None:
    folder = written(tmp_path, a=svs_map("ASS_X16-CorrespondanceType-Classe-DMP", [("11490-0", "10"), ("SYNTH", "11")]))
    assert read_package(folder).maps["ASS_X16"].pairs == (("11490-0", "10"), ("SYNTH", "11"))


def test_what_has_ended_is_left_out(tmp_path: Path) -> None:
    one = svs_set("JDV_J04-x", SETTINGS).replace("<Concept ", '<Concept dateFin="20200101000000" ')
    folder = written(
        tmp_path,
        a=one,
        b=svs_set("JDV_J02-x", SETTINGS, dateFin="20200101000000"),
        c=fhir_set("JDV_J66-x", [{"system": A05, "concept": concepts(("A", "a"))}], status="retired"),
    )
    assert read_package(folder).sets == {}


def test_systems_of_fhir_become_oids(tmp_path: Path) -> None:
    designated = {"code": "C", "designation": [{"use": {"code": "OID"}, "value": "urn:oid:1.2.3"}]}
    folder = written(
        tmp_path,
        a=fhir_set(
            "JDV_J66-TypeCode-DMP",
            [
                {"system": A05, "concept": concepts(("SYNTH", "Synthèse"))},
                {"system": "http://loinc.org", "concept": concepts(("11490-0", "Lettre"))},
                {"system": "urn:unknown", "concept": [designated]},
                {"system": "urn:unknown", "concept": concepts(("D", ""))},
            ],
        ),
    )
    assert read_package(folder).sets["JDV_J66"].concepts == (
        CodedValue("SYNTH", "Synthèse", WORDS_OID),
        CodedValue("11490-0", "Lettre", LOINC_OID),
        CodedValue("C", "", "1.2.3"),
        CodedValue("D", "", "urn:unknown"),
    )


def test_a_whole_terminology_is_included_from_the_package(tmp_path: Path) -> None:
    terminology = {
        "resourceType": "CodeSystem",
        "url": "https://new.example/tre",
        "identifier": [{"value": "urn:oid:1.2.250.7"}],
        "concept": [
            {"code": "A", "display": "a", "concept": concepts(("B", "b"))},
            {"code": "Z", "property": [{"code": "status", "valueCode": "retired"}]},
        ],
    }
    folder = written(
        tmp_path, z=terminology, a=fhir_set("JDV_J04-x", [{"system": "https://new.example/tre"}]), b={"k": 1}
    )
    assert read_package(folder).sets["JDV_J04"].concepts == (
        CodedValue("A", "a", "1.2.250.7"),
        CodedValue("B", "b", "1.2.250.7"),
    )


def test_an_expansion_wins_over_the_definition(tmp_path: Path) -> None:
    expansion = {
        "contains": [
            {"system": A05, "code": "A", "display": "a", "contains": [{"system": A05, "code": "B", "display": "b"}]},
            {"system": A05, "code": "C", "inactive": True},
        ]
    }
    defined = fhir_set("JDV_J04-x", [{"system": A05, "concept": concepts(("X", "x"))}], expansion=expansion)
    assert [value.code for value in read_package(written(tmp_path, a=defined)).sets["JDV_J04"].concepts] == ["A", "B"]


def test_what_a_definition_excludes_is_left_out(tmp_path: Path) -> None:
    defined = fhir_set("JDV_J04-x", [{"system": A05, "concept": concepts(("A", "a"), ("B", "b"))}])
    defined["compose"]["exclude"] = [{"system": A05, "concept": concepts(("A", "a"))}]
    assert [value.code for value in read_package(written(tmp_path, a=defined)).sets["JDV_J04"].concepts] == ["B"]


def test_a_concept_map_leaves_out_what_has_no_equivalent(tmp_path: Path) -> None:
    mapped = fhir_map("ASS_A11-CorresModeleCDA", [("1.2.3", "urn:ans:x"), ("1.2.4", "urn:ans:y")])
    mapped["group"][0]["element"][1]["target"][0]["equivalence"] = "unmatched"
    found = read_package(written(tmp_path, a=mapped)).maps["ASS_A11"]
    assert (found.pairs, found.version) == ((("1.2.3", "urn:ans:x"),), "2030-01-01")


def test_resources_inside_a_bundle_are_read(tmp_path: Path) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": fhir_map("ASS_X16-x", [("a", "10")])}, {"resource": 3}]}
    assert read_package(written(tmp_path, a=bundle)).maps["ASS_X16"].pairs == (("a", "10"),)


def test_the_latest_edition_wins_whatever_the_order(tmp_path: Path) -> None:
    old, new = svs_set("JDV_J04-x", SETTINGS, day="20200101"), svs_set("JDV_J04-x", [("SAD", "1.2", "Soins")])
    for number, (first, second) in enumerate(((old, new), (new, old))):
        found = read_package(written(tmp_path / str(number), a=first, b=second))
        assert [value.code for value in found.sets["JDV_J04"].concepts] == ["SAD"]


def test_a_number_is_not_the_beginning_of_another(tmp_path: Path) -> None:
    folder = written(tmp_path, a=svs_set("JDV_J040-Autre", SETTINGS), b=svs_set("JDV_J04Essai", SETTINGS))
    assert list(read_package(folder).sets) == ["JDV_J040"]


def test_files_that_cannot_be_read_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    folder = written(tmp_path, good=svs_set("JDV_J04-x", SETTINGS), bad="<a>")
    (folder / "broken.json").write_text('{"resourceType": "ConceptMap",}', encoding="utf-8")
    (folder / "notice.pdf").write_bytes(b"%PDF")
    found = read_package(folder)
    assert found.unreadable == ("bad.xml", "broken.json")
    assert "JDV_J04" in found.sets


def test_a_zip_and_a_fhir_archive_are_read_like_a_folder(tmp_path: Path) -> None:
    xml, resource = svs_set("JDV_J04-x", SETTINGS).encode(), json.dumps(fhir_map("ASS_X16-x", [("a", "10")])).encode()
    zipped, tarred = tmp_path / "nos.zip", tmp_path / "package.tgz"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("NOS/JDV/", b"")
        archive.writestr("NOS/JDV/a.xml", xml)
        archive.writestr("NOS/ASS/b.json", resource)
    with tarfile.open(tarred, "w:gz") as tar:
        for name, content in (("package/a.XML", xml), ("package/b.json", resource), ("package/c.txt", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    for path in (zipped, tarred):
        found = read_package(path)
        assert set(found.sets) == {"JDV_J04"}
        assert set(found.maps) == {"ASS_X16"}


def test_what_is_no_package_says_so(tmp_path: Path) -> None:
    other, broken = tmp_path / "a.txt", tmp_path / "b.zip"
    other.write_text("rien")
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("a.xml", "x" * 1000)
    damaged = broken.read_bytes().replace(b"x" * 10, b"y" * 10, 1)
    broken.write_bytes(damaged)
    for path in (other, broken):
        with pytest.raises(ConfigurationError, match="illisible") as refused:
            read_package(path)
        assert refused.value.code == "PACKAGE_UNREADABLE"


def test_a_package_beyond_all_bounds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_TOTAL", 100)
    with pytest.raises(ConfigurationError, match="Mo de fichiers"):
        read_package(written(tmp_path, a=svs_set("JDV_J04-x", SETTINGS)))


def test_a_file_beyond_all_bounds_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_FILE", 100)
    assert read_package(written(tmp_path, a=svs_set("JDV_J04-x", SETTINGS))).sets == {}


@pytest.mark.parametrize(
    ("address", "oid"),
    [
        ("urn:oid:1.2.3", "1.2.3"),
        ("1.2.3", "1.2.3"),
        ("http://snomed.info/sct", "2.16.840.1.113883.6.96"),
        (f"{NOS}/TRE_A06-FormatCode/FHIR/TRE-A06-FormatCode", "1.2.250.1.213.1.1.4.2.282"),
        ("https://smt.example/CodeSystem/tre-r209-type-activite", "1.2.250.1.213.2.2"),
        (f"{NOS}/TRE_A10-NomenclatureURN/FHIR/TRE-A10-NomenclatureURN", "URN"),
        ("https://other.example", "https://other.example"),
    ],
)
def test_a_code_system_is_known_by_its_address(address: str, oid: str) -> None:
    assert system_oid(address) == oid
    assert is_known(oid) is not oid.startswith("https")
