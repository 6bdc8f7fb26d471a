"""What may be done with an identity: PID-32 read with the INS and with what the ADT feed has told (INS digest §3.2).

The PFI never upgrades a status: only the establishment's identity repository grants one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pfi.identity.ins import PATIENT_ID, check, is_nia, missing_traits
from pfi.model.finding import Finding, Severity
from pfi.model.patient import IdentityStatus, Ins, Patient, PatientState
from pfi.model.profile import Pid32, SenderProfile

VALIDATED: Final = "VALI"
HOLD_ATTRIBUTES: Final = frozenset({"DOUT", "FICT", "USUR", "COLP", "COLV", "DOUA", "INVA"})
"""HL70445 values that make an identity doubtful: a human must look."""

INS_NOT_QUALIFIED: Final = "INS_NOT_QUALIFIED"
INS_INCOMPLETE: Final = "INS_INCOMPLETE"
INS_IN_CDA_NOT_QUALIFIED: Final = "INS_IN_CDA_NOT_QUALIFIED"
IDENTITY_ATTRIBUTE: Final = "IDENTITY_ATTRIBUTE"

_RELIABILITY: Final = "PID^1^32"
_RULE: Final = "INS digest §3.2"
# PID-5.3 and the birth place are not always sent in ORU and MDM: the CDA decides (INS digest §8.1, I4).
_OFTEN_ABSENT: Final = frozenset({"liste des prénoms de naissance", "code du lieu de naissance"})
_WITHOUT_INS: Final = "L'identité est validée, mais sans INS : elle n'est pas qualifiée."
_MALE_DIGITS: Final = frozenset("137")
_FEMALE_DIGITS: Final = frozenset("248")


@dataclass(frozen=True, slots=True)
class Assessment:
    """The status of an identity and why.

    `code` is the reason code of the decisions that follow, empty when all is well: `INS_NOT_QUALIFIED`,
    `IDENTITY_ATTRIBUTE`, `INS_INCOMPLETE` (qualified, but neither the DMP nor the citizen can be served) and, once the
    documents have been compared (`with_documents`), `INS_IN_CDA_NOT_QUALIFIED` (nothing leaves). `reliability`
    holds the PID-32 values that decided, from the message or from the ADT feed. `patient` is the patient as decisions
    and deliveries may use it: without INS unless the identity is qualified, with the INS of the ADT feed when it
    qualifies an identity whose message carried none.
    """

    status: IdentityStatus
    code: str
    findings: tuple[Finding, ...]
    reliability: tuple[str, ...] = ()
    patient: Patient = field(default_factory=Patient)


def assess(
    patient: Patient, state: PatientState | None, profile: SenderProfile, *, told_at: datetime | None = None
) -> Assessment:
    """Judges the identity of a document message.

    `patient` is the one of the PID, `told_at` when the message was written (`None`: it is newer than all that ADT
    told). What ADT told of the identity after that moment is followed, both ways. Else an explicit PID-32 is; when it
    is absent the newest ADT state decides, else `profile.pid32` says whether carrying the INS is an assertion.

    Whatever the moment, some facts of the ADT feed weigh even against an explicit `VALI`: the INS was withdrawn,
    retired or is another one, the birth date was corrected (ZFD-4), or the identity has a doubtful attribute. Only the
    identity repository qualifies: ADT must have told `VALI` and the INS after a message that did not assert them.
    Findings include those on the INS itself: shape, key, environment.
    """
    received = patient
    reliability, evidence = _reliability(patient, state, profile, told_at)
    if patient.ins is None and evidence == "newer" and state is not None:
        patient = _completed(patient, state, profile, reliability, told_at)
    refusal = _why_not_qualified(patient, state, reliability, evidence)
    if refusal is None and evidence == "newer" and state is not None and not _asserts(received, profile):
        refusal = None if _newer(state.ins_at, told_at) else _not_qualified(_WITHOUT_INS, PATIENT_ID)
    doubts = HOLD_ATTRIBUTES.intersection({*reliability, *(_clean(state.reliability) if state else ())})
    findings = [*_ins_findings(received, profile)]
    if refusal is not None:
        findings.append(refusal)
        status, code = IdentityStatus.NOT_QUALIFIED, INS_NOT_QUALIFIED
    elif doubts:
        status, code = IdentityStatus.HOLD, IDENTITY_ATTRIBUTE
    else:
        status, code = IdentityStatus.QUALIFIED, ""
        missing = [trait for trait in missing_traits(patient.traits) if trait not in _OFTEN_ABSENT]
        if missing:
            code = INS_INCOMPLETE
            text = f"Le message porte une INS sans tous ses traits (manque : {', '.join(missing)})."
            findings.append(Finding(INS_INCOMPLETE, Severity.WARNING, "PID^1^5", text, "INS digest §8.1", "207", "905"))
    if doubts:
        text = (
            f"L'identité porte un attribut qui demande une vérification humaine (PID-32 : {', '.join(sorted(doubts))})."
        )
        findings.append(Finding(IDENTITY_ATTRIBUTE, Severity.WARNING, _RELIABILITY, text, _RULE))
    return Assessment(status, code, tuple(findings), reliability, _usable(patient, status, state))


def with_documents(assessment: Assessment, comparison: Iterable[Finding]) -> Assessment:
    """The assessment once PID and documents have been compared (`pfi.identity.coherence.compare`).

    A matricule in a document of a non-qualified identity, or an INS without its traits, gives its code to the
    assessment; the findings stay those of the assessment.
    """
    codes = {finding.code for finding in comparison}
    if assessment.status is IdentityStatus.NOT_QUALIFIED and INS_IN_CDA_NOT_QUALIFIED in codes:
        return replace(assessment, code=INS_IN_CDA_NOT_QUALIFIED)
    if assessment.status is IdentityStatus.QUALIFIED and INS_INCOMPLETE in codes:
        return replace(assessment, code=INS_INCOMPLETE)
    return assessment


def _reliability(
    patient: Patient, state: PatientState | None, profile: SenderProfile, told_at: datetime | None
) -> tuple[tuple[str, ...], str]:
    """The PID-32 values to follow, and where they come from: `newer` (told by ADT after the message), `message`, `adt`,
    `presence`, or `` for nowhere."""
    known = _clean(state.reliability) if state is not None else ()
    if known and state is not None and _newer(state.reliability_at, told_at, cautious=VALIDATED not in known):
        return known, "newer"
    stated = _clean(patient.reliability)
    if stated:
        return stated, "message"
    if profile.pid32 is Pid32.STRICT:
        return (), ""
    if known:
        return known, "adt"
    return (), "presence"


def _asserts(patient: Patient, profile: SenderProfile) -> bool:
    """True when the message itself says that its INS is the patient's."""
    stated = _clean(patient.reliability)
    return patient.ins is not None and (VALIDATED in stated or not (stated or profile.pid32 is Pid32.STRICT))


