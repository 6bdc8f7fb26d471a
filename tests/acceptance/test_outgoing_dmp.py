"""The DMP request of `pfi explain --out`, judged by other tools than ours."""

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from tests.acceptance.outgoing import (
    LCM,
    RIM,
    XDS,
    HttpRequest,
    Outgoing,
    outgoing,
    read_request,
    read_requests,
    sent_messages,
)
from tests.acceptance.outgoing import outgoing_sample as sample
from tests.official import XSD_DIR, needs_public_schemas

D = "{http://www.w3.org/2000/09/xmldsig#}"
X = "{http://uri.etsi.org/01903/v1.1.1#}"
SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
PATIENT_ID = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
REPLACES = "urn:ihe:iti:2007:AssociationType:RPLC"
NO_REFERENCE = "urn:uuid:00000000-0000-0000-0000-000000000000"

needs_xmlsec1 = pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="the xmlsec1 program is not installed")


@pytest.fixture(params=sent_messages(), ids=lambda path: path.stem)
def sent(request: pytest.FixtureRequest) -> Outgoing:
    return outgoing(request.param)


def feeds(sent: Outgoing) -> list[HttpRequest]:
    """The feeding requests of a run: none, or one (deletions are another transaction)."""
    files = [content for name, content in sent.files.items() if name.startswith("dmp-")]
    return [request for content in files for request in read_requests(content) if request.parts]


def entries(request: HttpRequest) -> dict[str, etree._Element]:
    """ExtrinsicObject by id."""
    return {element.get("id", ""): element for element in request.metadata.iter(f"{RIM}ExtrinsicObject")}


def identifier(element: etree._Element, scheme: str) -> str:
    (found,) = [each for each in element.iter(f"{RIM}ExternalIdentifier") if each.get("identificationScheme") == scheme]
    return found.get("value", "")


def slot(element: etree._Element, name: str) -> list[str]:
    return [
        value.text or ""
        for each in element.iterchildren(f"{RIM}Slot")
        if each.get("name") == name
        for value in each.iter(f"{RIM}Value")
    ]


def documents_of(request: HttpRequest) -> dict[str, bytes]:
    """uniqueId -> bytes, signature left out."""
    return {
        identifier(element, UNIQUE_ID): request.carried(entry_id)
        for entry_id, element in entries(request).items()
        if not entry_id.startswith("Signature")
    }


# Samples and official messages ----------------------------------------------------------------------------------------


def test_a_file_is_written_for_each_channel_that_sends_and_for_no_other(sent: Outgoing) -> None:
    wanted = {"DMP": "dmp-1.http", "PRO": "pro-1.eml", "CIT": "citizen-1.eml"}
    for channel, name in wanted.items():
        sends = any(each["channel"] == channel and each["action"] == "send" for each in sent.explained["decisions"])
        refused = any(each["code"] == "OUT_REFUSED" and each["where"] == channel for each in sent.explained["findings"])
        assert (name in sent.files) == (sends and not refused), name
    assert "ack.hl7" in sent.files
    assert set(sent.files) <= {"ack.hl7", *wanted.values()} | {name for name in sent.files if name.startswith("zam-")}


def test_the_documents_travel_byte_for_byte_as_received(sent: Outgoing) -> None:
    for request in feeds(sent):
        assert sorted(documents_of(request).values()) == sorted(sent.documents)
        for entry_id, element in entries(request).items():
            content = request.carried(entry_id)
            assert slot(element, "size") == [str(len(content))]
            assert slot(element, "hash") == [hashlib.sha1(content, usedforsecurity=False).hexdigest()]


def test_the_metadata_name_the_same_documents_as_the_explanation(sent: Outgoing) -> None:
    for request in feeds(sent):
        assert set(documents_of(request)) == {each["unique_id"] for each in sent.explained["documents"]}


def test_the_transaction_is_iti_41_at_the_repository(sent: Outgoing) -> None:
    for request in feeds(sent):
        assert request.target.endswith("/repository")
        assert request.body.tag == f"{XDS}ProvideAndRegisterDocumentSetRequest"
        assert 'action="urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"' in request.headers["content-type"]
        assert b">urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b</" in request.envelope


@needs_public_schemas
def test_the_metadata_are_valid_by_the_ebxml_schemas(sent: Outgoing, lcm: etree.XMLSchema) -> None:
    files = [content for name, content in sent.files.items() if name.startswith("dmp-")]
    for request in (each for content in files for each in read_requests(content)):
        found = next(request.body.getparent().iter(f"{LCM}*"))  # type: ignore[union-attr]  # it is in soap:Body
        lcm.assertValid(etree.fromstring(etree.tostring(found)))


@needs_xmlsec1
def test_xmlsec1_verifies_the_assertion_and_the_lot(sent: Outgoing, tmp_path: Path) -> None:
    for request in feeds(sent):
        verify(request.envelope, tmp_path, f"--id-attr:ID {SAML[1:-1]}:Assertion")
        ids = (f"--id-attr:Id {D[1:-1]}:Manifest", f"--id-attr:Id {X[1:-1]}:SignedProperties")
        verify(signature_of(request), tmp_path, *ids)


@needs_xmlsec1
def test_xmlsec1_notices_a_changed_assertion(tmp_path: Path) -> None:
    (request,) = feeds(sample("biologie-hors-sejour"))
    changed = request.envelope.replace(b">INDIRECTE<", b">DIRECTE<")
    assert changed != request.envelope
    with pytest.raises(AssertionError):
        verify(changed, tmp_path, f"--id-attr:ID {SAML[1:-1]}:Assertion")


