"""What an assertion says: French, and nothing of the document."""

from pathlib import Path

import pytest

from pfi.model.finding import Severity
from pfi.standards.cda.pack import ValidationPack
from pfi.standards.cda.schematron import Assertion, Let, Said, Schematron, read_schematron
from pfi.standards.cda.schematron_texts import french_text, rule_id
from tests.unit.cda.official import PACK, needs_pack


def said(*message: str | Said, lets: tuple[Let, ...] = ()) -> str:
    schematron = Schematron(Path("essai.sch"), {}, lets, (), {})
    return french_text(Assertion("p", 1, "true()", True, Severity.ERROR, message), schematron)


SAID = {
    "(E): element hl7:id[not(@x)] is required [min 1x].": "[E] Élément hl7:id[not(@x)] obligatoire (1 au moins).",
    "(E): element hl7:id is mandatory [min 2x].": "[E] Élément hl7:id obligatoire (2 au moins).",
    "(E): element hl7:id appears too often [max 1x].": "[E] Élément hl7:id présent trop souvent (1 au plus).",
    "(E): choice (hl7:a) does not contain enough elements": "[E] Il faut l'un de ces éléments : hl7:a.",
    "(E): attribute @code SHALL be present.": "[E] Attribut @code obligatoire.",
    "(E): Attribute @use SHALL be of data type 'cs' - 'x'": "[E] Attribut @use qui n'est pas du type « cs ».",
    "(E): @value is not a valid INT number 7": "[E] Attribut @value qui n'est pas un nombre entier.",
    "(E): The value for root SHALL be '1.2'. Found: ": "[E] Attribut root : la valeur attendue est « 1.2 ».",
    "(E)/d1e1-true: this element 'x' is not defined, or not defined with this content.": (
        "[E] Élément non prévu à cet endroit, ou pas avec ce contenu."
    ),
    "dtr1-2-CD: code requires codeSystem": ("Valeur contraire aux règles du type de données HL7 CD (règle dtr1-2-CD)."),
    "\n  [Entete]   Erreur de\n conformité. ": "[Entete] Erreur de conformité.",
    "[[Entete] Double.": "[Entete] Double.",
    "sans étiquette": "Sans étiquette",
    "[X] the code must be known": "[X] Règle non respectée, texte d'origine : « the code must be known ».",
}


@pytest.mark.parametrize(("official", "french"), SAID.items())
def test_official_messages_are_said_in_french(official: str, french: str) -> None:
    assert said(official) == french


def test_what_comes_from_the_document_is_not_quoted() -> None:
    assert said("[E] Le nom ", Said("string(.)"), " [", Said("@code"), ":", Said("@displayName"), "] est faux.") == (
        "[E] Le nom … est faux."
    )


def test_what_comes_from_the_rules_is() -> None:
    lets = (Let("JDV", "'../jeuxDeValeurs/JDV_Essai.xml'"),)
    message = ("[E] ", Said("'patient/code'"), " ou ", Said("cda:a/cda:b"), " hors de ", Said("$JDV"), Said("$autre"))
    assert said(*message, lets=lets) == "[E] Patient/code ou cda:a/cda:b hors de JDV_Essai.xml…"


def test_texts_are_bounded() -> None:
    assert len(said("[E] " + "x" * 5000)) == 400


def test_the_name_of_a_rule_is_its_schematron_its_pattern_and_its_place() -> None:
    assertion = Assertion("Entete", 3, "true()", True, Severity.ERROR, ())
    assert rule_id("CI-SIS_BIO-CR-BIO_2024.01", assertion) == "CI-SIS_BIO-CR-BIO_2024.01/Entete/3"


@needs_pack
def test_every_text_of_the_common_structure_is_french() -> None:
    pack = ValidationPack(PACK)
    assert pack.common is not None
    schematron = read_schematron(pack.common, PACK)
    texts = [french_text(each, schematron) for each in schematron.assertions()]
    assert len(texts) > 1000
    assert not [each for each in texts if "texte d'origine" in each or not each.strip()]
