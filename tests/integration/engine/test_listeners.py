"""An engine behind its real MLLP listeners."""

import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.mllp.client import MllpClient, UnansweredError, UnreachableError
from pfi.engine.settings import Settings
from pfi.standards.cda.body import embedded_pdf
from pfi.standards.hl7v2.ack import read_ack
from samples.generator import bodies, documents
from samples.generator.catalogue import IN_STAY
from samples.generator.request import DPI, Request, write_request
from samples.generator.world import CARDIOLOGIST
from tests.contract.mllp_peers import tls_files
from tests.integration.engine.fakes import House, letter


@asynccontextmanager
async def listening(url: str, *listeners: dict[str, Any]) -> AsyncIterator[House]:
    home = House(url)
    home.settings = Settings.model_validate({**home.settings.model_dump(), "listeners": listeners})
    home.engine = home.new_engine()
    await home.engine.start()
    try:
        yield home
    finally:
        await home.engine.stop(grace=2)


async def test_plain_and_tls_listeners_are_served_side_by_side(store_url: str, tmp_path: Path) -> None:
    files = tls_files(tmp_path)
    tls = {"certificate": files.server, "key": files.server_key, "ca": files.ca}
    known, anonymous = ssl.create_default_context(cafile=files.ca), ssl.create_default_context(cafile=files.ca)
    known.load_cert_chain(files.client, files.client_key)
    contexts = {"plain": None, "optional": anonymous, "required": known}
    async with listening(
        store_url,
        {"name": "plain", "settings": {"port": 0}},
        {"name": "optional", "settings": {"port": 0, "tls": {**tls, "client_certificates": "optional"}}},
        {"name": "required", "settings": {"port": 0, "tls": tls}},
    ) as home:
        for name, context in contexts.items():
            async with MllpClient("127.0.0.1", home.engine.ports[name], ssl_context=context) as client:
                assert read_ack(await client.exchange(letter(name))).code == "AA"
        async with MllpClient("127.0.0.1", home.engine.ports["required"], ssl_context=anonymous) as client:
            with pytest.raises((UnansweredError, UnreachableError)):
                await client.exchange(letter("intrus"))
        rows = await home.fetch("SELECT listener, control_id, certificate FROM messages ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        ("plain", "plain", ""),
        ("optional", "optional", ""),
        ("required", "required", "CN=sgl,O=Labo,C=FR"),
    ]


async def test_a_document_around_a_pdf_of_20_mb_goes_through(store_url: str) -> None:
    pdf = b"%PDF-1.7\n" + random.Random(20).randbytes(20_000_000)  # noqa: S311  # only hard to compress
    large = replace(documents.discharge_letter("gros"), kind=documents.IMAGING, body=bodies.pdf_body(pdf))
    message = write_request(Request(DPI, "GROS", (large,), IN_STAY, CARDIOLOGIST))
    async with listening(store_url, {"name": "entree", "settings": {"port": 0}}) as home:
        async with MllpClient("127.0.0.1", home.engine.ports["entree"]) as client:
            assert read_ack(await client.exchange(message)).code == "AA"
        await home.until(DMP="delivered", PRO="delivered", CIT="delivered")
        assert await home.engine.journal.body(1) == message
        (sent,) = home.dmp.sent
    assert embedded_pdf(sent.documents[0].content) == pdf
