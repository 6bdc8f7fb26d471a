"""CPU of deciding one document, with and without rules of a site: `python -m tests.bench.decision`.

Prints the median over the documents of the shipped rule tests, in microseconds of CPU, best of several rounds (the
machine does other things too).
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import product

from pfi.routing.decide import decide
from pfi.routing.rules import RuleBook, load_rules, load_texts
from pfi.routing.specimen import Specimen, specimen

TYPES = ("11490-0", "11502-2", "18748-4", "34874-8", "57833-6", "11488-4", "34112-3", "PRESC-BIO", "96349-6", "15507-7")
EFFECTS = (
    "{priority: high}",
    "{policy: warn}",
    "{mailbox: secretariat}",
    "{schedule: {days: [mon, tue, wed, thu, fri], from: '08:00', to: '18:00'}}",
    "{add_recipients: [{address: 'service@test.mssante.fr', kind: organization}]}",
    "{hold: {code: RELECTURE, until: human_release}}",
    "{derive_recipients: [medecin_traitant]}",
    "{deny: {code: NON_PERTINENT}}",
)


def site(rules: int) -> str:
    """A site file of that many rules, of the kinds that a big hospital writes: most are about one unit and one type,
    some about a sender, an establishment, a recipient, a setting; a few about everything."""
    lines = ["kind: site", "rules:"]
    kinds = (
        "{{units: ['{n}'], types: ['{type}']}}",
        "{{units: ['{n}', '{m}'], requests: [F, C]}}",
        "{{senders: [logiciel-{n}], types: ['{type}']}}",
        "{{establishments: ['{n}'], settings: [outside], types: ['{type}']}}",
        "{{recipients: ['medecin{n}@test.mssante.fr'], types: ['{type}']}}",
        "{{types: ['{type}'], patient_classes: [E], units: ['{n}'], from: 2025-01-01}}",
        "{{tags: [psychiatry], units: ['{n}']}}",
    )
    words = product(range(1000, 2000), kinds)
    for number, (unit, kind) in zip(range(rules), words, strict=False):
        when = kind.format(n=unit, m=unit + 1, type=TYPES[number % len(TYPES)])
        if number < 5:
            when = f"{{types: ['{TYPES[number]}']}}"  # these do match
        then = EFFECTS[number % len(EFFECTS)] if number >= 5 else EFFECTS[number % 4]
        lines.append(f"  - {{id: SITE_{number}, text: 'Règle {number}.', when: {when}, then: {then}}}")
    return "\n".join(lines) + "\n"


def book(rules: int) -> RuleBook:
    return load_texts([("site.yaml", site(rules))]) if rules else load_rules()


def documents() -> tuple[Specimen, ...]:
    """The documents of the tests of the shipped rules."""
    return tuple(specimen(test.vector.given) for test in load_rules().tests)


def microseconds(rules: RuleBook, cases: Sequence[Specimen], rounds: int = 15) -> float:
    """Median over the documents of the best CPU time of deciding one, in microseconds."""
    best = [float("inf")] * len(cases)
    for _ in range(rounds):
        for index, case in enumerate(cases):
            start = time.process_time_ns()
            for _ in range(10):
                decide(case.submission, case.state, case.identity, rules, case.profile, case.now)
            best[index] = min(best[index], (time.process_time_ns() - start) / 10_000)
    return statistics.median(best)


def main() -> None:
    cases = documents()
    figures = {f"{count}_site_rules_us": round(microseconds(book(count), cases), 1) for count in (0, 500, 2000)}
    json.dump({"documents": len(cases), **figures}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
