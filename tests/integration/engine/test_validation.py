"""A document that the official schema refuses never reaches the DMP when its sender requires validation."""

import base64
import shutil
from pathlib import Path

import pytest

from pfi.engine.settings import Settings
from pfi.engine.validation import Validation
from pfi.model.errors import ConfigurationError
from tests.integration.engine.fakes import House, house, letter, make_settings
from tests.official import ANS_DIR, needs_official_samples

PACK = ANS_DIR / "validation-pack"


def with_pack(policy: str | None) -> Settings:
    settings = make_settings(sender={"dmp": {"validation": policy}} if policy else None)
    return settings.model_copy(update={"validation": settings.validation.model_copy(update={"pack": PACK})})


def spoilt(raw: bytes) -> bytes:
    """The same letter whose CDA has an element that the schema does not know."""
    head, _, rest = raw.partition(b"^XML^Base64^")
    coded, _, tail = rest.partition(b"|")
    document = base64.b64decode(coded).replace(b"<realmCode", b"<inconnu/><realmCode", 1)
    return head + b"^XML^Base64^" + base64.b64encode(document) + b"|" + tail


async def run(url: str, policy: str | None, raw: bytes) -> House:
    home = House(url)
    home.settings = with_pack(policy)
    home.engine = home.new_engine()
    await home.engine.start()
    assert await home.code(raw) == "AA"
    return home


@needs_official_samples
async def test_a_clean_document_is_fed(store_url: str) -> None:
    home = await run(store_url, None, letter())
    await home.until(DMP="delivered")
    await home.engine.stop(2)


@needs_official_samples
async def test_an_invalid_document_is_refused_before_the_dmp_and_still_mailed(store_url: str) -> None:
    home = await run(store_url, None, spoilt(letter()))
    await home.until(DMP="refused", PRO="delivered", CIT="delivered")
    assert home.dmp.sent == []
    rows = await home.fetch("SELECT code, text FROM deliveries WHERE channel = 'DMP'")
    assert rows[0]["code"] == "CDA_SCHEMA"
    assert "schéma XML" in rows[0]["text"]
    assert ("Z01", False, "", "CDA_SCHEMA") in await home.told(3)
    await home.engine.stop(2)


@needs_official_samples
async def test_with_warn_the_document_is_fed_and_the_deviation_kept(store_url: str) -> None:
    home = await run(store_url, "warn", spoilt(letter()))
    await home.until(DMP="delivered")
    rows = await home.fetch("SELECT warnings FROM attempts WHERE json_array_length(warnings) > 0")
    assert len(rows) == 1
    await home.engine.stop(2)


@needs_official_samples
async def test_with_off_nothing_is_checked(store_url: str) -> None:
    home = await run(store_url, "off", spoilt(letter()))
    await home.until(DMP="delivered")
    assert not await home.fetch("SELECT 1 FROM attempts WHERE json_array_length(warnings) > 0")
    await home.engine.stop(2)


async def test_without_a_pack_nothing_is_checked(store_url: str) -> None:
    async with house(store_url) as home:
        assert await home.code(spoilt(letter())) == "AA"
        await home.until(DMP="delivered")


def test_requiring_validation_without_a_pack_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Validation(make_settings(sender={"dmp": {"validation": "required"}}))
    assert caught.value.code == "VALIDATION_PACK_MISSING"
    assert "dpi" in caught.value.text


def test_a_pack_without_schema_is_a_configuration_error(tmp_path: Path) -> None:
    empty = tmp_path / "pack"
    empty.mkdir()
    settings = make_settings()
    broken = settings.model_copy(update={"validation": settings.validation.model_copy(update={"pack": empty})})
    with pytest.raises(ConfigurationError) as caught:
        Validation(broken)
    assert caught.value.code == "CDA_SCHEMA_UNUSABLE"
    shutil.rmtree(empty)
