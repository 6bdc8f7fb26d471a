"""From a delivery to the exact bytes of its mail. Same delivery, same bytes, whatever the attempt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import Surroundings
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery
from pfi.model.document import Document
from pfi.model.errors import SenderDataError
from pfi.model.patient import Patient
from pfi.model.submission import Request
from pfi.standards.mail import address
from pfi.standards.mail.bodies import Reader, default_body
from pfi.standards.mail.message import Attachment, Mail, write_mail
from pfi.standards.mail.subject import REPLACED, pdf_file_names, subject
from pfi.standards.xdm import archive
from pfi.standards.xdm.metadata import metadata_warnings, write_metadata
from pfi.standards.xdm.zip_writer import Packer

_CODE: Final = re.compile(r"[!-+\--~]{1,60}\Z")
"""A document type that can be listed in X-MSS-CODECDA: printable ASCII, no comma."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A mail ready to leave."""

    content: bytes = field(repr=False)
    message_id: str
    warnings: tuple[str, ...] = ()


def forbidden(delivery: Delivery) -> bool:
    """A matricule would leave with an identity that is not qualified (INS/va1.53): nothing may."""
    return not delivery.qualified and any(
        document.header.patient.ins is not None or document.header.patient.other_ins for document in delivery.documents
    )


class Composer:
    """Builds mails for the mailboxes of one account. Remembers compressed documents, so that the patient's mail costs
    less than the professionals'. Safe to use from several threads."""

    def __init__(self, settings: MssanteSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._packer = Packer()

    def compose(self, delivery: Delivery, to: Sequence[str], pdfs: Sequence[bytes]) -> Composed:
        """The mail of a delivery: `to` are checked addresses, `pdfs` one PDF for each document, in their order.

        Raises ConfigurationError when a rule of the site chose a mailbox that the settings do not know, and
        SenderDataError when the code of a document cannot be written in a header.
        """
        settings, sender = self._settings, self._settings.sender(delivery.mailbox)
        warnings: list[str] = []
        reply_to = address.normalize(delivery.reply_to) if delivery.reply_to.strip() else ""
        if reply_to is None:
            warnings.append("Adresse de réponse (PRT REPLY) inutilisable : le courriel part sans Reply-To.")
        documents = delivery.documents
        warnings += metadata_warnings(documents)
        zip_file = Attachment(archive.FILE_NAME, "application/zip", self._archive(delivery))
        names = pdf_file_names(documents, delivery.patient.traits, _record_number(delivery.patient))
        to_patient = delivery.channel is Channel.CIT
        mail = Mail(
            sender=sender,
            sender_label=settings.mailbox_label,
            to=tuple(to),
            subject=self._subject(delivery),
            date=delivery.created_at,
            message_id=_message_id(delivery.ids.message_id, sender),
            nil=settings.nil,
            body=self._body(delivery),
            attachments=(
                zip_file,
                *(Attachment(name, "application/pdf", pdf) for name, pdf in zip(names, pdfs, strict=True)),
            ),
            reply_to=reply_to or "",
            references=_message_id(delivery.previous_message_id, sender) if delivery.previous_message_id else "",
            code_cda=_codes(documents),
            ins_complete=delivery.qualified and all(map(_identified, documents)),
            close_exchange=to_patient and delivery.orders.close_exchange,
            reading_notice_to=sender if delivery.orders.ack_lecture_mss else "",
        )
        return Composed(write_mail(mail), mail.message_id, tuple(warnings))

    def _archive(self, delivery: Delivery) -> bytes:
        metadata = write_metadata(
            delivery.documents,
            request=delivery.request,
            orders=delivery.orders,
            patient=delivery.patient,
            qualified=delivery.qualified,
            patient_class=delivery.stay.patient_class,
            sender=delivery.sender,
            unique_id=delivery.ids.submission_set,
            source_id=self._settings.source_oid,
            submitted_at=delivery.created_at,
        )
        return archive.build(
            [document.content for document in delivery.documents],
            metadata,
            issuer=self._issuer(delivery),
            moment=delivery.created_at,
            packer=self._packer,
        )

    def _issuer(self, delivery: Delivery) -> archive.Issuer:
        settings, sender = self._settings, delivery.sender
        person = sender.person if sender is not None else None
        organization = sender.organization if sender is not None else None
        custodian = delivery.documents[0].header.custodian
        return archive.Issuer(
            name=f"{person.given} {person.family}".strip() if person is not None else "",
            organization=settings.establishment
            or (organization.name if organization is not None else "")
            or (custodian.name if custodian is not None else ""),
            organization_id=settings.establishment_id
            or (organization.identifier if organization is not None else "")
            or (custodian.identifier if custodian is not None else ""),
            address=settings.establishment_address,
            phone=settings.establishment_phone,
            product=self._surroundings.product_name,
            version=self._surroundings.product_version,
            publisher=settings.publisher,
        )

    def _subject(self, delivery: Delivery) -> str:
        announced = self._settings.replacement_in_subject and delivery.request is Request.REPLACE
        return (REPLACED if announced else "") + subject(delivery.documents, delivery.patient.traits)

    def _body(self, delivery: Delivery) -> str:
        if delivery.body is not None and delivery.body.strip():
            return delivery.body
        return default_body(
            Reader.PATIENT if delivery.channel is Channel.CIT else Reader.PROFESSIONAL,
            delivery.request,
            delivery.documents[0],
            establishment=self._settings.establishment,
            may_answer=not delivery.orders.close_exchange,
        )


def _codes(documents: Sequence[Document]) -> tuple[str, ...]:
    codes = tuple(document.header.code.code for document in documents)
    if not all(map(_CODE.match, codes)):
        raise SenderDataError(
            "CDA_CODE_UNUSABLE",
            "Le code du type de document (ClinicalDocument/code) ne peut pas être écrit dans l'en-tête X-MSS-CODECDA.",
            "Corriger ce code dans le document et le renvoyer.",
        )
    return codes


def _identified(document: Document) -> bool:
    """The CDA has the matricule with its OID and the four strict traits (MSSanté digest §4.2, X-MSS-INS)."""
    patient = document.header.patient
    traits = patient.traits
    first_name = traits.first_given_name or traits.given_names
    return patient.ins is not None and all((traits.birth_name, first_name, traits.birth_date, traits.sex))


def _message_id(stored: str, sender: str) -> str:
    """A stored id is the left part; one that already has its domain is kept."""
    if "@" in stored:
        return f"<{stored.strip().strip('<>')}>"
    return f"<{stored}@{address.domain_of(sender)}>"


def _record_number(patient: Patient) -> str:
    return patient.account.value if patient.account is not None else ""
