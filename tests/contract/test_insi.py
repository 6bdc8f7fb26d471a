"""The INSi connector: what every verifier promises, and every way in which the service can fail it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.insi.settings import InsiSettings
from connectors.insi.transport import MAX_ANSWER
from connectors.insi.verifier import InsiVerifier
from pfi.engine.connector import Verification, VerificationKind, Verifier
from pfi.model.errors import ConfigurationError
from pfi.model.patient import Patient
from tests.contract.dmp_peer import Call, Handler, Peer, refusing_certificates, serving
from tests.unit.insi.given import (
    NOW,
    PATIENT,
    UNITARY,
    fault,
    individual,
    ins_element,
    patient,
    result,
    settings,
    surroundings,
)

Say = Callable[[Call], Awaitable[None]]
CONFIRMS = result("00", individual())


def says(*contents: bytes, status: int = 200) -> Handler:
    """Answers these in turn, the last one for ever."""
    left = list(contents)

    async def handler(call: Call) -> None:
        await call.answer(left.pop(0) if len(left) > 1 else left[0], status)

    return handler


async def cuts(call: Call) -> None:
    call.cut()


async def hangs(call: Call) -> None:
    await asyncio.sleep(60)


@asynccontextmanager
async def opened(
    folder: Path, url: str, clock: Callable[[], datetime] = lambda: NOW, **changes: Any
) -> AsyncIterator[InsiVerifier]:
    verifier = InsiVerifier(settings(folder, url, **changes), surroundings(clock))
    await verifier.open()
    try:
        yield verifier
    finally:
        await verifier.close()


async def verified(
    folder: Path, handler: Handler, of: Patient = PATIENT, **changes: Any
) -> tuple[Verification, list[Call]]:
    async with Peer(folder, handler) as peer, opened(folder, peer.url, **changes) as verifier:
        return await verifier.verify(of), peer.calls


def given_names(calls: list[Call]) -> list[tuple[str, bool]]:
    """The given name of each call, and whether the birth place was there."""
    return [
        (call.body.partition(b"Prenom>")[2].partition(b"<")[0].decode(), b"LieuNaissance" in call.body)
        for call in calls
    ]


# --- every verifier ---


def test_the_class_is_a_verifier(folder: Path) -> None:
    assert isinstance(InsiVerifier(settings(folder), surroundings()), Verifier)
    assert InsiVerifier.settings_model is InsiSettings


async def test_opening_contacts_nobody_and_closing_twice_is_harmless(folder: Path) -> None:
    verifier = InsiVerifier(settings(folder), surroundings())
    await verifier.open()
    await verifier.close()
    await verifier.close()


async def test_a_verifier_that_is_not_open_says_so(folder: Path) -> None:
    verifier = InsiVerifier(settings(folder), surroundings())
    with pytest.raises(ConfigurationError, match="INSI_NOT_OPEN"):
        await verifier.verify(PATIENT)
    with pytest.raises(ConfigurationError, match="INSI_NOT_OPEN"):
        await verifier.check()


@pytest.mark.parametrize(
    ("tls", "code"),
    [
        ({"certificate": "nowhere.pem"}, "CERTIFICATE_UNREADABLE"),
        ({"key": "server.key"}, "KEY_MISMATCH"),
        ({"certificate": "server.pem", "key": "server.key"}, "CERTIFICATE_WRONG_PURPOSE"),
        ({"ca": "client.key"}, "INSI_CA_UNREADABLE"),
    ],
)
async def test_certificates_that_cannot_work_are_refused_at_opening(
    folder: Path, tls: dict[str, str], code: str
) -> None:
    files = {"certificate": "client.pem", "key": "client.key", "ca": "ca.pem", **tls}
    paths = {name: str(folder / path) for name, path in files.items()}
    with pytest.raises(ConfigurationError) as caught:
        await InsiVerifier(settings(folder, tls=paths), surroundings()).open()
    assert caught.value.code == code
    if code == "CERTIFICATE_WRONG_PURPOSE":
        assert "INSI_AUTO" in caught.value.next_step


async def test_a_check_authenticates_and_sends_nothing(folder: Path) -> None:
    async with Peer(folder, says(b"", status=405)) as peer, opened(folder, peer.url) as verifier:
        results = await verifier.check()
    assert [each.ok for each in results] == [True, True]
    assert [call.body for call in peer.calls] == [b""]


async def test_a_check_tells_what_is_wrong(folder: Path) -> None:
    later = NOW + timedelta(days=350)
    async with opened(folder, "https://127.0.0.1:9", lambda: later) as verifier:
        dates, reach = await verifier.check()
    assert not dates.ok
    assert "renouveler" in dates.text
    assert not reach.ok
    assert "pare-feu" in reach.text


# --- the ladder ---


async def test_the_first_answer_may_be_enough(folder: Path) -> None:
    verification, calls = await verified(folder, says(CONFIRMS))
    assert verification.kind is VerificationKind.CONFIRMED
    assert given_names(calls) == [("DOMINIQUE", False)]


async def test_nobody_by_one_given_name_asks_with_the_others_never_with_the_birth_place(folder: Path) -> None:
    verification, calls = await verified(folder, says(result("01")))
    assert (verification.kind, verification.code) == (VerificationKind.CONTRADICTED, "INSI_01")
    assert given_names(calls) == [("DOMINIQUE", False), ("MARIE-LOUISE", False)]


async def test_several_ask_with_other_given_names_then_with_the_birth_place(folder: Path) -> None:
    verification, calls = await verified(folder, says(result("02")))
    assert (verification.kind, verification.code) == (VerificationKind.UNDECIDED, "INSI_02")
    names = ["DOMINIQUE", "MARIE-LOUISE"]
    assert given_names(calls) == [(name, False) for name in names] + [(name, True) for name in names]


async def test_the_birth_place_may_decide(folder: Path) -> None:
    verification, calls = await verified(folder, says(result("02"), result("02"), CONFIRMS))
    assert verification.kind is VerificationKind.CONFIRMED
    assert len(calls) == 3


async def test_without_a_birth_place_several_stay_several(folder: Path) -> None:
    verification, calls = await verified(folder, says(result("02"), result("01")), patient(birth_place=""))
    assert verification.kind is VerificationKind.UNDECIDED
    assert len(calls) == 2


async def test_several_then_nobody_never_becomes_a_contradiction(folder: Path) -> None:
    verification, _ = await verified(folder, says(result("02"), result("01")))
    assert verification.kind is VerificationKind.UNDECIDED


async def test_somebody_else_under_a_second_given_name_does_not_decide(folder: Path) -> None:
    stranger = individual(active=ins_element("INSACTIF", "2900199004001", "84"), ListePrenom="MARIE-LOUISE")
    verification, _ = await verified(folder, says(result("02"), result("00", stranger), result("02")))
    assert verification.kind is VerificationKind.UNDECIDED


async def test_calls_are_counted(folder: Path) -> None:
    verification, calls = await verified(folder, says(result("02")), max_calls=3)
    assert verification.kind is VerificationKind.UNDECIDED
    assert len(calls) == 3


async def test_a_verification_may_answer_by_its_code_a_search_must_say_whom(folder: Path) -> None:
    verification, _ = await verified(folder, says(result("00", namespace=UNITARY)), operation="verify")
    assert verification.kind is VerificationKind.CONFIRMED
    verification, _ = await verified(folder, says(result("00")))
    assert (verification.kind, verification.code) == (VerificationKind.UNAVAILABLE, "INSI_ANSWER_UNREADABLE")


async def test_an_identity_that_cannot_be_asked_about_is_undecided_and_leaves_nowhere(folder: Path) -> None:
    verification, calls = await verified(folder, says(CONFIRMS), patient(sex="U"))
    assert (verification.kind, verification.code) == (VerificationKind.UNDECIDED, "INSI_TRAITS_UNUSABLE")
    assert calls == []


async def test_many_identities_at_once_are_kept_apart(folder: Path) -> None:
    async def handler(call: Call) -> None:
        await call.answer(CONFIRMS if b">PAT-TROIS<" in call.body else result("01"))

    async with Peer(folder, handler) as peer, opened(folder, peer.url) as verifier:
        people = [PATIENT, patient(birth_name="ESSAI")] * 4
        found = await asyncio.gather(*(verifier.verify(each) for each in people))
    kinds = [VerificationKind.CONFIRMED, VerificationKind.CONTRADICTED] * 4
    assert [each.kind for each in found] == kinds


# --- every moment of death ---


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (cuts, "INSI_CONNECTION_LOST"),
        (says(b"pas du XML"), "INSI_ANSWER_UNREADABLE"),
        (says(b"x" * (MAX_ANSWER + 1)), "INSI_ANSWER_TOO_LARGE"),
        (says(b"", status=503), "HTTP_503"),
        (says(b"", status=302), "HTTP_302"),
        (says(fault("insi_101"), status=500), "insi_101"),
        (says(fault("insi_102"), status=500), "insi_102"),
        (says(fault("siram_11", side="Sender"), status=500), "siram_11"),
        (says(result("02"), fault("insi_102")), "insi_102"),
    ],
)
async def test_a_failure_says_nothing_of_the_patient(folder: Path, handler: Handler, code: str) -> None:
    verification, _ = await verified(folder, handler)
    assert (verification.kind, verification.code) == (VerificationKind.UNAVAILABLE, code)
    assert verification.text
    assert "PAT-TROIS" not in verification.text


@pytest.mark.parametrize("times", [{"read": 0.1, "total": 5}, {"read": 5, "total": 0.1}])
async def test_no_answer_in_time_is_no_answer(folder: Path, times: dict[str, float]) -> None:
    verification, _ = await verified(folder, hangs, timeouts=times)
    assert (verification.kind, verification.code) == (VerificationKind.UNAVAILABLE, "INSI_TIMEOUT")


async def test_nobody_listening_is_no_answer(folder: Path) -> None:
    async with opened(folder, "https://127.0.0.1:9") as verifier:
        verification = await verifier.verify(PATIENT)
    assert (verification.kind, verification.code) == (VerificationKind.UNAVAILABLE, "INSI_UNREACHABLE")


async def test_a_server_of_another_authority_gets_nothing(folder: Path) -> None:
    ca = {"certificate": folder / "client.pem", "key": folder / "client.key", "ca": folder / "stranger.pem"}
    verification, calls = await verified(folder, says(CONFIRMS), tls=ca)
    assert verification.code == "INSI_SERVER_CERTIFICATE"
    assert calls == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_refuses_our_certificate_is_told(folder: Path, version: ssl.TLSVersion) -> None:
    with refusing_certificates(folder, version) as url:
        async with opened(folder, url) as verifier:
            verification = await verifier.verify(PATIENT)
    assert verification.code == "INSI_TLS_REFUSED"


async def test_a_peer_that_does_not_speak_tls_is_no_answer(folder: Path) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bonjour\r\n")
        await writer.drain()

    async with serving(handler) as url, opened(folder, url) as verifier:
        verification = await verifier.verify(PATIENT)
    assert verification.kind is VerificationKind.UNAVAILABLE


# --- the pause ---


async def test_a_service_that_was_found_away_is_left_alone_for_a_while(folder: Path) -> None:
    now = NOW
    async with Peer(folder, says(b"", CONFIRMS)) as peer, opened(folder, peer.url, lambda: now) as verifier:
        peer.handler = says(b"", status=500)
        assert (await verifier.verify(PATIENT)).code == "HTTP_500"
        now += timedelta(seconds=5)
        again = await verifier.verify(PATIENT)
        assert (again.code, again.retry_after) == ("HTTP_500", 10.0)
        assert len(peer.calls) == 1
        now += timedelta(seconds=10)
        peer.handler = says(CONFIRMS)
        assert (await verifier.verify(PATIENT)).kind is VerificationKind.CONFIRMED
        assert len(peer.calls) == 2


async def test_a_register_that_is_away_for_one_patient_does_not_pause_the_others(folder: Path) -> None:
    async with Peer(folder, says(fault("insi_101"), CONFIRMS)) as peer, opened(folder, peer.url) as verifier:
        assert (await verifier.verify(PATIENT)).code == "insi_101"
        assert (await verifier.verify(PATIENT)).kind is VerificationKind.CONFIRMED
