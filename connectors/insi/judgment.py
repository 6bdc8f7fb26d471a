"""What an answer of INSi means for the identity that a message carries. The PFI never takes anything from it: an
answer confirms what was received, or contradicts it (INS digest §2, §7.3)."""

import unicodedata
from collections.abc import Iterator
from typing import Final

from connectors.insi.answers import FOUND, NOBODY, SEVERAL, Individual, Report
from pfi.engine.connector import Verification, VerificationKind
from pfi.model.patient import Ins, Patient, Traits
from pfi.model.profile import Environment
from pfi.standards.cda.oids import TEST_INS_OIDS, InsOid

CONFIRMED: Final = Verification(
    VerificationKind.CONFIRMED, "INSI_00", "Le téléservice INSi confirme l'INS et ses traits."
)
SEVERAL_FOUND: Final = Verification(
    VerificationKind.UNDECIDED,
    "INSI_02",
    "Plusieurs identités répondent à ces traits : le téléservice INSi ne peut pas trancher.",
)
NOBODY_FOUND: Final = Verification(
    VerificationKind.CONTRADICTED,
    "INSI_01",
    "Le téléservice INSi ne connaît aucune identité pour cette INS et ces traits.",
)
_REPLACED: Final = Verification(
    VerificationKind.CONTRADICTED,
    "INSI_INS_REPLACED",
    "L'INS reçue est une ancienne INS : INSi en connaît une autre, active.",
)
_OTHER: Final = Verification(
    VerificationKind.CONTRADICTED, "INSI_OTHER_INS", "Le téléservice INSi donne une autre INS pour ces traits."
)
_MATRICULE_WITHOUT_KEY: Final = 13


def judge(report: Report, patient: Patient, environment: Environment, *, first_name: bool) -> Verification | None:
    """What one answer settles; `None` = nothing, another question may.

    `first_name`: the question was put with the first given name, so that a unique answer is about this person; with
    another given name it may be somebody else's.
    """
    if report.code in (NOBODY, SEVERAL):
        return None
    if report.code != FOUND:
        return Verification(
            VerificationKind.UNAVAILABLE,
            f"INSI_{report.code}",
            f"Le téléservice INSi a répondu par un code inconnu ({report.code}) : examen manuel nécessaire.",
        )
    found = report.individual
    if found is None:
        # A verification answers by its code alone; a search that finds somebody must say whom, and is checked before.
        return CONFIRMED
    ins = patient.ins
    if ins is None or same_ins(ins, found.active, environment):
        return _of_traits(patient, found)
    if any(same_ins(ins, former, environment) for former in found.former):
        return _REPLACED
    if first_name or not tuple(differences(patient.traits, found.traits, ins)):
        return _OTHER
    return None


def same_ins(ours: Ins, theirs: Ins, environment: Environment) -> bool:
    """The same matricule, with or without its key on their side, and the same authority. The test platform answers
    with the authority of real identities: in a test environment any NIR stands for a test NIR."""
    matricule = ours.matricule if len(theirs.matricule) > _MATRICULE_WITHOUT_KEY else ours.matricule[:-2]
    if matricule != theirs.matricule:
        return False
    test = environment is Environment.TEST and ours.oid in TEST_INS_OIDS
    return ours.oid == theirs.oid or (test and theirs.oid in (InsOid.NIR, *TEST_INS_OIDS))


def differences(ours: Traits, theirs: Traits, ins: Ins | None) -> Iterator[str]:
    """French names of the strict traits that both sides give and that are not the same: no case, accent or hyphen is
    folded, since traits come from INSi and may not be altered (INS digest §8)."""
    for label, left, right in (
        ("nom de naissance", ours.birth_name, theirs.birth_name),
        ("date de naissance", ours.birth_date, theirs.birth_date),
        ("sexe", ours.sex, theirs.sex),
    ):
        if _differ(left, right):
            yield label
    first, listed, known = (_clean(each) for each in (ours.first_given_name, ours.given_names, theirs.given_names))
    if known and first and not f"{known} ".startswith(f"{first} "):
        yield "premier prénom de naissance"
    # A list that only repeats the first given name is one that the sender did not fill in (INS digest §8.2, E4).
    elif listed != first and _differ(listed, known):
        yield "liste des prénoms de naissance"
    # Published test identities have several birth places (INS digest §8.2, E7).
    if (ins is None or ins.oid not in TEST_INS_OIDS) and _differ(ours.birth_place, theirs.birth_place):
        yield "lieu de naissance"


def _of_traits(patient: Patient, found: Individual) -> Verification:
    differing = tuple(differences(patient.traits, found.traits, patient.ins))
    if not differing:
        return CONFIRMED
    return Verification(
        VerificationKind.CONTRADICTED,
        "INSI_TRAITS_DIFFER",
        f"Le téléservice INSi connaît cette INS avec d'autres traits ({', '.join(differing)}).",
    )


def _differ(left: str, right: str) -> bool:
    return bool(_clean(left)) and bool(_clean(right)) and _clean(left) != _clean(right)


def _clean(value: str) -> str:
    return " ".join(unicodedata.normalize("NFC", value).split())
