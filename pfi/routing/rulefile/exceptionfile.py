"""What the file of the exceptions may say (`kind: exceptions`)."""

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from pfi.model.decision import Channel, Trigger
from pfi.routing.rulefile.vectorfile import Vector
from pfi.routing.rulefile.words import Effect, Identifier, RuleModel, Tag


class Parameters(RuleModel):
    """Values that national parameters or the site may change."""

    age_of_majority: int = Field(default=18, ge=1, le=30)
    """DMP parameter `age-majorite`, in years."""
    minors_management: bool = True
    """DMP parameter `fonctions-gestion-mineurs`."""
    invisible_and_masked_allowed: bool = False
    """DMP parameter `cumul-invisible_patient-masque_ps`."""
    sensitive_types: dict[str, Tag] = Field(default_factory=dict)
    """typeCodes that carry a tag by themselves."""


class ExceptionRule(RuleModel):
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


class ExceptionsFile(RuleModel):
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
