"""Writes DMP requests for the tests of the sandbox, from the published structure, without the engine's builders."""

import base64
import hashlib
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from cryptography.hazmat.primitives import serialization
from lxml import etree

from connectors.sandbox.certificates import CertificateFiles
from tests.integration.sandbox.cda_sample import CDA_ID, INS_OID, MATRICULE, write_cda
from tests.integration.sandbox.dmp_assertion import (
    DS,
    RSA_SHA256,
    SHA256,
    STRUCTURE,
    Assertion,
    Signer,
    instant,
    sign_lot,
)
from tests.integration.sandbox.dmp_edits import Edit, same

COMMENTS = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"
XADES = "http://uri.etsi.org/01903/v1.1.1#"
FEED = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"


def new_oid() -> str:
    return f"2.25.{uuid.uuid4().int}"


def write_envelope(
    body: str, action: str, assertion: str, *, message_id: str | None = None, edit: Edit = same
) -> bytes:
    """A SOAP 1.2 envelope; `edit` changes the finished text."""
    identity = message_id or f"urn:uuid:{uuid.uuid4()}"
    xml = (
        '<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:wsa="http://www.w3.org/2005/08/addressing"><env:Header>'
        f'<wsa:MessageID>{identity}</wsa:MessageID><wsa:To/><wsa:ReplyTo env:mustUnderstand="1"><wsa:Address>'
        "http://www.w3.org/2005/08/addressing/anonymous</wsa:Address></wsa:ReplyTo>"
        f'<wsa:Action env:mustUnderstand="1">{action}</wsa:Action>'
        '<wsse:Security xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">'
        f"{assertion}</wsse:Security></env:Header><env:Body>{body}</env:Body></env:Envelope>"
    )
    return edit(xml).encode()


