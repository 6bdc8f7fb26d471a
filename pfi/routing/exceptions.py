"""The situations that exceptions name: one small pure function each (obligations digest §5, §6.2).

A rule file says what a situation does to each channel; this module only says whether the situation holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pfi.model.patient import DmpStatus, Feeding, IdentityStatus, Ins, Patient, PatientState
from pfi.model.profile import Environment, InformationMissing, SenderProfile
from pfi.model.submission import Orders, Submission
from pfi.routing.rulefile import Parameters, Tag

DOUBTFUL = frozenset({"DOUT", "FICT", "USUR", "COLP", "COLV", "DOUA", "INVA"})
"""PID-32 attributes that a human must look at (table HL70445, French values)."""
ANONYMOUS = frozenset({"ANOM", "CACH"})

INS_OIDS = {
    Environment.PRODUCTION: frozenset({"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"}),
    Environment.TEST: frozenset({"1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"}),
}
"""INS OIDs that may leave, by environment (INS digest §1.3)."""


INS_NIA = "1.2.250.1.213.1.4.9"
"""The number of a person who waits for a NIR; it has no test OID."""


class IdentityConclusion(Protocol):
    """What identity assessment concluded (`pfi.identity.status.Assessment`)."""

    @property
    def status(self) -> IdentityStatus: ...

    @property
    def code(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that an exception may depend on. `minor` is `None` when the birth date does not tell."""

    submission: Submission
    state: PatientState
    identity: IdentityStatus
    identity_code: str
    """Reason code of the identity assessment, which may know more than the headers show."""
    profile: SenderProfile
    parameters: Parameters
    tags: frozenset[str]
    minor: bool | None
    genetics: bool
    type_accepted: bool
    """Every rendition has a typeCode that the DMP accepts (JDV_J66)."""

    @property
    def orders(self) -> Orders:
        return self.submission.orders

    @property
    def reliability(self) -> frozenset[str]:
        """PID-32 of the message and the last one told by ADT, together: a doubt told by either is a doubt."""
        told = (*self.submission.patient.reliability, *self.state.reliability)
        return frozenset(value.strip().upper() for value in told)

    @property
    def cda_ins(self) -> tuple[Ins, ...]:
        """Every INS written in the headers of the documents."""
        return tuple(ins for document in self.submission.documents for ins in _ins_of(document.header.patient))


Predicate = Callable[[Situation], bool]


def _ins_of(patient: Patient) -> tuple[Ins, ...]:
    return (*((patient.ins,) if patient.ins else ()), *patient.other_ins)


def _is_nia(ins: Ins | None) -> bool:
    return ins is not None and ins.oid == INS_NIA


# Identity


def ins_oid_not_allowed(s: Situation) -> bool:
    """An INS of the message or of a document has an OID that may not leave in this environment."""
    patient = s.submission.patient
    beside = (ins for ins in patient.other_ins if ins.oid != INS_NIA or _is_nia(patient.ins))  # a NIR sets a NIA aside
    carried = (*((patient.ins,) if patient.ins else ()), *beside, *s.cda_ins)
    return any(ins.oid not in INS_OIDS[s.profile.environment] for ins in carried)


def ins_in_cda_not_qualified(s: Situation) -> bool:
    """The document carries a matricule that nobody may transmit (INS/va1.53); the PFI may not alter the document."""
    return s.identity is IdentityStatus.NOT_QUALIFIED and _carries_ins(s)


def ins_absent_not_qualified(s: Situation) -> bool:
    """E01: not qualified, no INS in PID-3, none in the document."""
    return _plainly_not_qualified(s) and s.submission.patient.ins is None


def ins_not_validated(s: Situation) -> bool:
    """E02: an INS in PID-3 without `VALI`: the receiver drops it (PAM.FR)."""
    return _plainly_not_qualified(s) and s.submission.patient.ins is not None


def ins_impossible(s: Situation) -> bool:
    """E25: this patient will never have an INS."""
    return s.identity is IdentityStatus.NOT_QUALIFIED and Tag.INS_IMPOSSIBLE in s.tags


def _plainly_not_qualified(s: Situation) -> bool:
    return s.identity is IdentityStatus.NOT_QUALIFIED and not _carries_ins(s) and Tag.INS_IMPOSSIBLE not in s.tags


def _carries_ins(s: Situation) -> bool:
    return bool(s.cda_ins) or s.identity_code == "INS_IN_CDA_NOT_QUALIFIED"


