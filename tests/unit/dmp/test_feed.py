"""The TD2.1 request, taken apart again (DMP digest §2)."""

import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from connectors.dmp.feed import ACTION, Lot, describe, feed_request
from connectors.dmp.settings import DmpSettings
from connectors.dmp.wire import WireRequest
from pfi.model.delivery import Delivery
from pfi.model.parties import Author
from pfi.model.submission import Orders
from pfi.standards.saml.vihf import SAML
from pfi.standards.xmlsign.algorithms import DSIG
from tests.unit.dmp.given import (
    NOW,
    RESOURCE_ID,
    SECRET,
    SENDER,
    XmlsecVerifier,
    delivery,
    known_caller,
    settings,
    signing_key,
    wire,
)
from tests.unit.dmp.test_soap import parsed
from tests.unit.xds.documents import N3_BODY, cda, document, ebxml_schemas

RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
XDSB = "{urn:ihe:iti:xds-b:2007}"
XOP = "{http://www.w3.org/2004/08/xop/include}"
D = f"{{{DSIG}}}"


def lot_of(of: Delivery, with_settings: DmpSettings, replaced: dict[str, str] | None = None) -> Lot:
    found = describe(
        of, known_caller(of, with_settings), with_settings, resource_id=RESOURCE_ID, replaced=replaced or {}
    )
    assert isinstance(found, Lot), found
    return found


def request_of(of: Delivery, replaced: dict[str, str] | None = None, **changes: Any) -> WireRequest:
    used = settings(**changes)
    return feed_request(
        lot_of(of, used, replaced), of, known_caller(of, used), used, wire=wire(used), key=signing_key(), now=NOW
    )


class Taken:
    """A request in pieces."""

    def __init__(self, request: WireRequest) -> None:
        first, *others = parsed(request.content_type, request.body)
        self.root = etree.fromstring(_bytes(first))
        self.parts = {str(part["Content-ID"]).strip("<>"): _bytes(part) for part in others}

    def attributes(self) -> dict[str, list[str]]:
        return {
            attribute.get("Name", ""): [
                "".join(str(text) for text in value.itertext()) for value in attribute.iter(f"{{{SAML}}}AttributeValue")
            ]
            for attribute in self.root.iter(f"{{{SAML}}}Attribute")
        }

    def entries(self) -> list[etree._Element]:
        return list(self.root.iter(f"{RIM}ExtrinsicObject"))

    def associations(self) -> list[tuple[str, str, str]]:
        return [
            (
                found.get("associationType", "").rpartition(":")[2],
                found.get("sourceObject", ""),
                found.get("targetObject", ""),
            )
            for found in self.root.iter(f"{RIM}Association")
        ]

    def content(self, entry: etree._Element) -> bytes:
        """The bytes that an entry describes, found as a receiver does."""
        for included in self.root.iter(f"{XDSB}Document"):
            if included.get("id") == entry.get("id"):
                reference = included.find(f"{XOP}Include")
                assert reference is not None
                return self.parts[reference.get("href", "").removeprefix("cid:")]
        raise AssertionError("no document for this entry")


def _bytes(part: Any) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def slot(element: etree._Element, name: str) -> str:
    for found in element.iterchildren(f"{RIM}Slot"):
        if found.get("name") == name:
            return found.findtext(f".//{RIM}Value") or ""
    return ""


def test_the_request_is_valid_by_the_schema_of_the_repository() -> None:
    schema = etree.XMLSchema(etree.parse(str(ebxml_schemas() / "XDS.b_DocumentRepository.xsd")))
    body = Taken(request_of(delivery())).root.find(".//{urn:ihe:iti:xds-b:2007}ProvideAndRegisterDocumentSetRequest")
    assert body is not None
    standalone = etree.fromstring(etree.tostring(body))
    # xdsb:Document is base64Binary: what XOP includes must be put back for the schema.
    for included in standalone.iter(f"{XDSB}Document"):
        for child in list(included):
            included.remove(child)
        included.text = "AA=="
    schema.assertValid(standalone)


def test_both_signatures_are_verified_by_xmlsec_in_the_final_bytes(verifier: XmlsecVerifier) -> None:
    taken = Taken(request_of(delivery()))
    verifier.verify(next(taken.root.iter(f"{D}Signature")), "ID")
    signature = taken.content(taken.entries()[1])
    verifier.documents = {"urn:oid:1.2.250.1.999.1.1.7001": taken.content(taken.entries()[0])}
    verifier.verify(etree.fromstring(signature), "Id")


