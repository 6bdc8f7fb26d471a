"""Validation of documents before they are fed to the DMP, as an EAI must (EX_2.1-1090): a step of its own, never in the
acknowledgment's way. Today: the official XML schema; schematrons are to come."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from pfi.engine.settings import Settings
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError
from pfi.model.finding import Finding
from pfi.model.submission import Request
from pfi.standards.cda.schema import CdaSchema

Policy = Literal["required", "warn", "off"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal`: the document must not be fed. `warnings`: French, kept with the attempt."""

    refusal: Outcome | None = None
    warnings: tuple[str, ...] = ()


class Validation:
    """The installed pack and what each sender wants done with it (`senders.dmp.validation`).

    Raises ConfigurationError when a sender requires validation and no pack is installed, or when the pack is unusable.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        pack = settings.validation.pack
        for sender in settings.senders:
            if pack is None and sender.dmp.validation in ("required", "warn"):
                raise ConfigurationError(
                    "VALIDATION_PACK_MISSING",
                    f"L'émetteur « {sender.name} » demande la validation des documents sans pack installé.",
                    "Indiquer « validation.pack », ou « dmp.validation: off ».",
                )
        self._schema = CdaSchema(pack) if pack is not None else None
        # One thread: a compiled schema belongs to a thread, and checking one takes a few milliseconds.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pfi-validate")

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def policy(self, delivery: Delivery) -> Policy:
        """What applies to a delivery: nothing but feeding the DMP is validated."""
        if self._schema is None or delivery.channel is not Channel.DMP or delivery.request is Request.DELETE:
            return "off"
        sender = self._settings.sender_of(delivery.message)
        return (sender.dmp.validation if sender else None) or "required"

    async def check(self, delivery: Delivery) -> Verdict:
        """Validates every rendition of a delivery."""
        policy = self.policy(delivery)
        if policy == "off":
            return Verdict()
        loop = asyncio.get_running_loop()
        findings = await loop.run_in_executor(self._thread, self._findings, delivery)
        if not findings:
            return Verdict()
        if policy == "warn":
            return Verdict(warnings=tuple(finding.text for finding in findings))
        text = f"{findings[0].text} ({len(findings)} écart(s)). Corriger le document et le renvoyer."
        return Verdict(Outcome(OutcomeKind.REFUSED, "CDA_SCHEMA", text, evidence={"findings": str(len(findings))}))

    def _findings(self, delivery: Delivery) -> tuple[Finding, ...]:
        assert self._schema is not None  # noqa: S101 - `policy` is off without it
        return tuple(finding for document in delivery.documents for finding in self._schema.validate(document.content))
