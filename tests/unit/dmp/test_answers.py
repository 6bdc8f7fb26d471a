"""Answers of the DMP become outcomes by the error table (DMP digest §2.6)."""

import pytest

from connectors.dmp.answers import read_registry_response, read_reply, redacted
from connectors.dmp.transport import Reply
from connectors.dmp.verdict import error_table
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.standards.soap.envelope import SOAP, WSA
from tests.unit.dmp.given import PATIENT
from tests.unit.dmp.test_soap import fault
from tests.unit.xds.documents import MATRICULE

MESSAGE = "urn:uuid:1"
RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
STATUS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
SEVERITY = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"


def envelope(body: str, relates_to: str = MESSAGE) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header><a:RelatesTo xmlns:a="{WSA}">{relates_to}</a:RelatesTo></s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def response(status: str, *errors: tuple[str, str], context: str = "") -> str:
    full = status if ":" in status else STATUS + status
    listed = "".join(
        f'<r:RegistryError errorCode="{code}" codeContext="{context}" severity="{SEVERITY}{severity}"/>'
        for code, severity in errors
    )
    errors_list = f"<r:RegistryErrorList>{listed}</r:RegistryErrorList>"
    return f'<r:RegistryResponse xmlns:r="{RS}" status="{full}">{errors_list}</r:RegistryResponse>'


def outcome(body: str, *, sent_before: bool = False) -> Outcome:
    answer = read_reply(Reply(200, "application/soap+xml", envelope(body)), MESSAGE, PATIENT)
    assert not isinstance(answer, Outcome)
    return read_registry_response(answer, PATIENT, sent_before=sent_before)


def reply(status: int, content: bytes = b"", retry_after: float | None = None) -> Outcome:
    found = read_reply(Reply(status, "text/plain", content, retry_after), MESSAGE, PATIENT)
    assert isinstance(found, Outcome)
    return found


def test_success_is_delivered() -> None:
    assert outcome(response("Success")) == Outcome(OutcomeKind.DELIVERED)


def test_success_with_warnings_is_delivered_and_keeps_them() -> None:
    found = outcome(response("Success", ("XDSExtraMetadataNotSaved", "Warning")))
    assert (found.kind, found.warnings) == (OutcomeKind.DELIVERED, ("XDSExtraMetadataNotSaved",))


@pytest.mark.parametrize(
    ("code", "kind", "stop", "attempts"),
    [
        ("XDSRegistryBusy", OutcomeKind.NOT_DELIVERED, False, None),
        ("XDSRepositoryOutOfResources", OutcomeKind.NOT_DELIVERED, False, None),
        ("XDSRepositoryError", OutcomeKind.NOT_DELIVERED, False, 3),
        ("DMPInvalidCertificate", OutcomeKind.NOT_DELIVERED, True, None),
        ("XDSRegistryMetadataError", OutcomeKind.REFUSED, False, None),
        ("XDSUnknownPatientId", OutcomeKind.REFUSED, False, None),
        ("DMPClosed", OutcomeKind.REFUSED, False, None),
        ("XDSSomethingNew", OutcomeKind.REFUSED, False, None),
    ],
)
def test_an_error_is_judged_by_its_class(code: str, kind: OutcomeKind, stop: bool, attempts: int | None) -> None:
    found = outcome(response("Failure", (code, "Error")))
    assert (found.code, found.kind, found.stop_destination, found.max_attempts) == (code, kind, stop, attempts)
    assert found.text.endswith(".")


def test_a_prefixed_error_code_is_understood() -> None:
    assert outcome(response("Failure", ("urn:x:XDSRegistryBusy", "Error"))).code == "XDSRegistryBusy"


def test_already_there_is_a_success_only_when_we_may_have_sent_it() -> None:
    body = response("Failure", ("XDSDuplicateUniqueIdInRegistry", "Error"))
    assert outcome(body).kind is OutcomeKind.REFUSED
    again = outcome(body, sent_before=True)
    assert (again.kind, again.warnings) == (OutcomeKind.DELIVERED, ("XDSDuplicateUniqueIdInRegistry",))


def test_the_gravest_of_several_errors_counts() -> None:
    body = response("Failure", ("XDSRegistryBusy", "Error"), ("XDSRegistryMetadataError", "Error"))
    found = outcome(body, sent_before=True)
    assert (found.code, found.kind) == ("XDSRegistryMetadataError", OutcomeKind.REFUSED)
    assert found.evidence["other_codes"] == "XDSRegistryBusy"


def test_partial_success_is_a_doubt() -> None:
    assert outcome(response("urn:ihe:iti:2007:ResponseStatusType:PartialSuccess")).kind is OutcomeKind.UNKNOWN


