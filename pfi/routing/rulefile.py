"""What a rule file may say: the pydantic models of `routing_rules/*.yaml`, one model per `kind` of file.

`schemas/rules.schema.json` is generated from these models (`pfi rules schema`): a field's description is its
documentation. A key that no model knows is refused.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pfi.model.decision import Action, Channel, Trigger
from pfi.model.patient import DmpStatus, Feeding, IdentityStatus
from pfi.model.profile import Environment, InformationMissing, Policy
from pfi.model.submission import Request


class Due(StrEnum):
    """What a row asks of a channel. `FREE_CHOICE`: due, but only toward the professional the patient has chosen."""

    NONE = "none"
    FREE_CHOICE = "due_free_choice"
    DUE = "due"

    @property
    def strength(self) -> int:
        """Rows add up: the strongest value wins (obligations digest §3)."""
        return _STRENGTH[self]


_STRENGTH = {Due.NONE: 0, Due.FREE_CHOICE: 1, Due.DUE: 2}


class Setting(StrEnum):
    """Where a document was produced, or where the acts it asks for will be performed."""

    IN_STAY = "in_stay"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """What an exception does to a channel (obligations digest §5).

    `VOID`: the destination does not exist. `PRESCRIBER_ONLY` keeps only the prescriber among the professionals.
    `WARN` and `INFO` leave the channel as it is and are recorded.
    """

    DENY = "deny"
    VOID = "void"
    HOLD = "hold"
    PRESCRIBER_ONLY = "prescriber_only"
    WARN = "warn"
    INFO = "info"


class Tag(StrEnum):
    """Facts that no header carries, told by the site or by the sending software."""

    CONSTITUTIONAL_GENETICS = "constitutional_genetics"
    ENTENTE_PREALABLE = "entente_prealable"
    ACTS_IN_STAY = "acts_in_stay"
    INS_IMPOSSIBLE = "ins_impossible"
    IVG = "ivg"
    PSYCHIATRY = "psychiatry"
    SENSITIVE_CARE = "sensitive_care"
    ADMISSION_WITHOUT_CONSENT = "admission_without_consent"
    PRO_OPPOSED = "pro_opposed"
    CIT_OPPOSED = "cit_opposed"
    DECEASED = "deceased"


class _Model(BaseModel):
    """Unknown keys are refused: a misspelt condition must never be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Identifier = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
KnownSetting = Literal[Setting.IN_STAY, Setting.OUTSIDE]


class Conditions(_Model):
    """Every condition that is given must hold. An unknown setting satisfies no condition on a setting."""

    setting_of_production: KnownSetting | None = None
    """Where the document was produced (encompassingEncounter, else PV1-2)."""
    setting_of_acts: KnownSetting | None = None
    """Where the prescribed acts will be performed."""
    dematerialised: bool | None = None
    """The document is electronic; true of everything that reaches the PFI."""
    constitutional_genetics: bool | None = None
    """The document tells constitutional genetic characteristics."""
    entente_prealable: bool | None = None
    """The prescription is subject to the prior agreement of the health insurance."""
    addressed_to_ps: bool | None = None
    """At least one recipient is not the patient."""
    author_is_mt: bool | None = None
    """The author is the patient's médecin traitant."""


class Row(_Model):
    """One row of the legal table."""

    id: Identifier
    """Stable name, shown in explanations."""
    label: str = Field(min_length=1)
    """French name of the document."""
    basis: str = Field(min_length=1)
    """Legal basis, in French, shown in explanations."""
    types: tuple[str, ...] = Field(min_length=1)
    """typeCodes (LOINC or TRE_A05) of the documents concerned."""
    when: Conditions = Conditions()
    """Conditions on the document; none = always."""
    dmp: Due
    """What is due to the DMP."""
    pro: Due
    """What is due to professionals by MSSanté."""
    cit: Due
    """What is due to the patient by MSSanté."""
    from_: date | None = Field(default=None, alias="from")
    """First day in force (inclusive), compared with the document's own date. Null = before 2022."""
    until: date | None = None
    """Last day in force (inclusive). Null = still in force."""
    deadline: Literal["same_day_as_discharge"] | None = None
    """Legal time limit of the sending."""

    def due(self, channel: Channel) -> Due:
        """What this row asks of a channel."""
        return {Channel.DMP: self.dmp, Channel.PRO: self.pro, Channel.CIT: self.cit}[channel]