def test_the_signed_manifest_digests_each_document_in_its_canonical_form(sent: Outgoing) -> None:
    for request in feeds(sent):
        manifest = next(etree.fromstring(signature_of(request)).iter(f"{D}Manifest"))
        digests = {each.get("URI"): each.findtext(f"{D}DigestValue") or "" for each in manifest.iter(f"{D}Reference")}
        for unique_id, content in documents_of(request).items():
            root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True)).getroottree()
            canonical = etree.tostring(root, method="c14n", with_comments=True)
            expected = base64.b64encode(hashlib.sha256(canonical).digest()).decode()
            assert digests[f"urn:oid:{unique_id}"] == expected


@needs_public_schemas
def test_the_signature_is_valid_by_the_schemas_of_xades(sent: Outgoing, xades: etree.XMLSchema) -> None:
    for request in feeds(sent):
        properties = next(etree.fromstring(signature_of(request)).iter(f"{X}QualifyingProperties"))
        xades.assertValid(etree.fromstring(etree.tostring(properties)))


def test_patient_and_assertion_name_the_same_ins(sent: Outgoing) -> None:
    for request in feeds(sent):
        patients = {identifier(element, PATIENT_ID) for element in entries(request).values()}
        assert len(patients) == 1
        assert patients == {attribute(request, "urn:oasis:names:tc:xacml:2.0:resource:resource-id")}


# Particular requests --------------------------------------------------------------------------------------------------


def test_visibility_flags_become_confidentiality_codes() -> None:
    wanted = {
        "invisible-au-patient": "INVISIBLE_PATIENT",
        "masque-aux-professionnels": "MASQUE_PS",
        "mineur-connexion-secrete": "INVISIBLE_REPRESENTANTS_LEGAUX",
    }
    for name, code in wanted.items():
        (request,) = feeds(sample(name))
        found = entries(request)["Document01"].iter(f"{RIM}Classification")
        assert code in {each.get("nodeRepresentation") for each in found}


def test_two_renditions_are_one_lot() -> None:
    (request,) = feeds(sample("biologie-n1-et-n3"))
    assert set(entries(request)) == {"Document01", "Document02", "Signature01"}
    assert len(list(request.metadata.iter(f"{RIM}RegistryPackage"))) == 1


@pytest.mark.parametrize("name", ["remplacement-biologie", "remplacement-lettre-de-liaison"])
def test_a_replacement_is_a_feed_whose_reference_only_the_dmp_knows(name: str) -> None:
    sent = sample(name)
    (request,) = feeds(sent)
    (replaces,) = [
        each for each in request.metadata.iter(f"{RIM}Association") if each.get("associationType") == REPLACES
    ]
    assert replaces.get("targetObject") == NO_REFERENCE
    (note,) = [each for each in sent.explained["findings"] if each["code"] == "OUT_REFERENCE_UNKNOWN"]
    assert note["severity"] == "info"
    assert "dmp-1.http" in note["text"]


def test_a_deletion_is_another_transaction_without_any_document() -> None:
    sent = sample("suppression-lettre-de-liaison")
    request = read_request(sent.files["dmp-1.http"])
    assert request.parts == {}
    assert request.target.endswith("/registry")
    assert "OUT_REFERENCE_UNKNOWN" in {each["code"] for each in sent.explained["findings"]}
    for document in sent.documents:
        assert document[200:260] not in sent.files["dmp-1.http"]


def test_a_first_transmission_needs_no_such_note() -> None:
    found = {each["code"] for each in sample("biologie-hors-sejour").explained["findings"]}
    assert not {code for code in found if code.startswith("OUT_")}


def attribute(request: HttpRequest, name: str) -> str:
    (found,) = [
        each for each in etree.fromstring(request.envelope).iter(f"{SAML}Attribute") if each.get("Name") == name
    ]
    return found.findtext(f"{SAML}AttributeValue") or ""


def signature_of(request: HttpRequest) -> bytes:
    return request.carried("Signature01")


def verify(content: bytes, folder: Path, *options: str) -> None:
    """xmlsec1 verifies the signature with the certificate that it carries; manifests are compared elsewhere, for
    xmlsec1 cannot resolve `urn:oid`."""
    certificate = next(etree.fromstring(content).iter(f"{D}X509Certificate")).text or ""
    pem = folder / "certificate.pem"
    pem.write_text(f"-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n")
    signed = folder / "signed.xml"
    signed.write_bytes(content)
    split = [part for option in options for part in option.split(" ")]
    command = ["xmlsec1", "--verify", "--ignore-manifests", *split, "--pubkey-cert-pem", str(pem), str(signed)]
    result = subprocess.run(command, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()


@pytest.fixture(scope="module")
def lcm() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(XSD_DIR / "ebxml" / "lcm.xsd")))


@pytest.fixture(scope="module")
def xades() -> etree.XMLSchema:
    folder = XSD_DIR / "xades"
    schema = etree.parse(str(folder / "XAdES.xsd"))
    for imported in schema.getroot().iterchildren("{http://www.w3.org/2001/XMLSchema}import"):
        imported.set("schemaLocation", (folder / "xmldsig-core-schema.xsd").resolve().as_uri())
    return etree.XMLSchema(schema)