def _newer(at: datetime | None, told_at: datetime | None, *, cautious: bool = False) -> bool:
    """True when ADT told it after the message; at the same moment, only when it is the more cautious."""
    if at is None or told_at is None:
        return False
    return at > told_at or (cautious and at == told_at)


def _completed(
    patient: Patient,
    state: PatientState,
    profile: SenderProfile,
    reliability: tuple[str, ...],
    told_at: datetime | None,
) -> Patient:
    """The patient with the INS that ADT told after the message, with `VALI`; unchanged when there is none to use."""
    ins = state.identity.ins
    if ins is None or VALIDATED not in reliability or not _newer(state.ins_at, told_at):
        return patient
    several = len({each.matricule for each in (ins, *state.identity.other_ins) if not is_nia(each)}) > 1
    refused = any(finding.severity is Severity.ERROR for finding in check(ins, profile.environment))
    return patient if several or refused else replace(patient, ins=ins, other_ins=())


def _usable(patient: Patient, status: IdentityStatus, state: PatientState | None) -> Patient:
    """Without INS unless qualified; without those that the patient no longer has."""
    if status is not IdentityStatus.QUALIFIED:
        return replace(patient, ins=None, other_ins=())
    retired = state.retired_ins if state is not None else ()
    return replace(patient, other_ins=tuple(ins for ins in patient.other_ins if ins not in retired))


