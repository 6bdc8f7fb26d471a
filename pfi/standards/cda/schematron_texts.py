"""What an assertion says, in French, without anything of the document.

The messages of the ANS are French and kept, but for the values that they quote from the document (a finding never
carries clinical content nor a trait). Those that ART-DECOR generates are English: said again in French.
"""

import re
from collections.abc import Mapping
from typing import Final

from pfi.standards.cda.schematron import Assertion, Said, Schematron

_UNTOLD: Final = "…"
_LITERAL: Final = re.compile(r"^\s*(?:'([^']*)'|\"([^\"]*)\")\s*$")
_FAMILY: Final = re.compile(r"^\s*(?:\[+(?P<tag>[^\]]+)\]+|\((?P<template>[\w.-]+)\)(?:/\S+)?:)\s*")
_DATATYPE: Final = re.compile(r"^\s*(?P<id>dtr1-\d+[\w.-]*?-(?P<type>[A-Za-z_.]+)):")
_QUOTED: Final = re.compile(rf"\s*\[\s*(?:{_UNTOLD}\s*:\s*)*{_UNTOLD}\s*\]")
"""`[code:displayName:codeSystem]` of the element at fault."""
_PATH: Final = re.compile(r"[\w:.@*-]+(?:/{1,2}[\w:.@*-]+)+")
_LONGEST: Final = 400

_FRENCH: Final = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), text)
    for pattern, text in (
        (r"element (?P<e>.+) is (?:required|mandatory) \[min (?P<n>\d+)x\]", "élément {e} obligatoire ({n} au moins)."),
        (r"element (?P<e>.+) appears too often \[max (?P<n>\d+)x\]", "élément {e} présent trop souvent ({n} au plus)."),
        (r"choice \((?P<e>.+)\) does not contain enough elements", "il faut l'un de ces éléments : {e}."),
        (r"choice \((?P<e>.+)\) contains too many elements", "un seul de ces éléments est permis : {e}."),
        (r"attribute (?P<e>@\S+) SHALL be present", "attribut {e} obligatoire."),
        (r"attribute (?P<e>@\S+) SHALL be of data type '(?P<n>[^']*)'", "attribut {e} qui n'est pas du type « {n} »."),
        (r"(?:attribute )?(?P<e>@\S+) is not a valid int number", "attribut {e} qui n'est pas un nombre entier."),
        (r"the value for (?P<e>\S+) SHALL be '(?P<n>[^']*)'", "attribut {e} : la valeur attendue est « {n} »."),
        (
            r"the value for (?P<e>\S+) SHALL be selected from (?P<n>.+?)\.?$",
            "attribut {e} hors de l'ensemble permis ({n}).",
        ),
        (r"(?:the )?element value SHALL be one of '?(?P<e>.+?)'?\.?$", "valeur hors de l'ensemble permis ({e})."),
        (
            r".*xsi:type instruction is present it SHALL be valued \"(?P<e>[^\"]+)\"",
            "xsi:type, s'il est présent, doit être {e}.",
        ),
        (r"this element '.*?' is not defined", "élément non prévu à cet endroit, ou pas avec ce contenu."),
        (
            r".*with datatype (?P<e>\w+), SHOULD NOT have child elements",
            "une valeur de type {e} n'a pas d'élément fils.",
        ),
        (r"descendant-or-self::hl7:ClinicalDocument", "document sans l'identifiant de type (typeId) d'un CDA R2."),
    )
)
_DATATYPE_TEXT: Final = "Valeur contraire aux règles du type de données HL7 {type} (règle {id})."
_OTHER_LANGUAGE: Final = re.compile(r"\b(?:SHALL|SHOULD|must|is not|element|Found)\b")


def rule_id(schematron: str, assertion: Assertion) -> str:
    """Stable name of an assertion: `CI-SIS_BIO-CR-BIO_2024.01/E_FR-Prelevement/3`."""
    return f"{schematron}/{assertion.pattern}/{assertion.number}"


def french_text(assertion: Assertion, schematron: Schematron) -> str:
    """The message of an assertion: one French line, 400 characters at most, nothing quoted from the document."""
    constants = {let.name: let.value for let in schematron.lets}
    raw = "".join(_said(part.select, constants) if isinstance(part, Said) else part for part in assertion.message)
    text = " ".join(raw.split())
    datatype = _DATATYPE.match(text)
    if datatype is not None:
        return _DATATYPE_TEXT.format(**datatype.groupdict())
    family = _FAMILY.match(text)
    rest = text[family.end() :] if family is not None else text
    for pattern, french in _FRENCH:
        match = pattern.match(rest)
        if match is not None:
            rest = french.format(**match.groupdict())
            break
    else:
        if _OTHER_LANGUAGE.search(rest):
            rest = f"règle non respectée, texte d'origine : « {rest} »."
    prefix = f"[{family['tag'] or family['template']}] " if family is not None else ""
    rest = _QUOTED.sub("", rest).strip()
    whole = f"{prefix}{rest[:1].upper()}{rest[1:]}"
    return whole if len(whole) <= _LONGEST else f"{whole[: _LONGEST - 1]}{_UNTOLD}"


def _said(select: str, constants: Mapping[str, str]) -> str:
    """A computed part: its value when it does not depend on the document, the path of an element, else `…`."""
    wanted = select.strip()
    expression = constants.get(wanted.removeprefix("$"), wanted) if wanted.startswith("$") else wanted
    literal = _LITERAL.match(expression)
    if literal is None:
        return expression if _PATH.fullmatch(expression) else _UNTOLD
    value = literal[1] if literal[1] is not None else literal[2]
    return value.rsplit("/", 1)[-1] if value.lower().endswith(".xml") else value