@dataclass(frozen=True)
class Feed:
    """A TD2.1 request; every field can be made wrong."""

    cda: bytes = field(default_factory=write_cda)
    sent_cda: bytes | None = None
    """Bytes of the part, when they are not the ones that the metadata describe."""
    unique_id: str = CDA_ID
    submission_id: str = field(default_factory=new_oid)
    signature_id: str = field(default_factory=new_oid)
    patient_id: str = f"{MATRICULE}^^^&{INS_OID}&ISO^NH"
    type_code: str = "11490-0"
    class_code: str = "10"
    assertion: Assertion = field(default_factory=Assertion)
    replaces_entry: str = ""
    with_signature: bool = True
    entry_edit: Edit = same
    registry_edit: Edit = same
    lot_edit: Edit = same
    """Changes the text of the lot signature before it is signed."""
    signed_lot_edit: Edit = same
    envelope_edit: Edit = same
    lot_signer: Signer | None = None

    def write(self, signer: Signer) -> tuple[dict[str, str], bytes]:
        """HTTP headers and body."""
        lot = self.signed_lot_edit(self._lot_signature(self.lot_signer or signer)).encode()
        entries = self.entry_edit(self._entry())
        members = [("SubmissionSet01", "Document01")]
        documents = '<xdsb:Document id="Document01"><xop:Include href="cid:doc1@test"/></xdsb:Document>'
        extra = ""
        if self.with_signature:
            entries += self._signature_entry(lot)
            members.append(("SubmissionSet01", "Signature01"))
            documents += '<xdsb:Document id="Signature01"><xop:Include href="cid:sig@test"/></xdsb:Document>'
            extra += _association("Signs", "urn:ihe:iti:2007:AssociationType:signs", "Signature01", "SubmissionSet01")
        associations = "".join(
            _association(f"As{number}", HAS_MEMBER, source, target)
            for number, (source, target) in enumerate(members, 1)
        )
        if self.replaces_entry:
            extra += _association("Rplc", "urn:ihe:iti:2007:AssociationType:RPLC", "Document01", self.replaces_entry)
        registry = self.registry_edit(self._package() + entries + associations + extra)
        body = (
            '<xdsb:ProvideAndRegisterDocumentSetRequest xmlns:xdsb="urn:ihe:iti:xds-b:2007" '
            'xmlns:xop="http://www.w3.org/2004/08/xop/include" '
            'xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" '
            'xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><lcm:SubmitObjectsRequest>'
            f"<rim:RegistryObjectList>{registry}</rim:RegistryObjectList></lcm:SubmitObjectsRequest>{documents}"
            "</xdsb:ProvideAndRegisterDocumentSetRequest>"
        )
        envelope = write_envelope(body, FEED, self.assertion.write(signer), edit=self.envelope_edit)
        parts = [("<root@test>", 'application/xop+xml; charset=UTF-8; type="application/soap+xml"', envelope)]
        parts.append(("<doc1@test>", "text/xml", self.sent_cda if self.sent_cda is not None else self.cda))
        if self.with_signature:
            parts.append(("<sig@test>", "text/xml", lot))
        return _package(parts)

    def _package(self) -> str:
        now = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        return (
            '<rim:RegistryPackage id="SubmissionSet01">'
            + _slot("submissionTime", now)
            + '<rim:Name><rim:LocalizedString charset="UTF8" xml:lang="FR" value="Lot"/></rim:Name>'
            + _author("a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d", "SubmissionSet01", "ssauthor")
            + _coded("aa543740-bdda-424e-8c96-df4873be8500", "SubmissionSet01", "03", "1.2.250.1.213.2.2", "ct")
            + '<rim:Classification id="node" classifiedObject="SubmissionSet01" '
            'classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"/>'
            + _external(
                "6b5aea1a-874d-4603-a4bc-96a0a7b38446", "SubmissionSet01", self.patient_id, "SubmissionSet.patientId"
            )
            + _external(
                "554ac39e-e3fe-47fe-b233-965d2a147832", "SubmissionSet01", "1.2.250.1.999.7", "SubmissionSet.sourceId"
            )
            + _external(
                "96fdda7c-d067-4183-912e-bf5ee74998a8", "SubmissionSet01", self.submission_id, "SubmissionSet.uniqueId"
            )
            + "</rim:RegistryPackage>"
        )

    def _entry(self) -> str:
        sha1 = hashlib.sha1(self.cda, usedforsecurity=False).hexdigest()
        return _document_entry(
            "Document01",
            slots=(
                ("creationTime", "20260105091500"),
                ("languageCode", "fr-FR"),
                ("legalAuthenticator", _PERSON),
                ("serviceStartTime", "20260104070000"),
                ("serviceStopTime", "20260104080000"),
                ("sourcePatientId", "IPP42^^^&1.2.250.1.999.9&ISO^PI"),
                ("sourcePatientInfo", "PID-5|PAT-TROIS^DOMINIQUE^^^^^L", "PID-7|19790328", "PID-8|F"),
                ("hash", sha1),
                ("size", str(len(self.cda))),
            ),
            title="Lettre de liaison & synthèse",
            codes=(
                ("41a5887f-8865-4c09-adf7-e362475b143a", self.class_code, "1.2.250.1.213.1.1.4.1"),
                ("f4f85eac-e6cb-4883-b524-f2705394840f", "N", "2.16.840.1.113883.5.25"),
                ("a09d5840-386c-46f2-b5ad-9c3699a4309d", "urn:ihe:iti:xds-sd:pdf:2008", "1.3.6.1.4.1.19376.1.2.3"),
                ("f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", "SA01", "1.2.250.1.71.4.2.4"),
                ("cccf5598-8b07-4b77-a05e-ae952c785ead", "ETABLISSEMENT", "1.2.250.1.213.1.1.4.9"),
                ("f0306f51-975f-434e-a61c-c59651d33983", self.type_code, "2.16.840.1.113883.6.1"),
            ),
            patient_id=self.patient_id,
            unique_id=self.unique_id,
        )

    def _signature_entry(self, lot: bytes) -> str:
        visibility = "1.2.250.1.213.1.1.4.13"
        confidentiality = "f4f85eac-e6cb-4883-b524-f2705394840f"
        now = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        return _document_entry(
            "Signature01",
            slots=(
                ("creationTime", now),
                ("languageCode", "art"),
                ("legalAuthenticator", _PERSON),
                ("serviceStartTime", now),
                ("serviceStopTime", now),
                ("sourcePatientId", self.patient_id),
                ("hash", hashlib.sha1(lot, usedforsecurity=False).hexdigest()),
                ("size", str(len(lot))),
            ),
            title="Source",
            codes=(
                ("41a5887f-8865-4c09-adf7-e362475b143a", "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1", "URN"),
                (confidentiality, "N", "2.16.840.1.113883.5.25"),
                (confidentiality, "MASQUE_PS", visibility),
                (confidentiality, "INVISIBLE_PATIENT", visibility),
                ("2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4", "1.2.840.10065.1.12.1.14", "1.2.840.10065.1.12"),
                ("a09d5840-386c-46f2-b5ad-9c3699a4309d", DS, "URN"),
                ("f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", "SA01", "1.2.250.1.71.4.2.4"),
                ("cccf5598-8b07-4b77-a05e-ae952c785ead", "ETABLISSEMENT", "1.2.250.1.213.1.1.4.9"),
                ("f0306f51-975f-434e-a61c-c59651d33983", "E1762", "ASTM"),
            ),
            patient_id=self.patient_id,
            unique_id=self.signature_id,
        )

    def _lot_signature(self, signer: Signer) -> str:
        tree = etree.fromstring(self.cda).getroottree()
        canonical = etree.tostring(tree, method="c14n", with_comments=True)
        digest = base64.b64encode(hashlib.sha256(canonical).digest()).decode()
        der = signer.x509.public_bytes(serialization.Encoding.DER)
        cert_digest = base64.b64encode(hashlib.sha256(der).digest()).decode()
        method = f'<ds:DigestMethod Algorithm="{SHA256}"/>'
        xml = (
            f'<ds:Signature xmlns:ds="{DS}" Id="LotSignature"><ds:SignedInfo>'
            f'<ds:CanonicalizationMethod Algorithm="{COMMENTS}"/><ds:SignatureMethod Algorithm="{RSA_SHA256}"/>'
            f'<ds:Reference URI="#IHEManifest" Type="{DS}Manifest">{method}<ds:DigestValue/></ds:Reference>'
            f'<ds:Reference URI="#Props" Type="{XADES}SignedProperties">{method}<ds:DigestValue/></ds:Reference>'
            "</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data>"
            f"<ds:X509Certificate>{signer.base64_der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            f'<ds:Object><ds:Manifest Id="IHEManifest"><ds:Reference URI="urn:oid:{self.submission_id}">{method}'
            f'<ds:DigestValue>AA==</ds:DigestValue></ds:Reference><ds:Reference URI="urn:oid:{self.unique_id}">'
            f'<ds:Transforms><ds:Transform Algorithm="{COMMENTS}"/></ds:Transforms>{method}'
            f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:Manifest></ds:Object>"
            '<ds:Object><ds:SignatureProperties><ds:SignatureProperty Id="purposeOfSignature" Target="#LotSignature">'
            "1.2.840.10065.1.12.1.14</ds:SignatureProperty></ds:SignatureProperties></ds:Object>"
            f'<ds:Object><x:QualifyingProperties xmlns:x="{XADES}" Target="#LotSignature">'
            '<x:SignedProperties Id="Props"><x:SignedSignatureProperties>'
            f"<x:SigningTime>{instant(datetime.now(UTC) - timedelta(seconds=1))}</x:SigningTime>"
            f'<x:SigningCertificate><x:Cert><x:CertDigest><x:DigestMethod Algorithm="{SHA256}"/>'
            f"<x:DigestValue>{cert_digest}</x:DigestValue></x:CertDigest><x:IssuerSerial>"
            f"<ds:X509IssuerName>{escape(signer.x509.issuer.rfc4514_string())}</ds:X509IssuerName>"
            f"<ds:X509SerialNumber>{signer.x509.serial_number}</ds:X509SerialNumber></x:IssuerSerial></x:Cert>"
            "</x:SigningCertificate><x:SignaturePolicyIdentifier><x:SignaturePolicyImplied/>"
            "</x:SignaturePolicyIdentifier></x:SignedSignatureProperties></x:SignedProperties>"
            "</x:QualifyingProperties></ds:Object></ds:Signature>"
        )
        return sign_lot(self.lot_edit(xml), signer)


