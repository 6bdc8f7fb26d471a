"""Answers of the DMP -> Outcome (DMP digest §2.6)."""

import re
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from connectors.dmp.transport import Reply
from connectors.dmp.verdict import ErrorTable, error_table
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.patient import Patient
from pfi.standards.soap.envelope import SoapAnswer, SoapUnreadableError, read_answer
from pfi.standards.soap.mtom import root_part

RS: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
SUCCESS: Final = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
PARTIAL_SUCCESS: Final = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"

_WARNING: Final = "Warning"
_MAX_CONTEXT: Final = 300
_LONG_NUMBER: Final = re.compile(r"\d[\d .]{4,}\d")


@dataclass(frozen=True, slots=True)
class RegistryError:
    """One `rs:RegistryError`; `context` is the peer's free text and may quote our request."""

    code: str
    context: str
    is_warning: bool


def read_reply(reply: Reply, message_id: str, patient: Patient) -> SoapAnswer | Outcome:
    """The SOAP answer of a service, or the Outcome of a fault, an HTTP error or an answer to something else."""
    table = error_table()
    if not reply.content.strip():
        return _without_soap(reply, table)
    try:
        answer = read_answer(root_part(reply.content_type, reply.content))
    except SoapUnreadableError:
        return _without_soap(reply, table)
    if answer.fault is not None:
        verdict, code = table.of_fault(answer.fault.code, answer.fault.subcodes)
        return verdict.outcome(
            code,
            retry_after=reply.retry_after,
            http_status=str(reply.status),
            fault=answer.fault.code,
            reason=redacted(answer.fault.reason, patient),
        )
    if reply.status >= 300:
        return _without_soap(reply, table)
    if answer.relates_to and answer.relates_to != message_id:
        return Outcome(
            OutcomeKind.UNKNOWN, "DMP_ANSWER_MISMATCH", "La réponse du DMP ne correspond pas à la demande envoyée."
        )
    return answer


def read_registry_response(answer: SoapAnswer, patient: Patient, *, sent_before: bool) -> Outcome:
    """The Outcome of a feed, a replacement or a deletion.

    `sent_before`: an earlier attempt of the same delivery may have arrived, so that "already there" is a success.
    """
    table = error_table()
    response = answer.body
    if response is None or response.tag != f"{{{RS}}}RegistryResponse":
        return Outcome(OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE", "La réponse du DMP n'est pas celle attendue.")
    errors = registry_errors(response)
    warnings = tuple(dict.fromkeys(error.code for error in errors if error.is_warning))
    faults = [error for error in errors if not error.is_warning]
    status = response.get("status", "")
    if status == SUCCESS:
        return Outcome(OutcomeKind.DELIVERED, warnings=warnings)
    if status == PARTIAL_SUCCESS:
        return replace(table.classes["doubtful"].outcome("PartialSuccess"), warnings=warnings)
    if not faults:
        outcome = table.classes["unlisted"].outcome("RegistryResponseFailure", status=status.rpartition(":")[2])
        return replace(outcome, warnings=warnings)
    verdict, code = table.worst(error.code for error in faults)
    if verdict.is_duplicate and sent_before:
        return Outcome(OutcomeKind.DELIVERED, warnings=(*warnings, code))
    context = next((error.context for error in faults if error.code == code), "")
    others = " ".join(dict.fromkeys(error.code for error in faults if error.code != code))
    return replace(
        verdict.outcome(code, context=redacted(context, patient), other_codes=others),
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


def redacted(text: str, patient: Patient) -> str:
    """Free text of the peer without what it may quote: identifiers, long numbers, names of the patient."""
    traits = patient.traits
    words = {
        word
        for value in (
            traits.birth_name,
            traits.used_name,
            traits.first_given_name,
            traits.used_given_name,
            *traits.given_names.split(),
            *(identifier.value for identifier in patient.identifiers),
        )
        if len(word := value.strip()) > 1
    }
    kept = _LONG_NUMBER.sub("***", " ".join(text.split()))
    for word in sorted(words, key=len, reverse=True):
        kept = re.sub(re.escape(word), "***", kept, flags=re.IGNORECASE)
    return kept[:_MAX_CONTEXT]


def _without_soap(reply: Reply, table: ErrorTable) -> Outcome:
    if reply.status < 300:
        return Outcome(
            OutcomeKind.UNKNOWN,
            "DMP_ANSWER_UNREADABLE",
            "La réponse du DMP est illisible.",
            evidence={"http_status": str(reply.status)},
        )
    verdict = table.of_http(reply.status)
    return verdict.outcome(f"HTTP_{reply.status}", retry_after=reply.retry_after, http_status=str(reply.status))
