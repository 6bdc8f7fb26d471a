"""What the answer of the DPI to an MDM of flux 6 means."""

from pathlib import Path

import pytest

from pfi.standards.hl7v2.codes import APPLICATION_ERRORS
from pfi.standards.hl7v2.consumer_ack import Integration, read_consumer_ack
from pfi.standards.hl7v2.tokenizer import UnreadableMessageError
from tests.unit.hl7v2.official import of_type

HEAD = "MSH|^~\\&|DPI|CH|PFI|CH|20260307110501||ACK^T02^ACK|D-1|P|2.6|||||FRA|UNICODE UTF-8\r"


def ack(code: str, *errors: str) -> bytes:
    return "\r".join([f"{HEAD}MSA|{code}|P-000512", *errors, ""]).encode()


def functional(code: str) -> str:
    return f"ERR|||207^Application error^messageErrorCondition|E|{code}^x^applicationErrorCode"


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_an_acceptance_is_an_integration(code: str) -> None:
    answer = read_consumer_ack(ack(code))
    assert (answer.integration, answer.error_code, answer.error) == (Integration.INTEGRATED, "", None)


@pytest.mark.parametrize("code", sorted(APPLICATION_ERRORS))
def test_207_with_its_detail_is_functional(code: str) -> None:
    answer = read_consumer_ack(ack("AE", functional(code)))
    assert answer.integration is Integration.REFUSED
    assert (answer.error_code, answer.error_label) == (code, APPLICATION_ERRORS[code])


@pytest.mark.parametrize("error", [functional(""), functional("907"), functional("XYZ")])
def test_207_without_a_known_detail_is_functional_and_906(error: str) -> None:
    answer = read_consumer_ack(ack("AE", error))
    assert (answer.integration, answer.error_code) == (Integration.REFUSED, "906")


@pytest.mark.parametrize(
    "errors", [(), ("ERR||PID^1^3|101^Required field missing|E",), ("ERR|||103^x|E|902^x^applicationErrorCode",)]
)
def test_any_other_error_is_technical(errors: tuple[str, ...]) -> None:
    answer = read_consumer_ack(ack("AE", *errors))
    assert (answer.integration, answer.error_code) == (Integration.FAULTY, "906")
    assert (answer.error is None) == (not errors)


def test_the_functional_error_among_several_decides() -> None:
    answer = read_consumer_ack(ack("AE", "ERR|||199^x|W", "ERR|||101^x|E", functional("902")))
    assert (answer.integration, answer.error_code) == (Integration.REFUSED, "902")
    assert answer.error is not None
    assert answer.error.err5 == "902"


def test_a_warning_beside_a_technical_error_does_not_decide() -> None:
    warning = functional("902").replace("|E|", "|W|")
    assert read_consumer_ack(ack("AE", warning, "ERR|||101^x|E")).integration is Integration.FAULTY
    assert read_consumer_ack(ack("AE", warning)).integration is Integration.REFUSED


@pytest.mark.parametrize("code", ["AR", "CR"])
def test_a_rejection_is_to_be_tried_again(code: str) -> None:
    answer = read_consumer_ack(ack(code, functional("902")))
    assert (answer.integration, answer.error_code) == (Integration.LATER, "")


def test_what_is_no_acknowledgment_raises() -> None:
    with pytest.raises(UnreadableMessageError):
        read_consumer_ack(HEAD.encode())


@pytest.mark.skipif(not of_type("ACK"), reason="exemples HL7 v2 officiels absents (PFI_ANS_DIR)")
@pytest.mark.parametrize("path", [path for path in of_type("ACK") if "LPS" in str(path)], ids=lambda path: path.name)
def test_official_answers_of_flux_6_are_integrations(path: Path) -> None:
    assert read_consumer_ack(path.read_bytes()).integration is Integration.INTEGRATED
