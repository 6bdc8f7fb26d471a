"""Reading a mailbox over IMAP: the same promises on the sandbox and on a real Dovecot."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from connectors.mssante.imap.arrival import Arrival, MailKey
from connectors.mssante.imap.inbox import Inbox
from connectors.mssante.imap.mailbox import Mailbox
from connectors.mssante.imap.reception import Reception
from connectors.sandbox.certificates import Certificates, Flaw, Usage
from connectors.sandbox.operator.imap_session import ImapSession
from pfi.engine.connector import Filing, FoundMail
from pfi.model.clock import system_clock
from pfi.model.errors import BugError, ConfigurationError, TransportError
from tests.contract.imap_peers import DovecotPeer, ImapPeer, SandboxPeer, settings
from tests.unit.mssante.material import SURROUNDINGS

NOW = replace(SURROUNDINGS, clock=system_clock)
DONE, REPORTS, TO_SEE = "Trait&AOk-s", "Accus&AOk-s", "&AMA- voir"
"""The folders as they are on the servers: modified UTF-7."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("imap") / "certificates")


@pytest.fixture
async def sandbox(tmp_path: Path, certificates: Certificates) -> AsyncIterator[SandboxPeer]:
    peer = SandboxPeer(tmp_path / "mailboxes", certificates)
    await peer.operator.start()
    yield peer
    await peer.operator.stop()


@pytest.fixture(params=["sandbox", "dovecot"])
def peer(request: pytest.FixtureRequest) -> ImapPeer:
    if request.param == "sandbox":
        found: SandboxPeer = request.getfixturevalue("sandbox")
        return found
    return DovecotPeer(request.getfixturevalue("mail_servers"))


