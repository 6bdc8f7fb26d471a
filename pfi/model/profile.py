"""How one sender's traffic is to be read and decided: the switches of `docs/configuration.md`, as plain values."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """`STRICT` refuses every deviation from the profile; `TOLERANT` refuses what contradicts a stated prohibition or
    cannot be acted on safely, and records the rest as findings."""

    TOLERANT = "tolerant"
    STRICT = "strict"


class Matrix(StrEnum):
    """Which version of the MSSanté flag matrix applies (`spec/hl7v2.md` section 2.2)."""

    TOLERANT = "tolerant"
    STRICT = "strict"
    LEGACY_2_1_2 = "legacy-2.1.2"


class Pid32(StrEnum):
    """What the absence of PID-32 means in a document message (`spec/ins.md` section 3.2)."""

    ABSENT_MEANS_SENDER_ASSERTS = "absent_means_sender_asserts"
    STRICT = "strict"


class Environment(StrEnum):
    """Which INS OIDs may leave: `.8`/`.9` in production, `.10`/`.11` in test."""

    PRODUCTION = "production"
    TEST = "test"


class InformationMissing(StrEnum):
    """ZFA-9 `NA` or no ZFA: feed the DMP with a finding, or hold."""

    SEND = "send"
    HOLD = "hold"


class Opposed(StrEnum):
    """The patient objects to the feeding of the DMP: the document is not sent, or waits in case the objection is
    lifted (which must then be the site's deliberate choice)."""

    DENY = "deny"
    HOLD = "hold"


class NoDmp(StrEnum):
    """The DMP is closed or does not exist: the duty is void, or the document waits in case the DMP is opened."""

    VOID = "void"
    HOLD = "hold"


class Policy(StrEnum):
    """What the legal table may add to the sender's orders: nothing, a warning, or the orders themselves (only for
    senders that give no flag)."""

    RESPECT = "respect"
    WARN = "warn"
    COMPLETE = "complete"


class SameControlId(StrEnum):
    """Same peer and MSH-10, other body: a new message with a warning, or AE."""

    BY_BODY = "by_body"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class SenderProfile:
    """Everything the pure functions need to know about a sender. Defaults are those of `docs/configuration.md`."""

    name: str = "default"
    mode: Mode = Mode.TOLERANT
    matrix: Matrix = Matrix.TOLERANT
    pid32: Pid32 = Pid32.ABSENT_MEANS_SENDER_ASSERTS
    environment: Environment = Environment.PRODUCTION
    policy: Policy = Policy.RESPECT
    information_missing: InformationMissing = InformationMissing.SEND
    opposed: Opposed = Opposed.DENY
    no_dmp: NoDmp = NoDmp.VOID
    same_control_id: SameControlId = SameControlId.BY_BODY
    processing_ids: frozenset[str] = frozenset({"P", "T", "D"})
    """MSH-11 values accepted on this endpoint (else AE 202)."""
    masked_ps_blocks_pro: bool = True
    require_patient_prt: bool = False
    """True: the patient's address must come from a PRT; False: it may be computed from a qualified INS."""

    @property
    def effective_matrix(self) -> Matrix:
        """`hl7.mode: strict` implies the strict matrix."""
        return Matrix.STRICT if self.mode is Mode.STRICT else self.matrix
