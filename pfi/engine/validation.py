"""Validation of documents before they are fed to the DMP, as an EAI must (EX_2.1-1090): a step of its own, never in the
acknowledgment's way, in processes of its own, beside the event loop.

Policy of a sender (`dmp.validation`): `required`, the default once a pack is installed: an error refuses the delivery;
`warn`: everything is kept with the attempt; `off`.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pfi.engine.settings import Settings
from pfi.engine.validation_workers import ValidationFailedError, ValidationWorkers, WorkerSettings
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError
from pfi.model.finding import Finding, Severity
from pfi.model.submission import Request
from pfi.standards.cda.pack import ValidationPack
from pfi.standards.cda.pack_store import PackStore

Policy = Literal["required", "warn", "off"]

_REMEMBERED: Final = 512
"""Documents whose findings are kept: retries, and the same document by another way."""
_MAX_WARNINGS: Final = 20
_MAX_TRIES: Final = 5
_LONGEST_TEXT: Final = 170
"""Of the first finding, so that the whole sentence fits in a ZAM."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal`: the document must not be fed. `warnings`: French, kept with the attempt."""

    refusal: Outcome | None = None
    warnings: tuple[str, ...] = ()


def pack_of(settings: Settings) -> Path | None:
    """Folder of the pack in force: the one that the configuration names, else the one installed under `data_dir`."""
    return settings.validation.pack or PackStore(settings.data_dir).current()


def compiled_under(settings: Settings) -> Path:
    """Where compiled schematrons are kept."""
    return settings.data_dir / "validation" / "compiled"


class Validation:
    """The pack in force and what each sender wants done with it (`senders.dmp.validation`).

    Raises ConfigurationError when a sender requires validation and no pack is installed, or when the pack is unusable.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        pack = pack_of(settings)
        for sender in settings.senders:
            if pack is None and sender.dmp.validation in ("required", "warn"):
                raise ConfigurationError(
                    "VALIDATION_PACK_MISSING",
                    f"L'émetteur « {sender.name} » demande la validation des documents sans pack installé.",
                    "Installer un pack (pfi validation-pack import), ou indiquer « dmp.validation: off ».",
                )
        self._workers: ValidationWorkers | None = None
        self._remembered: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
        if pack is not None:
            ValidationPack(pack).schema()  # a pack without a schema that compiles stops the start
            wanted = settings.validation
            worker = WorkerSettings(
                pack, compiled_under(settings), wanted.incomplete == "accept", wanted.seconds_per_document
            )
            self._workers = ValidationWorkers(worker, wanted.workers)
            if self._is_used():
                self._workers.start()

    def close(self) -> None:
        """Ends the worker processes."""
        if self._workers is not None:
            self._workers.close()

    def policy(self, delivery: Delivery) -> Policy:
        """What applies to a delivery: nothing but feeding the DMP is validated."""
        if self._workers is None or delivery.channel is not Channel.DMP or delivery.request is Request.DELETE:
            return "off"
        sender = self._settings.sender_of(delivery.message)
        return (sender.dmp.validation if sender else None) or "required"

    async def check(self, delivery: Delivery) -> Verdict:
        """Validates every rendition of a delivery."""
        policy = self.policy(delivery)
        if policy == "off":
            return Verdict()
        try:
            findings = [each for document in delivery.documents for each in await self._findings(document.content)]
        except (ValidationFailedError, TimeoutError, ConfigurationError) as error:
            return _unavailable(error, policy)
        lines = tuple(finding_line(each) for each in findings)[:_MAX_WARNINGS]
        errors = [each for each in findings if each.severity is Severity.ERROR]
        if policy == "warn" or not errors:
            return Verdict(warnings=lines)
        return Verdict(_refusal(errors, lines))

    async def _findings(self, content: bytes) -> tuple[Finding, ...]:
        assert self._workers is not None  # noqa: S101 - `policy` is off without them
        digest = hashlib.sha256(content).digest()
        known = self._remembered.get(digest)
        if known is not None:
            self._remembered.move_to_end(digest)
            return known
        validated = await self._workers.validate(content)
        self._remembered[digest] = validated.findings
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return validated.findings

    def _is_used(self) -> bool:
        """Whether some sender is validated: else no process is started."""
        senders = self._settings.senders
        return self._settings.unknown_senders == "accept" or any(each.dmp.validation != "off" for each in senders)


def finding_line(finding: Finding) -> str:
    """One finding in one French line: text, place, rule."""
    rule = f", règle {finding.rule}" if finding.rule else ""
    return f"{finding.text} ({finding.where}{rule})"


def _refusal(errors: list[Finding], lines: tuple[str, ...]) -> Outcome:
    first = errors[0]
    text = first.text if len(first.text) <= _LONGEST_TEXT else f"{first.text[: _LONGEST_TEXT - 1]}…"
    remedy = "Corriger le document et le renvoyer."
    if first.code == "CDA_NOT_VALIDATED":
        remedy = "Compléter le pack de validation, ou indiquer « validation.incomplete: accept »."
    rules = ", ".join(dict.fromkeys(each.rule for each in errors if each.rule))
    return Outcome(
        OutcomeKind.REFUSED,
        first.code,
        f"{text} ({len(errors)} écart(s)). {remedy}",
        warnings=lines,
        evidence={"findings": str(len(errors)), "rules": rules[:500]},
    )


def _unavailable(error: Exception, policy: Policy) -> Verdict:
    """The validation itself failed: nothing is known of the document, which waits when validation is required."""
    text = "La validation du document a échoué (processus de validation interrompu ou trop lent)."
    code = "VALIDATION_UNAVAILABLE"
    if isinstance(error, ConfigurationError):
        text, code = error.text, error.code
    if policy == "warn":
        return Verdict(warnings=(text,))
    return Verdict(Outcome(OutcomeKind.NOT_DELIVERED, code, text, max_attempts=_MAX_TRIES))