def mail(number: int, size: int = 0) -> bytes:
    head = (
        f"From: a@ch-b.mssante.fr\r\nSubject: =?utf-8?q?num=C3=A9ro?= {number}\r\nMessage-ID: <{number}@b.test>\r\n\r\n"
    )
    return head.encode() + "Reçu : é, à, ü\r\n.\r\n".encode() + b"x" * 70 + b"\r\n" * (size // 2)


async def first(box: Mailbox, count: int) -> list[Arrival]:
    """The next mails, without filing them."""
    found: list[Arrival] = []
    async with asyncio.timeout(20), contextlib.aclosing(box.arrivals()) as arrivals:
        async for arrival in arrivals:
            found.append(arrival)
            if len(found) == count:
                break
    return found


async def test_mails_come_in_order_of_arrival_byte_for_byte(peer: ImapPeer) -> None:
    sent = [mail(number) for number in range(3)]
    for content in sent:
        peer.deliver(content)
    async with Mailbox(peer.inbox(), NOW) as box:
        found = await first(box, 3)
    assert [each.content for each in found] == sent
    assert [each.key.uid for each in found] == sorted(each.key.uid for each in found)
    assert all(each.whole and each.size == len(each.content) and each.mailbox == peer.address for each in found)
    assert all(each.received is not None and each.received.tzinfo is not None for each in found)


async def test_an_arrival_wakes_the_reader_within_two_seconds(peer: ImapPeer) -> None:
    async with Mailbox(peer.inbox(), NOW) as box:
        reading = asyncio.create_task(first(box, 1))
        for number in range(3):
            await asyncio.sleep(0.7)  # in IDLE by now
            sent = time.monotonic()
            peer.deliver(mail(number))
            (arrival,) = await reading
            assert time.monotonic() - sent < 2
            assert await box.file(arrival.key, Filing.DOCUMENTS)
            reading = asyncio.create_task(first(box, 1))
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading


async def test_a_mail_goes_to_its_folder_once(peer: ImapPeer) -> None:
    for number in range(3):
        peer.deliver(mail(number))
    async with Mailbox(peer.inbox(), NOW) as box:
        keys = [each.key for each in await first(box, 3)]
        for key, filing in zip(keys, Filing, strict=True):
            assert await box.file(key, filing)
            assert not await box.file(key, filing)
    assert [peer.filed(name) for name in (DONE, REPORTS, TO_SEE)] == [[mail(0)], [mail(1)], [mail(2)]]
    assert peer.filed("") == []


async def test_of_two_nodes_one_files_a_mail(peer: ImapPeer) -> None:
    peer.deliver(mail(1))
    async with Mailbox(peer.inbox(), NOW) as one, Mailbox(peer.inbox(), NOW) as other:
        ((mine,), (theirs,)) = await asyncio.gather(first(one, 1), first(other, 1))
        assert mine.key == theirs.key
        assert sorted([await one.file(mine.key, Filing.DOCUMENTS), await other.file(theirs.key, Filing.REPORTS)]) == [
            False,
            True,
        ]
    assert peer.filed(DONE) == [mail(1)]
    assert peer.filed(REPORTS) == []


async def test_a_session_is_taken_up_again_when_the_server_comes_back(peer: ImapPeer) -> None:
    async with Mailbox(peer.inbox(), NOW) as box:
        reading = asyncio.create_task(first(box, 2))
        peer.deliver(mail(1))
        await asyncio.sleep(0.5)
        await peer.stop()
        await asyncio.sleep(0.7)
        await peer.start()
        peer.deliver(mail(2))
        # A server that had not numbered the first one yet numbers both when it is back, in an order of its own.
        assert {each.content for each in await reading} == {mail(1), mail(2)}


async def test_a_server_that_stays_away_is_told(peer: ImapPeer) -> None:
    await peer.stop()
    try:
        async with Mailbox(peer.inbox(imap__patience_seconds=0.8), NOW) as box:
            with pytest.raises(TransportError) as failure:
                await first(box, 1)
    finally:
        await peer.start()
    assert failure.value.code == "MSS_IMAP_REFUSED"


async def test_a_mail_that_stays_is_given_again_later(peer: ImapPeer) -> None:
    peer.deliver(mail(1))
    async with Mailbox(peer.inbox(imap__retry_seconds=1.5), NOW) as box:
        started = time.monotonic()
        found = await first(box, 2)
        assert time.monotonic() - started >= 1.5
    assert [each.content for each in found] == [mail(1), mail(1)]
    assert found[0].key == found[1].key


async def test_of_a_mail_over_the_limit_only_the_header_comes(peer: ImapPeer) -> None:
    peer.deliver(mail(1, size=300_000))
    peer.deliver(mail(2))
    async with Mailbox(peer.inbox(imap__max_bytes=100_000), NOW) as box:
        large, small = await first(box, 2)
    assert not large.whole
    assert large.size == len(mail(1, size=300_000))
    assert large.content == mail(1).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert small.content == mail(2)


async def test_a_server_that_understates_sizes_does_not_get_more_through(
    sandbox: SandboxPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ImapSession._item

    def understated(session: ImapSession, item: str, *facts: Any) -> bytes:
        return b"RFC822.SIZE 10" if item == "RFC822.SIZE" else told(session, item, *facts)

    monkeypatch.setattr(ImapSession, "_item", understated)
    sandbox.deliver(mail(1, size=300_000))
    async with Mailbox(sandbox.inbox(imap__max_bytes=100_000), NOW) as box:
        (large,) = await first(box, 1)
    assert not large.whole
    assert large.size > 100_000
    assert large.content == mail(1).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


async def test_what_comes_along_with_the_answer_to_idle_is_heard(
    sandbox: SandboxPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hasty(session: Any, command: Any) -> str:
        """Tells of an arrival in one write with the answer, and nothing afterwards."""
        sandbox.deliver(mail(1))
        session._writer.write(b"+ idling\r\n* 1 EXISTS\r\n")
        await session._writer.drain()
        await session._reader.readline()
        return "done"

    monkeypatch.setattr(ImapSession, "_idle", hasty)
    started = time.monotonic()
    async with Mailbox(sandbox.inbox(), NOW) as box:
        (arrival,) = await first(box, 1)
    assert arrival.content == mail(1)
    assert time.monotonic() - started < 10


async def test_a_connection_lost_while_authenticating_is_not_a_wrong_password(
    sandbox: SandboxPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(session: Any, command: Any) -> str:
        raise ConnectionAbortedError

    monkeypatch.setattr(ImapSession, "_authenticate", dies)
    with pytest.raises(TransportError) as failure:
        await checked(sandbox.inbox())
    assert failure.value.code == "MSS_IMAP_LOST"


async def test_after_a_renumbering_old_keys_name_nothing_and_mails_come_again(peer: ImapPeer) -> None:
    peer.deliver(mail(1))
    async with Mailbox(peer.inbox(), NOW) as box:
        (before,) = await first(box, 1)
        await peer.renumber()
        (after,) = await first(box, 1)
        assert after.content == before.content
        assert after.key.validity != before.key.validity
        stale = MailKey(before.key.validity, after.key.uid)
        assert not await box.file(stale, Filing.DOCUMENTS)
        assert await box.file(after.key, Filing.DOCUMENTS)
    assert peer.filed(DONE) == [mail(1)]


async def test_the_wrong_password_is_told(peer: ImapPeer) -> None:
    inbox = peer.inbox(imap__sasl="plain", password="faux")  # a word of the test
    if isinstance(peer, SandboxPeer):
        peer.operator.imap.passwords[peer.address] = "vrai"
        assert await checked(peer.inbox(imap__sasl="plain", password="vrai"))
        assert await checked(peer.inbox(imap__sasl="login", password="vrai"))
    await refused(inbox, "MSS_IMAP_LOGIN")


async def test_a_certificate_that_the_server_does_not_know_opens_nothing(peer: ImapPeer) -> None:
    files = peer.certificates.flawed(Flaw.OTHER_AUTHORITY, Usage.AUTH_CLI)
    await refused(peer.inbox(client_cert=files.certificate, client_key=files.key), "MSS_IMAP_TLS", "MSS_IMAP_LOGIN")


@pytest.mark.parametrize("flaw", [Flaw.REVOKED, Flaw.OTHER_ENTITY])
async def test_a_certificate_that_may_not_open_the_mailbox_is_told(sandbox: SandboxPeer, flaw: Flaw) -> None:
    files = sandbox.certificates.flawed(flaw, Usage.AUTH_CLI)
    await refused(sandbox.inbox(client_cert=files.certificate, client_key=files.key), "MSS_IMAP_TLS", "MSS_IMAP_LOGIN")


async def test_a_server_of_another_authority_is_not_spoken_to(peer: ImapPeer) -> None:
    stranger = peer.certificates.flawed(Flaw.SELF_SIGNED, Usage.SERVER)
    await refused(peer.inbox(ca_bundle=stranger.certificate), "MSS_IMAP_TLS")


async def test_filing_does_not_wait_for_the_end_of_idle(peer: ImapPeer) -> None:
    peer.deliver(mail(1))
    async with Mailbox(peer.inbox(), NOW) as box:
        (arrival,) = await first(box, 1)
        waiting = asyncio.create_task(first(box, 1))
        await asyncio.sleep(0.7)  # in IDLE by now
        async with asyncio.timeout(2):
            assert await box.file(arrival.key, Filing.DOCUMENTS)
        assert not waiting.done()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting


async def test_a_cancelled_reader_leaves_at_once(peer: ImapPeer) -> None:
    async with Mailbox(peer.inbox(), NOW) as box:
        reading = asyncio.create_task(first(box, 1))
        await asyncio.sleep(0.7)
        started = time.monotonic()
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        assert await box.check()  # the session itself is as good as before
    assert time.monotonic() - started < 10, "a round of IDLE is not waited for"


async def test_the_check_says_what_was_found(peer: ImapPeer) -> None:
    peer.deliver(mail(1))
    assert await checked(peer.inbox()) == (
        "Boîte ouverte (TLSv1.3), prévenue de chaque arrivée (IDLE), 1 courriel(s) en attente."
    )


@pytest.mark.parametrize("without", [{"MOVE"}, {"MOVE", "UIDPLUS"}, {"IDLE"}, {"NAMESPACE", "IDLE", "MOVE", "UIDPLUS"}])
async def test_a_server_without_extensions_serves_too(sandbox: SandboxPeer, without: set[str]) -> None:
    sandbox.operator.imap.without = without
    async with Mailbox(sandbox.inbox(imap__poll_seconds=0.3), NOW) as box:
        reading = asyncio.create_task(first(box, 1))
        await asyncio.sleep(0.5)
        sandbox.deliver(mail(1))
        (arrival,) = await reading
        assert await box.file(arrival.key, Filing.DOCUMENTS)
        assert not await box.file(arrival.key, Filing.DOCUMENTS)
    assert (sandbox.filed(""), sandbox.filed(DONE)) == ([], [mail(1)])


async def test_a_folder_that_somebody_removed_is_made_again(sandbox: SandboxPeer) -> None:
    sandbox.deliver(mail(1))
    async with Mailbox(sandbox.inbox(), NOW) as box:
        (arrival,) = await first(box, 1)
        (sandbox.operator.mailboxes.folder(sandbox.address) / DONE).rmdir()
        assert await box.file(arrival.key, Filing.DOCUMENTS)
    assert sandbox.filed(DONE) == [mail(1)]


async def test_a_server_that_says_nothing_is_left_in_time(certificates: Certificates) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    peer = SandboxPeer(certificates.directory.parent / "silent", certificates)
    inbox = peer.inbox(
        imap__port=port, imap__patience_seconds=0, timeouts={"connect": 0.5, "command": 0.5, "content": 0.5}
    )
    started = time.monotonic()
    async with Mailbox(inbox, NOW) as box:
        with pytest.raises(TransportError) as failure:
            await first(box, 1)
    server.close()
    await server.wait_closed()
    assert failure.value.code == "MSS_IMAP_TIMEOUT"
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    "greeting", [b"* OK ready", b"* PREAUTH welcome", b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready"]
)
async def test_without_encryption_nothing_is_said(certificates: Certificates, greeting: bytes) -> None:
    """Who stands between may take STARTTLS out of what is offered, or say that the session is open already."""
    heard: list[bytes] = []

    async def stripped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting + b"\r\n")
        while line := await reader.readline():
            heard.append(line)
            tag, verb = line.split()[:2]
            if verb == b"CAPABILITY":
                writer.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + tag + b" OK done\r\n")
            else:
                writer.write(tag + b" BAD no\r\n")
        writer.close()

    server = await asyncio.start_server(stripped, "127.0.0.1", 0)
    peer = SandboxPeer(certificates.directory.parent / "stripped", certificates)
    port = server.sockets[0].getsockname()[1]
    await refused(peer.inbox(imap__port=port, imap__sasl="plain", password="mot"), "MSS_IMAP_CAPABILITY")
    server.close()
    await server.wait_closed()
    assert {line.split()[1] for line in heard} <= {b"CAPABILITY", b"STARTTLS", b"LOGOUT"}


_STEPS: Final = ("STARTTLS", "AUTHENTICATE", "LIST", "CREATE", "SELECT", "UID SEARCH", "UID FETCH", "UID MOVE", "IDLE")


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", _STEPS)
async def test_a_server_that_is_lost_at_any_step_loses_no_mail_and_doubles_none(
    sandbox: SandboxPeer, monkeypatch: pytest.MonkeyPatch, step: str, *, done: bool
) -> None:
    answer, cuts = ImapSession._answer, 0

    async def cut(session: Any, command: Any) -> None:
        nonlocal cuts
        if command.verb != step or cuts:
            await answer(session, command)
            return
        cuts += 1
        if done and step != "IDLE":
            monkeypatch.setattr(session, "_say", lambda *_: None)
            await answer(session, command)
        raise ConnectionAbortedError

    async def take(found: FoundMail) -> Filing:
        taken.append(found.content)
        return Filing.DOCUMENTS

    monkeypatch.setattr(ImapSession, "_answer", cut)
    taken: list[bytes] = []
    reception = Reception(sandbox.inbox(imap__retry_seconds=0.3).account, NOW)
    receiving = asyncio.create_task(reception.receive(sandbox.address, take))
    sent = [mail(number) for number in range(3)]
    async with asyncio.timeout(20):
        for content in sent:
            sandbox.deliver(content)
            await asyncio.sleep(0.2)
        while len(sandbox.filed(DONE)) < 3:
            await asyncio.sleep(0.05)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert cuts == 1
    assert sorted(sandbox.filed(DONE)) == sent
    assert (sandbox.filed(""), set(taken)) == ([], set(sent))


async def test_what_is_taken_is_filed_where_it_was_said(sandbox: SandboxPeer) -> None:
    taken: list[FoundMail] = []
    everything = asyncio.Event()

    async def take(found: FoundMail) -> Filing:
        taken.append(found)
        if len(taken) == 1:
            raise LookupError("défaut")
        if len(taken) == 4:
            everything.set()
        return Filing.REPORTS if found.content == mail(3) else Filing.DOCUMENTS

    for number in (1, 2, 3):
        sandbox.deliver(mail(number))
    sandbox.deliver(mail(4, size=100_000))
    reception = Reception(sandbox.inbox(imap__max_bytes=50_000).account, NOW)
    receiving = asyncio.create_task(reception.receive(sandbox.address, take))
    async with asyncio.timeout(10):
        await everything.wait()
        while not sandbox.filed(TO_SEE):
            await asyncio.sleep(0.05)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    # The one that could not be taken stays; the one over the limit is for a person, whatever was said.
    assert sandbox.filed("") == [mail(1)]
    assert sandbox.filed(DONE) == [mail(2)]
    assert sandbox.filed(REPORTS) == [mail(3)]
    assert sandbox.filed(TO_SEE) == [mail(4, size=100_000)]
    assert taken[3] == FoundMail(mail(4).partition(b"\r\n\r\n")[0] + b"\r\n\r\n", whole=False)


async def test_a_mailbox_that_fails_does_not_stop_the_others(sandbox: SandboxPeer) -> None:
    other = "secretariat@ch-sandbox.mssante.fr"  # not of this certificate
    inbox = sandbox.inbox(imap__mailboxes={other: {}, sandbox.address: {}})
    reception = Reception(inbox.account, NOW)
    assert reception.mailboxes == (other, sandbox.address)
    seen = asyncio.Event()

    async def take(found: FoundMail) -> Filing:
        seen.set()
        return Filing.DOCUMENTS

    good = asyncio.create_task(reception.receive(sandbox.address, take))
    with pytest.raises(ConfigurationError) as failure:
        await reception.receive(other, take)
    assert failure.value.code == "MSS_IMAP_LOGIN"
    sandbox.deliver(mail(1))
    async with asyncio.timeout(10):
        await seen.wait()
    good.cancel()
    results = {result.subject.rpartition(" ")[2]: result.ok for result in await reception.check()}
    assert results == {other: False, sandbox.address: True}
    with pytest.raises(BugError):
        await reception.receive("personne@ch.test", take)


def test_without_the_section_nothing_is_read(certificates: Certificates) -> None:
    files = certificates.mssante
    quiet = settings("a@ch.mssante.fr", files, certificates.ca, 1, {}).model_copy(update={"imap": None})
    assert Reception(quiet, NOW).mailboxes == ()


async def checked(inbox: Inbox) -> str:
    async with Mailbox(inbox, NOW) as box:
        return await box.check()


async def refused(inbox: Inbox, *codes: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        await checked(inbox)
    assert failure.value.code in codes
    assert failure.value.next_step
