"""Patients, their identifiers and what is known of them (`docs/glossary.md`: INS, IPP, traits)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Identifier:
    """An HL7 CX, or a CDA `id`.

    `value` is CX-1 / `@extension`; `authority_name` CX-4.1; `authority_oid` CX-4.2 / `@root` (not always an OID in real
    traffic: FINESS numbers are common); `type_code` CX-5 (`INS`, `PI`, `AN`, `VN`, `NH`), empty when it comes from CDA.
    """

    value: str
    authority_oid: str = ""
    authority_name: str = ""
    type_code: str = ""


@dataclass(frozen=True, slots=True)
class Ins:
    """The INS matricule (15 characters, key included) and the OID that says whether it is a NIR, a NIA or a test."""

    matricule: str
    oid: str


@dataclass(frozen=True, slots=True)
class Traits:
    """Identity traits exactly as received (RNIV: never altered). Empty string = not given.

    `given_names` is the full list of birth given names, blank-separated; `birth_date` is `AAAAMMJJ` (may be shorter);
    `sex` is `M`, `F`, `U` or `UN`; `birth_place` is the INSEE code (COG).
    """

    birth_name: str = ""
    first_given_name: str = ""
    given_names: str = ""
    birth_date: str = ""
    sex: str = ""
    birth_place: str = ""
    used_name: str = ""
    used_given_name: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient as one carrier (PID segment or CDA recordTarget) describes them.

    `ins` is recognised by CX-5 = `INS` **and** an INS OID in HL7, by the OID alone in CDA. `identifiers` holds all
    others, in order. `reliability` is PID-32 (all repetitions, HL70445), empty when absent or from CDA. `account` is
    PID-18 (NDA). `other_ins` are further INS of the same carrier (an NIA beside the NIR, or a contradiction).
    `deceased` is PID-30.
    """

    ins: Ins | None = None
    identifiers: tuple[Identifier, ...] = ()
    traits: Traits = field(default_factory=Traits)
    reliability: tuple[str, ...] = ()
    account: Identifier | None = None
    other_ins: tuple[Ins, ...] = ()
    deceased: bool = False


class IdentityStatus(StrEnum):
    """What the PFI may do with an identity (`spec/ins.md` section 3.2). The PFI never upgrades one."""

    QUALIFIED = "qualified"
    NOT_QUALIFIED = "not_qualified"
    HOLD = "hold"
    """Qualified on paper but carrying a doubtful attribute (DOUT, FICT, USUR...): a human must look."""


class Feeding(StrEnum):
    """ZFA-9, non-objection to the feeding of the DMP."""

    NOT_OPPOSED = "INO"
    OPPOSED = "IO"
    NOT_COLLECTED = "NA"


class DmpStatus(StrEnum):
    """ZFA-1, or what TD0.2 answered."""

    ACTIVE = "ACTIF"
    CLOSED = "FERME"
    ABSENT = "INEXISTANT"


@dataclass(frozen=True, slots=True)
class Follower:
    """Somebody of the care team, by national identifier: ROL-4 or PV1-8. `role` is ROL-3 (`ODRP` médecin traitant
    déclaré, `RP` référent, `RT` équipe de soins, `SUBS` remplaçant)."""

    role: str
    identifier: str
    family: str = ""
    given: str = ""


@dataclass(frozen=True, slots=True)
class Episode:
    """One stay or visit (ITI-31), as its movements tell it after cancellations and corrections.

    `visit` is PV1-19 and `account` PID-18, as `value^authority`; an episode is found by `visit`, else by `account`.
    `admitted_at` is empty while the patient is only expected (A05, A14). `cancelled`: its admission was cancelled (A11,
    A38) and no other took its place.
    """

    visit: str = ""
    account: str = ""
    patient_class: str = ""
    ej: str = ""
    eg: str = ""
    unit: str = ""
    admitted_at: datetime | None = None
    discharged_at: datetime | None = None
    exit_mode: str = ""
    cancelled: bool = False
    consultation: str = ""
    """ZFA-11, collected for each episode of care."""


@dataclass(frozen=True, slots=True)
class PatientState:
    """What the ADT feed has told of one patient so far; the newest statement of each fact wins
    (`pfi.identity.history.fold`).

    `None` or an empty tuple means that no ADT message has ever said anything about that fact. `identity` has no traits:
    they are not stored.
    """

    identity: Patient = field(default_factory=Patient)
    reliability: tuple[str, ...] = ()
    reliability_at: datetime | None = None
    dmp_status: DmpStatus | None = None
    feeding: Feeding | None = None
    feeding_at: datetime | None = None
    consultation: str = ""
    ins_withdrawn: bool = False
    last_event_at: datetime | None = None
    """When the newest statement was told."""
    identity_at: datetime | None = None
    """When identifiers were last stated. Each fact has its own moment, so that late messages converge."""
    ins_at: datetime | None = None
    """When the INS was last stated or withdrawn."""
    feeding_told_at: datetime | None = None
    """When the message that stated `feeding` was told: settles two statements with the same ZFA-10."""
    dmp_status_at: datetime | None = None
    consultation_at: datetime | None = None
    birth_date_corrected: bool = False
    """ZFD-4 = Y: the identity cannot be qualified (INS digest §3.3)."""
    birth_date_corrected_at: datetime | None = None
    retired_ins: tuple[Ins, ...] = ()
    """INS that were this patient's and no longer are (MRG-1 of A40 and A47, withdrawals): nothing leaves under them."""
    retired_identifiers: tuple[Identifier, ...] = ()
    """Local identifiers merged away or changed (MRG-1)."""
    deceased: bool = False
    """PID-30, or an exit by death (ZFM-2)."""
    pro_opposed: bool = False
    """The local register says that the patient objects to mail to professionals (E23)."""
    cit_opposed: bool = False
    """Same, to mail to themselves."""
    ins_impossible: bool = False
    """The local register says that no INS will ever exist (E25)."""
    care_team: tuple[Follower, ...] = ()
    episodes: tuple[Episode, ...] = ()
    """Oldest first."""
