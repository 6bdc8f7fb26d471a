"""Answers of INSi, read strictly; faults and refusals say nothing of the patient."""

import pytest

from connectors.insi.answers import Report, read_report
from connectors.insi.transport import Failure, Reply
from connectors.insi.wire import WireRequest
from pfi.model.patient import Ins
from tests.unit.insi.given import (
    MATRICULE,
    RESULT,
    SOAP,
    TEST_NIR,
    UNITARY,
    fault,
    individual,
    ins_element,
    result,
)

REQUEST = WireRequest("application/soap+xml", "uuid:1", RESULT, b"")


def read(content: bytes, status: int = 200, request: WireRequest = REQUEST) -> Report | Failure:
    return read_report(Reply(status, content, 7.0), request)


def report(content: bytes) -> Report:
    found = read(content)
    assert isinstance(found, Report), found
    return found


def failure(content: bytes, status: int = 200, request: WireRequest = REQUEST) -> Failure:
    found = read(content, status, request)
    assert isinstance(found, Failure), found
    return found


def test_somebody_is_read_with_history_and_traits() -> None:
    former = ins_element("INSHISTO", "1790351215189", "22") + ins_element("INSHISTO", "", "")
    person = report(result("00", individual(former=former))).individual
    assert person is not None
    assert person.active == Ins(MATRICULE, TEST_NIR)
    assert person.former == (Ins("179035121518922", TEST_NIR),)
    assert (person.traits.birth_date, person.traits.given_names) == ("19790328", "DOMINIQUE MARIE-LOUISE")
    assert "PAT-TROIS" not in repr(person)


def test_the_key_of_an_ins_may_be_absent_and_a_letter_small() -> None:
    person = report(result("00", individual(active=ins_element("INSACTIF", "279032a215189", "")))).individual
    assert person is not None
    assert person.active == Ins("279032A215189", TEST_NIR)


@pytest.mark.parametrize("code", ["01", "02", "99"])
def test_an_answer_without_anybody_is_its_code(code: str) -> None:
    assert report(result(code)) == Report(code)


def test_somebody_without_an_active_ins_is_nobody() -> None:
    assert report(result("00", "<INDIVIDU><TIQ/></INDIVIDU>")).individual is None


@pytest.mark.parametrize("code", ["insi_101", "insi_102"])
def test_a_national_register_that_is_away_asks_to_come_back(code: str) -> None:
    found = failure(fault(code), 500)
    assert (found.code, found.retry_after, found.away) == (code, 7.0, False)
    assert "pour l'instant" in found.text


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (fault("siram_12", side="Sender"), "siram_12", "refusé notre demande"),
        (fault("autre_1"), "autre_1", "erreur technique"),
        (fault("", subcode="siram_40"), "siram_40", "erreur technique"),
        (fault("un texte avec des espaces"), "INSI_FAULT", "erreur technique"),
    ],
)
def test_other_faults_are_told_by_their_code_alone(content: bytes, code: str, said: str) -> None:
    found = failure(content, 500)
    assert found.code == code
    assert said in found.text
    assert "PAT-TROIS" not in found.text


@pytest.mark.parametrize(("status", "away"), [(301, False), (403, False), (404, False), (500, True), (503, True)])
def test_an_http_refusal_is_no_answer(status: int, away: bool) -> None:
    for content in (b"", b"<html/>", result("00", individual())):
        found = failure(content, status)
        assert (found.code, found.away, found.retry_after) == (f"HTTP_{status}", away, 7.0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"bonjour",
        b"<html/>",
        b'<!DOCTYPE x [<!ENTITY e "x">]><x>&e;</x>',
        result("00", namespace="urn:autre"),
        result(""),
        result("une phrase entiere, longue"),
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body/></s:Envelope>'.encode(),
    ],
)
def test_what_is_not_the_expected_answer_is_unreadable(content: bytes) -> None:
    assert failure(content).code == "INSI_ANSWER_UNREADABLE"


def test_a_verification_answers_in_its_own_namespace() -> None:
    unitary = WireRequest("", "uuid:1", UNITARY, b"")
    assert read(result("00", namespace=UNITARY), request=unitary) == Report("00")
    assert failure(result("00"), request=unitary).code == "INSI_ANSWER_UNREADABLE"


def test_the_answer_to_another_request_is_not_ours() -> None:
    header = (
        '<s:Header><a:RelatesTo xmlns:a="http://www.w3.org/2005/08/addressing">uuid:2</a:RelatesTo></s:Header><s:Body>'
    )
    assert failure(result("01").replace(b"<s:Body>", header.encode())).code == "INSI_ANSWER_MISMATCH"
    assert report(result("01").replace(b"<s:Body>", header.replace("uuid:2", "uuid:1").encode())).code == "01"
