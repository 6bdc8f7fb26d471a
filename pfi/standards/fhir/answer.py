"""What is answered to a lot: a transaction-response Bundle when it is accepted, an OperationOutcome when it is not."""

import re
import uuid
from collections.abc import Iterable
from typing import Any, Final

import orjson

from pfi.model.decision import Action, Channel, Decision
from pfi.model.finding import Finding, Severity
from pfi.standards.fhir.outline import EntryOutline, Outline
from pfi.standards.fhir.vocabulary import FINDINGS

MEDIA_TYPE: Final = "application/fhir+json"
COME_AGAIN: Final = Finding(
    "COME_AGAIN",
    Severity.ERROR,
    "",
    "Lot non enregistré : réessayez plus tard.",
)

_NAMESPACE: Final = uuid.UUID("3f6d1c52-6a0e-5d4b-9b62-90f4f0f3c065")
_RESOURCE: Final = re.compile(r"[A-Za-z]{1,64}/[A-Za-z0-9.-]{1,64}", re.ASCII)
_OK: Final = 200
_UNPROCESSABLE: Final = 422

_KINDS: Final = {
    "COME_AGAIN": "transient",
    "INTERNAL_ERROR": "exception",
    "UNKNOWN_SENDER": "forbidden",
    "CONTROL_ID_REUSED": "duplicate",
    "BUNDLE_EXPECTED": "structure",
    "BUNDLE_TYPE": "structure",
    "BUNDLE_EMPTY": "structure",
    "BUNDLE_TOO_LONG": "too-costly",
    "JSON_NOT_UTF8": "structure",
    "JSON_UNREADABLE": "structure",
    "JSON_TOO_DEEP": "structure",
    "JSON_TOO_MANY_ELEMENTS": "structure",
    "RESOURCE_UNKNOWN": "structure",
    "RESOURCE_INVALID": "structure",
    "HTTP_MALFORMED": "structure",
    "HTTP_TRUNCATED": "incomplete",
    "HTTP_TIMEOUT": "timeout",
    "HTTP_TOO_LARGE": "too-long",
    "HTTP_NOT_FOUND": "not-found",
    "HTTP_METHOD": "not-supported",
    "HTTP_NOT_ACCEPTABLE": "not-supported",
    "HTTP_MEDIA_TYPE": "not-supported",
    "HTTP_ENCODING": "not-supported",
}
"""Issue type (IssueType) of a finding, by its code; by its HL7 v2 error otherwise."""
_KINDS_BY_ERROR: Final = {"100": "required", "101": "required", "102": "value", "103": "code-invalid"}
_OTHER_KIND: Final = "business-rule"
_STATUS: Final = {"transient": 503, "exception": 500, "forbidden": 403, "duplicate": 409, "structure": 400}
"""HTTP status of a refusal, by the type of its first issue; 422 for the others."""

_SEVERITIES: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "information"}
_CHANNELS: Final = {Channel.DMP: "DMP", Channel.PRO: "MSSanté professionnels", Channel.CIT: "MSSanté patient"}
_ACTIONS: Final = {
    Action.SEND: "envoi en cours",
    Action.HOLD: "en attente",
    Action.DENY: "pas d'envoi",
    Action.VOID: "sans objet",
}


def write_refusal(findings: Iterable[Finding], outline: Outline) -> bytes:
    """An OperationOutcome: errors first, then remarks. Same findings, same bytes."""
    ordered = sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)
    return orjson.dumps(_outcome([_issue(finding, outline) for finding in ordered]))


def write_acceptance(
    control_id: str, outline: Outline, findings: Iterable[Finding], decisions: Iterable[Decision]
) -> bytes:
    """A transaction-response, one entry for each of the request, in its order. The entry of the lot tells what was
    decided on each channel and the remarks on the lot."""
    issues = [*_decided(decisions), *(_issue(finding, outline) for finding in findings)]
    entries: list[dict[str, Any]] = []
    told = False
    for index, entry in enumerate(outline.entries):
        response = _response(control_id, index, entry)
        if entry.kind == "List" and not told:
            response["outcome"] = _outcome(issues)
            told = True
        entries.append({"response": response})
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})


def status_of(content: bytes) -> int:
    """The HTTP status that goes with an answer of ours, whether it was just written or stored long ago."""
    answer = orjson.loads(content)
    if answer["resourceType"] != "OperationOutcome":
        return _OK
    return _STATUS.get(answer["issue"][0]["code"], _UNPROCESSABLE)


def _response(control_id: str, index: int, entry: EntryOutline) -> dict[str, Any]:
    if entry.method == "PATCH":
        # Not a search: its criteria may name the patient.
        named = _RESOURCE.fullmatch(entry.url)
        return {"status": "200 OK", **({"location": entry.url} if named else {})}
    return {"status": "201 Created", "location": f"{entry.kind}/{_identity(control_id, index, entry)}/_history/1"}


def _identity(control_id: str, index: int, entry: EntryOutline) -> str:
    """The UUID that the request gave to the entry, else one that depends on the request alone."""
    try:
        return str(uuid.UUID(entry.full_url.lower().removeprefix("urn:uuid:")))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, f"{control_id}|{index}"))


def _outcome(issues: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(finding: Finding, outline: Outline) -> dict[str, Any]:
    kind = _KINDS.get(finding.code) or _KINDS_BY_ERROR.get(finding.err3, _OTHER_KIND)
    issue: dict[str, Any] = {
        "severity": _SEVERITIES[finding.severity],
        "code": kind if finding.severity is Severity.ERROR else "informational",
        "details": {"coding": [{"system": FINDINGS, "code": finding.code}]},
        "diagnostics": _diagnostics(finding),
    }
    expression = outline.expression(finding.where)
    if expression:
        issue["expression"] = [expression]
    return issue


def _diagnostics(finding: Finding) -> str:
    """The sentence, with the place in the CDA when it is there."""
    return f"{finding.text} [{finding.where}]" if "/" in finding.where else finding.text


def _decided(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """One line a channel: the renditions of a document share the same plan."""
    first: dict[Channel, Decision] = {}
    for decision in decisions:
        first.setdefault(decision.channel, decision)
    return [
        {
            "severity": "information",
            "code": "informational",
            "details": {"coding": [{"system": FINDINGS, "code": f"{channel}_{decision.action}".upper()}]},
            "diagnostics": " ".join(
                (f"{_CHANNELS[channel]} : {_ACTIONS[decision.action]}.", *(each.text for each in decision.because[:1]))
            ),
        }
        for channel, decision in first.items()
    ]
