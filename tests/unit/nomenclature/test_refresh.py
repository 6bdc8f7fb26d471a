"""Tables are rebuilt from a package, and everything that changes is told."""

from pathlib import Path
from typing import Any

import pytest

from pfi.model.errors import ConfigurationError
from pfi.standards.nomenclature import tables
from pfi.standards.nomenclature.package import read_package
from pfi.standards.nomenclature.refresh import FileChange, Refresh, as_yaml, refresh, write
from pfi.standards.nomenclature.tables import SCHEMAS, load, read_file
from tests.official import ANS_DIR, needs_official_samples
from tests.unit.nomenclature.packages import (
    A05,
    LOINC_OID,
    WORDS_OID,
    concepts,
    fhir_map,
    fhir_set,
    svs_map,
    svs_set,
    written,
)


def rebuilt(folder: Path, base: Path | None = None, **files: str | dict[str, Any]) -> Refresh:
    return refresh(read_package(written(folder, **files)), base)


def file_of(result: Refresh, name: str) -> FileChange:
    return next(file for file in result.files if file.name == name)


def signs(file: FileChange) -> dict[str, str]:
    return {change.code: change.sign for change in file.changes}


def loaded(result: Refresh, folder: Path) -> tables.Tables:
    write(result, folder)
    return load(folder)


def current_types() -> list[tuple[str, str, str]]:
    return [(code, row.value.system, row.value.label) for code, row in load(None).types.items()]


def test_every_shipped_file_is_read_back_from_what_is_written(tmp_path: Path) -> None:
    for name in SCHEMAS:
        (tmp_path / name).write_text(as_yaml(read_file(name)), encoding="utf-8")
        assert read_file(name, tmp_path) == read_file(name)
    assert load(tmp_path) == load(None)


def test_an_empty_package_changes_nothing_and_names_what_is_missing(tmp_path: Path) -> None:
    result = rebuilt(tmp_path)
    assert not result.changed
    assert {missing.split()[0] for missing in result.missing} >= {"JDV_J66", "JDV_J60", "ASS_X16", "ASS_A11", "JDV_J01"}
    assert loaded(result, tmp_path / "out") == load(None)


def test_a_value_set_is_replaced_as_a_whole(tmp_path: Path) -> None:
    scheme = "1.2.250.1.213.1.1.4.9"
    settings = [
        ("HAD", scheme, "Hospitalisation à domicile"),
        ("SAD", scheme, "Soins chez soi"),
        ("NEW", scheme, "Neuf"),
    ]
    result = rebuilt(tmp_path, a=svs_set("JDV_J04-XdsPracticeSettingCode-CISIS", settings))
    file = file_of(result, "practice_settings.yaml")
    assert signs(file)["NEW"] == "+"
    assert signs(file)["SAD"] == "~"
    assert signs(file)["AMBULATOIRE"] == "-"
    assert "HAD" not in signs(file)
    assert file.editions == (("JDV_J04", "2024-09-27", "2030-01-01"),)
    after = loaded(result, tmp_path / "out")
    assert set(after.values["practice_settings.yaml"]) == {"HAD", "SAD", "NEW"}
    assert after.versions["JDV_J04 XdsPracticeSettingCode CI-SIS"] == "2030-01-01"


def test_the_value_set_of_the_dmp_wins_over_the_general_one(tmp_path: Path) -> None:
    scheme = "1.2.250.1.71.4.2.4"
    general, own = [("SA01", scheme, "A"), ("SA02", scheme, "B")], [("SA01", scheme, "A"), ("SA11", scheme, "C")]
    both = rebuilt(tmp_path / "1", a=svs_set("JDV_J02-x", general), b=svs_set("JDV_J61-x", own))
    one = rebuilt(tmp_path / "2", a=svs_set("JDV_J02-x", general))
    assert set(loaded(both, tmp_path / "o1").values["facility_types.yaml"]) == {"SA01", "SA11"}
    # SA11 is in the value set of the DMP only: the general one does not take it away.
    assert set(loaded(one, tmp_path / "o2").values["facility_types.yaml"]) == {"SA01", "SA02", "SA11"}


def test_a_new_type_has_its_class_and_the_dmp_takes_it(tmp_path: Path) -> None:
    types = [*current_types(), ("85895-1", LOINC_OID, "CR de médecine nucléaire"), ("MOT", WORDS_OID, "Mot")]
    accepted = fhir_set(
        "JDV_J66-TypeCode-DMP",
        [{"system": "http://loinc.org", "concept": concepts(("85895-1", "x"), ("11490-0", "y"))}],
    )
    result = rebuilt(
        tmp_path,
        a=svs_set("JDV_J07-x", types),
        b=accepted,
        c=svs_map("ASS_X16-x", [("85895-1", "31"), ("11490-0", "10"), ("E1762", "urn:oid:1.3.6")]),
        d=fhir_map("ASS_X04-x", [("MOT", "44")]),
    )
    after = loaded(result, tmp_path / "out")
    assert after.types["85895-1"].class_code == "31"
    assert after.types["85895-1"].value.label == "CR de médecine nucléaire"
    assert after.types["85895-1"].accepted_by_dmp
    assert (after.types["MOT"].class_code, after.types["MOT"].class_is_fallback) == ("44", True)
    assert after.types["MOT"].value.system == WORDS_OID
    assert not after.types["34112-3"].accepted_by_dmp
    assert after.types["34112-3"].class_code == "10"  # ASS_X16 of this package has no line for it: kept, and told
    assert "E1762" not in after.types
    told = signs(file_of(result, "type_codes.yaml"))
    assert (told["85895-1"], told["34112-3"]) == ("+", "~")


