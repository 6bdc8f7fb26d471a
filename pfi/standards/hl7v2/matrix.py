"""Which combinations of flags may be acted on (hl7v2 digest §2.2, obligations digest §6.2).

Invariants and rows of the volet are data (`flag_matrix.toml`). Read literally the rows refuse official samples and
cases that the law requires, so that the default only refuses what contradicts a stated prohibition.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pfi.model.profile import Matrix, Mode, SenderProfile
from pfi.model.submission import Orders
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.orders import Flag, FlagReading, value_of

_RULE: Final = "hl7v2 digest §2.2"
_INCOHERENT: Final = "207"
_OTHER_ERROR: Final = "906"

_Row = dict[Flag, bool]


class Outcome(StrEnum):
    """What becomes of a message whose flags break an invariant."""

    REFUSE = "refuse"
    MASKED_PS_BLOCKS_PRO = "masked_ps_blocks_pro"
    """Refused while the sender's switch of that name is on, else reported."""
    STRICT_MATRIX = "strict_matrix"
    """Refused under the strict matrix, else reported."""
    STRICT_MODE = "strict_mode"
    """Refused in strict mode, else reported: only the DMP is lost, and routing says so."""
    ELSEWHERE = "elsewhere"
    """Depends on more than flags: another check, or an exception, closes the channel."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A combination that may not be acted on. `matrices` are the versions that check it; `where` is the flag that an
    error points to; `by` names what closes the channel when flags alone do not tell."""

    id: str
    when: Mapping[Flag, bool]
    matrices: frozenset[Matrix]
    outcome: Outcome
    text: str
    rule: str
    code: str = ""
    where: Flag = Flag.DESTDMP
    by: str = ""

    def broken_by(self, orders: Orders) -> bool:
        """True when the flags combine so; one that was not given counts as N."""
        return all(value_of(orders, flag) is value for flag, value in self.when.items())

    def refuses(self, profile: SenderProfile) -> bool:
        """Whether a message that breaks it is refused, or only reported."""
        return {
            Outcome.REFUSE: True,
            Outcome.MASKED_PS_BLOCKS_PRO: profile.masked_ps_blocks_pro,
            Outcome.STRICT_MATRIX: profile.effective_matrix is Matrix.STRICT,
            Outcome.STRICT_MODE: profile.mode is Mode.STRICT,
            Outcome.ELSEWHERE: False,
        }[self.outcome]


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("flag_matrix.toml").read_text("utf-8"))


def _combination(values: Mapping[str, str]) -> _Row:
    return {Flag(name): value == "Y" for name, value in values.items() if value != "*"}


@cache
def invariants() -> tuple[Invariant, ...]:
    """The invariants, in the order in which they are reported."""
    return tuple(
        Invariant(
            **{
                **entry,
                "when": _combination(entry["when"]),
                "matrices": frozenset(Matrix(version) for version in entry["matrices"]),
                "outcome": Outcome(entry["outcome"]),
                "where": Flag(entry.get("where", Flag.DESTDMP)),
            }
        )
        for entry in _tables()["invariants"]
    )


@cache
def rows(version: Matrix) -> tuple[_Row, ...]:
    """The published rows of a version: the flags that each constrains. `TOLERANT` has none."""
    return tuple(_combination(row) for row in _tables().get(version.value, {"rows": []})["rows"])


def is_listed(version: Matrix, orders: Orders) -> bool:
    """True when the combination is one of the published rows."""
    return any(all(value_of(orders, flag) == value for flag, value in row.items()) for row in rows(version))


def check_combination(reading: FlagReading, profile: SenderProfile, deviations: Deviations) -> None:
    """Refuses or reports the combination of flags of one message; a sender without flags combines nothing."""
    if not reading.orders.given:
        return
    for invariant in invariants():
        if profile.effective_matrix in invariant.matrices and invariant.broken_by(reading.orders):
            _report(invariant, reading, profile, deviations)
    if reading.orders.dest_mss_ps or reading.orders.dest_mss_pat:
        _check_rows(reading, profile, deviations)


def _report(invariant: Invariant, reading: FlagReading, profile: SenderProfile, deviations: Deviations) -> None:
    if invariant.outcome is Outcome.ELSEWHERE:
        return
    report = deviations.refuse if invariant.refuses(profile) else deviations.warn
    report(
        invariant.code,
        reading.places.get(invariant.where, "OBX^1"),
        invariant.text,
        err3=_INCOHERENT,
        err5=_OTHER_ERROR,
        rule=invariant.rule,
    )


def _check_rows(reading: FlagReading, profile: SenderProfile, deviations: Deviations) -> None:
    """The rows speak of mail only: a document for the DMP alone is out of their scope."""
    version = profile.effective_matrix
    if version is Matrix.TOLERANT:
        if not is_listed(Matrix.STRICT, reading.orders):
            deviations.inform(
                "FLAGS_UNLISTED",
                reading.places.get(Flag.DESTMSSANTEPS, "OBX^1"),
                "Cette combinaison d'indicateurs n'est pas dans la liste du volet ; elle est admise.",
                _RULE,
            )
        return
    if not is_listed(version, reading.orders):
        flag = Flag.DESTMSSANTEPAT if reading.orders.dest_mss_pat else Flag.DESTMSSANTEPS
        deviations.refuse(
            "FLAGS_INCONSISTENT",
            reading.places.get(flag, "OBX^1"),
            f"La combinaison d'indicateurs n'est pas admise par le volet : {_spelled(reading.orders)}.",
            _INCOHERENT,
            _RULE,
            _OTHER_ERROR,
        )


def _spelled(orders: Orders) -> str:
    constrained = [flag for flag in Flag if any(flag in row for row in rows(Matrix.STRICT))]
    return ", ".join(f"{flag} = {'Y' if value_of(orders, flag) else 'N'}" for flag in constrained)
