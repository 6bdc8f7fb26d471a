"""Signatures judged by xmlsec, the XAdES part by its schema, digests by a second computation."""

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
import xmlsec
from lxml import etree

from pfi.model.document import CodedValue
from pfi.model.errors import SenderDataError
from pfi.standards.saml.vihf import SAML, Vihf, write_assertion
from pfi.standards.soap.envelope import write_envelope
from pfi.standards.x509.identity import CertifiedKey
from pfi.standards.xmlsign.algorithms import DSIG, Digest
from pfi.standards.xmlsign.canonical import canonical
from pfi.standards.xmlsign.lot import XADES, sign_lot
from tests.unit.dmp.given import NOW, RESOURCE_ID, XmlsecVerifier, certificates, signing_key
from tests.unit.xds.documents import cda, official_documents, official_folder

D = f"{{{DSIG}}}"
X = f"{{{XADES}}}"
LOT = "1.2.250.1.999.1.10"
DOCUMENT = "1.2.250.1.999.1.1.7001"

CONTENTS = {
    "declaration, stylesheet and comments": cda(),
    "byte order mark": b"\xef\xbb\xbf" + cda(),
    "carriage returns": cda().replace(b"\n", b"\r\n"),
    "no declaration": cda().split(b"?>", 1)[1],
}


def vihf(**changes: object) -> Vihf:
    values: dict[str, object] = {
        "assertion_id": "_1",
        "issued_at": NOW,
        "name_id": "801234567897",
        "subject": "HODA <&> Adam",
        "structure": "1750000001",
        "sector": "SA01^1.2.250.1.71.4.2.4",
        "resource_id": RESOURCE_ID,
        "roles": (CodedValue("AUTOMATE", "Automate", "1.2.250.1.213.1.1.4.6"),),
        "product_name": "PFI",
        "product_version": "1.2",
        "homologation": "secret",
    }
    return Vihf(**{**values, **changes})  # type: ignore[arg-type]  # test values of each field's own type


def signed(content: bytes = CONTENTS["byte order mark"], digest: Digest = Digest.SHA256) -> bytes:
    return sign_lot(LOT, [(DOCUMENT, content)], signing_key(), signed_at=NOW, digest=digest)


@pytest.mark.parametrize("digest", list(Digest))
def test_the_assertion_is_verified_by_xmlsec_inside_the_final_envelope(
    verifier: XmlsecVerifier, digest: Digest
) -> None:
    assertion = write_assertion(vihf(), signing_key(), digest)
    envelope = write_envelope(action="a", message_id="urn:uuid:1", to="", security=assertion, body=b"<x/>")
    root = etree.fromstring(envelope)
    signature = next(root.iter(f"{D}Signature"))
    verifier.verify(signature, "ID")
    method = signature.find(f"{D}SignedInfo/{D}SignatureMethod")
    assert method is not None
    assert method.get("Algorithm") == digest.signature_uri


def test_a_changed_assertion_is_not_verified(verifier: XmlsecVerifier) -> None:
    assertion = write_assertion(vihf(), signing_key()).replace(b"1750000001", b"1750000002")
    signature = next(etree.fromstring(assertion).iter(f"{D}Signature"))
    with pytest.raises(xmlsec.Error):
        verifier.verify(signature, "ID")


def test_the_assertion_is_ordered_as_saml_wants_and_has_no_audience() -> None:
    root = etree.fromstring(write_assertion(vihf(lifetime=timedelta(seconds=20)), signing_key()))
    assert [etree.QName(child).localname for child in root] == [
        "Issuer",
        "Signature",
        "Subject",
        "Conditions",
        "AuthnStatement",
        "AttributeStatement",
    ]
    assert root.find(f".//{{{SAML}}}AudienceRestriction") is None
    assert root.findtext(f"{{{SAML}}}Issuer") == signing_key().subject


def test_the_issuer_is_the_dn_of_the_signing_certificate() -> None:
    assert signing_key().subject == r"CN=PFI \"sign\" \<1\>,OU=1750000000,O=CH de test,C=FR"


@pytest.mark.parametrize("digest", list(Digest))
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_the_lot_signature_is_verified_by_xmlsec(verifier: XmlsecVerifier, content: bytes, digest: Digest) -> None:
    verifier.documents[f"urn:oid:{DOCUMENT}"] = content
    verifier.verify(etree.fromstring(signed(content, digest)), "Id")


