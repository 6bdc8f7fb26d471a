"""Each answer of the DMP and each moment at which a connection can die: in the end, the DMP and we agree.

Real engine, real store, real connector over TLS, and the sandbox's DMP. Every case has a patient and a document of its
own; the cases of one step are played side by side.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.dmp.verdict import error_table
from connectors.sandbox.faults import FaultKind
from samples.generator import documents
from tests.integration.engine.dmp_moments import READ_TIMEOUT, Case, Step, crossing, dmp_fault, report, sha1_of
from tests.integration.engine.tcp_proxy import Death

LOST, UNREADABLE, MISMATCH = "DMP_CONNECTION_LOST", "DMP_ANSWER_UNREADABLE", "DMP_ANSWER_MISMATCH"


def cuts() -> Iterator[Case]:
    """The connection dies, sooner or later."""
    yield Case("cut in the request", dmp_fault(FaultKind.CUT_IN_REQUEST), "unknown", LOST)
    yield Case("cut, nothing done", dmp_fault(FaultKind.CLOSE_BEFORE_ANSWER), "unknown", LOST)
    yield Case("cut, carried out", dmp_fault(FaultKind.CLOSE_AFTER_BODY), "unknown", LOST)
    for done in (True, False):
        yield Case(f"silence, done={done}", dmp_fault(FaultKind.SILENCE, done=done), "unknown", "DMP_TIMEOUT")
        yield Case(f"headers only, done={done}", dmp_fault(FaultKind.HEADERS_ONLY, done=done), "unknown", LOST)
        yield Case(f"half an answer, done={done}", dmp_fault(FaultKind.HALF_ANSWER, done=done), "unknown", LOST)
    late = dmp_fault(FaultKind.LATENCY, seconds=READ_TIMEOUT + 0.4)
    yield Case("carried out when nobody waits any more", late, "unknown", "DMP_TIMEOUT")


def http_errors() -> Iterator[Case]:
    for status, outcome in ((400, "refused"), (413, "refused"), (418, "refused")):
        yield Case(f"HTTP {status}", dmp_fault(FaultKind.HTTP_ERROR, code=str(status)), outcome, f"HTTP_{status}")
    for status in (408, 429, 503):
        fault = dmp_fault(FaultKind.HTTP_ERROR, code=str(status))
        yield Case(f"HTTP {status}", fault, "not_delivered", f"HTTP_{status}")
    for status in (500, 501, 502, 504):
        for done in (True, False):
            fault = dmp_fault(FaultKind.HTTP_ERROR, code=str(status), done=done)
            yield Case(f"HTTP {status}, done={done}", fault, "unknown", f"HTTP_{status}")


def soap_faults() -> Iterator[Case]:
    for done in (True, False):
        yield Case(f"Receiver, done={done}", dmp_fault(FaultKind.SOAP_FAULT, done=done), "unknown", "Receiver")
    yield Case("Sender", dmp_fault(FaultKind.SOAP_FAULT, code="Sender"), "refused", "Sender")
    unknown = dmp_fault(FaultKind.SOAP_FAULT, code="Sender/DMPNouveauCode")
    yield Case("unknown sub-code", unknown, "refused", "DMPNouveauCode")
    busy = dmp_fault(FaultKind.SOAP_FAULT, code="Receiver/XDSRegistryBusy")
    yield Case("known sub-code", busy, "not_delivered", "XDSRegistryBusy")


def spoilt_answers() -> Iterator[Case]:
    """An answer comes, and is not one."""
    yield Case("answer to something else", dmp_fault(FaultKind.WRONG_ANSWER), "unknown", MISMATCH)
    for done in (True, False):
        for kind in (
            FaultKind.OTHER_ROOT,
            FaultKind.NOT_XML,
            FaultKind.NO_BOUNDARY,
            FaultKind.NO_ROOT_PART,
            FaultKind.TRUNCATED,
        ):
            yield Case(f"{kind}, done={done}", dmp_fault(kind, done=done), "unknown", UNREADABLE)


def verdicts() -> Iterator[Case]:
    """Answers of a feed or of a deletion."""
    for done in (True, False):
        partial = dmp_fault(FaultKind.PARTIAL_SUCCESS, done=done)
        yield Case(f"partial success, done={done}", partial, "unknown", "PartialSuccess")
        unrelated = dmp_fault(FaultKind.UNRELATED_ANSWER, done=done)
        yield Case(f"answer to nothing, done={done}", unrelated, "unknown", MISMATCH)
    yield Case("warning", dmp_fault(FaultKind.WARN), "delivered", "")
    yield from refusals()


def refusals() -> Iterator[Case]:
    for code, outcome in (
        ("XDSRepositoryBusy", "not_delivered"),
        ("XDSRegistryError", "not_delivered"),
        ("XDSRegistryMetadataError", "refused"),
        ("XDSUnknownPatientId", "refused"),
        ("XDSUnknownStoredQuery", "refused"),
        ("DMPClosed", "refused"),
        ("XDSDuplicateUniqueIdInRegistry", "refused"),
        ("XDSNonIdenticalHash", "refused"),
        ("XDSNouvelleErreur", "refused"),
    ):
        yield Case(code, dmp_fault(FaultKind.REFUSE, code=code), outcome, code)


def everywhere() -> list[Case]:
    return [*cuts(), *http_errors(), *soap_faults(), *spoilt_answers()]


def cases_of(step: Step) -> list[Case]:
    """Before the document leaves, nothing is doubtful: what is lost is asked again. While one looks for what has left,
    nothing is final: the doubt remains until the answer is clear."""
    if step.acts:
        return [*everywhere(), *verdicts()]
    cases = [case for case in everywhere() if case.fault.done is not True]
    if step is Step.LOOK:
        return [replace(case, outcome="unknown") for case in (*cases, *refusals())]
    if step is not Step.EXISTENCE:
        cases += refusals()
    return [replace(case, outcome="not_delivered") if case.outcome == "unknown" else case for case in cases]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates are made once."""
    return tmp_path_factory.mktemp("crossing")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A general error is tried again at once, not after a quarter of an hour."""
    classes = error_table().classes
    monkeypatch.setitem(classes, "generic", replace(classes["generic"], retry_after=0.05))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("step", list(Step), ids=lambda step: step.name.lower())
async def test_whatever_happens_at_this_step_the_dmp_and_we_agree(step: Step, store_url: str, directory: Path) -> None:
    async with crossing(store_url, directory) as given:
        wrong = await given.play_all(step, cases_of(step))
    assert not wrong, report(wrong)


_CONNECTION = {
    Step.EXISTENCE: 0,
    Step.FEED: 1,
    Step.LOOK: 2,
    Step.REPLACED: 1,
    Step.REPLACE: 2,
    Step.DELETED: 0,
    Step.DELETE: 1,
}
"""Which connection of a submission carries the step, when each request has one of its own."""


def below_http(step: Step, death: Death) -> Case:
    """Without TLS nothing has left: even a feed is no doubt then."""
    left = death is Death.LEAVING
    outcome = "unknown" if step is Step.LOOK or (left and step.acts) else "not_delivered"
    # Each answer is the last of its connection, so that the next request needs another one.
    alone = dmp_fault(FaultKind.CLOSE_AFTER_ANSWER, times=None)
    return Case(death.name, alone, outcome, LOST if left else "DMP_UNREACHABLE")


@pytest.mark.parametrize("death", [death for death in Death if death is not Death.NONE])
async def test_wherever_a_connection_dies_the_dmp_and_we_agree(death: Death, store_url: str, directory: Path) -> None:
    wrong = []
    async with crossing(store_url, directory, proxied=True, retry={"max_attempts": 30}) as given:
        for step in Step:
            wrong += await given.play(step, below_http(step, death), deaths=[Death.NONE] * _CONNECTION[step] + [death])
    assert not wrong, report(wrong)


STOPS = [
    Case("HTTP 302", dmp_fault(FaultKind.HTTP_ERROR, code="302"), "not_delivered", "HTTP_302"),
    Case("HTTP 401", dmp_fault(FaultKind.HTTP_ERROR, code="401"), "not_delivered", "HTTP_401"),
    Case("HTTP 403", dmp_fault(FaultKind.HTTP_ERROR, code="403"), "not_delivered", "HTTP_403"),
    Case("HTTP 404", dmp_fault(FaultKind.HTTP_ERROR, code="404"), "not_delivered", "HTTP_404"),
    Case("HTTP 405", dmp_fault(FaultKind.HTTP_ERROR, code="405"), "not_delivered", "HTTP_405"),
    Case("HTTP 415", dmp_fault(FaultKind.HTTP_ERROR, code="415"), "not_delivered", "HTTP_415"),
    *(
        Case(name, dmp_fault(FaultKind.SOAP_FAULT, code=name), "not_delivered", name.rpartition("/")[2])
        for name in (
            "MustUnderstand",
            "VersionMismatch",
            "DataEncodingUnknown",
            "Sender/DMPInvalidCertificate",
            "Sender/UnsupportedSecurityToken",
            "Sender/UnsupportedAlgorithm",
            "Sender/InvalidSecurity",
            "Sender/InvalidSecurityToken",
            "Sender/FailedAuthentication",
            "Sender/FailedCheck",
            "Sender/SecurityTokenUnavailable",
            "Sender/MessageExpired",
        )
    ),
    Case(
        "refusal", dmp_fault(FaultKind.REFUSE, code="DMPInvalidCertificate"), "not_delivered", "DMPInvalidCertificate"
    ),
]
"""Nothing of the document is wrong, others would fail alike."""


@pytest.mark.parametrize("step", [Step.FEED, Step.LOOK, Step.DELETE], ids=lambda step: step.name.lower())
async def test_what_stops_the_destination_refuses_no_document(step: Step, store_url: str, directory: Path) -> None:
    wrong = []
    async with crossing(store_url, directory, pause=0.1) as given:
        for case in STOPS:
            wrong += await given.play(step, replace(case, outcome="unknown") if step is Step.LOOK else case)
        stopped = await given.events("destination_stopped")
        resumed = await given.events("destination_resumed")
    assert not wrong, report(wrong)
    assert [event["code"] for event in stopped] == [case.code for case in STOPS]
    assert len(resumed) == len(STOPS)


async def test_a_general_error_is_tried_twice_more_then_left_to_a_person(
    store_url: str, directory: Path, impatient: None
) -> None:
    async with crossing(store_url, directory) as given:
        document = given.document()
        given.order(dmp_fault(FaultKind.REFUSE, times=None), document, "TD2.1")
        end = await given.end(document, await given.send(document))
    assert (end.state, end.code, end.held) == ("failed", "XDSRepositoryError", ())
    assert [attempt.outcome for attempt in end.attempts] == ["not_delivered"] * 3
    assert (end.told.success, end.told.error_code) == (False, "XDSRepositoryError")


async def test_a_doubt_that_nothing_resolves_is_told_as_what_it_is(store_url: str, directory: Path) -> None:
    """The DMP has the document and never says so: we do not claim to know."""
    async with crossing(store_url, directory, retry={"max_attempts": 4}) as given:
        document = given.document()
        given.order(dmp_fault(FaultKind.CLOSE_AFTER_BODY, times=None), document, "TD2.1")
        given.order(dmp_fault(FaultKind.CLOSE_AFTER_BODY, times=None), document, "TD3.1b")
        end = await given.end(document, await given.send(document))
        (row,) = await given.fetch("SELECT uncertain FROM deliveries")
    assert (end.state, end.code) == ("failed", LOST)
    assert [attempt.kind for attempt in end.attempts] == ["send", "resolve", "resolve", "resolve"]
    assert row["uncertain"]
    assert "est peut-être dans le DMP" in end.told.error_text
    assert (end.fed, len(end.held)) == (1, 1)
    assert (end.told.success, end.told.error_code) == (False, LOST)


@pytest.mark.parametrize("kind", [FaultKind.CLOSE_BEFORE_ANSWER, FaultKind.CLOSE_AFTER_BODY])
async def test_other_bytes_under_a_known_id_are_never_taken_for_delivered(
    kind: FaultKind, store_url: str, directory: Path
) -> None:
    """The DMP shows the id, which says nothing of the bytes: those of the first document are there."""
    async with crossing(store_url, directory) as given:
        first = given.document()
        assert (await given.end(first, await given.send(first))).state == "delivered"
        other = replace(first, encounter=documents.VISIT_DATES)
        assert other.document_id == first.document_id
        given.order(dmp_fault(kind), other, "TD2.1")
        control_id = await given.send(other, control_id="autre")
        end = await given.end(other, control_id)
    assert (end.state, end.told.success) == ("refused", False)
    assert [held.sha1 for held in end.held] == [sha1_of(first)]


async def test_other_bytes_under_an_id_in_doubt_are_never_taken_for_delivered(store_url: str, directory: Path) -> None:
    """The DMP took the first document and we never knew: what it shows then is not the second."""
    async with crossing(store_url, directory, retry={"max_attempts": 3}) as given:
        first = given.document()
        given.order(dmp_fault(FaultKind.CLOSE_AFTER_BODY), first, "TD2.1")
        given.order(dmp_fault(FaultKind.CLOSE_AFTER_BODY, times=2), first, "TD3.1b")
        assert (await given.end(first, await given.send(first))).state == "failed"
        other = replace(first, encounter=documents.VISIT_DATES)
        given.order(dmp_fault(FaultKind.CLOSE_BEFORE_ANSWER), other, "TD2.1")
        end = await given.end(other, await given.send(other, control_id="autre"))
    assert [held.sha1 for held in end.held] == [sha1_of(first)]
    assert (end.state, end.code, end.told.success) == ("refused", "DMP_ID_REUSED", False)


async def test_a_document_that_was_refused_is_corrected_under_its_id(store_url: str, directory: Path) -> None:
    async with crossing(store_url, directory) as given:
        first = given.document()
        given.order(dmp_fault(FaultKind.REFUSE, code="XDSRepositoryMetadataError"), first, "TD2.1")
        assert (await given.end(first, await given.send(first))).state == "refused"
        other = replace(first, encounter=documents.VISIT_DATES)
        given.order(dmp_fault(FaultKind.CLOSE_AFTER_BODY), other, "TD2.1")
        end = await given.end(other, await given.send(other, control_id="autre"))
    assert (end.state, end.told.success) == ("delivered", True)
    assert [held.sha1 for held in end.held] == [sha1_of(other)]


async def test_the_same_document_after_a_doubt_is_found_there_or_fed_once(store_url: str, directory: Path) -> None:
    async with crossing(store_url, directory, retry={"max_attempts": 3}) as given:
        first = given.document()
        given.order(dmp_fault(FaultKind.CLOSE_AFTER_BODY), first, "TD2.1")
        given.order(dmp_fault(FaultKind.CLOSE_AFTER_BODY, times=2), first, "TD3.1b")
        assert (await given.end(first, await given.send(first))).state == "failed"
        end = await given.end(first, await given.send(first, control_id="autre"))
    assert (end.state, end.told.success) == ("delivered", True)
    assert (end.fed, [held.sha1 for held in end.held]) == (1, [sha1_of(first)])


async def test_a_document_waits_as_long_as_its_destination_is_stopped(store_url: str, directory: Path) -> None:
    async with crossing(store_url, directory, pause=0.05, retry={"max_attempts": 3}) as given:
        document = given.document()
        refusal = dmp_fault(FaultKind.REFUSE, code="DMPInvalidCertificate", times=12)
        given.order(refusal, document, "TD2.1")
        end = await given.end(document, await given.send(document))
        stopped = await given.events("destination_stopped")
    assert (end.state, end.told.success, len(stopped)) == ("delivered", True, 1)
    assert [attempt.code for attempt in end.attempts] == ["DMPInvalidCertificate"] * 12 + [""]


TRAITS = ("TROIS", "DOMINIQUE", "LOUISE", "1979", "51215")


@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.SOAP_FAULT, FaultKind.WARN])
async def test_whatever_the_dmp_says_no_trait_is_kept_or_told(
    kind: FaultKind, store_url: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with crossing(store_url, directory) as given:
        document = given.document()
        person = document.patient
        text = (
            f"Refus pour Pat-Trois, née pat trois Dominique Marie Louise le 28/03/1979 (28 mars 1979, 1979-03-28) à "
            f"51215, INS {person.matricule} soit {person.m13[:1]} {person.m13[1:3]} {person.m13[3:]}"
        )
        code = "Sender/PatTroisDominique" if kind is FaultKind.SOAP_FAULT else "PATTROIS"
        given.order(dmp_fault(kind, code=code, text=text), document, "TD2.1")
        end = await given.end(document, await given.send(document))
        kept = [
            await given.fetch("SELECT code, text, warnings, evidence FROM attempts"),
            await given.fetch("SELECT kind, detail FROM events"),
            await given.fetch("SELECT code, text FROM deliveries"),
        ]
        told = [message.content.decode() for message in given.reply.received]
    assert end.state == ("delivered" if kind is FaultKind.WARN else "refused")
    logs = "".join(capsys.readouterr())
    assert "attempt_ended" in logs
    written = f"{kept} {told} {logs}".upper()
    assert "DMP_CODE_UNREADABLE" in written
    for trait in (*TRAITS, person.matricule, person.m13):
        assert trait not in written
