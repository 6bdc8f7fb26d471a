"""The INS matricule: shape, key, and where it may travel (INS digest §1)."""

from typing import Final

from pfi.model.finding import Finding, Severity
from pfi.model.patient import Ins, Traits
from pfi.model.profile import Environment
from pfi.standards.cda.oids import INS_OIDS, MATRICULE, TEST_INS_OIDS, InsOid

_RULE: Final = "INS digest §1"
_CORSICA: Final = {"2A": "19", "2B": "18"}
_M13: Final = 13
_DAY: Final = len("AAAAMMJJ")

_ERR3: Final = "207"
_ERR5: Final = "906"

PATIENT_ID: Final = "PID^1^3"
"""Where an INS stands in an HL7 v2 message, in the form of ERR-2."""

_STRICT_TRAITS: Final = (
    ("birth_name", "nom de naissance"),
    ("given_names", "liste des prénoms de naissance"),
    ("first_given_name", "premier prénom de naissance"),
    ("birth_date", "date de naissance"),
    ("sex", "sexe"),
    ("birth_place", "code du lieu de naissance"),
)


def key(m13: str) -> str:
    """The two digits of the key of the first 13 characters: 97 - (N mod 97), `2A` read 19 and `2B` read 18.

    Raises ValueError when the 13 characters do not have the shape of a NIR or an NIA.
    """
    if len(m13) != _M13 or not MATRICULE.fullmatch(m13 + "00"):
        raise ValueError("13 characters of a NIR or an NIA are expected")
    department = m13[5:7]
    number = int(m13[:5] + _CORSICA.get(department, department) + m13[7:])
    return f"{97 - number % 97:02d}"


def is_well_formed(matricule: str) -> bool:
    """True for 15 characters with the shape of a NIR or an NIA; the key is not looked at."""
    return MATRICULE.fullmatch(matricule) is not None


def has_right_key(matricule: str) -> bool:
    """True for a well-formed matricule whose key is right."""
    return is_well_formed(matricule) and key(matricule[:_M13]) == matricule[_M13:]


def is_test(ins: Ins) -> bool:
    """True for the OIDs of test and demonstration identities."""
    return ins.oid in TEST_INS_OIDS


def is_nia(ins: Ins) -> bool:
    """True for the number of a person who waits for a NIR."""
    return ins.oid == InsOid.NIA


def allowed(ins: Ins, environment: Environment) -> bool:
    """True when this INS may leave in this environment: real OIDs in production, test OIDs in test."""
    return ins.oid in INS_OIDS and is_test(ins) == (environment is Environment.TEST)


def check(ins: Ins, environment: Environment, *, where: str = PATIENT_ID) -> tuple[Finding, ...]:
    """OID, environment, shape and key, in this order; the first failure is the only one told.

    A wrong shape or key refuses the message for real OIDs and only warns for test OIDs in a test environment
    (published test identities break the key).
    """
    if ins.oid not in INS_OIDS:
        return (_finding("INS_OID_UNKNOWN", where, "L'OID de l'INS n'est pas un OID d'INS connu."),)
    if not allowed(ins, environment):
        text = (
            "INS de test ou de démonstration reçue par une plateforme de production : elle ne doit pas sortir."
            if is_test(ins)
            else "INS réelle reçue par une plateforme de test : elle ne doit pas sortir."
        )
        return (_finding("INS_OID_ENVIRONMENT", where, text),)
    severity = Severity.WARNING if is_test(ins) else Severity.ERROR
    if not is_well_formed(ins.matricule):
        text = "Le matricule INS n'a pas la forme attendue (13 caractères puis une clé de 2 chiffres)."
        return (_finding("INS_MALFORMED", where, text, severity),)
    if not has_right_key(ins.matricule):
        return (_finding("INS_KEY_WRONG", where, "La clé du matricule INS est fausse.", severity),)
    return ()


def missing_traits(traits: Traits) -> tuple[str, ...]:
    """French names of the strict traits that an INS needs and that are not there (INS digest §1.4, §4).

    A birth date without its day, or a sex other than `M` and `F`, is missing.
    """
    return tuple(label for name, label in _STRICT_TRAITS if not _stated(name, getattr(traits, name)))


def _stated(name: str, trait: str) -> bool:
    match name:
        case "birth_date":
            return len(trait) == _DAY and trait.isdigit()
        case "sex":
            return trait in ("M", "F")
        case _:
            return bool(trait.strip())


def _finding(code: str, where: str, text: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code, severity, where, text, _RULE, err3=_ERR3, err5=_ERR5)
