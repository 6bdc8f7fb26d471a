"""The DMP connector and a small server that answers what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from connectors.dmp.connector import DmpConnector
from pfi.model.delivery import Delivery, Outcome
from pfi.model.submission import Request
from tests.contract.dmp_peer import Call, Handler, Peer
from tests.unit.dmp.given import delivery, settings, surroundings
from tests.unit.dmp.test_answers import envelope, response
from tests.unit.dmp.test_existence import answer as existence_answer
from tests.unit.dmp.test_existence import person
from tests.unit.xds.documents import document, replacing

QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
DOCUMENT_ID = "1.2.250.1.999.1.1.7001"
PARENT_ID = "1.2.250.1.999.1.1.6000"
CREATED = response("Success")
DUPLICATE = response("Failure", ("XDSDuplicateUniqueIdInRegistry", "Error"))

Say = Callable[[Call], Awaitable[None]]


def found(*references: str) -> str:
    objects = "".join(f'<m:ObjectRef id="{reference}"/>' for reference in references)
    return (
        f'<q:AdhocQueryResponse xmlns:q="{QUERY}" xmlns:m="{RIM}" status="{SUCCESS}"><m:RegistryObjectList>{objects}'
        "</m:RegistryObjectList></q:AdhocQueryResponse>"
    )


def says(body: str) -> Say:
    async def handler(call: Call) -> None:
        await call.answer(envelope(body, call.message_id))

    return handler


def says_status(status: int, content: bytes = b"") -> Say:
    async def handler(call: Call) -> None:
        await call.answer(content, status)

    return handler


async def cuts(call: Call) -> None:
    call.cut()


async def hangs(call: Call) -> None:
    await asyncio.sleep(60)


def active(call: Call) -> Awaitable[None]:
    return call.answer(
        existence_answer("AA", "DMPFound", person()).replace(b"urn:uuid:1<", f"{call.message_id}<".encode())
    )


class Dmp:
    """A DMP by paths; each path has a list of things to do in turn, the last one for ever."""

    def __init__(self, repository: list[Say] | None = None, registry: list[Say] | None = None, patients: Say = active):
        self.scripts: dict[str, list[Say]] = {
            "/repository": repository or [says(CREATED)],
            "/registry": registry or [says(found())],
            "/patients": [patients],
        }

    async def __call__(self, call: Call) -> None:
        script = self.scripts[call.path]
        await (script.pop(0) if len(script) > 1 else script[0])(call)


@asynccontextmanager
async def opened(folder: Path, handler: Handler, **changes: Any) -> AsyncIterator[tuple[DmpConnector, Peer]]:
    async with Peer(folder, handler) as peer:
        connector = DmpConnector(settings(folder, peer.url, **changes), surroundings())
        await connector.open()
        try:
            yield connector, peer
        finally:
            await connector.close()


async def sent(folder: Path, handler: Handler, of: Delivery | None = None, **changes: Any) -> tuple[Outcome, Peer]:
    async with opened(folder, handler, **changes) as (connector, peer):
        return await connector.send(of or delivery()), peer


async def resolved(folder: Path, handler: Handler, of: Delivery | None = None) -> tuple[Outcome, Peer]:
    async with opened(folder, handler) as (connector, peer):
        return await connector.resolve(of or delivery()), peer


REPLACEMENT = delivery(request=Request.REPLACE, documents=(document(related=replacing(PARENT_ID)),))
DELETION = delivery(request=Request.DELETE)