@pytest.mark.parametrize(
    "content",
    [cda(), b"\xef\xbb\xbf" + cda(), cda().replace(b"\n", b"\r\n"), cda() + b"\n\n"],
    ids=["plain", "byte order mark", "carriage returns", "blank end"],
)
def test_the_document_travels_byte_for_byte(content: bytes) -> None:
    taken = Taken(request_of(delivery(documents=(document(content),))))
    entry = taken.entries()[0]
    assert taken.content(entry) == content
    assert slot(entry, "hash") == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    assert slot(entry, "size") == str(len(content))


def test_every_entry_has_its_document_under_the_same_id() -> None:
    taken = Taken(request_of(delivery()))
    included = [element.get("id") for element in taken.root.iter(f"{XDSB}Document")]
    assert included == [entry.get("id") for entry in taken.entries()] == ["Document01", "Signature01"]


def test_the_lot_holds_its_documents_and_is_signed() -> None:
    assert Taken(request_of(delivery())).associations() == [
        ("HasMember", "SubmissionSet01", "Document01"),
        ("HasMember", "SubmissionSet01", "Signature01"),
        ("signs", "Signature01", "SubmissionSet01"),
    ]


def test_a_replacement_names_the_entry_that_it_replaces() -> None:
    replaced = {"1.2.250.1.999.1.1.7001": "urn:uuid:0f0e"}
    assert ("RPLC", "Document01", "urn:uuid:0f0e") in Taken(request_of(delivery(), replaced)).associations()


def test_two_renditions_share_a_lot() -> None:
    second = document(
        document_id='<id root="1.2.250.1.999.1.1.7002"/>', body=N3_BODY, template="1.2.250.1.213.1.1.1.29"
    )
    taken = Taken(request_of(delivery(documents=(document(), second))))
    assert [entry.get("id") for entry in taken.entries()] == ["Document01", "Document02", "Signature01"]
    manifest = etree.fromstring(taken.content(taken.entries()[2])).find(f".//{D}Manifest")
    assert manifest is not None
    assert [reference.get("URI") for reference in manifest] == [
        "urn:oid:1.2.250.1.999.1.10",
        "urn:oid:1.2.250.1.999.1.1.7001",
        "urn:oid:1.2.250.1.999.1.1.7002",
    ]


def test_the_signature_has_the_metadata_of_a_signature() -> None:
    entry = Taken(request_of(delivery())).entries()[1]
    codes = [found.get("nodeRepresentation") for found in entry.iterchildren(f"{RIM}Classification")]
    assert codes == [
        "",
        "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1",
        "N",
        "MASQUE_PS",
        "INVISIBLE_PATIENT",
        "1.2.840.10065.1.12.1.14",
        "http://www.w3.org/2000/09/xmldsig#",
        "SA01",
        "ETABLISSEMENT",
        "E1762",
    ]
    assert slot(entry, "languageCode") == "art"
    assert slot(entry, "sourcePatientId") == RESOURCE_ID
    assert [found.get("value") for found in entry.iterchildren(f"{RIM}ExternalIdentifier")] == [
        RESOURCE_ID,
        "1.2.250.1.999.1.11",
    ]


def test_the_vihf_says_who_for_whom_and_from_where() -> None:
    attributes = Taken(request_of(delivery())).attributes()
    assert attributes["VIHF_Version"] == ["3.0"]
    assert attributes["Authentification_Mode"] == ["INDIRECTE"]
    assert attributes["Identifiant_Structure"] == ["1750000001"]
    assert attributes["Secteur_Activite"] == ["SA01^1.2.250.1.71.4.2.4"]
    assert attributes["urn:oasis:names:tc:xacml:2.0:resource:resource-id"] == [RESOURCE_ID]
    assert attributes["Ressource_URN"] == ["urn:dmp"]
    assert attributes["LPS_Nom"] == ["PFI"]
    assert attributes["LPS_Version"] == ["1.2"]
    assert attributes["LPS_ID_HOMOLOGATION_DMP"] == [SECRET]
    assert attributes["urn:oasis:names:tc:xspa:1.0:subject:subject-id"] == ["HODA Adam"]
    assert not any("confidentiality" in name for name in attributes)


