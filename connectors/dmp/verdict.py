"""The error table `errors.yaml`: from a code of the DMP to an Outcome."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

from pfi.model.delivery import Outcome, OutcomeKind

UNREADABLE_CODE: Final = "DMP_CODE_UNREADABLE"
"""Stands for what the DMP gave as a code and cannot be one."""

_DUPLICATE: Final = "duplicate"
_CODE: Final = re.compile(r"(?!.*\d{4})[A-Za-z][A-Za-z0-9_]{2,63}")


def readable_code(code: str) -> str:
    """A code of the peer that is none of the table's: kept only when it looks like one, for it goes to the sender."""
    return code if _CODE.fullmatch(code) else UNREADABLE_CODE


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """One class of errors: what it does to the delivery."""

    name: str
    kind: OutcomeKind
    text: str
    rank: int
    stop: bool = False
    max_attempts: int | None = None
    retry_after: float | None = None

    def outcome(self, code: str, *, retry_after: float | None = None, **evidence: str) -> Outcome:
        """An Outcome with the peer's own code."""
        return Outcome(
            kind=self.kind,
            code=code if code in error_table().codes else readable_code(code),
            text=self.text,
            retry_after=retry_after if retry_after is not None else self.retry_after,
            max_attempts=self.max_attempts,
            stop_destination=self.stop,
            evidence={name: value for name, value in evidence.items() if value},
        )

    @property
    def is_duplicate(self) -> bool:
        """Already there: a success when we sent it."""
        return self.name == _DUPLICATE


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """Everything unknown is `unlisted`: a wrong retry is worse than a human look."""

    classes: dict[str, ErrorClass]
    codes: dict[str, str]
    faults: dict[str, str]
    http: dict[int, str]

    def of_code(self, code: str) -> ErrorClass:
        """Class of an `errorCode`, or of the sub-code of a fault."""
        return self.classes[self.codes.get(code, "unlisted")]

    def of_fault(self, code: str, subcodes: Iterable[str]) -> tuple[ErrorClass, str]:
        """Class of a SOAP fault and the code that decided: the most precise sub-code that the table knows."""
        specific = [subcode for subcode in subcodes if subcode]
        for subcode in reversed(specific):
            if subcode in self.codes:
                return self.of_code(subcode), subcode
        if specific:
            return self.classes["unlisted"], specific[-1]
        return self.classes[self.faults.get(code, "unlisted")], code or "SOAP_FAULT"

    def of_http(self, status: int) -> ErrorClass:
        """Class of an HTTP status that carries no SOAP answer."""
        if status in self.http:
            return self.classes[self.http[status]]
        if status >= 500:
            return self.classes["doubtful"]
        return self.classes["unlisted" if status >= 400 else "configuration"]

    def worst(self, codes: Iterable[str]) -> tuple[ErrorClass, str]:
        """The class that counts among several errors, and its code."""
        return max(((self.of_code(code), code) for code in codes), key=lambda pair: pair[0].rank)


@cache
def error_table() -> ErrorTable:
    """The shipped table."""
    text = (files("connectors.dmp") / "errors.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    classes = {
        name: ErrorClass(
            name=name,
            kind=OutcomeKind(row["outcome"]),
            text=row["text"],
            rank=row["rank"],
            stop=row.get("stop", False),
            max_attempts=row.get("max_attempts"),
            retry_after=row.get("retry_after"),
        )
        for name, row in data["classes"].items()
    }
    return ErrorTable(classes, data["codes"], data["faults"], data["http"])
