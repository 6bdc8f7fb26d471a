"""Answers of the DMP -> Outcome (DMP digest §2.6)."""

from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from connectors.dmp.redaction import People, redacted
from connectors.dmp.transport import Reply
from connectors.dmp.verdict import UNREADABLE_CODE, ErrorTable, error_table, readable_code
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.standards.soap.envelope import UNSPECIFIED, SoapAnswer, SoapUnreadableError, read_answer
from pfi.standards.soap.mtom import root_part

RS: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
SUCCESS: Final = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
PARTIAL_SUCCESS: Final = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"

FAILURE: Final = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"

_WARNING: Final = "Warning"
_NOTHING: Final = ("", UNSPECIFIED)
"""`wsa:RelatesTo` of an answer that does not say what it answers."""
_BUSY: Final = (429, 503)
"""HTTP statuses of a service that asks for less at once (RFC 6585 §4, RFC 9110 §15.6.4)."""


@dataclass(frozen=True, slots=True)
class RegistryError:
    """One `rs:RegistryError`; `context` is the peer's free text and may quote our request."""

    code: str
    context: str
    is_warning: bool


def read_reply(reply: Reply, message_id: str, people: People) -> SoapAnswer | Outcome:
    """The SOAP answer of a service, or the Outcome of a fault, an HTTP error or an answer to something else. `people`:
    whom its free text may quote."""
    table = error_table()
    if not reply.content.strip():
        return _without_soap(reply, table)
    try:
        answer = read_answer(root_part(reply.content_type, reply.content))
    except SoapUnreadableError:
        return _without_soap(reply, table)
    if answer.relates_to != message_id and answer.relates_to not in _NOTHING:
        return _mismatch()
    if answer.fault is not None:
        verdict, code = table.of_fault(answer.fault.code, answer.fault.subcodes)
        return verdict.outcome(
            told_code(code, people),
            retry_after=reply.retry_after,
            http_status=str(reply.status),
            fault=told_code(answer.fault.code, people),
            reason=redacted(answer.fault.reason, people),
        )
    if reply.status >= 300:
        return _without_soap(reply, table)
    return answer


def read_registry_response(answer: SoapAnswer, people: People, *, sent_before: bool) -> Outcome:
    """The Outcome of a feed, a replacement or a deletion.

    `sent_before`: an earlier attempt of the same delivery may have arrived, so that "already there" is a success.
    """
    outcome = _judged(answer, people, sent_before=sent_before)
    if outcome.kind is OutcomeKind.DELIVERED and answer.relates_to in _NOTHING:
        # A success is believed only when it says what it answers (DMP digest §2.2): TD3.1b will tell.
        return _mismatch()
    return outcome


def _mismatch() -> Outcome:
    return Outcome(
        OutcomeKind.UNKNOWN, "DMP_ANSWER_MISMATCH", "La réponse du DMP ne correspond pas à la demande envoyée."
    )


def _judged(answer: SoapAnswer, people: People, *, sent_before: bool) -> Outcome:
    table = error_table()
    response = answer.body
    if response is None or response.tag != f"{{{RS}}}RegistryResponse":
        return Outcome(OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE", "La réponse du DMP n'est pas celle attendue.")
    errors = registry_errors(response)
    warnings = tuple(dict.fromkeys(told_code(error.code, people) for error in errors if error.is_warning))
    faults = [error for error in errors if not error.is_warning]
    status = response.get("status", "")
    if status == SUCCESS:
        if not faults:
            return Outcome(OutcomeKind.DELIVERED, warnings=warnings)
        # It says both: neither is believed.
        return replace(table.classes["doubtful"].outcome(told_code(faults[0].code, people)), warnings=warnings)
    if status == PARTIAL_SUCCESS:
        return replace(table.classes["doubtful"].outcome("PartialSuccess"), warnings=warnings)
    if not faults:
        name = "unlisted" if status == FAILURE else "doubtful"
        said = told_code(status.rpartition(":")[2], people)
        return replace(table.classes[name].outcome("RegistryResponseFailure", status=said), warnings=warnings)
    verdict, code = table.worst(error.code for error in faults)
    if verdict.is_duplicate and sent_before:
        return Outcome(OutcomeKind.DELIVERED, warnings=(*warnings, code))
    context = next((error.context for error in faults if error.code == code), "")
    others = " ".join(dict.fromkeys(told_code(error.code, people) for error in faults if error.code != code))
    return replace(
        verdict.outcome(told_code(code, people), context=redacted(context, people), other_codes=others),
        warnings=warnings,
    )


def registry_errors(response: etree._Element) -> tuple[RegistryError, ...]:
    """Errors and warnings listed by a response."""
    return tuple(
        RegistryError(
            code=element.get("errorCode", "").rpartition(":")[2].strip(),
            context=element.get("codeContext", ""),
            is_warning=element.get("severity", "").endswith(_WARNING),
        )
        for element in response.iter(f"{{{RS}}}RegistryError")
    )


def told_code(code: str, people: People) -> str:
    """A code as it may be kept and told: one that nobody knows may be anything, a trait too."""
    if code in error_table().codes:
        return code
    kept = readable_code(code)
    return kept if redacted(kept, people) == kept else UNREADABLE_CODE


def _without_soap(reply: Reply, table: ErrorTable) -> Outcome:
    if reply.status < 300:
        return Outcome(
            OutcomeKind.UNKNOWN,
            "DMP_ANSWER_UNREADABLE",
            "La réponse du DMP est illisible.",
            evidence={"http_status": str(reply.status)},
        )
    verdict = table.of_http(reply.status)
    outcome = verdict.outcome(f"HTTP_{reply.status}", retry_after=reply.retry_after, http_status=str(reply.status))
    return replace(outcome, busy=reply.status in _BUSY)
