"""Invented documents and deliveries for the tests of the mail side. The patient is the public test identity of ANS."""

import base64
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, DeliveryIds
from pfi.model.document import Document
from pfi.model.parties import Author, Organization, Person, Recipient, RecipientKind
from pfi.model.patient import Identifier, Ins, Patient, Traits
from pfi.model.submission import MessageHeader, Orders, Request, Stay
from pfi.standards.cda.header import read_header

INS_OID: Final = "1.2.250.1.213.1.4.10"
MATRICULE: Final = "279035121518989"
MOMENT: Final = datetime(2026, 3, 5, 9, 12, 30, tzinfo=UTC)
PDF: Final = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"
PATIENT_ADDRESS: Final = f"{MATRICULE}@patient.mssante.fr"


def cda(
    *,
    unique_id: str = "1.2.250.1.999.1.1.7",
    title: str = "Compte rendu d'échographie",
    label: str = "CR d'imagerie médicale",
    code: str = "18748-4",
    family: str = "PAT-TROIS",
    given: str = "DOMINIQUE",
    matricule: str | None = MATRICULE,
    body: str | None = None,
    pdf: bytes | None = None,
    media_type: str = "application/pdf",
    act: str = "20260304101500+0100",
) -> bytes:
    """A CDA document: N1 when `pdf` is given (a body of `media_type`), else N3 with the sections of `body`."""
    ins = "" if matricule is None else f'<id extension="{matricule}" root="{INS_OID}"/>'
    if pdf is not None:
        text = base64.b64encode(pdf).decode()
        component = f'<nonXMLBody><text mediaType="{media_type}" representation="B64">{text}</text></nonXMLBody>'
    else:
        sections = (
            body if body is not None else section("Résultats", "<paragraph>Examen sans particularité.</paragraph>")
        )
        component = f"<structuredBody>{sections}</structuredBody>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <realmCode code="FR"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <templateId root="2.16.840.1.113883.2.8.2.1"/><templateId root="1.2.250.1.213.1.1.1.1"/>
  <id root="{unique_id}"/>
  <code code="{code}" displayName={quoteattr(label)} codeSystem="2.16.840.1.113883.6.1"/>
  <title>{escape(title)}</title>
  <effectiveTime value="20260305090000+0100"/>
  <confidentialityCode code="N" displayName="Normal" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="fr-FR"/>
  <setId root="1.2.250.1.999.1.1.8"/><versionNumber value="1"/>
  <recordTarget><patientRole>{ins}<id extension="IPP-4711" root="1.2.250.1.999.9"/><patient>
    <name><given>{escape(given)} MARIE</given><given qualifier="BR">{escape(given)}</given>
      <family qualifier="BR">{escape(family)}</family></name>
    <administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19790328"/>
    <birthplace><place><addr><county>51215</county></addr></place></birthplace>
  </patient></patientRole></recordTarget>
  <author><time value="20260305090000+0100"/><assignedAuthor>
    <id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
    <code code="G15_10/SM26" displayName="Médecin - Radio-diagnostic (SM)" codeSystem="1.2.250.1.213.1.1.4.5"/>
    <assignedPerson><name><family>ESSAI</family><given>Camille</given></name></assignedPerson>
    <representedOrganization><id root="1.2.250.1.71.4.2.2" extension="1990000001"/><name>CH d'Exemple</name>
    </representedOrganization></assignedAuthor></author>
  <custodian><assignedCustodian><representedCustodianOrganization>
    <id root="1.2.250.1.71.4.2.2" extension="1990000001"/><name>CH d'Exemple</name>
  </representedCustodianOrganization></assignedCustodian></custodian>
  <legalAuthenticator><time value="20260305090000+0100"/><signatureCode code="S"/><assignedEntity>
    <id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
    <assignedPerson><name><family>ESSAI</family><given>Camille</given></name></assignedPerson>
  </assignedEntity></legalAuthenticator>
  <documentationOf><serviceEvent><code code="ZCQM001" codeSystem="1.2.250.1.213.2.5"/>
    <effectiveTime><low value="{act}"/></effectiveTime>
    <performer typeCode="PRF"><assignedEntity><id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
      <representedOrganization><standardIndustryClassCode code="ETABLISSEMENT" displayName="Établissement de santé"
        codeSystem="1.2.250.1.213.1.1.4.9"/></representedOrganization></assignedEntity></performer>
  </serviceEvent></documentationOf>
  <componentOf><encompassingEncounter><effectiveTime><low value="20260304"/></effectiveTime>
    <location><healthCareFacility><code code="SA01" displayName="Établissement public de santé"
      codeSystem="1.2.250.1.71.4.2.4"/></healthCareFacility></location>
  </encompassingEncounter></componentOf>
  <component>{component}</component>
