"""Free text of the DMP without what it may quote of a patient: names, identifiers, dates, long numbers."""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from pfi.model.patient import Patient

People = Sequence[Patient]
"""Whom a text of the DMP may quote: the patient of the message and those of its documents."""
_MAX_TEXT: Final = 300
_HIDDEN: Final = "***"
_GAP: Final = "[^A-Z0-9]*"
"""Between the words of a name, or the characters of an identifier: nothing, a hyphen, blanks..."""
_SURE: Final = 4
"""A name of so many letters is hidden inside a longer word too."""
_MONTH: Final = (
    "(?:JAN|FEV|FEB|MAR|AVR|APR|MAI|MAY|JUIN|JUN|JUIL|JUL|AOU|AUG|SEP|OCT|NOV|DEC)[A-Z]{0,7}"  # French, English
)
_NUMBERS: Final = (
    re.compile(r"[0-9](?:[ ./_-]{0,2}[0-9]){4,}"),
    re.compile(r"[0-9]{1,4}[ ./_-]{1,2}[0-9]{1,2}[ ./_-]{1,2}[0-9]{2,4}"),
    re.compile(rf"[0-9]{{1,2}}(?:ER|ST|ND|RD|TH)?[^A-Z0-9]*(?:OF )?{_MONTH}[^A-Z0-9]*[0-9]{{2,4}}"),
    re.compile(rf"{_MONTH}[^A-Z0-9]*[0-9]{{1,2}}(?:ER|ST|ND|RD|TH)?[^A-Z0-9]*[0-9]{{2,4}}"),
)
"""Identifiers, and dates whoever's: in digits, or with the name of the month."""
_LETTERS: Final = {"Œ": "OE", "Æ": "AE", "ß": "SS", "ẞ": "SS", "Ø": "O", "Đ": "D", "Ł": "L"}
"""Those that do not come apart into a letter and an accent."""


def redacted(text: str, people: People) -> str:
    """At most 300 characters of a text, in which `***` stands for any trait of these people, however it is written
    (accents, case, hyphens), for any date and for any long number."""
    plain = unicodedata.normalize("NFC", " ".join(html.unescape(text).split()))
    folded, places = _folded(plain)
    hidden = [False] * len(plain)
    for pattern in (*_NUMBERS, *(trait for patient in people for trait in _traits(patient))):
        for found in pattern.finditer(folded):
            for place in places[found.start() : found.end()]:
                hidden[place] = True
    kept: list[str] = []
    for character, hide in zip(plain, hidden, strict=True):
        if not hide:
            kept.append(character)
        elif not kept or kept[-1] != _HIDDEN:
            kept.append(_HIDDEN)
    return "".join(kept)[:_MAX_TEXT]


def _folded(text: str) -> tuple[str, list[int]]:
    """Capitals without accents, and for each of them the place of the character that it comes from."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        capital = character.upper()
        bare = _LETTERS.get(capital) or "".join(
            _LETTERS.get(each, each)
            for each in unicodedata.normalize("NFKD", capital)
            if not unicodedata.combining(each)
        )
        letters.append(bare)
        places += [place] * len(bare)
    return "".join(letters), places


def _traits(patient: Patient) -> Iterator[re.Pattern[str]]:
    traits = patient.traits
    names = (
        traits.birth_name,
        traits.used_name,
        traits.first_given_name,
        traits.used_given_name,
        traits.given_names,
        *traits.given_names.split(),
    )
    for words in {tuple(re.findall("[A-Z0-9]+", _folded(name)[0])) for name in names}:
        yield from _name(words)
        for word in words:
            # A particle alone (de, le) is no trait.
            if len(word) >= _SURE:
                yield from _name((word,))
    identifiers = [*patient.identifiers, *([patient.account] if patient.account else [])]
    numbers = {each.value for each in identifiers} | {traits.birth_place, traits.birth_date}
    for ins in (patient.ins, *patient.other_ins):
        if ins is not None:
            numbers |= {ins.matricule, ins.matricule[:13]}
    for number in numbers:
        characters = re.findall("[A-Z0-9]", _folded(number)[0])
        if len(characters) > 1:
            yield re.compile(rf"(?<![A-Z0-9]){_GAP.join(characters)}(?![0-9])")


def _name(words: tuple[str, ...]) -> Iterator[re.Pattern[str]]:
    if not words:
        return
    pattern = _GAP.join(words)
    inside = sum(map(len, words)) >= _SURE
    yield re.compile(pattern if inside else rf"(?<![A-Z0-9]){pattern}(?![A-Z0-9])")