def test_a_type_that_leaves_the_value_set_is_kept_and_told(tmp_path: Path) -> None:
    without = [each for each in current_types() if each[0] != "11490-0"]
    file = file_of(rebuilt(tmp_path, a=svs_set("JDV_J07-x", without)), "type_codes.yaml")
    assert signs(file)["11490-0"] == "="


def test_a_type_moves_from_the_second_table_to_the_first(tmp_path: Path) -> None:
    result = rebuilt(tmp_path, a=svs_map("ASS_X16-x", [("60280-5", "11"), ("101881-1", "52")]))
    after = loaded(result, tmp_path / "out").types
    assert not after["60280-5"].class_is_fallback
    assert (after["101881-1"].class_code, after["101881-1"].class_is_fallback) == ("52", False)


def test_formats_are_merged_and_the_non_structured_template_is_not_one(tmp_path: Path) -> None:
    pairs = [
        ("1.2.250.1.213.1.1.1.29", "urn:asip:ci-sis:ldl-ses:2031"),
        ("1.2.250.1.213.1.1.1.99", "urn:ans:ci-sis:neuf:2031"),
        ("1.3.6.1.4.1.19376.1.2.20", "urn:ihe:iti:xds-sd:pdf:2008"),
        ("1.2.3", "autre:format"),
    ]
    media = [("application/PDF", "urn:ihe:iti:xds-sd:pdf:2031"), ("1.3.6.1.4.1.19376.1.2.20", "urn:ihe:x")]
    result = rebuilt(tmp_path, a=fhir_map("ASS_A11-x", pairs), b=svs_map("ASS_A12-x", media))
    told = signs(file_of(result, "format_codes.yaml"))
    assert told["1.2.250.1.213.1.1.1.29"] == "~"
    assert told["1.2.250.1.213.1.1.1.99"] == "+"
    assert told["1.2.250.1.213.1.1.1.13"] == "="
    assert told["1.2.3"] == "!"
    formats = loaded(result, tmp_path / "out").formats
    assert formats.by_template["1.2.250.1.213.1.1.1.99"] == "urn:ans:ci-sis:neuf:2031"
    assert formats.by_template["1.2.250.1.213.1.1.1.13"] == "urn:asip:ci-sis:vsm:2012"
    assert "1.3.6.1.4.1.19376.1.2.20" not in formats.by_template
    assert formats.by_media_type["application/pdf"] == "urn:ihe:iti:xds-sd:pdf:2031"
    assert formats.by_media_type["application/rtf"]


def test_formats_of_the_dmp_are_replaced(tmp_path: Path) -> None:
    only = fhir_set("JDV_J60-x", [{"system": A05, "concept": concepts(("urn:asip:ci-sis:vsm:2012", "VSM"))}])
    assert loaded(rebuilt(tmp_path, a=only), tmp_path / "out").dmp_formats == {"urn:asip:ci-sis:vsm:2012": "VSM"}


def test_classes_of_signatures_are_no_classes_of_documents(tmp_path: Path) -> None:
    classes = [
        (code, "1.2.250.1.213.1.1.4.1", value.label) for code, value in load(None).values["class_codes.yaml"].items()
    ]
    result = rebuilt(tmp_path, a=svs_set("JDV_J57-x", [*classes, ("urn:oid:1.3.6", "URN", "Signature")]))
    assert file_of(result, "class_codes.yaml").changes == ()


def test_imaging_events_are_replaced_by_system(tmp_path: Path) -> None:
    modalities = [("CT", "1.2.840.10008.2.16.4", "Scanner")]
    result = rebuilt(tmp_path, a=svs_set("JDV_ModaliteAcquisition_CISIS", modalities, id="1.2.250.1.213.1.1.5.618"))
    after = loaded(result, tmp_path / "out").values["event_codes.yaml"]
    assert [code for code, value in after.items() if value.system == "1.2.840.10008.2.16.4"] == ["CT"]
    assert "774007" in after


def test_a_line_of_an_unknown_system_is_told_and_left_out(tmp_path: Path) -> None:
    settings = fhir_set(
        "JDV_J04-x", [{"system": "https://nowhere.example", "concept": concepts(("HAD", "À domicile"), ("ZZZ", "?"))}]
    )
    result = rebuilt(tmp_path, a=settings)
    assert signs(file_of(result, "practice_settings.yaml"))["ZZZ"] == "!"
    after = loaded(result, tmp_path / "out").values["practice_settings.yaml"]
    assert after["HAD"].system == "1.2.250.1.213.1.1.4.9"  # the one that we knew
    assert "ZZZ" not in after


def test_the_documents_own_confidentiality_survives_the_value_set_of_the_dmp(tmp_path: Path) -> None:
    visibility = [("MASQUE_PS", "1.2.250.1.213.1.1.4.13", "Masqué aux professionnels de santé")]
    after = loaded(rebuilt(tmp_path, a=svs_set("JDV_J58-x", visibility)), tmp_path / "out")
    assert set(after.values["confidentiality.yaml"]) == {"MASQUE_PS", "N", "R", "V"}


def test_refreshing_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    package = written(tmp_path / "p", a=svs_map("ASS_X16-x", [("11490-0", "10")]))
    write(refresh(read_package(package)), tmp_path / "out")
    again = refresh(read_package(package), tmp_path / "out")
    assert not again.changed


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as refused:
        write(rebuilt(tmp_path / "p"), tmp_path / "file")
    assert refused.value.code == "NOMENCLATURE_NOT_WRITTEN"


@needs_official_samples
def test_the_shipped_tables_are_those_of_the_official_pack() -> None:
    result = refresh(read_package(ANS_DIR / "validation-pack" / "jeuxDeValeurs"))
    changes = {file.name: signs(file) for file in result.files if file.changes}
    assert changes == {"type_codes.yaml": {"11526-1": "="}}  # an old type that ASS_X16 still has