def _clean(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(cleaned for value in values if (cleaned := value.strip().upper()) and cleaned != '""')


def _why_not_qualified(
    patient: Patient, state: PatientState | None, reliability: tuple[str, ...], evidence: str
) -> Finding | None:
    """The finding that says why the identity is not qualified; None when it is."""
    if patient.ins is None:
        if VALIDATED in reliability:
            return _not_qualified(_WITHOUT_INS, PATIENT_ID)
        return _not_qualified("L'identité n'a pas d'INS : elle n'est pas qualifiée.", PATIENT_ID)
    if evidence == "":
        return _not_qualified("PID-32 est absent : l'identité n'est pas tenue pour qualifiée, l'INS est ignorée.")
    if evidence != "presence" and VALIDATED not in reliability:
        source = "PID-32" if evidence == "message" else "le dernier mouvement d'identité connu"
        return _not_qualified(f"L'identité n'est pas validée d'après {source} : l'INS est ignorée.")
    if state is None:
        return None
    if state.ins_withdrawn:
        text = "L'INS de ce patient a été retirée par un mouvement d'identité : elle est ignorée."
        return Finding("INS_WITHDRAWN", Severity.WARNING, PATIENT_ID, text, "INS digest §3.4")
    if patient.ins in state.retired_ins and patient.ins != state.identity.ins:
        text = "L'INS du message a été remplacée ou fusionnée par un mouvement d'identité : elle est ignorée."
        return Finding("INS_RETIRED", Severity.WARNING, PATIENT_ID, text, "INS digest §3.4")
    if state.identity.ins is not None and patient.ins not in (state.identity.ins, *state.identity.other_ins):
        text = "L'INS du message n'est pas celle que donne le dernier mouvement d'identité : elle est ignorée."
        return Finding("INS_DIFFERS_FROM_ADT", Severity.WARNING, PATIENT_ID, text, "INS digest §3.4")
    if state.birth_date_corrected:
        text = "La date de naissance a été corrigée (ZFD-4) : l'identité ne peut pas être qualifiée, l'INS est ignorée."
        return Finding("BIRTH_DATE_CORRECTED", Severity.WARNING, "PID^1^7", text, "INS digest §3.3")
    return None


def _not_qualified(text: str, where: str = _RELIABILITY) -> Finding:
    return Finding(INS_NOT_QUALIFIED, Severity.WARNING, where, text, _RULE)


def _ins_findings(patient: Patient, profile: SenderProfile) -> Iterator[Finding]:
    """I1, I2, I3 and I5 of the INS digest §8.1."""
    if patient.ins is None:
        return
    every = tuple(dict.fromkeys((patient.ins, *patient.other_ins)))
    for ins in every:
        findings = check(ins, profile.environment)
        if is_nia(ins) and not is_nia(patient.ins):
            # The NIR wins (HL7v2 digest §1.4): a NIA beside it is set aside and never leaves, so it refuses nothing.
            findings = tuple(replace(finding, severity=Severity.WARNING) for finding in findings)
        yield from findings
    for name, kind in (
        ("NIR", [ins for ins in every if not is_nia(ins)]),
        ("NIA", [ins for ins in every if is_nia(ins)]),
    ):
        if len(kind) > 1:
            text = f"PID-3 porte plusieurs INS ({name}) différentes pour le même patient."
            yield Finding("INS_SEVERAL", Severity.ERROR, PATIENT_ID, text, "INS digest §8.1", err3="207", err5="906")
    if _looks_unusual(patient.ins, patient):
        text = "Le sexe ou l'année de naissance ne sont pas ceux que suggère le matricule INS (à titre d'information)."
        yield Finding("INS_TRAITS_UNUSUAL", Severity.INFO, PATIENT_ID, text, "INS digest §8.1")


def _looks_unusual(ins: Ins, patient: Patient) -> bool:
    """The matricule suggests a sex and a year; legitimate divergences exist, so this never refuses anything."""
    sex, year = patient.traits.sex, patient.traits.birth_date[2:4]
    if len(ins.matricule) < len("SYY"):
        return False
    digit = ins.matricule[0]
    other_sex = (sex == "M" and digit in _FEMALE_DIGITS) or (sex == "F" and digit in _MALE_DIGITS)
    return other_sex or (bool(year) and year != ins.matricule[1:3])
