"""Collects what a reader has to say about a message, with the severity that the sender's mode gives to it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pfi.model.finding import Finding, Severity
from pfi.model.profile import Mode

LIMIT: Final = 100
"""A message can deviate without end; its findings cannot. Errors still count beyond the limit."""


class Deviations:
    """The findings on one message, without repetition.

    `refuse` is an error in both modes, `deviate` an error in strict and a warning in tolerant, `strictly` an error in
    strict and nothing in tolerant.
    """

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.refused = False
        self._findings: dict[tuple[str, str, str], Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._findings.values())

    def refuse(self, code: str, where: str, text: str, err3: str, rule: str, err5: str = "") -> None:
        self._add(Finding(code, Severity.ERROR, where, text, rule, err3, err5))

    def deviate(self, code: str, where: str, text: str, err3: str, rule: str, err5: str = "") -> None:
        severity = Severity.ERROR if self.mode is Mode.STRICT else Severity.WARNING
        self._add(Finding(code, severity, where, text, rule, err3, err5))

    def strictly(self, code: str, where: str, text: str, err3: str, rule: str) -> None:
        if self.mode is Mode.STRICT:
            self._add(Finding(code, Severity.ERROR, where, text, rule, err3))

    def warn(self, code: str, where: str, text: str, rule: str, err3: str = "", err5: str = "") -> None:
        self._add(Finding(code, Severity.WARNING, where, text, rule, err3, err5))

    def inform(self, code: str, where: str, text: str, rule: str) -> None:
        self._add(Finding(code, Severity.INFO, where, text, rule))

    def adopt(self, findings: Iterable[Finding]) -> None:
        """Takes the tokenizer's warnings: in strict mode they refuse the message."""
        for finding in findings:
            strict = self.mode is Mode.STRICT and finding.severity is Severity.WARNING
            self._add(replace(finding, severity=Severity.ERROR) if strict else finding)

    def _add(self, finding: Finding) -> None:
        self.refused = self.refused or finding.severity is Severity.ERROR
        key = (finding.code, finding.where, finding.text)
        errors_missing = finding.severity is Severity.ERROR and not any(
            known.severity is Severity.ERROR for known in self._findings.values()
        )
        if len(self._findings) < LIMIT or errors_missing:
            self._findings.setdefault(key, finding)