@pytest.mark.parametrize("path", official_documents()[::6], ids=lambda path: path.stem)
def test_the_lot_signature_of_an_official_document_is_verified(verifier: XmlsecVerifier, path: Path) -> None:
    content = path.read_bytes()
    verifier.documents[f"urn:oid:{DOCUMENT}"] = content
    verifier.verify(etree.fromstring(signed(content)), "Id")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"1.2.840.10065.1.12.1.14</ds", b"1.2.840.10065.1.12.1.15</ds"),
        (f"{NOW:%Y-%m-%dT}".encode(), b"2001-01-01T"),
        (DOCUMENT.encode(), b"1.2.3"),
    ],
    ids=["purpose, not signed", "signing time", "document id"],
)
def test_what_is_signed_cannot_change(verifier: XmlsecVerifier, before: bytes, after: bytes) -> None:
    original = signed()
    assert before in original
    changed = etree.fromstring(original.replace(before, after))
    if b"10065" in before:
        verifier.verify(changed, "Id")  # IHE DSG does not sign the purpose
    else:
        with pytest.raises(xmlsec.Error):
            verifier.verify(changed, "Id")


def test_the_manifest_names_the_lot_by_one_zero_byte_and_each_document_by_its_canonical_digest() -> None:
    content = cda()
    root = etree.fromstring(signed(content))
    lot, document = root.iter(f"{D}Manifest").__next__()
    assert (lot.get("URI"), lot.findtext(f"{D}DigestValue")) == (f"urn:oid:{LOT}", "AA==")
    assert lot.find(f"{D}Transforms") is None
    tree = etree.fromstring(content).getroottree()
    expected = hashlib.sha256(etree.tostring(tree, method="c14n", with_comments=True)).digest()
    assert document.get("URI") == f"urn:oid:{DOCUMENT}"
    assert base64.b64decode(document.findtext(f"{D}DigestValue") or "") == expected
    transform = document.find(f"{D}Transforms/{D}Transform")
    assert transform is not None
    assert transform.get("Algorithm", "").endswith("REC-xml-c14n-20010315#WithComments")


def test_the_canonical_form_keeps_comments_and_instructions_but_no_declaration_nor_mark() -> None:
    form = canonical(b'\xef\xbb\xbf<?xml version="1.0"?><?p i?><!--c--><a b="1"   ><!--d--><e/></a>')
    assert form == b'<?p i?>\n<!--c-->\n<a b="1"><!--d--><e></e></a>'


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"<a>", "XML_NOT_WELL_FORMED"), (b"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "XML_DOCTYPE_FORBIDDEN")],
)
def test_what_is_not_safe_xml_is_not_signed(content: bytes, code: str) -> None:
    with pytest.raises(SenderDataError) as raised:
        canonical(content)
    assert raised.value.code == code


def test_the_xades_part_is_valid_by_its_schema() -> None:
    folder = official_folder("PFI_XSD_DIR", "../shared/xsd", "xades")
    # The XAdES schema imports XML-DSig by its web address.
    schema = etree.parse(str(folder / "XAdES.xsd"))
    for imported in schema.getroot().iterchildren("{http://www.w3.org/2001/XMLSchema}import"):
        imported.set("schemaLocation", (folder / "xmldsig-core-schema.xsd").resolve().as_uri())
    xades = etree.XMLSchema(schema)
    root = etree.fromstring(signed())
    properties = root.find(f".//{X}QualifyingProperties")
    assert properties is not None
    xades.assertValid(etree.fromstring(etree.tostring(properties)))
    # IHE DSG writes the purpose as text, where the schema of XML-DSig wants an element: all but that is valid.
    for purpose in list(root.iter(f"{D}SignatureProperties")):
        purpose.getparent().remove(purpose)  # type: ignore[union-attr]  # it is inside the root
    etree.XMLSchema(etree.parse(str(folder / "xmldsig-core-schema.xsd"))).assertValid(root)


def test_the_signing_certificate_is_named_by_digest_issuer_and_decimal_serial() -> None:
    root = etree.fromstring(signed())
    certificate = signing_key().certificate
    digest = root.findtext(f".//{X}SigningCertificate/{X}Cert/{X}CertDigest/{X}DigestValue")
    assert base64.b64decode(digest or "") == hashlib.sha256(signing_key().der).digest()
    assert root.findtext(f".//{D}X509SerialNumber") == str(certificate.serial_number)
    assert root.findtext(f".//{D}X509IssuerName") == "CN=AC de test,C=FR"


def test_the_chain_is_listed_when_asked() -> None:
    key = signing_key()
    chained = CertifiedKey(key.certificate, (key.certificate,), key.private_key)
    root = etree.fromstring(sign_lot(LOT, [(DOCUMENT, cda())], chained, signed_at=NOW, with_chain=True))
    assert len(list(root.iter(f"{X}Cert"))) == 2
    assert certificates().signer.cert_pem
