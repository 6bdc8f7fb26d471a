"""TD3.2, the document itself: found in the answer, then verified against its metadata (ITI-43; DMP digest §1.5)."""

import hashlib
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from lxml import etree

from connectors.dmp.answers import RS, SUCCESS, read_reply, registry_errors
from connectors.dmp.checks import refused
from connectors.dmp.consultation_entry import FoundDocument
from connectors.dmp.consultation_query import XDSB
from connectors.dmp.redaction import People
from connectors.dmp.transport import Reply
from connectors.dmp.verdict import error_table
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.errors import SenderDataError
from pfi.model.patient import Ins
from pfi.standards.cda.header import read_header
from pfi.standards.cda.tree import parse_cda
from pfi.standards.soap.envelope import XOP, SoapUnreadableError
from pfi.standards.soap.mtom import attached_parts

NOT_VERIFIED: Final = "DMP_HASH_ABSENT"
"""Warning: the registry gives neither hash nor size, so that the bytes could not be compared."""


@dataclass(frozen=True, slots=True)
class RetrievedDocument:
    """A document as its producer wrote it, byte for byte. Nothing of it is kept by the engine."""

    entry: FoundDocument
    content: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()


def read_retrieval(reply: Reply, message_id: str, people: People, unique_id: str) -> bytes | Outcome:
    """The bytes of the document asked for; an Outcome when the answer does not hold it, and it alone."""
    answer = read_reply(reply, message_id, people)
    if isinstance(answer, Outcome):
        return answer
    response = answer.body
    if response is None or response.tag != f"{{{XDSB}}}RetrieveDocumentSetResponse":
        return _unreadable()
    result = response.find(f"{{{RS}}}RegistryResponse")
    if result is None:
        return _unreadable()
    if result.get("status") != SUCCESS:
        errors = [error.code for error in registry_errors(result) if not error.is_warning]
        verdict, code = error_table().worst(errors) if errors else (error_table().of_code(""), "DMP_RETRIEVE_FAILED")
        return verdict.outcome(code)
    documents = response.findall(f"{{{XDSB}}}DocumentResponse")
    if len(documents) != 1 or (documents[0].findtext(f"{{{XDSB}}}DocumentUniqueId") or "").strip() != unique_id:
        return refused("DMP_ANSWER_OTHER_DOCUMENT", "Le DMP n'a pas répondu par le document demandé.")
    try:
        content = _content(documents[0], attached_parts(reply.content_type, reply.content))
    except SoapUnreadableError:
        return _unreadable()
    return content if content is not None else _unreadable()


def verify(content: bytes, entry: FoundDocument, ins: Ins, *, max_bytes: int) -> RetrievedDocument | Outcome:
    """The document when its bytes are those that the registry describes, and when it is this patient's.

    Refusals: `DMP_DOCUMENT_TOO_LARGE`, `XDSNonIdenticalSize`, `XDSNonIdenticalHash`, `DMP_DOCUMENT_UNREADABLE`,
    `DMP_DOCUMENT_OTHER_ID`, `DMP_DOCUMENT_OTHER_PATIENT`.
    """
    if len(content) > max_bytes:
        return refused("DMP_DOCUMENT_TOO_LARGE", f"Le document fait {len(content)} octets, la limite est {max_bytes}.")
    if entry.size is not None and len(content) != entry.size:
        return refused("XDSNonIdenticalSize", "La taille du document reçu n'est pas celle que le DMP annonce.")
    if entry.hash and hashlib.sha1(content, usedforsecurity=False).hexdigest() != entry.hash:
        return refused("XDSNonIdenticalHash", "L'empreinte du document reçu n'est pas celle que le DMP annonce.")
    if entry.is_xml:
        refusal = _check_cda(content, entry, ins)
        if refusal is not None:
            return refusal
    return RetrievedDocument(entry, content, () if entry.hash else (NOT_VERIFIED,))


def _check_cda(content: bytes, entry: FoundDocument, ins: Ins) -> Outcome | None:
    """The document is read by the hardened parser: no DTD, no entity, bounded (never by a browser first)."""
    try:
        header = read_header(content, parse_cda(content))
    except SenderDataError as error:
        return refused("DMP_DOCUMENT_UNREADABLE", f"Le document reçu du DMP n'est pas lisible ({error.code}).")
    if header.document_id.xds != entry.unique_id:
        return refused("DMP_DOCUMENT_OTHER_ID", "Le document reçu du DMP porte un autre identifiant que le sien.")
    if header.patient.ins is None or header.patient.ins.matricule != ins.matricule:
        return refused("DMP_DOCUMENT_OTHER_PATIENT", "Le document reçu du DMP n'est pas celui du patient demandé.")
    return None


def _content(response: etree._Element, parts: dict[str, bytes]) -> bytes | None:
    include = response.find(f"{{{XDSB}}}Document/{{{XOP}}}Include")
    reference = "" if include is None else include.get("href", "")
    # MTOM is mandatory (EX_2.1-1260), so that content inside the envelope is not expected.
    return parts.get(unquote(reference.removeprefix("cid:"))) if reference.startswith("cid:") else None


def _unreadable() -> Outcome:
    return Outcome(OutcomeKind.UNKNOWN, "DMP_ANSWER_UNREADABLE", "La réponse du DMP n'est pas celle attendue.")
