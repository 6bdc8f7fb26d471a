"""Known senders, and the switches that apply to their messages: the section `senders` of the configuration."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pfi.model.profile import (
    Environment,
    InformationMissing,
    Matrix,
    Mode,
    NoDmp,
    Opposed,
    Pid32,
    Policy,
    SameControlId,
    SenderProfile,
)
from pfi.model.submission import MessageHeader


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SenderMatch(_Model):
    application: str
    """MSH-3.1 of the sender."""
    facility: str = ""
    """MSH-4.1 of the sender; empty = any."""
    listener: str = ""
    """Only messages that came by this listener; empty = any."""


class SenderHl7Settings(_Model):
    mode: Mode = Mode.TOLERANT
    """`strict` refuses every deviation of the profile; `tolerant` refuses only what cannot be acted on safely."""
    matrix: Matrix = Matrix.TOLERANT
    """Version of the MSSanté flag matrix. `mode: strict` implies `strict`."""
    processing_ids: tuple[Literal["P", "T", "D"], ...] = ("P", "T", "D")
    """MSH-11 values accepted from this sender (else AE 202)."""


class SenderInsSettings(_Model):
    pid32: Pid32 = Pid32.ABSENT_MEANS_SENDER_ASSERTS
    """Meaning of an absent PID-32 in a document message."""
    verify: bool = True
    """Whether this sender's identities are verified when `ins.verification` asks for it."""


class SenderDmpSettings(_Model):
    information_missing: InformationMissing = InformationMissing.SEND
    """ZFA-9 `NA` or no ZFA: feed with a finding, or hold."""
    opposed: Opposed = Opposed.DENY
    """The patient objects to the feeding of the DMP: not sent, or `hold` in case the objection is lifted."""
    no_dmp: NoDmp = NoDmp.VOID
    """The DMP is closed or does not exist: the duty is void, or the document waits (`hold`) in case it is opened."""
    validation: Literal["required", "warn", "off"] | None = None
    """CDA validation before the DMP leg. Default: `required` once a validation pack is installed, else `off`."""


class SenderIntakeSettings(_Model):
    same_control_id: SameControlId = SameControlId.BY_BODY
    """Same MSH-10 with another body: a new message with a warning, or AE."""


class HoldSettings(_Model):
    notify: Literal["at_once", "at_expiry"] = "at_once"
    """A held DMP delivery answers Z01 = N with the reason at once, or only when it expires."""
    expiry_days: int = Field(default=30, ge=1, le=365)
    """Days after which a held delivery is given up with its reason."""


class SenderMssSettings(_Model):
    patient_address: Literal["compute", "require_prt"] = "compute"
    """Whether the patient's address may be computed from a qualified INS when no PRT gives it."""
    masked_ps_blocks_pro: bool = True
    """MASQUE_PS = Y with DESTMSSANTEPS = Y is an error."""


class ReplySettings(_Model):
    connector: str = "mllp"
    """Entry point of the message connector (`pfi.connectors`)."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of that connector: where the sender listens for business acknowledgments (ZAM)."""


class SenderSettings(_Model):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Stable name, shown in the journal."""
    match: SenderMatch
    """Which messages are this sender's."""
    hl7: SenderHl7Settings = SenderHl7Settings()
    """Reading of its messages."""
    ins: SenderInsSettings = SenderInsSettings()
    """Identity rules."""
    policy: Policy = Policy.RESPECT
    """What the legal table may add to its orders."""
    dmp: SenderDmpSettings = SenderDmpSettings()
    """DMP rules."""
    mss: SenderMssSettings = SenderMssSettings()
    """MSSanté rules."""
    intake: SenderIntakeSettings = SenderIntakeSettings()
    """Deduplication."""
    hold: HoldSettings = HoldSettings()
    """What happens to what waits."""
    reply: ReplySettings | None = None
    """Return address for business acknowledgments; without it none can be sent and each is recorded as such."""

    def matches(self, header: MessageHeader, listener: str) -> bool:
        """Whether a message is this sender's."""
        return (
            self.match.application == header.sending_application
            and self.match.facility in ("", header.sending_facility)
            and self.match.listener in ("", listener)
        )

    def profile(self, environment: Environment) -> SenderProfile:
        """The switches that apply to its messages, on a site of this environment."""
        return SenderProfile(
            name=self.name,
            mode=self.hl7.mode,
            matrix=self.hl7.matrix,
            pid32=self.ins.pid32,
            environment=environment,
            policy=self.policy,
            information_missing=self.dmp.information_missing,
            opposed=self.dmp.opposed,
            no_dmp=self.dmp.no_dmp,
            same_control_id=self.intake.same_control_id,
            processing_ids=frozenset(self.hl7.processing_ids),
            masked_ps_blocks_pro=self.mss.masked_ps_blocks_pro,
            require_patient_prt=self.mss.patient_address == "require_prt",
        )