class SettingMappings(_Model):
    """How codes of the traffic become a setting."""

    encounter: dict[str, Setting]
    """CDA `encompassingEncounter/code` (JDV_J142) to setting; wins over `patient_class`."""
    patient_class: dict[str, Setting]
    """PV1-2 to setting."""
    acts: Setting = Setting.OUTSIDE
    """Where prescribed acts are performed when nobody says: no standard field tells it."""


class Parameters(_Model):
    """Values that national parameters or the site may change."""

    age_of_majority: int = Field(default=18, ge=1, le=30)
    """DMP parameter `age-majorite`, in years."""
    minors_management: bool = True
    """DMP parameter `fonctions-gestion-mineurs`."""
    invisible_and_masked_allowed: bool = False
    """DMP parameter `cumul-invisible_patient-masque_ps`."""
    sensitive_types: dict[str, Tag] = Field(default_factory=dict)
    """typeCodes that carry a tag by themselves."""


class ExceptionRule(_Model):
    """One exception: a situation, recognised by a function of the PFI, and its effect on each channel."""

    id: Identifier
    """Stable name, shown in explanations; several entries may share it when their effects differ."""
    when: str
    """Name of the situation (`pfi.routing.exceptions`)."""
    text: str = Field(min_length=1)
    """French sentence shown in explanations; no identity trait, no clinical content."""
    source: str = Field(min_length=1)
    """Legal or technical source, in French."""
    code: Identifier | None = None
    """Reason code stored when this exception closes or delays a channel."""
    legal: bool = False
    """True when the law itself explains that a due document is not sent."""
    until: Trigger | None = None
    """Event after which the decision is taken again. Required with `hold`; with `deny` or `void` it says that the
    refusal is cured by that event: the document then leaves, if its time has not run out."""
    dmp: Effect | None = None
    """Effect on the DMP."""
    pro: Effect | None = None
    """Effect on professionals."""
    cit: Effect | None = None
    """Effect on the patient."""

    def effect(self, channel: Channel) -> Effect | None:
        """Effect on a channel, `None` = none."""
        return {Channel.DMP: self.dmp, Channel.PRO: self.pro, Channel.CIT: self.cit}[channel]

    @model_validator(mode="after")
    def _closing_needs_a_code(self) -> "ExceptionRule":
        effects = {self.dmp, self.pro, self.cit}
        if effects == {None}:
            raise ValueError("aucun effet : donner au moins une des clés dmp, pro, cit")
        if self.code is None and effects & {Effect.DENY, Effect.VOID, Effect.HOLD}:
            raise ValueError("« code » est obligatoire quand l'effet est deny, void ou hold")
        if self.until is None and Effect.HOLD in effects:
            raise ValueError("« until » est obligatoire quand l'effet est hold : dire ce que le document attend")
        return self


class TagRule(_Model):
    """Adds tags to the documents that meet every given criterion."""

    units: frozenset[str] = frozenset()
    """Codes of lodging units (PV1-3.1)."""
    senders: frozenset[str] = frozenset()
    """Names of senders, as in the configuration."""
    types: frozenset[str] = frozenset()
    """typeCodes."""
    add: frozenset[Tag] = Field(min_length=1)
    """Tags to add."""

    @model_validator(mode="after")
    def _needs_a_criterion(self) -> "TagRule":
        if not (self.units or self.senders or self.types):
            raise ValueError("aucun critère : donner au moins une des clés units, senders, types")
        return self


class VectorFlags(_Model):
    """MetaDMPMSS flags of a test; a flag that is not given is not in the message."""

    masque_ps: bool | None = None
    invisible_patient: bool | None = None
    invisible_rep_legaux: bool | None = None
    connexion_secrete: bool | None = None
    modif_conf_code: bool | None = None
    dest_dmp: bool | None = None
    dest_mss_ps: bool | None = None
    dest_mss_pat: bool | None = None


