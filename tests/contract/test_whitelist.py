"""The white list over real TLS: fetched, kept, refreshed, and never lost to an incident."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.mssante.connector import MssanteConnector
from connectors.mssante.settings import MssanteSettings, WhiteListSettings
from connectors.mssante.whitelist import TrustSpace
from connectors.sandbox.annuaire import AnnuaireServer, write_white_list
from connectors.sandbox.certificates import Certificates
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import OutboundMail, Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import OutcomeKind
from pfi.model.errors import ConfigurationError
from tests.contract.dmp_peer import settled
from tests.unit.mssante.material import PATIENT_ADDRESS, delivery, professional

IN, OUT = "a@in.fr", "a@out.fr"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Source:
    """The published list, and trust spaces that fetch it."""

    def __init__(self, server: AnnuaireServer, certificates: Certificates, folder: Path, domains: set[str]) -> None:
        self.server = server
        self.certificates = certificates
        self.file = folder / "kept" / "white-list.xml"
        self.domains = domains
        self.clock = Clock()

    def keep(self, *domains: str) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_bytes(write_white_list(domains))

    @asynccontextmanager
    async def opened(self, **changes: Any) -> AsyncIterator[TrustSpace]:
        values = {"file": self.file, "url": self.server.white_list_url, "ca": self.certificates.ca, **changes}
        space = TrustSpace(WhiteListSettings.model_validate(values), self.clock)
        space.open()
        try:
            yield space
        finally:
            await space.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture
async def source(certificates: Certificates, tmp_path: Path) -> AsyncIterator[Source]:
    domains = {"in.fr", "also.fr"}
    server = AnnuaireServer(certificates, lambda: domains)
    await server.start()
    try:
        yield Source(server, certificates, tmp_path, domains)
    finally:
        await server.stop()
        await settled()


def fault(space: TrustSpace) -> str:
    return space.fault.code if space.fault is not None else ""


async def test_the_first_list_is_awaited_by_all_who_ask_and_kept_on_disk(source: Source) -> None:
    async with source.opened() as space:
        assert space.known is None
        await asyncio.gather(*(space.look() for _ in range(5)))
        assert (space.admits(IN), space.admits(OUT), space.admits(PATIENT_ADDRESS)) == (True, False, True)
    assert source.server.list_requests == 1
    assert source.file.read_bytes() == write_white_list(source.domains)


async def test_nobody_judges_before_the_first_list_while_it_is_on_its_way(source: Source) -> None:
    async with source.opened() as space:
        first = asyncio.create_task(space.look())
        await asyncio.sleep(0)
        await space.look()
        assert space.known == 2
        await first


async def test_without_any_list_everybody_is_admitted_and_the_fault_is_told(source: Source) -> None:
    await source.server.stop()
    async with source.opened() as space:
        await space.look()
        assert space.known is None
        assert space.admits(OUT)
        assert fault(space) == "WHITE_LIST_NOT_FETCHED"


async def test_the_last_good_list_serves_while_the_source_is_away(source: Source) -> None:
    source.keep("in.fr")
    await source.server.stop()
    async with source.opened() as space:
        await space.refresh()
        assert fault(space) == "WHITE_LIST_NOT_FETCHED"
        assert (space.admits(IN), space.admits(OUT)) == (True, False)
    assert source.file.read_bytes() == write_white_list(["in.fr"])


async def test_a_known_list_serves_at_once_and_the_new_one_follows(source: Source) -> None:
    source.keep("also.fr", "old.fr")
    async with source.opened() as space:
        await space.look()
        assert space.admits("a@old.fr")
        await space.refresh()
        assert (space.admits(IN), space.admits("a@old.fr")) == (True, False)


async def test_the_list_is_fetched_again_after_its_time_even_if_mails_only_come_in(source: Source) -> None:
    async with source.opened(hours=24) as space:
        await space.look()
        source.domains.add("new.fr")
        source.clock.now += timedelta(hours=23, minutes=59)
        assert not space.admits("a@new.fr")
        await space.refresh()
        assert source.server.list_requests == 1
        source.clock.now += timedelta(minutes=1)
        async with asyncio.timeout(10):
            while not space.admits("a@new.fr"):
                await asyncio.sleep(0.01)
        assert source.server.list_requests == 2


async def test_a_failed_fetch_is_tried_again_after_five_minutes(source: Source) -> None:
    source.server.list_content = b"<html/>"
    async with source.opened() as space:
        await space.look()
        source.server.list_content = None
        await space.look()
        assert (space.known, source.server.list_requests) == (None, 1)
        source.clock.now += timedelta(minutes=5)
        await space.look()
        assert (space.known, fault(space)) == (2, "")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "XML_EMPTY"),
        (b"<html><body>maintenance</body></html>", "WHITE_LIST_UNREADABLE"),
        (write_white_list(["in.fr", "also.fr"])[:-20], "XML_NOT_WELL_FORMED"),
        (b'<!DOCTYPE x [<!ENTITY e "in.fr">]><L><Domaine><Nom>&e;</Nom></Domaine></L>', "XML_DOCTYPE_FORBIDDEN"),
        (b"<L>" + b" " * (17 * 1024 * 1024) + b"</L>", "WHITE_LIST_NOT_FETCHED"),
        (write_white_list(["other.fr"]), "WHITE_LIST_SHRUNK"),
    ],
)
async def test_what_is_no_list_or_a_remnant_of_one_leaves_the_good_one(
    source: Source, content: bytes, code: str
) -> None:
    source.keep("in.fr", "two.fr", "three.fr")
    source.server.list_content = content
    async with source.opened() as space:
        await space.refresh()
        assert fault(space) == code
        assert (space.admits(IN), space.admits("a@other.fr")) == (True, False)
    assert source.file.read_bytes() == write_white_list(["in.fr", "two.fr", "three.fr"])


async def test_a_source_of_another_authority_is_not_believed(source: Source, tmp_path: Path) -> None:
    source.keep("in.fr")
    async with source.opened(ca=Certificates(tmp_path / "stranger").ca) as space:
        await space.refresh()
        assert fault(space) == "WHITE_LIST_NOT_FETCHED"
        assert not space.admits("a@also.fr")
    assert source.server.list_requests == 0


async def test_a_list_that_cannot_be_kept_is_in_force_all_the_same(source: Source) -> None:
    source.file.parent.write_text("a file where a folder should be")
    values = {"file": source.file, "url": source.server.white_list_url, "ca": source.certificates.ca}
    space = TrustSpace(WhiteListSettings.model_validate(values), source.clock)
    space.open()
    await space.look()
    assert fault(space) == "WHITE_LIST_NOT_KEPT"
    assert not space.admits(OUT)
    await space.close()


async def test_a_damaged_file_does_not_stop_an_engine_that_can_fetch(source: Source) -> None:
    source.keep("in.fr")
    source.file.write_bytes(b"<L><Domaine>")
    async with source.opened() as space:
        assert fault(space) == "WHITE_LIST_UNREADABLE"
        await space.look()
        assert (space.known, fault(space)) == (2, "")


@pytest.mark.parametrize("content", [None, b"<L>"])
async def test_a_file_alone_that_is_missing_or_damaged_is_a_fault_of_configuration(
    source: Source, content: bytes | None
) -> None:
    if content is not None:
        source.keep("x.fr")
        source.file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="WHITE_LIST_UNREADABLE"):
        async with source.opened(url=None, ca=None):
            pass


async def test_a_file_put_there_by_hand_is_read_again_when_it_changes(source: Source) -> None:
    source.keep("in.fr")
    async with source.opened(url=None, ca=None) as space:
        await space.refresh()
        source.keep("out.fr")
        source.clock.now += timedelta(minutes=2)
        await space.refresh()
        assert (space.admits(IN), space.admits(OUT)) == (False, True)
        source.file.write_bytes(b"<L>")
        source.clock.now += timedelta(minutes=2)
        await space.refresh()
        assert (fault(space), space.admits(OUT)) == ("WHITE_LIST_UNREADABLE", True)


@asynccontextmanager
async def carrying(sandbox: Sandbox) -> AsyncIterator[MssanteConnector]:
    given = sandbox.configuration()
    settings = MssanteSettings.model_validate({**given["mssante"], "white_list": given["white_list"]})
    connector = MssanteConnector(settings, Surroundings(system_clock, IdSource()))
    await connector.open()
    try:
        yield connector
    finally:
        await connector.close()
        await settled()


async def test_a_mail_leaves_for_those_inside_and_each_one_outside_gets_512(tmp_path: Path) -> None:
    async with Sandbox(tmp_path) as sandbox, carrying(sandbox) as connector:
        inside, outside = "docteur.essai@medecin.mssante.fr", "dr@ailleurs.example"
        outcome = await connector.send(delivery(recipients=(professional(outside), professional(inside))))
        assert {(each.address, each.kind, each.code) for each in outcome.recipients} == {
            (inside, OutcomeKind.DELIVERED, ""),
            (outside, OutcomeKind.REFUSED, "512"),
        }
        (mail,) = sandbox.operator.mails
        assert outside.encode() not in sandbox.operator.mailboxes.messages(inside)[0].read_bytes()
        assert mail is not None
        nobody = await connector.send(delivery(recipients=(professional(outside),)))
        assert (nobody.kind, nobody.code) == (OutcomeKind.REFUSED, "512")
        assert len(sandbox.operator.mails) == 1


async def test_the_check_says_how_many_domains_there_are_and_correspondents_are_judged(tmp_path: Path) -> None:
    async with Sandbox(tmp_path) as sandbox, carrying(sandbox) as connector:
        said = {each.subject: each for each in await connector.check()}["MSSanté, liste blanche"]
        assert said.ok
        assert said.text == f"{len(sandbox.operator.mailboxes.white_list)} domaines dans l'espace de confiance."
        assert connector.trusts("a@medecin.mssante.fr")
        assert not connector.trusts("a@ailleurs.example")
        answer = await connector.send_mail(OutboundMail("pfi.app@ch-sandbox.mssante.fr", "a@ailleurs.example", b"x"))
        assert (answer.kind, answer.code) == (OutcomeKind.REFUSED, "512")
        assert not sandbox.operator.mails
