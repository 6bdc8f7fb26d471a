"""Books with rules of a site, written as a rule author writes them."""

from functools import cache
from typing import Any, Final

from pfi.routing.rules import RuleBook, load_texts
from tests.unit.routing.cases import flags

HIGH: Final = "priority: high"
DENY: Final = "deny: {code: NON}"
HOLD: Final = "hold: {code: ATTENTE}"
TWO: Final = [{"address": "a@un.mssante.fr"}, {"address": "b@deux.mssante.fr"}]
"""Two professionals, each at an operator of their own."""

NAMED_ONLY: Final[tuple[dict[str, Any], ...]] = (
    {"confidentiality": "R"},
    {"tags": ["sensitive_care"]},
    {"tags": ["constitutional_genetics"], "prescriber": True},
    {"reliability": ("VALI", "ANOM")},
    {"birth_date": "20120601", "flags": flags(connexion_secrete=True, invisible_rep_legaux=True)},
    {"type": "PRESC-BIO"},
    {"type": "57833-6", "patient_class": "N"},
)
"""Documents to which no rule of a site adds anybody (obligations digest §6.2, §7)."""


@cache
def site_book(*rules: str, head: str = "") -> RuleBook:
    """The shipped law and these rules: `ID | when | then`, both blocks without their braces."""
    lines = ["kind: site", head, "rules:"] if rules else ["kind: site", head]
    for rule in rules:
        name, when, then = (part.strip() for part in rule.split("|"))
        lines.append(f"  - {{id: {name}, text: 'Règle {name}.', when: {{{when}}}, then: {{{then}}}}}")
    return load_texts([("site.yaml", "\n".join(line for line in lines if line) + "\n")])