def next_feed(feed: Feed, **changes: object) -> Feed:
    """The same request with fresh submission, signature and assertion ids."""
    fresh = {"submission_id": new_oid(), "signature_id": new_oid(), "assertion": Assertion()}
    return replace(feed, **{**fresh, **changes})  # type: ignore[arg-type] # the changes are fields of Feed


_PERSON = "801234567897^ESSAI^Anne^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
_INSTITUTION = f"CH DU BAC A SABLE^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^{STRUCTURE}"


def _slot(name: str, *values: str) -> str:
    listed = "".join(f"<rim:Value>{escape(value)}</rim:Value>" for value in values)
    return f'<rim:Slot name="{name}"><rim:ValueList>{listed}</rim:ValueList></rim:Slot>'


def _author(scheme: str, owner: str, identity: str) -> str:
    return (
        f'<rim:Classification id="{identity}" classificationScheme="urn:uuid:{scheme}" classifiedObject="{owner}" '
        f'nodeRepresentation="">{_slot("authorInstitution", _INSTITUTION)}{_slot("authorPerson", _PERSON)}'
        "</rim:Classification>"
    )


def _coded(scheme: str, owner: str, code: str, system: str, identity: str) -> str:
    return (
        f'<rim:Classification id="{identity}" classificationScheme="urn:uuid:{scheme}" classifiedObject="{owner}" '
        f'nodeRepresentation="{code}">{_slot("codingScheme", system)}<rim:Name><rim:LocalizedString charset="UTF8" '
        'xml:lang="FR" value="libellé"/></rim:Name></rim:Classification>'
    )


