"""What INSi is asked about a patient: one given name a call, then the birth place (INS digest §7.2 and §7.3)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pfi.model.patient import Ins, Patient, Traits
from pfi.model.profile import Environment
from pfi.standards.cda.oids import INS_OIDS, MATRICULE, TEST_INS_OIDS

_NAME: Final = re.compile(r"[A-Z][A-Z' -]*")
_DAY: Final = re.compile(r"[0-9]{8}")
_COG: Final = re.compile(r"[0-9][0-9AB][0-9]{3}")


@dataclass(frozen=True, slots=True)
class Question:
    """One call. `birth_date` is `AAAA-MM-JJ`, possibly a lunar date; `birth_place` a COG, empty = not given."""

    ins: Ins
    birth_name: str = field(repr=False)
    given_name: str = field(repr=False)
    sex: str
    birth_date: str = field(repr=False)
    birth_place: str = field(default="", repr=False)


class UnusableIdentityError(Exception):
    """The identity cannot be asked about. `code` is stable, `text` French and free of traits."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


def given_names(traits: Traits) -> tuple[str, ...]:
    """The first given name, then the others of the list, each once.

    The first one may itself hold a space (INS digest §1.4): it is taken off the list as a whole.
    """
    first = traits.first_given_name.strip()
    listed = traits.given_names.strip()
    if first and (listed == first or listed.startswith(f"{first} ")):
        listed = listed[len(first) :]
    return tuple(dict.fromkeys(name for name in (first, *listed.split()) if name))


def first_questions(patient: Patient, environment: Environment) -> tuple[Question, ...]:
    """One question a given name, the first one first, without birth place. Raises UnusableIdentityError."""
    ins = _usable_ins(patient, environment)
    traits = patient.traits
    names = given_names(traits)
    missing = list(_missing(traits, names))
    if missing:
        raise UnusableIdentityError(
            "INSI_TRAITS_UNUSABLE",
            f"Traits absents ou d'une forme que le téléservice INSi refuse ({', '.join(missing)}) : "
            "l'identité ne peut pas être vérifiée.",
        )
    day = traits.birth_date
    return tuple(
        Question(ins, traits.birth_name.strip(), name, traits.sex, f"{day[:4]}-{day[4:6]}-{day[6:]}")
        for name in names
        if _NAME.fullmatch(name)
    )


def has_birth_place(patient: Patient) -> bool:
    """Whether the birth place can narrow a question."""
    return _COG.fullmatch(patient.traits.birth_place.strip()) is not None


def _usable_ins(patient: Patient, environment: Environment) -> Ins:
    ins = patient.ins
    if ins is None or ins.oid not in INS_OIDS or not MATRICULE.fullmatch(ins.matricule):
        raise UnusableIdentityError("INSI_NO_INS", "L'identité ne porte pas d'INS que l'on puisse vérifier.")
    if (ins.oid in TEST_INS_OIDS) is (environment is Environment.PRODUCTION):
        raise UnusableIdentityError(
            "INSI_ENVIRONMENT", "L'INS n'est pas de l'environnement de ce téléservice (production ou test)."
        )
    return ins


def _missing(traits: Traits, names: tuple[str, ...]) -> Iterator[str]:
    if not _NAME.fullmatch(traits.birth_name.strip()):
        yield "nom de naissance"
    if not names or not _NAME.fullmatch(names[0]):
        yield "prénom de naissance"
    if traits.sex not in ("M", "F"):
        yield "sexe"
    if not _DAY.fullmatch(traits.birth_date):
        yield "date de naissance"