def test_the_structure_of_the_lot_is_the_one_of_the_vihf() -> None:
    taken = Taken(request_of(delivery(sender=replace(SENDER, organization=None))))
    package = taken.root.find(f".//{RIM}RegistryPackage")
    assert package is not None
    institutions = [
        found.findtext(f".//{RIM}Value")
        for found in package.iter(f"{RIM}Slot")
        if found.get("name") == "authorInstitution"
    ]
    assert institutions == ["CH de test^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750000001"]
    assert taken.attributes()["Identifiant_Structure"] == ["1750000001"]


def roles(taken: Taken) -> list[str | None]:
    return [element.get("code") for element in taken.root.iter("{urn:hl7-org:v3}Role")]


def test_the_role_is_the_automat_unless_the_message_gives_the_profession() -> None:
    assert roles(Taken(request_of(delivery()))) == ["AUTOMATE"]
    doctor = replace(SENDER, specialty=("G15_10/SM26", "Médecin", "1.2.250.1.213.1.1.4.5"))
    assert roles(Taken(request_of(delivery(sender=doctor)))) == ["10", "SM26"]
    nurse = replace(SENDER, specialty=("G15_60", "Infirmier", "1.2.250.1.213.1.1.4.5"))
    assert roles(Taken(request_of(delivery(sender=nurse)))) == ["60"]


@pytest.mark.parametrize("code", ["G15_10", "G15_21/X", "SECRETARIAT"])
def test_a_profession_that_the_dmp_would_refuse_falls_back_to_the_automat(code: str) -> None:
    sender = replace(SENDER, specialty=(code, "", "1.2.250.1.213.1.1.4.5"))
    assert roles(Taken(request_of(delivery(sender=sender)))) == ["AUTOMATE"]


def test_the_responsible_person_stands_in_for_a_sender_that_is_not_named() -> None:
    responsible = {"identifier": "3750000001/77", "family": "RESPONSABLE", "given": "Flux"}
    taken = Taken(request_of(delivery(sender=Author()), responsible=responsible))
    assert taken.root.findtext(f".//{{{SAML}}}NameID") == "3750000001/77"
    assert "RESPONSABLE Flux" in taken.attributes()["urn:oasis:names:tc:xspa:1.0:subject:subject-id"]


def test_a_secret_connection_is_told_in_the_vihf() -> None:
    secret = delivery(orders=Orders(connexion_secrete=True, invisible_rep_legaux=True))
    attributes = Taken(request_of(secret)).attributes()
    assert attributes["urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code"] == [
        "INVISIBLE_REPRESENTANTS_LEGAUX"
    ]


def test_switches_change_the_vihf_and_the_algorithms() -> None:
    taken = Taken(
        request_of(
            delivery(),
            vihf={"version": "4.0", "mode_attribute": "Authentification_mode", "lifetime_seconds": 20},
            signing={"certificate": "a", "key": "b", "vihf_digest": "sha1", "lot_digest": "sha1"},
        )
    )
    assert taken.attributes()["VIHF_Version"] == ["4.0"]
    assert "Authentification_mode" in taken.attributes()
    assert taken.root.find(f".//{{{SAML}}}Conditions") is not None
    assert b"xmldsig#rsa-sha1" in taken.content(taken.entries()[1])


def test_each_attempt_has_a_new_message_and_assertion_but_the_same_lot() -> None:
    of, used = delivery(), settings()
    writer = wire(used)
    first, second = (
        Taken(feed_request(lot_of(of, used), of, known_caller(of, used), used, wire=writer, key=signing_key(), now=NOW))
        for _ in range(2)
    )

    def varying(taken: Taken) -> set[str]:
        assertion = next(taken.root.iter(f"{{{SAML}}}Assertion"))
        return {
            assertion.get("ID", ""),
            taken.root.findtext(".//{http://www.w3.org/2005/08/addressing}MessageID") or "",
        }

    assert not varying(first) & varying(second)
    lots = [[found.get("value") for found in taken.root.iter(f"{RIM}ExternalIdentifier")] for taken in (first, second)]
    assert lots[0] == lots[1]


def test_the_action_is_the_same_in_the_header_and_in_http() -> None:
    request = request_of(delivery())
    assert f'action="{ACTION}"' in request.content_type
    assert Taken(request).root.findtext(".//{http://www.w3.org/2005/08/addressing}Action") == ACTION
    assert base64.b64encode(b"\0") == b"AA=="
