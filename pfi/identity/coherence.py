"""Do the HL7 v2 message and the CDA document speak of the same patient? (INS digest §8.2-8.3)

Traits are compared after Unicode NFC and trimming only: the RNIV allows no alteration. A looser comparison serves the
wording of the finding, never the verdict. No finding ever shows a trait.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pfi.identity.ins import PATIENT_ID, allowed, check, is_test, missing_traits
from pfi.model.finding import Finding, Severity
from pfi.model.patient import IdentityStatus, Ins, Patient, Traits
from pfi.model.profile import SenderProfile

_RULE: Final = "INS digest §8.2"
_CDA_ID: Final = "recordTarget/patientRole/id"
_CDA_PATIENT: Final = "recordTarget/patientRole/patient"
_DAY: Final = len("AAAAMMJJ")


class PatientError(StrEnum):
    """HL70533 codes on identities; they go with 207 in ERR-3."""

    NO_INS_IN_DOCUMENT = "903"
    INS_OR_TRAITS_DIFFER = "904"
    INCOMPLETE_INS = "905"


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One strict trait: attribute of Traits, finding code, place in the PID, French subject."""

    trait: str
    code: str
    where: str
    subject: str


_STRICT: Final = (
    _Comparison("birth_name", "BIRTH_NAME_MISMATCH", "PID^1^5", "Le nom de naissance"),
    _Comparison("first_given_name", "FIRST_GIVEN_NAME_MISMATCH", "PID^1^5", "Le premier prénom de naissance"),
    _Comparison("birth_date", "BIRTH_DATE_MISMATCH", "PID^1^7", "La date de naissance"),
    _Comparison("sex", "SEX_MISMATCH", "PID^1^8", "Le sexe"),
)
_GIVEN_NAMES: Final = _Comparison("given_names", "GIVEN_NAMES_MISMATCH", "PID^1^5", "La liste des prénoms de naissance")
_BIRTH_PLACE: Final = _Comparison("birth_place", "BIRTH_PLACE_MISMATCH", "PID^1^11", "Le lieu de naissance")


def compare(pid: Patient, cda: Patient, status: IdentityStatus, profile: SenderProfile) -> tuple[Finding, ...]:
    """PID against recordTarget.

    `ERROR` refuses the message on every channel (207 with 903 or 904). Two warnings bind the routing:
    `INS_IN_CDA_NOT_QUALIFIED` (nothing leaves until the identity is qualified) and `INS_INCOMPLETE` (905: neither the
    DMP nor the citizen).
    """
    findings = [*_compare_ins(pid, cda, status, profile), *_compare_identifiers(pid, cda)]
    test = any(is_test(patient.ins) for patient in (pid, cda) if patient.ins is not None)
    findings.extend(_compare_traits(pid.traits, cda.traits, test=test))
    return tuple(findings)


def compare_renditions(first: Patient, second: Patient) -> tuple[Finding, ...]:
    """Two renditions of one document (N1 and N3) must name the same patient: same INS, no contradicting trait."""
    same_ins = first.ins == second.ins
    contradicting = any(_differ(each.trait, first.traits, second.traits) for each in _STRICT)
    if same_ins and not contradicting:
        return ()
    text = "Les deux formes du document (N1 et N3) ne désignent pas le même patient."
    return (
        _error("RENDITIONS_OF_TWO_PATIENTS", _CDA_PATIENT, text, PatientError.INS_OR_TRAITS_DIFFER, "INS digest §8.2"),
    )


def _compare_ins(pid: Patient, cda: Patient, status: IdentityStatus, profile: SenderProfile) -> Iterator[Finding]:
    """E1 for the INS, and what follows from its absence on one side."""
    if cda.ins is None:
        if pid.ins is not None and status is not IdentityStatus.NOT_QUALIFIED:
            text = "Le message porte une INS, le document CDA n'en porte pas."
            yield _error("INS_NOT_IN_CDA", PATIENT_ID, text, PatientError.NO_INS_IN_DOCUMENT)
        return
    if pid.ins is not None and not _same_ins(pid, cda):
        text = "L'INS du message (matricule et OID) n'est pas celle du document CDA."
        yield _error("INS_MISMATCH", PATIENT_ID, text, PatientError.INS_OR_TRAITS_DIFFER)
        return
    if status is IdentityStatus.NOT_QUALIFIED:
        text = (
            "Le document CDA porte un matricule INS alors que l'identité n'est pas qualifiée : "
            "rien ne sort tant qu'elle ne l'est pas."
        )
        yield Finding(
            "INS_IN_CDA_NOT_QUALIFIED",
            Severity.WARNING,
            _CDA_ID,
            text,
            "INS digest §6",
            "207",
            PatientError.INS_OR_TRAITS_DIFFER,
        )
    if pid.ins is None and allowed(cda.ins, profile.environment):
        # The INS of the PID has been checked with the status; this one has not.
        yield from check(cda.ins, profile.environment, where=_CDA_ID)
    missing = missing_traits(cda.traits)
    if missing:
        text = f"Le document CDA porte une INS sans tous ses traits (manque : {', '.join(missing)})."
        yield Finding(
            "INS_INCOMPLETE",
            Severity.WARNING,
            _CDA_PATIENT,
            text,
            "INS digest §8.3",
            "207",
            PatientError.INCOMPLETE_INS,
        )