def identity_doubtful(s: Situation) -> bool:
    """E03: identity on hold, or not qualified and marked doubtful."""
    if s.identity is IdentityStatus.NOT_QUALIFIED:
        return bool(s.reliability & DOUBTFUL)
    return s.identity is IdentityStatus.HOLD


def identity_fictitious_in_production(s: Situation) -> bool:
    """E03, `FICT` outside a test environment."""
    return (
        s.identity is not IdentityStatus.QUALIFIED
        and "FICT" in s.reliability
        and s.profile.environment is Environment.PRODUCTION
    )


def identity_anonymous(s: Situation) -> bool:
    """E04: anonymity or secrecy of the stay (PID-32 `ANOM`, `CACH`)."""
    return bool(s.reliability & ANONYMOUS)


def ins_incomplete(s: Situation) -> bool:
    """The message or a document carries an INS without all the strict traits (INS digest §4, §8.1)."""
    return s.identity_code == "INS_INCOMPLETE" or any(
        document.header.patient.ins is not None and not _strict_traits(document.header.patient)
        for document in s.submission.documents
    )


def _strict_traits(patient: Patient) -> bool:
    traits = patient.traits
    return bool(
        traits.birth_name
        and traits.first_given_name
        and traits.given_names
        and len(traits.birth_date) >= 8
        and traits.sex in ("M", "F")
        and traits.birth_place
    )


# Consent and state of the DMP, as told by ADT


def feeding_opposed(s: Situation) -> bool:
    """E05: ZFA-9 = IO."""
    return s.state.feeding is Feeding.OPPOSED


def feeding_not_opposed(s: Situation) -> bool:
    """E06: ZFA-9 = INO."""
    return s.state.feeding is Feeding.NOT_OPPOSED


def information_missing(s: Situation) -> bool:
    """E07, the site feeds: ZFA-9 = NA or never told."""
    return _not_informed(s) and s.profile.information_missing is InformationMissing.SEND


def information_missing_held(s: Situation) -> bool:
    """E07, the site waits."""
    return _not_informed(s) and s.profile.information_missing is InformationMissing.HOLD


def _not_informed(s: Situation) -> bool:
    return s.state.feeding is None or s.state.feeding is Feeding.NOT_COLLECTED


def consultation_refused(s: Situation) -> bool:
    """E08: ZFA-11 = INC."""
    return s.state.consultation == "INC"


def dmp_closed(s: Situation) -> bool:
    """E09: ZFA-1 = FERME, or the last answer of TD0.2."""
    return s.state.dmp_status is DmpStatus.CLOSED


def dmp_absent(s: Situation) -> bool:
    """E09: ZFA-1 = INEXISTANT, or the last answer of TD0.2."""
    return s.state.dmp_status is DmpStatus.ABSENT


# Visibility flags


def invisible_yet_mailed_to_patient(s: Situation) -> bool:
    """E11: hidden from the patient and mailed to the patient: the order contradicts itself."""
    return s.orders.invisible_patient is True and s.orders.dest_mss_pat is True


def invisible_to_patient(s: Situation) -> bool:
    """E11: consultation d'annonce to come."""
    return s.orders.invisible_patient is True


def masked_to_professionals(s: Situation) -> bool:
    """E12, the site's switch `masked_ps_blocks_pro` being on."""
    return s.orders.masque_ps is True and s.profile.masked_ps_blocks_pro


def masked_on_dmp(s: Situation) -> bool:
    """E12: hidden from professionals on the DMP."""
    return s.orders.masque_ps is True


def invisible_and_masked(s: Situation) -> bool:
    """E14: both, while the DMP parameter forbids it."""
    return (
        s.orders.invisible_patient is True
        and s.orders.masque_ps is True
        and not s.parameters.invisible_and_masked_allowed
    )


# Genetics


def constitutional_genetics(s: Situation) -> bool:
    """E13."""
    return s.genetics


def constitutional_genetics_not_ordered(s: Situation) -> bool:
    """E13 without an explicit order for the DMP."""
    return s.genetics and s.orders.dest_dmp is not True


# Minors


def secret_without_hidden_document(s: Situation) -> bool:
    """E15: under a secret connection every document must be hidden from representatives (EX_2.1-1050)."""
    return s.orders.connexion_secrete is True and s.orders.invisible_rep_legaux is not True


