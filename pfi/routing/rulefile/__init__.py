"""What a rule file may say: the pydantic models of `routing_rules/*.yaml`, one model per `kind` of file.

`schemas/rules.schema.json` is generated from these models (`pfi rules schema`): a field's description is its
documentation. A key that no model knows is refused.
"""

from pfi.routing.rulefile.exceptionfile import ExceptionRule, ExceptionsFile, Parameters
from pfi.routing.rulefile.sitefile import (
    AddedRecipient,
    Deny,
    DirectoryEntry,
    Hold,
    Schedule,
    SiteFile,
    SiteRule,
    TagRule,
    Then,
    When,
)
from pfi.routing.rulefile.tablefile import Conditions, Row, SettingMappings, TableFile
from pfi.routing.rulefile.vectorfile import (
    Expect,
    ExpectedActions,
    ExpectedCodes,
    ExpectedGaps,
    Given,
    GivenRecipient,
    Step,
    Vector,
    VectorFlags,
)
from pfi.routing.rulefile.words import (
    DerivedRole,
    Due,
    Effect,
    Identifier,
    KnownSetting,
    PatientClass,
    RuleModel,
    Setting,
    Tag,
    Weekday,
)

RuleFile = TableFile | ExceptionsFile | SiteFile

FILE_KINDS: dict[str, type[RuleFile]] = {"table": TableFile, "exceptions": ExceptionsFile, "site": SiteFile}

__all__ = [
    "FILE_KINDS",
    "AddedRecipient",
    "Conditions",
    "Deny",
    "DerivedRole",
    "DirectoryEntry",
    "Due",
    "Effect",
    "ExceptionRule",
    "ExceptionsFile",
    "Expect",
    "ExpectedActions",
    "ExpectedCodes",
    "ExpectedGaps",
    "Given",
    "GivenRecipient",
    "Hold",
    "Identifier",
    "KnownSetting",
    "Parameters",
    "PatientClass",
    "Row",
    "RuleFile",
    "RuleModel",
    "Schedule",
    "Setting",
    "SettingMappings",
    "SiteFile",
    "SiteRule",
    "Step",
    "TableFile",
    "Tag",
    "TagRule",
    "Then",
    "Vector",
    "VectorFlags",
    "Weekday",
    "When",
]
