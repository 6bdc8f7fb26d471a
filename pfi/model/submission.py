"""What a sender asks for: one patient, one stay, its documents, its orders, its recipients."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pfi.model.document import CodedValue, Document, DocumentId
from pfi.model.parties import NOWHERE, Author, Establishment, Recipient
from pfi.model.patient import Identifier, Patient


class Request(StrEnum):
    """OBX-11 of the document: initial transmission, replacement, deletion (`spec/hl7v2.md` section 3)."""

    INITIAL = "F"
    REPLACE = "C"
    DELETE = "D"


class Standard(StrEnum):
    """In what a sender speaks, and is answered."""

    HL7V2 = "hl7v2"
    FHIR = "fhir"


@dataclass(frozen=True, slots=True)
class MessageHeader:
    """MSH of the request; everything an answer needs. What came by FHIR has `message_code` FHIR."""

    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    message_code: str
    trigger_event: str
    structure: str
    control_id: str
    processing_id: str
    version: str
    charset: str
    """MSH-18 as written; empty when absent."""
    sent_at: str = ""
    """MSH-7 as written."""
    profile: str = ""
    """MSH-21 as written."""


@dataclass(frozen=True, slots=True)
class Stay:
    """PV1. `patient_class` is PV1-2 (`I`, `O`, `E`, `R`, `N`, `V`, empty = no PV1)."""

    patient_class: str = ""
    visit: Identifier | None = None
    admitted_at: str = ""
    discharged_at: str = ""
    unit: str = ""
    """PV1-3.1, lodging unit (UF)."""


@dataclass(frozen=True, slots=True)
class Orders:
    """The MetaDMPMSS flags (`spec/hl7v2.md` section 2). `None` = the flag was not in the message."""

    masque_ps: bool | None = None
    invisible_patient: bool | None = None
    invisible_rep_legaux: bool | None = None
    connexion_secrete: bool | None = None
    modif_conf_code: bool | None = None
    dest_dmp: bool | None = None
    dest_mss_ps: bool | None = None
    dest_mss_pat: bool | None = None
    ack_reception: bool | None = None
    ack_lecture_mss: bool | None = None
    close_exchange: bool = False
    """NTE-4 = `FIN` after DESTMSSANTEPAT: the patient may not answer (`X-MSS-MES: FIN`)."""

    @property
    def given(self) -> bool:
        """True when the sender gave at least one destination flag: it is not a legacy sender."""
        return not (self.dest_dmp is None and self.dest_mss_ps is None and self.dest_mss_pat is None)


@dataclass(frozen=True, slots=True)
class ReceivedDocument:
    """A document OBX before its CDA is read: exact bytes, OBX-1, code of OBX-3."""

    content: bytes = field(repr=False)
    obx_set_id: int
    code: CodedValue


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """The HL7 v2 side of a request, before the CDA documents are opened (output of the HL7 reader)."""

    message: MessageHeader
    request: Request
    patient: Patient
    stay: Stay
    orders: Orders
    code: CodedValue
    """OBR-4, the document type announced by the message; code empty when there is no OBR."""
    documents: tuple[ReceivedDocument, ...]
    sender: Author | None = None
    recipients: tuple[Recipient, ...] = ()
    reply_to: str = ""
    body_professional: str | None = None
    body_patient: str | None = None
    announced_id: DocumentId | None = None
    """TXA-12."""
    announced_parent: DocumentId | None = None
    """TXA-13."""
    establishment: Establishment = NOWHERE


@dataclass(frozen=True, slots=True)
class Submission:
    """A readable, coherent request: what checks, routing and delivery work on.

    `patient` is the one of the PID (of the CDA when it did not come by HL7 v2).
    """

    message: MessageHeader
    request: Request
    patient: Patient
    stay: Stay
    orders: Orders
    documents: tuple[Document, ...]
    sender: Author | None = None
    recipients: tuple[Recipient, ...] = ()
    reply_to: str = ""
    body_professional: str | None = None
    body_patient: str | None = None
    received_at: datetime | None = None
    tags: frozenset[str] = frozenset()
    """Facts that no header carries, told by the site: `constitutional_genetics`, `entente_prealable`..."""
    establishment: Establishment = NOWHERE