def secret_minor(s: Situation) -> bool:
    """E15: secret connection, the patient not being known as an adult."""
    return s.minor is not False and s.orders.connexion_secrete is True


def hidden_from_representatives(s: Situation) -> bool:
    """E15: hidden from representatives without a secret connection, the patient not being known as an adult."""
    return s.minor is not False and s.orders.invisible_rep_legaux is True and s.orders.connexion_secrete is not True


def minor_visibility_not_stated(s: Situation) -> bool:
    """E16: visible to representatives or not must be stated for a minor."""
    return (
        s.minor is True
        and s.parameters.minors_management
        and s.orders.invisible_rep_legaux is None
        and s.orders.connexion_secrete is not True
    )


def secret_adult(s: Situation) -> bool:
    """E17: secret connection for an adult."""
    return s.minor is False and s.orders.connexion_secrete is True


# Sensitive care


def ivg_without_flags(s: Situation) -> bool:
    """E18."""
    return Tag.IVG in s.tags and _flags_missing(s)


def psychiatry_without_flags(s: Situation) -> bool:
    """E19."""
    return Tag.PSYCHIATRY in s.tags and _flags_missing(s)


def admission_without_consent(s: Situation) -> bool:
    """E20: certificate of admission without consent (L. 3213-1)."""
    return Tag.ADMISSION_WITHOUT_CONSENT in s.tags


def admission_without_consent_without_flags(s: Situation) -> bool:
    """E20: same, and the sender did not say everything."""
    return Tag.ADMISSION_WITHOUT_CONSENT in s.tags and _flags_missing(s)


def sensitive_care_without_flags(s: Situation) -> bool:
    """E21."""
    return Tag.SENSITIVE_CARE in s.tags and _flags_missing(s)


def _flags_missing(s: Situation) -> bool:
    """A destination or visibility flag is not in the message: nothing may be presumed for sensitive care."""
    orders = s.orders
    return not orders.given or None in (
        orders.masque_ps,
        orders.invisible_patient,
        orders.invisible_rep_legaux,
        orders.connexion_secrete,
    )


# Document


def confidentiality_reinforced(s: Situation) -> bool:
    """E22: CDA confidentialityCode R or V."""
    return any(document.header.confidentiality.code in ("R", "V") for document in s.submission.documents)


def type_not_accepted_by_dmp(s: Situation) -> bool:
    """E24: typeCode outside JDV_J66."""
    return not s.type_accepted


def cda_id_with_extension(s: Situation) -> bool:
    """The DMP does not support OID^extension (DMP digest §3.1)."""
    return any(document.header.document_id.extension for document in s.submission.documents)


# Local register


def professional_mail_opposed(s: Situation) -> bool:
    """E23: the patient objects to mail to professionals."""
    return Tag.PRO_OPPOSED in s.tags


def citizen_mail_opposed(s: Situation) -> bool:
    """E23: the patient objects to mail."""
    return Tag.CIT_OPPOSED in s.tags


def patient_deceased(s: Situation) -> bool:
    """E26: PID-30 = Y in the message, or by tag."""
    return s.submission.patient.deceased or Tag.DECEASED in s.tags


SITUATIONS: Mapping[str, Predicate] = {
    predicate.__name__: predicate
    for predicate in (
        ins_oid_not_allowed,
        ins_in_cda_not_qualified,
        ins_absent_not_qualified,
        ins_not_validated,
        ins_impossible,
        identity_doubtful,
        identity_fictitious_in_production,
        identity_anonymous,
        ins_incomplete,
        feeding_opposed,
        feeding_not_opposed,
        information_missing,
        information_missing_held,
        consultation_refused,
        dmp_closed,
        dmp_absent,
        invisible_yet_mailed_to_patient,
        invisible_to_patient,
        masked_to_professionals,
        masked_on_dmp,
        invisible_and_masked,
        constitutional_genetics,
        constitutional_genetics_not_ordered,
        secret_without_hidden_document,
        secret_minor,
        hidden_from_representatives,
        minor_visibility_not_stated,
        secret_adult,
        ivg_without_flags,
        psychiatry_without_flags,
        admission_without_consent,
        admission_without_consent_without_flags,
        sensitive_care_without_flags,
        confidentiality_reinforced,
        type_not_accepted_by_dmp,
        cda_id_with_extension,
        professional_mail_opposed,
        citizen_mail_opposed,
        patient_deceased,
    )
}
"""Every situation that a rule file may name."""