def _same_ins(pid: Patient, cda: Patient) -> bool:
    """Equal pairs; while an NIA gives way to an NIR both carriers may hold both (INS digest §3.1)."""
    if pid.ins == cda.ins:
        return True
    return _all_ins(pid) == _all_ins(cda)


def _all_ins(patient: Patient) -> frozenset[Ins]:
    return frozenset(ins for ins in (patient.ins, *patient.other_ins) if ins is not None)


def _compare_identifiers(pid: Patient, cda: Patient) -> Iterator[Finding]:
    """E1 for the IPP: comparable only under the same authority; with no INS to agree on, a contradiction refuses."""
    local = [each for each in pid.identifiers if each.value and each.type_code in ("", "PI")]
    other = [each for each in cda.identifiers if each.value]
    if not local or not other or {each.value for each in local} & {each.value for each in other}:
        return
    shared = {each.authority_oid for each in local if each.authority_oid} & {each.authority_oid for each in other}
    if not shared:
        text = "L'IPP du message et celui du document CDA viennent d'autorités différentes : ils ne sont pas comparés."
        yield Finding("IPP_NOT_COMPARABLE", Severity.INFO, PATIENT_ID, text, _RULE)
    elif pid.ins is not None and _same_ins(pid, cda):
        text = "L'IPP du message n'est pas celui du document CDA, alors que l'INS est la même."
        yield Finding("IPP_MISMATCH", Severity.WARNING, PATIENT_ID, text, _RULE)
    else:
        text = "L'IPP du message n'est pas celui du document CDA pour la même autorité."
        yield _error("IPP_MISMATCH", PATIENT_ID, text, PatientError.INS_OR_TRAITS_DIFFER)


def _compare_traits(pid: Traits, cda: Traits, *, test: bool) -> Iterator[Finding]:
    """E2 to E7. A trait that one side does not give is not a contradiction (completeness is another check)."""
    for each in _STRICT:
        if _differ(each.trait, pid, cda):
            yield _mismatch(each, pid, cda, Severity.ERROR)
    if _differ("given_names", pid, cda):
        # E4: PID-5.3 often repeats the first given name alone, official messages included.
        first_only = _plain(pid.given_names) == _plain(cda.first_given_name)
        yield _mismatch(_GIVEN_NAMES, pid, cda, Severity.WARNING if first_only or test else Severity.ERROR)
    if _differ("birth_place", pid, cda):
        # E7: published test identities have another birth place in HL7 v2 than in CDA.
        yield _mismatch(_BIRTH_PLACE, pid, cda, Severity.WARNING if test else Severity.ERROR)


def _differ(trait: str, first: Traits, second: Traits) -> bool:
    one, other = _comparable(trait, getattr(first, trait)), _comparable(trait, getattr(second, trait))
    if not one or not other:
        return False
    if trait == "birth_date" and len(one) != len(other):
        return not (one.startswith(other) or other.startswith(one))
    return one != other


def _comparable(trait: str, value: str) -> str:
    plain = _plain(value)
    match trait:
        case "birth_date":
            return plain[:_DAY]
        case "sex":
            return "U" if plain == "UN" else plain  # HL70001 writes U what the CDA value set writes UN
        case "given_names":
            return " ".join(plain.split())
        case _:
            return plain


def _plain(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip()


def _folded(value: str) -> str:
    """Letters and digits only, without accents, upper case: for the wording of a finding."""
    decomposed = unicodedata.normalize("NFKD", value.upper())
    return "".join(character for character in decomposed if character.isalnum())


def _mismatch(comparison: _Comparison, pid: Traits, cda: Traits, severity: Severity) -> Finding:
    text = f"{comparison.subject} n'est pas identique dans le message et dans le document CDA."
    if _folded(getattr(pid, comparison.trait)) == _folded(getattr(cda, comparison.trait)):
        text = (
            f"{comparison.subject} ne diffère que par les accents, la casse ou la ponctuation "
            "entre le message et le document CDA."
        )
    return Finding(
        comparison.code,
        severity,
        comparison.where,
        text,
        _RULE,
        err3="207",
        err5=PatientError.INS_OR_TRAITS_DIFFER,
    )


def _error(code: str, where: str, text: str, err5: PatientError, rule: str = _RULE) -> Finding:
    return Finding(code, Severity.ERROR, where, text, rule, err3="207", err5=err5)
