"""Reading a Schematron: includes, abstract patterns and rules, phases."""

from pathlib import Path

import pytest

from pfi.model.finding import Severity
from pfi.standards.cda.schematron import Extension, Rule, Schematron, SchematronUnusableError, read_schematron
from tests.unit.cda.tinypack import COMMON_FOLDER, ISO, NAMESPACES, write_pack


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path)


def volet(pack: Path) -> Schematron:
    return read_schematron(pack / "schematrons/CI-SIS_BIO-CR-BIO_2024.01.sch", pack)


def written(pack: Path, inside: str, attributes: str = "") -> Schematron:
    path = pack / "schematrons/essai.sch"
    path.write_text(f"<schema {ISO} {attributes}>{NAMESPACES}{inside}</schema>", encoding="utf-8")
    return read_schematron(path, pack)


def test_only_the_patterns_of_the_default_phase_are_kept(pack: Path) -> None:
    assert {pattern.id for pattern in volet(pack).patterns} == {"variables", "Sexe", "Entete"}


def test_without_phase_every_pattern_is_active(pack: Path) -> None:
    schematron = written(pack, '<pattern id="a"/><pattern id="b"/>')
    assert [pattern.id for pattern in schematron.patterns] == ["a", "b"]


def test_the_variables_of_patterns_are_global(pack: Path) -> None:
    assert {let.name: let.value for let in volet(pack).lets} == {"SEXES": "'../jeuxDeValeurs/JDV_Sexes.xml'"}


def test_an_abstract_pattern_is_written_with_its_parameters(pack: Path) -> None:
    (pattern,) = [each for each in volet(pack).patterns if each.id == "Sexe"]
    (rule,) = pattern.rules
    assert rule.context == "cda:patient/cda:administrativeGenderCode"
    assert "document($SEXES)" in rule.steps[-1].test  # type: ignore[union-attr]


def test_a_longer_parameter_is_not_taken_for_a_shorter_one(pack: Path) -> None:
    schematron = written(
        pack,
        """<pattern id="m" abstract="true"><rule context="$a"><assert test="$ab = $a-b">x</assert></rule></pattern>
        <pattern id="p" is-a="m"><param name="a" value="x"/><param name="ab" value="y"/></pattern>""",
    )
    (rule,) = schematron.patterns[0].rules
    assert rule.context == "x"
    assert rule.steps[0].test == "y = $a-b"  # type: ignore[union-attr]


def test_an_include_of_another_case_is_found_and_told(pack: Path) -> None:
    schematron = volet(pack)
    assert schematron.misnamed == ("schematrons/include/ENTETE.sch",)
    assert schematron.missing == ()


def test_an_absent_include_is_told_and_the_rest_is_read(pack: Path) -> None:
    (pack / "schematrons/include/entete.sch").unlink()
    schematron = volet(pack)
    assert schematron.missing == ("schematrons/include/ENTETE.sch",)
    assert "Sexe" in [pattern.id for pattern in schematron.patterns]


def test_an_include_does_not_leave_the_pack(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    (tmp_path / "dehors.sch").write_text('<pattern xmlns="http://purl.oclc.org/dsdl/schematron" id="dehors"/>')
    schematron = written(pack, '<include href="../../dehors.sch"/>')
    assert schematron.patterns == ()
    assert len(schematron.missing) == 1


def test_an_abstract_rule_is_called_once_written(pack: Path) -> None:
    common = read_schematron(pack / COMMON_FOLDER / "ASIP-STRUCT-MIN-StrucMin.sch", pack)
    rules = [rule for pattern in common.patterns for rule in pattern.rules]
    assert any(isinstance(step, Extension) and step.rule == "CD" for rule in rules for step in rule.steps)
    assert [step.number for step in common.abstract_rules["CD"]] == [1, 2]  # type: ignore[union-attr]


def test_an_abstract_rule_whose_variables_go_on_being_used_is_written_out(pack: Path) -> None:
    schematron = written(
        pack,
        """<pattern id="p"><rule abstract="true" id="A"><let name="n" value="1"/><assert test="$n">a</assert></rule>
        <rule context="cda:x"><extends rule="A"/><assert test="$n = 2">b</assert></rule></pattern>""",
    )
    rule: Rule = schematron.patterns[0].rules[0]
    assert not any(isinstance(step, Extension) for step in rule.steps)
    assert len(rule.steps) == 3


def test_severities_follow_the_role(pack: Path) -> None:
    asserts = "".join(f'<assert role="{role}" test="1">t</assert>' for role in ("error", "warning", "info", "fatal"))
    schematron = written(pack, f'<pattern id="p"><rule context="cda:x">{asserts}</rule></pattern>')
    assert [each.severity for each in schematron.assertions()] == [
        Severity.ERROR,
        Severity.WARNING,
        Severity.INFO,
        Severity.ERROR,
    ]


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ('<pattern id="p" is-a="inconnu"/>', "inconnu"),
        ('<pattern id="p"><rule context="x"><extends rule="R"/></rule></pattern>', "inconnue ou circulaire"),
        (
            '<pattern id="p"><rule abstract="true" id="R"><extends rule="R"/></rule>'
            '<rule context="x"><extends rule="R"/></rule></pattern>',
            "inconnue ou circulaire",
        ),
        ('<include href="essai.sch"/>', "circulaires"),
    ],
)
def test_what_cannot_be_resolved_is_an_error(pack: Path, inside: str, reason: str) -> None:
    with pytest.raises(SchematronUnusableError, match=reason):
        written(pack, inside)


@pytest.mark.parametrize("content", ["pas du XML", "<autre/>"])
def test_another_file_is_an_error(pack: Path, content: str) -> None:
    path = pack / "schematrons/essai.sch"
    path.write_text(content)
    with pytest.raises(SchematronUnusableError):
        read_schematron(path, pack)


def test_an_absent_file_is_an_error(pack: Path) -> None:
    with pytest.raises(SchematronUnusableError, match="absent"):
        read_schematron(pack / "schematrons/absent.sch", pack)
