"""What the file of the legal table may say (`kind: table`)."""

from datetime import date
from typing import Literal

from pydantic import Field

from pfi.model.decision import Channel
from pfi.routing.rulefile.vectorfile import Vector
from pfi.routing.rulefile.words import Due, Identifier, KnownSetting, RuleModel, Setting


class Conditions(RuleModel):
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
    admission_without_consent: bool | None = None
    """The document is a certificate of admission without consent (CSP L. 3213-1), told by its tag."""


class Row(RuleModel):
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


class SettingMappings(RuleModel):
    """How codes of the traffic become a setting."""

    encounter: dict[str, Setting]
    """CDA `encompassingEncounter/code` (JDV_J142) to setting; wins over `patient_class`."""
    patient_class: dict[str, Setting]
    """PV1-2 to setting."""
    acts: Setting = Setting.OUTSIDE
    """Where prescribed acts are performed when nobody says: no standard field tells it."""


class TableFile(RuleModel):
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
