"""What METADATA.XML says of the patient: patientId and sourcePatientInfo (MSSanté digest §5.1, INS digest §5)."""

import unicodedata
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from pfi.model.patient import Identifier, Traits
from pfi.standards.hl7v2.escapes import Unescaper
from pfi.standards.mail.letters import without_accents

_UNESCAPER: Final = Unescaper(field="|", component="^", repetition="~", escape="\\", subcomponent="&", codec="utf-8")
_AUTHORITY: Final = 3
_TYPE: Final = 4
_NAME_TYPE: Final = 6
_DAY: Final = len("AAAAMMJJ")
_SEXES: Final = {"UN": "U"}


class Likeness(Enum):
    """How two statements of one trait compare."""

    SAME = auto()
    """Equal after Unicode NFC and trimming, or one of them is not given."""
    TYPOGRAPHY = auto()
    """Equal without regard to case, accents, hyphens and blanks."""
    DIFFERENT = auto()


def read_patient_id(text: str) -> Identifier | None:
    """A CX `value^^^name&oid&ISO^type`; `None` when it has no value."""
    components = _components(text)
    authority = _part(components, _AUTHORITY).split("&")
    value = _text(_part(components, 0))
    if not value:
        return None
    return Identifier(
        value,
        authority_oid=_text(authority[1]) if len(authority) > 1 else "",
        authority_name=_text(authority[0]),
        type_code=_text(_part(components, _TYPE)).upper(),
    )


def read_source_patient(lines: Sequence[str]) -> Traits:
    """sourcePatientInfo, `PID-n|value` lines: birth name (type `L`, else the first one), first given name, birth date,
    sex."""
    by_field: dict[str, list[list[str]]] = {}
    for line in lines:
        field, _, value = line.partition("|")
        for repetition in value.split("~"):
            by_field.setdefault(field.strip().upper(), []).append(_components(repetition))
    names = by_field.get("PID-5", [])
    legal = [name for name in names if _part(name, _NAME_TYPE).strip().upper() == "L"]
    name = next(iter(legal or names), [])
    return Traits(
        birth_name=_text(_part(name, 0)),
        first_given_name=_text(_part(name, 1)),
        birth_date=_text(_part(next(iter(by_field.get("PID-7", [])), []), 0))[:_DAY],
        sex=_text(_part(next(iter(by_field.get("PID-8", [])), []), 0)).upper(),
    )


def compare_trait(one: str, other: str) -> Likeness:
    """Two names, as RNIV wants them compared; the folded comparison only tells a slip from another person."""
    one, other = (unicodedata.normalize("NFC", text).strip() for text in (one, other))
    if not one or not other or one == other:
        return Likeness.SAME
    return Likeness.TYPOGRAPHY if _folded(one) == _folded(other) else Likeness.DIFFERENT


def compare_date(one: str, other: str) -> Likeness:
    """Two birth dates: a shorter one agrees with the one that it begins."""
    one, other = one.strip()[:_DAY], other.strip()[:_DAY]
    return Likeness.SAME if one.startswith(other) or other.startswith(one) else Likeness.DIFFERENT


def compare_sex(one: str, other: str) -> Likeness:
    """Two sexes; an unknown one contradicts nothing."""
    one, other = (_SEXES.get(sex.upper(), sex.upper()) for sex in (one, other))
    return Likeness.SAME if one == other or not {one, other} <= {"M", "F"} else Likeness.DIFFERENT


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, without_accents(text).casefold()))


def _components(text: str) -> list[str]:
    return text.split("^")


def _part(components: Sequence[str], index: int) -> str:
    return components[index] if index < len(components) else ""


def _text(raw: str) -> str:
    return _UNESCAPER.undo(raw).strip()
