"""From one hospital's DPI to the other's by mail, and back: through Postfix and Dovecot, and through the sandbox."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.sandbox.faults import Fault, FaultKind, Service
from samples.generator.request import Kind
from tests.certificates import certificates_in
from tests.integration.mail.hospitals import Hospital, Post, hospital


@dataclass(frozen=True)
class Both:
    a: Hospital
    b: Hospital


@pytest.fixture
async def both(post: Post, store_url: str, hospital_url: str, tmp_path: Path) -> AsyncIterator[Both]:
    certificates = certificates_in(tmp_path / "certificates")
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(hospital(store_url, post, post.a, certificates))
        b = await stack.enter_async_context(hospital(hospital_url, post, post.b, certificates))
        yield Both(a, b)


async def test_a_document_its_replacement_and_its_deletion_reach_the_other_dpi(both: Both) -> None:
    a, b = both.a, both.b
    first = await a.send("M1", b.mailbox)
    (initial,) = await b.filed(1)
    assert (initial.event, initial.document, initial.replaced_id, initial.service) == ("T02", first, "", "3001")
    assert initial.sender == a.mailbox
    assert await a.told(2) == [("M1", "Z02", True, b.mailbox, ""), ("M1", "Z03", True, b.mailbox, "")]

    second = await a.send("M2", b.mailbox, key="M1", kind=Kind.REPLACE)
    replacement = (await b.filed(2))[-1]
    assert (replacement.event, replacement.document, replacement.replaced_id) == ("T10", second, initial.unique_id)
    assert (await a.told(4))[2:] == [("M2", "Z02", True, b.mailbox, ""), ("M2", "Z03", True, b.mailbox, "")]

    await a.send("M3", b.mailbox, key="M1", version=2, kind=Kind.DELETE)
    deletion = (await b.filed(3))[-1]
    assert (deletion.event, deletion.unique_id) == ("T04", replacement.unique_id)
    assert (await a.told(6))[4:] == [("M3", "Z02", True, b.mailbox, ""), ("M3", "Z03", True, b.mailbox, "")]

    # One after the other, whichever of the two notifications came first.
    assert [a.heard(request) for request in ("M1", "M2", "M3")] == [["Z02", "Z03"]] * 3
    assert await b.mails() == [("integrated", "")] * 3
    assert len({each.mail_id for each in b.dpi.filed}) == 3
    assert (a.dpi.refusals, b.dpi.refusals) == ([], [])


async def test_a_patient_that_the_other_dpi_does_not_know_is_told_with_its_code(both: Both) -> None:
    a, b = both.a, both.b
    b.faults.order(Fault(Service.DPI, FaultKind.REFUSE, code="902"))
    await a.send("M1", b.mailbox)
    assert await a.told(2) == [("M1", "Z02", True, b.mailbox, ""), ("M1", "Z03", False, b.mailbox, "902")]
    assert a.heard("M1") == ["Z02", "Z03"]
    assert await b.mails() == [("refused", "902")]
    assert b.dpi.filed == []


async def test_a_dpi_that_is_cut_files_once_and_the_sender_is_told_once(both: Both) -> None:
    a, b = both.a, both.b
    b.faults.order(Fault(Service.DPI, FaultKind.CLOSE_AFTER_BODY))
    content = await a.send("M1", b.mailbox)
    await a.told(2)
    assert a.heard("M1") == ["Z02", "Z03"]
    assert [each.document for each in b.dpi.filed] == [content]
    assert b.dpi.repeats == 1


async def test_a_dpi_that_was_away_hears_of_the_reception_before_the_reading(both: Both) -> None:
    a, b = both.a, both.b
    a.faults.order(Fault(Service.DPI, FaultKind.LATENCY, seconds=1.5, match={"event": "Z02"}))
    await a.send("M1", b.mailbox)
    await a.told(2)
    assert a.heard("M1") == ["Z02", "Z03"]


async def test_a_replacement_that_comes_at_once_is_filed_after_what_it_replaces(both: Both) -> None:
    a, b = both.a, both.b
    b.faults.order(Fault(Service.DPI, FaultKind.TEMPORARY, times=2, match={"event": "T02"}))
    await a.send("M1", b.mailbox)
    await a.send("M2", b.mailbox, key="M1", kind=Kind.REPLACE)
    assert [each.event for each in await b.filed(2)] == ["T02", "T10"]
    assert {zam[1:3] for zam in await a.told(4)} == {("Z02", True), ("Z03", True)}


async def test_a_mail_that_comes_back_is_never_said_to_have_arrived(post: Post, both: Both) -> None:
    await both.a.send("M1", post.closed)
    assert await both.a.told(1) == [("M1", "Z02", False, post.closed, "550")]
    assert await both.a.until_mails(1) == [("integrated", "")]
    assert len(both.a.dpi.zams) == 1