</ClinicalDocument>""".encode()


def section(title: str, narrative: str) -> str:
    """One section of a structuredBody, for `body`."""
    return f"<component><section><title>{escape(title)}</title><text>{narrative}</text></section></component>"


def document(content: bytes | None = None) -> Document:
    """A document with its header read."""
    content = cda(pdf=PDF) if content is None else content
    return Document(content, read_header(content))


def professional(address: str) -> Recipient:
    return Recipient(RecipientKind.PROFESSIONAL, address)


def patient_recipient(address: str = PATIENT_ADDRESS) -> Recipient:
    return Recipient(RecipientKind.PATIENT, address)


PATIENT: Final = Patient(
    ins=Ins(MATRICULE, INS_OID),
    identifiers=(Identifier("IPP-4711", "1.2.250.1.999.9", "CH EXEMPLE", "PI"),),
    traits=Traits("PAT-TROIS", "DOMINIQUE", "DOMINIQUE MARIE", "19790328", "F", "51215"),
    account=Identifier("26000123", "1.2.250.1.999.10", "CH EXEMPLE", "AN"),
)


def delivery(channel: Channel = Channel.PRO, **changes: Any) -> Delivery:
    """A delivery of one N1 document to two professionals, or to the patient; `changes` replace fields."""
    recipients = (
        (patient_recipient(),)
        if channel is Channel.CIT
        else (professional("dr.essai@medecin.mssante.fr"), professional("secretariat@ch-voisin.mssante.fr"))
    )
    made = Delivery(
        id=uuid.UUID("6f1d2c3b-0000-4000-8000-000000000001"),
        channel=channel,
        request=Request.INITIAL,
        documents=(document(),),
        patient=PATIENT,
        qualified=True,
        stay=Stay(patient_class="I"),
        orders=Orders(dest_mss_ps=True, dest_mss_pat=True, ack_reception=True, ack_lecture_mss=False),
        message=MessageHeader("DPI", "CH", "PFI", "CH", "MDM", "T02", "MDM_T02", "M1", "P", "2.6", "UNICODE UTF-8"),
        sender=Author(
            Person("801234567897", "1.2.250.1.71.4.2.1", "IDNPS", "ESSAI", "Camille"),
            Organization("CH d'Exemple", "1990000001", "1.2.250.1.71.4.2.2", "IDNST"),
        ),
        recipients=recipients,
        reply_to="secretariat.imagerie@ch-exemple.mssante.fr",
        body=None,
        ids=DeliveryIds("2.25.101", "2.25.102", "9b0c2a52-0d3c-4f43-8a57-1f6f5a3e7c11", "e0e1e2e3", "C1"),
        created_at=MOMENT,
    )
    return replace(made, **changes)


def settings(**changes: Any) -> MssanteSettings:
    """Settings that can compose; the certificates they name need not exist for that."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "ca_bundle": Path("ca.pem"),
        "client_cert": Path("client.pem"),
        "mailbox": "pfi.app@ch-exemple.mssante.fr",
        "mailbox_label": "CH d'Exemple – Diffusion",
        "nil": "9999-TEST",
        "source_oid": "1.2.250.1.999.1",
        "establishment": "CH d'Exemple",
    }
    return MssanteSettings.model_validate({**values, **changes})


SURROUNDINGS: Final = Surroundings(clock=lambda: MOMENT, ids=IdSource(), product_name="PFI", product_version="0.1.0")
