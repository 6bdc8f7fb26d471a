"""What the other versions of a document change for a message: pure, from what our own tables know of them.

A document deleted by its sender leaves no more, whatever came first; a deletion names the last version; nobody is told
by mail to delete what they were never sent.
"""

from collections.abc import Iterable
from dataclasses import replace

from pfi.engine.conclusion import Conclusion
from pfi.engine.interpretation import Interpretation
from pfi.model.decision import Action, Channel, Decision, Reason
from pfi.model.delivery import Delivery, Fate
from pfi.model.document import Document
from pfi.model.finding import Finding, Severity
from pfi.model.submission import Request, Submission
from pfi.store.lineages import Family, Relative

DELETED_BY_SENDER = Reason(
    "DELETED_BY_SENDER", "L'émetteur a demandé la suppression de ce document : il ne part plus, sur aucun canal."
)
SUPERSEDED_BY_DELETION = Reason(
    "SUPERSEDED_BY_DELETION", "Envoi annulé : l'émetteur a demandé la suppression du document avant qu'il ne parte."
)
NEVER_SENT = Reason(
    "NEVER_SENT", "Le document n'a jamais quitté la plateforme par ce canal : il n'y a rien à y faire supprimer."
)
NOT_LAST_VERSION = "NOT_LAST_VERSION"
_LIVE = frozenset({Fate.FED, Fate.DOUBTFUL, Fate.OPEN})
_LEAVING = (Action.SEND, Action.HOLD)


def lineage_of(document: Document, request: Request, replaced_lineage: str | None = None) -> str:
    """The key that a document shares with those it replaces and with those that replace or delete it: its setId;
    without one, the lineage of the document that it replaces (`replaced_lineage` when known), else its own uniqueId."""
    header = document.header
    if header.set_id is not None:
        return header.set_id.xds
    if request is not Request.INITIAL and header.replaced is not None:
        return replaced_lineage or header.replaced.xds
    return document.unique_id


def named_by(submission: Submission) -> tuple[str, ...]:
    """uniqueIds of the documents of a message and of those that they replace."""
    headers = [document.header for document in submission.documents]
    parents = [header.replaced for header in headers if header.replaced is not None]
    return tuple(dict.fromkeys((*(header.document_id.xds for header in headers), *(each.xds for each in parents))))


def not_last(submission: Submission, family: Family) -> Finding | None:
    """A deletion names the last version (hl7v2 digest §3.1): of a version that another one has replaced, it is refused
    with code 900 (§4.1). A replacement that leads nowhere, refused or given up everywhere, replaced nothing."""
    if submission.request is not Request.DELETE:
        return None
    for document in submission.documents:
        if any(_replaces(each, document, family.relatives) for each in family.relatives):
            return Finding(
                NOT_LAST_VERSION,
                Severity.ERROR,
                f"OBX^{document.obx_set_id}^5",
                "La suppression désigne une version qui a été remplacée : elle doit désigner la dernière version du "
                "document.",
                "hl7v2 digest §3.1",
                err3="207",
                err5="900",
            )
    return None


def _replaces(other: Relative, document: Document, relatives: Iterable[Relative]) -> bool:
    """Whether another version, alive somewhere, came after this one."""
    header = document.header
    if not other.accepted or other.request is not Request.REPLACE or other.level is not header.level:
        return False
    if other.unique_id == document.unique_id or not _LIVE.intersection(other.fates.values()):
        return False
    if other.number is not None and header.version_number is not None and other.number != header.version_number:
        return other.number > header.version_number
    received = [
        each.message_id
        for each in relatives
        if each.unique_id == document.unique_id and each.request is not Request.DELETE
    ]
    return bool(received) and other.message_id > max(received)


def among(interpretation: Interpretation, family: Family | None) -> Interpretation:
    """The message, refused when its place among the other versions makes it impossible."""
    submission = interpretation.submission
    finding = not_last(submission, family) if submission is not None and family is not None else None
    if finding is None or finding in interpretation.findings:
        return interpretation
    return replace(interpretation, findings=(*interpretation.findings, finding))


def aware(delivery: Delivery, family: Family) -> Delivery:
    """A delivery that knows the other versions."""
    return replace(delivery, versions=family.versions(delivery.channel)) if family.relatives else delivery


def with_family(conclusion: Conclusion, relatives: tuple[Relative, ...], message_id: int | None = None) -> Conclusion:
    """The decisions once the other versions are known; `message_id` of a message that is stored already."""
    submission = conclusion.submission
    if submission is None or not relatives:
        return conclusion
    if submission.request is Request.DELETE:
        decisions = tuple(_deletion(each, relatives) for each in conclusion.decisions)
    elif any(_deletes(each, document, message_id) for each in relatives for document in submission.documents):
        decisions = tuple(_stopped(each, Action.DENY, DELETED_BY_SENDER) for each in conclusion.decisions)
    else:
        return conclusion
    return replace(conclusion, decisions=decisions)


def _deletes(other: Relative, document: Document, message_id: int | None) -> bool:
    """Whether that message deletes the document: names it, or a version that came after it."""
    if not other.accepted or other.request is not Request.DELETE:
        return False
    number = document.header.version_number
    if other.unique_id == document.unique_id:
        return True
    if other.level is not document.header.level:
        return False
    if other.number is not None and number is not None and other.number != number:
        return other.number > number
    return message_id is not None and other.message_id > message_id


def _deletion(decision: Decision, relatives: Iterable[Relative]) -> Decision:
    """A mail that never left needs no mail to have it deleted, which would carry the document itself."""
    channel = decision.channel
    fates = {each.fate(channel) for each in relatives if each.request is not Request.DELETE}
    if channel is Channel.DMP or Fate.OPEN not in fates or not fates <= {Fate.OPEN, Fate.NEVER}:
        return decision
    return _stopped(decision, Action.VOID, NEVER_SENT)


def _stopped(decision: Decision, action: Action, reason: Reason) -> Decision:
    """The decision, no more to be sent; what was not to be sent keeps its own reason."""
    if decision.action not in _LEAVING:
        return decision
    return replace(
        decision,
        action=action,
        code=reason.rule,
        because=(reason, *decision.because),
        due=False,
        gap=False,
        until=None,
    )