def test_a_failure_without_error_is_refused_for_a_human() -> None:
    assert outcome(response("Failure")).kind is OutcomeKind.REFUSED


def test_an_answer_of_another_kind_is_a_doubt() -> None:
    assert outcome("<x/>").code == "DMP_ANSWER_UNREADABLE"
    assert outcome("").kind is OutcomeKind.UNKNOWN


def test_an_answer_to_another_message_is_a_doubt() -> None:
    content = envelope(response("Success"), relates_to="urn:uuid:2")
    found = read_reply(Reply(200, "", content), MESSAGE, PATIENT)
    assert isinstance(found, Outcome)
    assert (found.code, found.kind) == ("DMP_ANSWER_MISMATCH", OutcomeKind.UNKNOWN)


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_fault_speaks_louder_than_the_http_status(status: int) -> None:
    found = reply(status, fault("Sender", "DMPInvalidCertificate"))
    assert (found.code, found.kind, found.stop_destination) == (
        "DMPInvalidCertificate",
        OutcomeKind.NOT_DELIVERED,
        True,
    )


@pytest.mark.parametrize(
    ("code", "subcode", "kind", "seen"),
    [
        ("Receiver", "", OutcomeKind.NOT_DELIVERED, "Receiver"),
        ("Sender", "", OutcomeKind.REFUSED, "Sender"),
        ("Sender", "DMPSomethingNew", OutcomeKind.REFUSED, "DMPSomethingNew"),
        ("Sender", "FailedAuthentication", OutcomeKind.NOT_DELIVERED, "FailedAuthentication"),
        ("MustUnderstand", "", OutcomeKind.NOT_DELIVERED, "MustUnderstand"),
    ],
)
def test_a_fault_is_judged_by_its_subcode(code: str, subcode: str, kind: OutcomeKind, seen: str) -> None:
    found = reply(500, fault(code, subcode))
    assert (found.code, found.kind) == (seen, kind)


@pytest.mark.parametrize(
    ("status", "kind", "stop"),
    [
        (400, OutcomeKind.REFUSED, False),
        (401, OutcomeKind.NOT_DELIVERED, True),
        (403, OutcomeKind.NOT_DELIVERED, True),
        (404, OutcomeKind.NOT_DELIVERED, True),
        (302, OutcomeKind.NOT_DELIVERED, True),
        (413, OutcomeKind.REFUSED, False),
        (418, OutcomeKind.REFUSED, False),
        (429, OutcomeKind.NOT_DELIVERED, False),
        (500, OutcomeKind.UNKNOWN, False),
        (501, OutcomeKind.UNKNOWN, False),
        (502, OutcomeKind.NOT_DELIVERED, False),
        (503, OutcomeKind.NOT_DELIVERED, False),
        (504, OutcomeKind.NOT_DELIVERED, False),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html>erreur</html>"])
def test_an_http_error_is_judged_by_its_status(status: int, kind: OutcomeKind, stop: bool, content: bytes) -> None:
    found = reply(status, content)
    assert (found.code, found.kind, found.stop_destination) == (f"HTTP_{status}", kind, stop)


def test_retry_after_is_kept() -> None:
    assert reply(503, retry_after=7.0).retry_after == 7.0


@pytest.mark.parametrize("content", [b"", b"<html/>"])
def test_a_success_that_cannot_be_read_is_a_doubt(content: bytes) -> None:
    assert reply(200, content).kind is OutcomeKind.UNKNOWN


def test_a_success_body_under_an_error_status_is_not_believed() -> None:
    assert reply(503, envelope(response("Success"))).kind is OutcomeKind.NOT_DELIVERED


def test_free_text_of_the_peer_loses_identity_traits() -> None:
    text = f"Patient {MATRICULE} PAT-TROIS Dominique né le 28/03/1979, code 42, dossier 1 23 45 67"
    kept = redacted(text, PATIENT)
    for trait in (MATRICULE, "PAT-TROIS", "Dominique", "45 67"):
        assert trait not in kept
    assert "code 42" in kept


def test_the_context_of_an_error_is_kept_as_evidence_without_traits() -> None:
    found = outcome(response("Failure", ("XDSRegistryError", "Error"), context=f"INS {MATRICULE} inconnu"))
    assert found.evidence["context"] == "INS *** inconnu"
    assert MATRICULE not in found.text


def test_the_table_is_coherent() -> None:
    table = error_table()
    used = {*table.codes.values(), *table.faults.values(), *table.http.values(), "unlisted", "doubtful"}
    assert used == set(table.classes)