class Given(_Model):
    """The situation of a test: an invented document about the national test identity."""

    type: str
    """typeCode."""
    date: date
    """effectiveTime of the document."""
    encounter: str = ""
    """encompassingEncounter/code (JDV_J142)."""
    patient_class: str = ""
    """PV1-2."""
    unit: str = ""
    """PV1-3.1."""
    sender: str = "default"
    """Name of the sender."""
    request: Request = Request.INITIAL
    """`F` initial, `C` replacement, `D` deletion."""
    tags: frozenset[Tag] = frozenset()
    """Tags given by the sender."""
    professionals: int = Field(default=0, ge=0, le=20)
    """Number of professionals named by the message (PRT RCT)."""
    prescriber: bool = False
    """The CDA names a prescriber (participant REF); the first professional is that one."""
    author_is_mt: bool = False
    """The author is also participant INF with function PCP."""
    flags: VectorFlags = VectorFlags()
    """Orders of the sender."""
    identity: IdentityStatus = IdentityStatus.QUALIFIED
    """What identity assessment concluded."""
    reliability: tuple[str, ...] = ()
    """PID-32."""
    ins_in_cda: bool | None = None
    """The CDA carries an INS; default: only when the identity is not `not_qualified`."""
    feeding: Feeding | None = None
    """ZFA-9; not given = no ADT message ever said."""
    consultation: str = ""
    """ZFA-11."""
    dmp_status: DmpStatus | None = None
    """ZFA-1."""
    confidentiality: str = "N"
    """CDA confidentialityCode."""
    birth_date: str = "19790328"
    """AAAAMMJJ."""
    policy: Policy = Policy.RESPECT
    """Switch of the sender."""
    information_missing: InformationMissing = InformationMissing.SEND
    """Switch of the sender."""
    environment: Environment = Environment.TEST
    """Switch of the site. The test identity may not leave in production."""


class ExpectedActions(_Model):
    dmp: Action | None = None
    pro: Action | None = None
    cit: Action | None = None


class ExpectedCodes(_Model):
    dmp: str | None = None
    pro: str | None = None
    cit: str | None = None


class ExpectedGaps(_Model):
    """`none`, `legal` (an exception of the law explains it) or `unjustified`."""

    dmp: Literal["none", "legal", "unjustified"] | None = None
    pro: Literal["none", "legal", "unjustified"] | None = None
    cit: Literal["none", "legal", "unjustified"] | None = None


class Expect(_Model):
    """What must come out; what is not given is not compared."""

    rows: tuple[str, ...] | None = None
    """Matching rows, in the order of the table."""
    dmp: Due | None = None
    """What is due to the DMP."""
    pro: Due | None = None
    """What is due to professionals."""
    cit: Due | None = None
    """What is due to the patient."""
    plan: ExpectedActions = ExpectedActions()
    """Decided action per channel."""
    codes: ExpectedCodes = ExpectedCodes()
    """Reason code per channel; empty string = sent."""
    gaps: ExpectedGaps = ExpectedGaps()
    """Gap per channel."""
    deadline: Literal["same_day_as_discharge"] | None = None
    """Legal time limit that must apply."""


class Vector(_Model):
    """One test of the rules, run by `pfi rules test`."""

    name: str = Field(min_length=1)
    """What the test proves, in French."""
    given: Given
    """The situation."""
    expect: Expect
    """What must come out."""


class TableFile(_Model):
    """The legal table."""

    kind: Literal["table"]
    """Kind of file."""
    version: date
    """Date of the last change of the law that this file knows."""
    source: str
    """Texts that the table states, in French."""
    code_systems: dict[str, str] = Field(default_factory=dict)
    """OIDs of the code systems of `types`."""
    settings: SettingMappings
    """Where documents are produced and acts performed."""
    constitutional_genetics_types: frozenset[str] = frozenset()
    """typeCodes always treated as constitutional genetics."""
    rows: tuple[Row, ...] = Field(min_length=1)
    """The rows; they add up."""
    tests: tuple[Vector, ...] = ()
    """Tests of this file."""


class ExceptionsFile(_Model):
    """The exceptions to the table."""

    kind: Literal["exceptions"]
    """Kind of file."""
    version: date
    """Date of the last change."""
    parameters: Parameters = Parameters()
    """National parameters and site values."""
    exceptions: tuple[ExceptionRule, ...] = Field(min_length=1)
    """The exceptions, the most telling first: of two that close a channel, the first gives its code."""
    tests: tuple[Vector, ...] = ()
    """Tests of this file."""


class SiteFile(_Model):
    """What one establishment knows that no header carries."""

    kind: Literal["site"]
    """Kind of file."""
    tags: tuple[TagRule, ...] = ()
    """Tags to add to documents."""
    tests: tuple[Vector, ...] = ()
    """Tests of this file."""


RuleFile = TableFile | ExceptionsFile | SiteFile

FILE_KINDS: dict[str, type[RuleFile]] = {"table": TableFile, "exceptions": ExceptionsFile, "site": SiteFile}
