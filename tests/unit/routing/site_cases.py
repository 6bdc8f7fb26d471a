"""Books with rules of a site, written as a rule author writes them."""

from functools import cache

from pfi.routing.rules import RuleBook, load_texts


@cache
def site_book(*rules: str, head: str = "") -> RuleBook:
    """The shipped law and these rules: `ID | when | then`, both blocks without their braces."""
    lines = ["kind: site", head, "rules:"] if rules else ["kind: site", head]
    for rule in rules:
        name, when, then = (part.strip() for part in rule.split("|"))
        lines.append(f"  - {{id: {name}, text: 'Règle {name}.', when: {{{when}}}, then: {{{then}}}}}")
    return load_texts([("site.yaml", "\n".join(line for line in lines if line) + "\n")])
