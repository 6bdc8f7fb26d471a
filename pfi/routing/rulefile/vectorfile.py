"""The tests that rule files carry (`tests:`), run by `pfi rules test`."""

import datetime
from typing import Final, Literal

from pydantic import Field

from pfi.model.decision import Action, Channel, Priority, Trigger
from pfi.model.parties import RecipientKind
from pfi.model.patient import DmpStatus, Feeding, IdentityStatus
from pfi.model.profile import Environment, InformationMissing, NoDmp, Opposed, Policy
from pfi.model.submission import Request
from pfi.routing.rulefile.words import Due, RuleModel, Tag

_OPENING: Final = r"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2})?$"


class VectorFlags(RuleModel):
    """MetaDMPMSS flags of a test; a flag that is not given is not in the message."""

    masque_ps: bool | None = None
    invisible_patient: bool | None = None
    invisible_rep_legaux: bool | None = None
    connexion_secrete: bool | None = None
    modif_conf_code: bool | None = None
    dest_dmp: bool | None = None
    dest_mss_ps: bool | None = None
    dest_mss_pat: bool | None = None


class GivenEstablishment(RuleModel):
    """Where in the hospital the message comes from."""

    ej: str = ""
    """Legal entity, as written by the message."""
    eg: str = ""
    """Geographic establishment (PV1-3.4)."""
    unit: str = ""
    """UF of responsibility (ZBE-7)."""


class GivenRecipient(RuleModel):
    """One recipient named by the message (PRT RCT)."""

    address: str = ""
    """MSSanté address; empty = not given."""
    kind: RecipientKind = RecipientKind.PROFESSIONAL
    """Who it is."""
    identifier: str = ""
    """National identifier (RPPS, FINESS)."""


class GivenFollower(RuleModel):
    """Somebody of the care team, as told by the ADT feed."""

    role: Literal["ODRP", "RP", "RT", "SUBS"]
    """ROL-3: `ODRP` médecin traitant, `RP` référent, `RT` care team, `SUBS` substitute."""
    identifier: str
    """National identifier."""


class Given(RuleModel):
    """The situation of a test: an invented document about the national test identity."""

    type: str
    """typeCode."""
    date: datetime.date
    """effectiveTime of the document."""
    encounter: str = ""
    """encompassingEncounter/code (JDV_J142)."""
    patient_class: str = ""
    """PV1-2."""
    unit: str = ""
    """PV1-3.1."""
    establishment: GivenEstablishment = GivenEstablishment()
    """Legal entity, geographic establishment and UF told by the message."""
    discharged: datetime.date | None = None
    """Day of discharge (PV1-45)."""
    at: str = Field(default="12:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    """Time of the decision at the hospital, « HH:MM », on the day of the document."""
    sender: str = "default"
    """Name of the sender."""
    request: Request = Request.INITIAL
    """`F` initial, `C` replacement, `D` deletion."""
    tags: frozenset[Tag] = frozenset()
    """Tags given by the sender."""
    professionals: int = Field(default=0, ge=0, le=20)
    """Number of professionals named by the message (PRT RCT)."""
    recipients: tuple[GivenRecipient, ...] = ()
    """Further recipients named by the message, each with its address."""
    care_team: tuple[GivenFollower, ...] = ()
    """Who follows the patient, as told by the ADT feed."""
    released: frozenset[Channel] = frozenset()
    """Channels that an operator let go."""
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
    ins_in_message: bool | None = None
    """PID-3 carries an INS; default: only when the identity is not `not_qualified`."""
    ins_retired: bool = False
    """The ADT feed has withdrawn that INS, or replaced it."""
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
    opposed: Opposed = Opposed.DENY
    """Switch of the sender."""
    no_dmp: NoDmp = NoDmp.VOID
    """Switch of the sender."""
    environment: Environment = Environment.TEST
    """Switch of the site. The test identity may not leave in production."""


class Change(Given):
    """What is different at a further step; what is not given stays as it was. Flags change one by one."""

    type: str = ""
    """typeCode."""
    date: datetime.date = datetime.date.min
    """effectiveTime of the document."""

    def applied_to(self, before: Given) -> Given:
        """The situation of this step."""
        changed = {name: getattr(self, name) for name in self.model_fields_set}
        if "flags" in changed:
            stated = self.flags.model_fields_set
            changed["flags"] = before.flags.model_copy(update={name: getattr(self.flags, name) for name in stated})
        return before.model_copy(update=changed)


class ExpectedActions(RuleModel):
    dmp: Action | None = None
    pro: Action | None = None
    cit: Action | None = None


class ExpectedCodes(RuleModel):
    dmp: str | None = None
    pro: str | None = None
    cit: str | None = None


class ExpectedGaps(RuleModel):
    """`none`, `legal` (an exception of the law explains it) or `unjustified`."""

    dmp: Literal["none", "legal", "unjustified"] | None = None
    pro: Literal["none", "legal", "unjustified"] | None = None
    cit: Literal["none", "legal", "unjustified"] | None = None


class ExpectedTriggers(RuleModel):
    dmp: Trigger | None = None
    pro: Trigger | None = None
    cit: Trigger | None = None


class ExpectedPriorities(RuleModel):
    dmp: Priority | None = None
    pro: Priority | None = None
    cit: Priority | None = None


class ExpectedCounts(RuleModel):
    pro: int | None = Field(default=None, ge=0)
    cit: int | None = Field(default=None, ge=0)


class ExpectedMailboxes(RuleModel):
    pro: str | None = None
    cit: str | None = None


class ExpectedOpenings(RuleModel):
    """`AAAA-MM-JJ HH:MM` at the hospital; empty text = at once."""

    dmp: str | None = Field(default=None, pattern=_OPENING)
    pro: str | None = Field(default=None, pattern=_OPENING)
    cit: str | None = Field(default=None, pattern=_OPENING)


class Expect(RuleModel):
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
    until: ExpectedTriggers = ExpectedTriggers()
    """What each channel waits for."""
    recipients: ExpectedCounts = ExpectedCounts()
    """Number of recipients per channel."""
    priority: ExpectedPriorities = ExpectedPriorities()
    """Priority per channel."""
    mailbox: ExpectedMailboxes = ExpectedMailboxes()
    """Mailbox that sends; empty text = the usual one."""
    not_before: ExpectedOpenings = ExpectedOpenings()
    """Moment before which a schedule keeps the sending."""
    because: tuple[str, ...] | None = None
    """Rules that the explanation of at least one channel must name."""
    not_because: tuple[str, ...] | None = None
    """Rules that no explanation may name."""


class Step(RuleModel):
    """The same document, decided again."""

    given: Change
    """What changed."""
    expect: Expect
    """What must come out."""


class Vector(RuleModel):
    """One test of the rules, run by `pfi rules test`."""

    name: str = Field(min_length=1)
    """What the test proves, in French."""
    given: Given
    """The situation."""
    expect: Expect
    """What must come out."""
    then: tuple[Step, ...] = ()
    """Further steps, each with the changes of those before."""
