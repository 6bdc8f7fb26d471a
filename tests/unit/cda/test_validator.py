"""The whole validation of a document: XML schema, volet, common structure, and what none of them sees."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pfi.model.errors import ConfigurationError
from pfi.model.finding import Severity
from pfi.standards.cda.validator import DocumentValidator, Validated
from tests.unit.cda.tinypack import COMMON, FILES, cda, write_pack

VOLET = "CI-SIS_BIO-CR-BIO_2024.01"


def validate(
    tmp_path: Path, content: bytes, changes: Mapping[str, str | None] | None = None, *, accept: bool = False
) -> Validated:
    pack = write_pack(tmp_path / "pack", **(changes or {}))
    return DocumentValidator(pack, tmp_path / "cache", accept_incomplete=accept).validate(content)


def codes(validated: Validated) -> list[str]:
    return [each.code for each in validated.findings if each.severity is Severity.ERROR]


def test_a_sound_document_has_no_finding_and_every_check_was_made(tmp_path: Path) -> None:
    validated = validate(tmp_path, cda())
    assert validated.findings == ()
    assert validated.applied == ("CDA_extended.xsd", VOLET, "ASIP-STRUCT-MIN-StrucMin", "PFI")


def test_a_failure_says_its_rule_its_place_and_a_french_text(tmp_path: Path) -> None:
    (finding,) = validate(tmp_path, cda(sex='<administrativeGenderCode code="PAT-TROIS"/>')).findings
    assert finding.code == "CDA_SCHEMATRON"
    assert finding.severity is Severity.ERROR
    assert finding.where == "recordTarget/patientRole/patient/administrativeGenderCode"
    assert finding.rule == f"{VOLET}/Sexe/1"
    assert "patient/administrativeGenderCode doit faire partie du jeu de valeurs JDV_Sexes.xml" in finding.text
    assert "PAT-TROIS" not in repr(finding)


def test_a_warning_of_the_schematron_does_not_refuse(tmp_path: Path) -> None:
    validated = validate(tmp_path, cda(extra="<copyTime/>"))
    assert codes(validated) == []
    assert [each.severity for each in validated.findings] == [Severity.WARNING]


def test_the_schema_comes_first_and_alone(tmp_path: Path) -> None:
    spoilt = cda(title="", sex="<administrativeGenderCode/>").replace(
        b"</ClinicalDocument>", b"texte</ClinicalDocument>"
    )
    validated = validate(tmp_path, spoilt)
    assert set(codes(validated)) == {"CDA_SCHEMA"}
    assert validated.applied == ("CDA_extended.xsd",)


def test_what_is_no_cda_document_is_refused(tmp_path: Path) -> None:
    assert codes(validate(tmp_path, b"<!DOCTYPE x><x/>")) == ["XML_DOCTYPE_FORBIDDEN"]


def test_a_document_without_volet_has_the_common_structure_only(tmp_path: Path) -> None:
    validated = validate(tmp_path, cda(templates="", sex="<administrativeGenderCode/>"))
    assert validated.applied == ("CDA_extended.xsd", "ASIP-STRUCT-MIN-StrucMin", "PFI")
    assert validated.findings == ()


def test_a_self_presenting_document_is_validated_inside(tmp_path: Path) -> None:
    sheet = '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{}</xsl:stylesheet>'
    assert codes(validate(tmp_path / "a", sheet.format(cda().decode()).encode())) == []
    assert codes(validate(tmp_path / "b", sheet.format(cda(title="").decode()).encode())) == ["CDA_SCHEMATRON"]


UNKNOWN = '<id root="1.2.250.1.213.1.4.99" extension="279035121518989"/>'
ELSEWHERE = '<id root="1.2.3" extension="279035121518989"/>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (cda(language="en-US"), "CDA_LANGUAGE"),
        (cda(patient_id=UNKNOWN), "CDA_INS_OID_UNKNOWN"),
        (cda(patient_id=ELSEWHERE), "CDA_INS_OID_UNKNOWN"),
        (cda(patient_id='<id root="1.2.250.1.213.1.4.10" extension="27903512"/>'), "CDA_INS_MALFORMED"),
        (cda(patient_id='<id root="1.2.250.1.213.1.4.8" extension="27903512"/>'), "CDA_INS_MALFORMED"),
        (cda(effective_time="20260306101500"), "CDA_EFFECTIVE_TIME_NO_OFFSET"),
        (cda(document_id='<id root="1.2.3.4.5" extension="7"/>'), "CDA_ID_EXTENSION"),
    ],
)
def test_the_five_defects_that_no_official_check_sees_are_errors(tmp_path: Path, content: bytes, code: str) -> None:
    assert codes(validate(tmp_path, content)) == [code]


def test_a_social_security_number_beside_the_ins_is_allowed(tmp_path: Path) -> None:
    ins = '<id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>'
    assert codes(validate(tmp_path, cda(patient_id=ins + ELSEWHERE + UNKNOWN))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"entete.sch": None},
        {"JDV_Sexes.xml": None},
        {"dansJeu.sch": "<x/>"},
        {"entete.sch": FILES["schematrons/include/entete.sch"].replace("cda:time", "cda:time(")},
        {"ASIP-STRUCT-MIN-StrucMin.sch": None},
    ],
)
def test_what_the_pack_lacks_leaves_the_document_not_validated(tmp_path: Path, changes: dict[str, str | None]) -> None:
    assert codes(validate(tmp_path / "refuse", cda(), changes)) == ["CDA_NOT_VALIDATED"]
    accepted = validate(tmp_path / "accept", cda(), changes, accept=True)
    assert codes(accepted) == []
    assert [each.code for each in accepted.findings] == ["CDA_NOT_VALIDATED"]


def test_a_version_that_the_pack_does_not_have_is_not_validated(tmp_path: Path) -> None:
    template = '<templateId root="1.2.250.1.213.1.1.1.55" extension="2031.01"/>'
    (finding,) = validate(tmp_path, cda(templates=template)).findings
    assert finding.code == "CDA_NOT_VALIDATED"
    assert "version 2031.01 du volet BIO-CR-BIO" in finding.text


def test_a_rule_that_breaks_on_a_document_leaves_it_not_validated(tmp_path: Path) -> None:
    breaking = COMMON.replace("count(hl7:title[not(@nullFlavor)]) &gt;= 1", "xs:integer(hl7:title) = 1")
    breaking = breaking.replace("<ns ", '<ns prefix="xs" uri="http://www.w3.org/2001/XMLSchema"/><ns ', 1)
    (finding,) = validate(tmp_path, cda(), {"ASIP-STRUCT-MIN-StrucMin.sch": breaking}).findings
    assert finding.code == "CDA_NOT_VALIDATED"
    assert "n'a pas pu être appliqué" in finding.text


def test_without_announced_version_the_newest_that_it_respects_applies(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    newest = pack / "schematrons/CI-SIS_BIO-CR-BIO_2030.01.sch"
    newest.write_text((pack / f"schematrons/{VOLET}.sch").read_text().replace("$SEXES", "'absent'", 1))
    never = '<active pattern="inactif"/></phase>'
    newest.write_text((pack / f"schematrons/{VOLET}.sch").read_text().replace("</phase>", never))
    validator = DocumentValidator(pack, tmp_path / "cache")
    unversioned = '<templateId root="1.2.250.1.213.1.1.1.55"/>'
    sound = validator.validate(cda(templates=unversioned))
    assert sound.findings == ()
    assert VOLET in sound.applied
    wrong = validator.validate(cda(templates=unversioned, sex="<administrativeGenderCode/>"))
    assert {each.rule.split("/")[0] for each in wrong.findings} == {"CI-SIS_BIO-CR-BIO_2030.01"}


def test_compiled_schematrons_are_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validate(tmp_path, cda())
    kept = {path.parent.name for path in (tmp_path / "cache").rglob("manifest.json")}
    assert kept == {VOLET, "ASIP-STRUCT-MIN-StrucMin"}

    def never(*_arguments: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr("pfi.standards.cda.pack.compile_schematron", never)
    assert validate(tmp_path, cda()).findings == ()


def test_another_pack_does_not_use_what_was_compiled_for_the_first(tmp_path: Path) -> None:
    assert codes(validate(tmp_path, cda(title=""))) == ["CDA_SCHEMATRON"]
    lenient = COMMON.replace("count(hl7:title[not(@nullFlavor)]) &gt;= 1", "true()")
    assert codes(validate(tmp_path, cda(title=""), {"ASIP-STRUCT-MIN-StrucMin.sch": lenient})) == []


def test_without_room_to_keep_them_schematrons_are_compiled_for_the_process(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("un fichier")
    assert validate(tmp_path, cda()).findings == ()
    assert codes(validate(tmp_path, cda(title=""))) == ["CDA_SCHEMATRON"]


def test_findings_are_bounded_and_errors_come_first(tmp_path: Path) -> None:
    validated = validate(tmp_path, cda(author="<copyTime/><author/>" * 100))
    assert len(validated.findings) <= 100
    volet = [each for each in validated.findings if each.rule.startswith(VOLET)]
    assert len(volet) == 50


def test_an_unusable_pack_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        validate(tmp_path, cda(), {"CDA_extended.xsd": None})
