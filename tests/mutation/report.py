"""The report: figures by module, and every survivor with the reason why it may live."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Final

import yaml

from tests.mutation.results import Fate, Result

_TEMPLATE: Final = Path(__file__).with_name("report.md.in")
_UNEXPLAINED: Final = "not explained"
_SHORT: Final = 70


def write_report(
    path: Path,
    reasons_path: Path,
    results: Mapping[str, Sequence[Result]],
    rooms: Sequence[str],
    totals: Mapping[str, int],
) -> dict[str, float]:
    """Writes the report and gives the share of faults that were seen, by room: those that were not tried count as not
    seen. `totals`: the number of faults of each module."""
    reasons = _reasons(reasons_path)
    scores = {
        room: _seen([each for name in names for each in results[name]]) / (sum(totals[name] for name in names) or 1)
        for room in rooms
        for names in [[path for path in totals if path.startswith(f"{room}/")]]
    }
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        figures="\n".join(_figures(results, rooms, totals)),
        survivors="\n".join(_survivors(results, reasons)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return scores


def _reasons(path: Path) -> dict[str, str]:
    """By fault, why it may live: the file groups the faults by reason."""
    told: list[dict[str, object]] = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    reasons: dict[str, str] = {}
    for group in told:
        mutants = group["mutants"]
        if isinstance(mutants, list):
            reasons.update(dict.fromkeys(map(str, mutants), str(group["reason"]).strip()))
    return reasons


def _seen(results: Sequence[Result]) -> int:
    return sum(each.fate is not Fate.SURVIVED for each in results)


def _figures(results: Mapping[str, Sequence[Result]], rooms: Sequence[str], totals: Mapping[str, int]) -> list[str]:
    lines = [
        "| module | mutants | killed | timed out | survived | not tried | seen of tried | seen of all, at least |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for room in rooms:
        names = [path for path in totals if path.startswith(f"{room}/") and totals[path]]
        lines.extend(_line(f"`{path}`", results[path], totals[path]) for path in names)
        every = [each for path in names for each in results[path]]
        lines.append(_line(f"**{room}**", every, sum(totals[path] for path in names)))
    return lines


def _line(name: str, results: Sequence[Result], total: int) -> str:
    counts = [sum(each.fate is fate for each in results) for fate in (Fate.KILLED, Fate.TIMED_OUT, Fate.SURVIVED)]
    tried = f"{_seen(results) / len(results):.1%}" if results else ""
    at_least = f"{_seen(results) / total:.1%}"
    return f"| {name} | {total} | {' | '.join(map(str, counts))} | {total - len(results)} | {tried} | {at_least} |"


def _survivors(results: Mapping[str, Sequence[Result]], reasons: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for path, told in results.items():
        living = [each.mutant for each in told if each.fate is Fate.SURVIVED]
        if not living:
            continue
        lines += [f"### `{path}`", "", "| line | in | mutation | why it may live |", "| ---: | --- | --- | --- |"]
        for mutant in living:
            change = _change(mutant.before, mutant.after)
            reason = reasons.get(mutant.key, _UNEXPLAINED)
            lines.append(f"| {mutant.line} | `{mutant.scope or 'module'}` | {change} | {reason} |")
        lines.append("")
    return lines


def _change(before: str, after: str) -> str:
    """Both, or what differs and what is around it when they are long."""
    if max(len(before), len(after)) <= _SHORT:
        return f"{_code(before)} → {_code(after)}"
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    shown = (text[max(start - 20, 0) : max(len(text) - end + 20, start)] for text in (before, after))
    return " → ".join(_code(f"…{each}…") for each in shown)


def _alike(one: str, other: str) -> int:
    """How many of their first characters are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _code(text: str) -> str:
    return f"`` {text} ``".replace("|", "\\|")
