"""What a validation makes of a delivery: refused, warned, waiting; and documents known are not validated again."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pfi.engine.settings import Settings
from pfi.engine.validation import Validation, pack_of
from pfi.engine.validation_workers import ValidationFailedError, ValidationWorkers
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, OutcomeKind
from pfi.model.document import Document
from pfi.model.errors import ConfigurationError
from pfi.model.submission import Request
from pfi.standards.cda.header import read_header
from pfi.standards.cda.pack_store import PackStore
from pfi.standards.cda.validator import Validated
from tests.unit.cda.tinypack import cda, write_pack
from tests.unit.dmp.given import delivery

NOW = datetime(2026, 3, 6, 10, tzinfo=UTC)


def settings(tmp_path: Path, policy: str | None = None, **validation: Any) -> Settings:
    dmp = {} if policy is None else {"validation": policy}
    return Settings.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "senders": [{"name": "dpi", "match": {"application": "DPI"}, "dmp": dmp}],
            "validation": validation,
        }
    )


def feeding(content: bytes, **changes: Any) -> Delivery:
    return delivery(documents=(Document(content=content, header=read_header(content)),), **changes)


async def verdicts(
    configured: Settings, deliveries: list[Delivery]
) -> AsyncGenerator[tuple[OutcomeKind | None, str, tuple[str, ...]], None]:
    validation = Validation(configured)
    try:
        for each in deliveries:
            verdict = await validation.check(each)
            refusal = verdict.refusal
            warnings = verdict.warnings if refusal is None else refusal.warnings
            yield refusal.kind if refusal else None, refusal.text if refusal else "", warnings
    finally:
        validation.close()


async def verdict(configured: Settings, wanted: Delivery) -> tuple[OutcomeKind | None, str, tuple[str, ...]]:
    async with aclosing(verdicts(configured, [wanted])) as found:
        return await anext(found)


async def test_required_is_the_default_once_a_pack_is_installed(tmp_path: Path) -> None:
    configured = settings(tmp_path)
    assert pack_of(configured) is None
    assert await verdict(configured, feeding(cda(title=""))) == (None, "", ())
    installed, _ = PackStore(configured.data_dir).install(write_pack(tmp_path / "pack"), NOW)
    assert pack_of(configured) == installed.folder
    kind, text, warnings = await verdict(configured, feeding(cda(title="")))
    assert kind is OutcomeKind.REFUSED
    assert "title[not(@nullFlavor)] obligatoire" in text
    assert text.endswith("(1 écart(s)). Corriger le document et le renvoyer.")
    assert warnings == (
        "[Essai] Élément hl7:title[not(@nullFlavor)] obligatoire (1 au moins). "
        "(ClinicalDocument, règle ASIP-STRUCT-MIN-StrucMin/entete/1)",
    )


async def test_the_pack_of_the_configuration_wins(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    configured = settings(tmp_path, pack=str(pack))
    assert pack_of(configured) == pack
    assert await verdict(configured, feeding(cda())) == (None, "", ())


async def test_warn_keeps_every_finding_and_lets_it_leave(tmp_path: Path) -> None:
    configured = settings(tmp_path, "warn", pack=str(write_pack(tmp_path / "pack")))
    kind, _text, warnings = await verdict(configured, feeding(cda(title="", language="en-US")))
    assert kind is None
    assert len(warnings) == 2


async def test_off_validates_nothing(tmp_path: Path) -> None:
    configured = settings(tmp_path, "off", pack=str(write_pack(tmp_path / "pack")))
    assert await verdict(configured, feeding(cda(title=""))) == (None, "", ())


@pytest.mark.parametrize("changes", [{"channel": Channel.PRO}, {"channel": Channel.CIT}, {"request": Request.DELETE}])
async def test_only_feeding_the_dmp_is_validated(tmp_path: Path, changes: dict[str, Any]) -> None:
    configured = settings(tmp_path, pack=str(write_pack(tmp_path / "pack")))
    assert await verdict(configured, feeding(cda(title=""), **changes)) == (None, "", ())


async def test_every_rendition_is_validated(tmp_path: Path) -> None:
    configured = settings(tmp_path, pack=str(write_pack(tmp_path / "pack")))
    good, bad = (feeding(content).documents[0] for content in (cda(), cda(title="")))
    kind, _text, _warnings = await verdict(configured, delivery(documents=(good, bad)))
    assert kind is OutcomeKind.REFUSED


async def test_what_the_pack_lacks_refuses_or_is_accepted(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", **{"JDV_Sexes.xml": None})
    kind, text, _warnings = await verdict(settings(tmp_path, pack=str(pack)), feeding(cda()))
    assert kind is OutcomeKind.REFUSED
    assert "validation.incomplete: accept" in text
    accepted = settings(tmp_path, pack=str(pack), incomplete="accept")
    kind, _text, warnings = await verdict(accepted, feeding(cda()))
    assert kind is None
    assert len(warnings) == 1


async def test_a_known_document_is_not_validated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    real = ValidationWorkers.validate

    async def counted(self: ValidationWorkers, content: bytes) -> Validated:
        seen.append(content)
        return await real(self, content)

    monkeypatch.setattr(ValidationWorkers, "validate", counted)
    configured = settings(tmp_path, pack=str(write_pack(tmp_path / "pack")))
    asked = [feeding(cda(title="")), feeding(cda(title="")), feeding(cda())]
    assert [kind async for kind, _text, _warnings in verdicts(configured, asked)] == [
        OutcomeKind.REFUSED,
        OutcomeKind.REFUSED,
        None,
    ]
    assert seen == [cda(title=""), cda()]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValidationFailedError(), "VALIDATION_UNAVAILABLE"),
        (ConfigurationError("CDA_SCHEMA_UNUSABLE", "x"), "CDA_SCHEMA_UNUSABLE"),
    ],
)
async def test_a_failed_validation_makes_the_document_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    async def failing(_self: ValidationWorkers, _content: bytes) -> Validated:
        raise error

    monkeypatch.setattr(ValidationWorkers, "validate", failing)
    pack = str(write_pack(tmp_path / "pack"))
    validation = Validation(settings(tmp_path, pack=pack))
    outcome = (await validation.check(feeding(cda()))).refusal
    validation.close()
    assert outcome is not None
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, code)
    kind, _text, warnings = await verdict(settings(tmp_path, "warn", pack=pack), feeding(cda()))
    assert kind is None
    assert len(warnings) == 1
