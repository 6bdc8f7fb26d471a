"""Writes MSSanté mails for the tests of the sandbox, without the engine's builders."""

import base64
import hashlib
import io
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.integration.sandbox.cda_sample import CDA_ID, INS_OID, MATRICULE, write_cda

SENDER = "pfi.app@ch-sandbox.mssante.fr"
DOCTOR = "docteur.essai@medecin.mssante.fr"
PATIENT = f"{MATRICULE}@patient.mssante.fr"
PDF = b"%PDF-1.4 lettre"
Edit = Callable[[str], str]


def same(text: str) -> str:
    return text


@dataclass(frozen=True)
class Mail:
    """One mail; every field can be made wrong."""

    to: str = DOCTOR
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Replaces a header, or removes it with `None`."""
    cda: bytes = field(default_factory=write_cda)
    sent_cda: bytes | None = None
    patient_id: str = f"{MATRICULE}^^^&{INS_OID}&ISO^NH"
    metadata_edit: Edit = same
    members: Mapping[str, bytes | None] = field(default_factory=dict)
    """Adds, replaces or removes a member of the archive."""
    archive: bytes | None = None
    edit: Edit = same
    """Changes the finished text (LF line ends)."""

    def write(self) -> bytes:
        headers: dict[str, str | None] = {
            "From": f"CH du bac <{SENDER}>",
            "To": self.to,
            "Subject": "XDM/1.0/DDM+Lettre de liaison PAT-TROIS Dominique 28/03/1979",
            "Date": "Mon, 05 Jan 2026 10:12:00 +0100",
            "Message-ID": f"<{uuid.uuid4()}@ch-sandbox.mssante.fr>",
            "X-MSS-CODECDA": "11490-0",
            "X-MSS-INS": "O",
            "X-MSS-NIL": "9999",
            "MIME-Version": "1.0",
            "Content-Type": 'multipart/mixed; boundary="b1"',
        }
        headers.update(self.headers)
        head = "".join(f"{name}: {value}\n" for name, value in headers.items() if value is not None)
        archive = base64.encodebytes(self.archive if self.archive is not None else self._zip()).decode()
        text = (
            f"{head}\n--b1\nContent-Type: text/plain; charset=UTF-8\n\nVeuillez trouver ci-joint un document.\n"
            '--b1\nContent-Type: application/zip; name="IHE_XDM.ZIP"\nContent-Transfer-Encoding: base64\n'
            f'Content-Disposition: attachment; filename="IHE_XDM.ZIP"\n\n{archive}'
            "--b1\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n"
            f'Content-Disposition: attachment; filename="20260104_Lettre.pdf"\n\n{base64.b64encode(PDF).decode()}\n'
            "--b1--\n"
        )
        return self.edit(text).replace("\n", "\r\n").encode()

    def _zip(self) -> bytes:
        members: dict[str, bytes | None] = {
            "README.TXT": b"Emetteur",
            "INDEX.HTM": b"<html/>",
            "IHE_XDM/SUBSET01/METADATA.XML": self.metadata_edit(self._metadata()).encode(),
            "IHE_XDM/SUBSET01/DOC0001.XML": self.sent_cda or self.cda,
        }
        members.update(self.members)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                if content is not None:
                    archive.writestr(name, content)
        return stream.getvalue()

    def _metadata(self) -> str:
        sha1 = hashlib.sha1(self.cda, usedforsecurity=False).hexdigest().upper()
        patient_id = self.patient_id.replace("&", "&amp;")
        slots = "".join(
            f'<Slot name="{name}"><ValueList><Value>{value}</Value></ValueList></Slot>'
            for name, value in (
                ("hash", sha1),
                ("size", len(self.cda)),
                ("URI", "DOC0001.XML"),
                ("creationTime", "20260105091500"),
            )
        )
        return (
            '<SubmitObjectsRequest xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0">'
            '<RegistryObjectList xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">'
            '<RegistryPackage id="S1"><ExternalIdentifier id="x1" registryObject="S1" '
            f'identificationScheme="urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446" value="{patient_id}"/>'
            "</RegistryPackage>"
            '<Classification id="c0" classifiedObject="S1" '
            'classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"/>'
            '<ExtrinsicObject id="D1" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1" mimeType="text/xml">'
            f'{slots}<Classification id="c1" classifiedObject="D1" nodeRepresentation="11490-0" '
            'classificationScheme="urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"/>'
            '<ExternalIdentifier id="x2" registryObject="D1" '
            f'identificationScheme="urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427" value="{patient_id}"/>'
            '<ExternalIdentifier id="x3" registryObject="D1" '
            f'identificationScheme="urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab" value="{CDA_ID}"/>'
            '</ExtrinsicObject><Association id="a1" sourceObject="S1" targetObject="D1" '
            'associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember">'
            '<Slot name="SubmissionSetStatus"><ValueList><Value>Original</Value></ValueList></Slot></Association>'
            "</RegistryObjectList></SubmitObjectsRequest>"
        )
