"""METADATA.XML of an IHE_XDM archive: the same objects as an ITI-41 lot, without SOAP (MSSanté digest §5.1)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pfi.model.document import Document
from pfi.model.parties import Author
from pfi.model.patient import Patient
from pfi.model.submission import Orders, Request
from pfi.standards.xdm.archive import member_uri
from pfi.standards.xds import ebrim, mapping
from pfi.standards.xds.mapping import header_findings

_ACTIONS: Final = {Request.INITIAL: "", Request.REPLACE: "C", Request.DELETE: "D"}
"""Extra-metadata "action" (MSSanté digest §5.3)."""


def patient_id(patient: Patient, documents: Sequence[Document], *, qualified: bool) -> str:
    """The one patientId of the archive: the INS of the message's patient, else a local identifier of the documents.

    Never an INS when the identity is not qualified (MSSanté digest §12, INS/va1.53). A local identifier is taken from
    the CDA first: its authority is an OID, while in HL7 v2 it is often a FINESS number, which no reader could compare.
    """
    written = [document.header.patient for document in documents]
    for known in (patient, *written) if qualified else (*written, patient):
        found = mapping.patient_id(known, qualified)
        if found:
            return found
    return ""


def metadata_warnings(documents: Sequence[Document]) -> tuple[str, ...]:
    """What the official tables do not know in these documents, once each: the mail leaves all the same."""
    found = (finding.text for document in documents for finding in header_findings(document.header))
    return tuple(dict.fromkeys(found))


def write_metadata(
    documents: Sequence[Document],
    *,
    request: Request,
    orders: Orders,
    patient: Patient,
    qualified: bool,
    patient_class: str,
    sender: Author | None,
    unique_id: str,
    source_id: str,
    submitted_at: datetime,
) -> bytes:
    """METADATA.XML for documents that go into the archive in this order.

    `unique_id` is the OID of the submission set, `source_id` the one of the establishment, `patient_class` PV1-2.
    """
    identifier = patient_id(patient, documents, qualified=qualified)
    lot = mapping.submission_set(
        entry_id="SubmissionSet01",
        unique_id=unique_id,
        source_id=source_id,
        patient_id=identifier,
        submitted_at=submitted_at,
        patient_class=patient_class,
        sender=sender,
        title=documents[0].header.title,
    )
    entries = [
        mapping.document_entry(
            document,
            entry_id=f"Document{index + 1:02d}",
            patient_id=identifier,
            orders=orders,
            uri=member_uri(index),
            action=_ACTIONS[request],
        )
        for index, document in enumerate(documents)
    ]
    return ebrim.write_submit_objects(lot, entries, declaration=True)