def _external(scheme: str, owner: str, value: str, name: str) -> str:
    prefix = "XDS" if not name.startswith("XDS") else ""
    return (
        f'<rim:ExternalIdentifier id="{owner}-{scheme[:4]}" registryObject="{owner}" '
        f'identificationScheme="urn:uuid:{scheme}" value={quoteattr(value)}><rim:Name>'
        f'<rim:LocalizedString value="{prefix}{name}"/></rim:Name></rim:ExternalIdentifier>'
    )


def _document_entry(
    owner: str,
    *,
    slots: tuple[tuple[str, ...], ...],
    title: str,
    codes: tuple[tuple[str, str, str], ...],
    patient_id: str,
    unique_id: str,
) -> str:
    return (
        f'<rim:ExtrinsicObject id="{owner}" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1" '
        'mimeType="text/xml">'
        + "".join(_slot(*slot) for slot in slots)
        + f'<rim:Name><rim:LocalizedString charset="UTF8" xml:lang="FR" value={quoteattr(title)}/></rim:Name>'
        + _author("93606bcf-9494-43ec-9b4e-a7748d1a838d", owner, f"{owner}-author")
        + "".join(
            _coded(scheme, owner, code, system, f"{owner}-{number}")
            for number, (scheme, code, system) in enumerate(codes)
        )
        + _external("58a6f841-87b3-4a3e-92fd-a8ffeff98427", owner, patient_id, "XDSDocumentEntry.patientId")
        + _external("2e82c1f6-a085-4c72-9da3-8640a32e42ab", owner, unique_id, "XDSDocumentEntry.uniqueId")
        + "</rim:ExtrinsicObject>"
    )


def _association(identity: str, kind: str, source: str, target: str) -> str:
    return (
        f'<rim:Association id="{identity}" associationType="{kind}" sourceObject="{source}" '
        f'targetObject="{target}">{_slot("SubmissionSetStatus", "Original")}</rim:Association>'
    )


def _package(parts: list[tuple[str, str, bytes]]) -> tuple[dict[str, str], bytes]:
    boundary = "test-boundary-7f3a"
    body = b"".join(
        f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: {identity}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for identity, kind, content in parts
    )
    content_type = (
        'multipart/related; type="application/xop+xml"; start="<root@test>"; start-info="application/soap+xml"; '
        f'action="{FEED}"; boundary={boundary}'
    )
    return {"Content-Type": content_type}, body + f"--{boundary}--\r\n".encode()


def existence_request(assertion: Assertion, signer: Signer, *, edit: Edit = same) -> tuple[dict[str, str], bytes]:
    """TD0.2 for the patient of the assertion."""
    matricule, _, rest = assertion.resource.partition("^^^&")
    body = (
        '<PRPA_IN201307UV02 xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.250.1.999.5" extension="1"/>'
        '<creationTime value="20260105101500"/><interactionId root="2.16.840.1.113883.1.6" '
        'extension="PRPA_IN201307UV02"/><processingCode code="D"/><processingModeCode code="T"/>'
        '<acceptAckCode code="AL"/><receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE">'
        '<id root="1.2.250.1.213.4.1.1.1"/><softwareName>DMP</softwareName></device></receiver>'
        '<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.250.1.999.7"/></device>'
        '</sender><controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201307UV02"/>'
        '<reasonCode code="TEST_EXST" codeSystem="1.2.250.1.213.1.1.4.11"/><queryByParameter>'
        '<queryId root="1.2.250.1.999.5" extension="2"/><statusCode code="new"/><parameterList><patientIdentifier>'
        f'<value root="{rest.partition("&")[0]}" extension="{matricule}"/><semanticsText>Patient.id</semanticsText>'
        "</patientIdentifier></parameterList></queryByParameter></controlActProcess></PRPA_IN201307UV02>"
    )
    action = "urn:hl7-org:v3:PRPA_IN201307UV02"
    envelope = write_envelope(edit(body), action, assertion.write(signer))
    return {"Content-Type": f'application/soap+xml; charset=UTF-8; action="{action}"'}, envelope


def retrieval_request(body: str, assertion: Assertion, signer: Signer) -> tuple[dict[str, str], bytes]:
    """TD3.2: a package without documents."""
    action = "urn:ihe:iti:2007:RetrieveDocumentSet"
    envelope = write_envelope(body, action, assertion.write(signer))
    headers, packed = _package(
        [("<root@test>", 'application/xop+xml; charset=UTF-8; type="application/soap+xml"', envelope)]
    )
    return {"Content-Type": headers["Content-Type"].replace(FEED, action)}, packed


def client_files(files: CertificateFiles) -> tuple[Path, Path]:
    return files.certificate, files.key
