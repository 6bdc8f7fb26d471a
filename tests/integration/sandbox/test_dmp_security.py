"""The sandbox's DMP lets in only who it should: TLS, SOAP headers, VIHF and its signature."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from lxml import etree

from connectors.sandbox.certificates import CertificateFiles, Flaw, Usage
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.conftest import client_context
from tests.integration.sandbox.dmp_assertion import DS, Assertion, Signer
from tests.integration.sandbox.dmp_client import DmpClient
from tests.integration.sandbox.dmp_edits import Edit, drop, swap
from tests.integration.sandbox.dmp_request import Feed, existence_request

FINE = "PRPA_IN201308UV02"


async def refused_by_tls(sandbox: Sandbox, files: CertificateFiles | None) -> bool:
    context = client_context(sandbox.certificates.ca, files)
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        try:
            await http.post(f"{sandbox.dmp.url}/patients", content=b"")
        except httpx.TransportError:
            return True
    return False


@pytest.mark.parametrize("flaw", [Flaw.EXPIRED, Flaw.SELF_SIGNED, Flaw.OTHER_AUTHORITY])
async def test_a_bad_client_certificate_does_not_pass_tls(flaw: Flaw, sandbox: Sandbox) -> None:
    assert await refused_by_tls(sandbox, sandbox.certificates.flawed(flaw, Usage.AUTH_CLI))


async def test_a_client_certificate_is_required(sandbox: Sandbox) -> None:
    assert await refused_by_tls(sandbox, None)


async def test_the_signature_certificate_does_not_open_the_connection(sandbox: Sandbox, signer: Signer) -> None:
    context = client_context(sandbox.certificates.ca, sandbox.certificates.sign)
    headers, body = existence_request(Assertion(), signer)
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        try:
            status = (await http.post(f"{sandbox.dmp.url}/patients", content=body, headers=headers)).status_code
        except httpx.TransportError:
            status = 403
    assert status == 403


async def test_connection_and_signature_are_of_one_entity(sandbox: Sandbox, signer: Signer) -> None:
    other = sandbox.certificates.flawed(Flaw.OTHER_ENTITY, Usage.AUTH_CLI)
    context = client_context(sandbox.certificates.ca, other)
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        assert (await DmpClient(http, sandbox, signer).exists()).fault == "DMPInvalidCertificate"


@pytest.mark.parametrize("flaw", list(Flaw))
async def test_a_vihf_signed_with_a_bad_certificate_is_refused(flaw: Flaw, dmp: DmpClient, sandbox: Sandbox) -> None:
    other = Signer.load(sandbox.certificates.flawed(flaw, Usage.SIGN))
    assert (await DmpClient(dmp.http, sandbox, other).exists()).fault == "DMPInvalidCertificate"


async def test_a_vihf_signed_with_the_tls_certificate_is_refused(dmp: DmpClient, sandbox: Sandbox) -> None:
    other = Signer.load(sandbox.certificates.auth_cli)
    assert (await DmpClient(dmp.http, sandbox, other).exists()).fault == "DMPInvalidCertificate"


async def test_a_vihf_serves_once(dmp: DmpClient) -> None:
    assertion = Assertion()
    assert (await dmp.exists(assertion)).fault == ""
    assert (await dmp.exists(assertion)).fault == "FailedAuthentication"


async def test_an_unsigned_vihf_is_refused(dmp: DmpClient) -> None:
    assert (await dmp.exists(Assertion(signed=False))).fault == "FailedCheck"


def now() -> datetime:
    return datetime.now(UTC)


ROLE = "urn:oasis:names:tc:xacml:2.0:subject:role"
DOCTOR = '<Role xmlns="urn:hl7-org:v3" xsi:type="CE" code="10" codeSystem="1.2.250.1.71.1.2.7"/>'
PURPOSE = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"

WRONG_ASSERTIONS: dict[str, Assertion] = {
    "too old": Assertion(issued=now() - timedelta(minutes=10)),
    "of tomorrow": Assertion(issued=now() + timedelta(days=1)),
    "without NameID": Assertion(name_id=""),
    "of another issuer": Assertion(issuer="CN=autre,O=X,C=FR"),
    "of an unreadable issuer": Assertion(issuer="moi"),
    "SAML 1.1": Assertion(edit=swap('Version="2.0"', 'Version="1.1"')),
    "issuer of another format": Assertion(edit=swap("X509SubjectName", "unspecified")),
    "no authentication context": Assertion(edit=swap("ac:classes:Password", "Password")),
    "no AuthnInstant": Assertion(edit=drop(r' AuthnInstant="[^"]*"')),
    "local time": Assertion(edit=lambda t: re.sub(r'(IssueInstant="[^"]*)Z"', r'\1+01:00"', t)),
    "for an audience": Assertion(
        edit=swap(
            "<saml:AuthnStatement",
            "<saml:Conditions><saml:AudienceRestriction/></saml:Conditions><saml:AuthnStatement",
        )
    ),
    "past": Assertion(
        edit=swap("<saml:AuthnStatement", '<saml:Conditions NotOnOrAfter="2020-01-01T00:00:00Z"/><saml:AuthnStatement')
    ),
    "not yet": Assertion(
        edit=swap("<saml:AuthnStatement", '<saml:Conditions NotBefore="2090-01-01T00:00:00Z"/><saml:AuthnStatement')
    ),
    "VIHF 2.0": Assertion(attributes={"VIHF_Version": "2.0"}),
    "no mode": Assertion(attributes={"Authentification_Mode": ""}),
    "direct mode": Assertion(attributes={"Authentification_Mode": "DIRECTE"}),
    "structure without prefix": Assertion(structure="990000025"),
    "no sector": Assertion(attributes={"Secteur_Activite": ""}),
    "sector without its system": Assertion(attributes={"Secteur_Activite": "SA01"}),
    "no subject-id": Assertion(attributes={"urn:oasis:names:tc:xspa:1.0:subject:subject-id": " "}),
    "role in text": Assertion(attributes={ROLE: "AUTOMATE"}),
    "doctor without speciality": Assertion(attributes={ROLE: DOCTOR}),
    "no resource": Assertion(resource=""),
    "resource that is not an INS": Assertion(resource="IPP42^^^&1.2.3&ISO^PI"),
    "another resource": Assertion(attributes={"Ressource_URN": "urn:autre"}),
    "break the glass": Assertion(
        attributes={
            PURPOSE: '<PurposeOfUse xmlns="urn:hl7-org:v3" code="bris_de_glace" codeSystem="1.2.250.1.213.1.1.4.248"/>'
        }
    ),
    "no software name": Assertion(attributes={"LPS_Nom": ""}),
    "no homologation": Assertion(attributes={"LPS_ID_HOMOLOGATION_DMP": ""}),
    "attribute twice": Assertion(edit=swap('Name="LPS_Version"', 'Name="LPS_Nom"')),
}


@pytest.mark.parametrize("name", WRONG_ASSERTIONS)
async def test_a_vihf_that_breaks_its_profile_is_refused(name: str, dmp: DmpClient) -> None:
    reply = await dmp.exists(WRONG_ASSERTIONS[name])
    assert (reply.status, reply.fault) == (500, "InvalidSecurityToken"), reply.reason


@pytest.mark.parametrize(
    "attributes",
    [
        {"VIHF_Version": "4.0"},
        {"Authentification_Mode": "", "Authentification_mode": "INDIRECTE"},
    ],
)
async def test_what_the_texts_leave_open_is_accepted(attributes: dict[str, str], dmp: DmpClient) -> None:
    assert (await dmp.exists(Assertion(attributes=attributes))).fault == ""


async def test_only_the_expected_homologation_number_passes(
    directory: object, sandbox: Sandbox, dmp: DmpClient
) -> None:
    strict = Sandbox(sandbox.directory / "strict", homologation="AUTRE")
    async with strict:
        context = client_context(strict.certificates.ca, strict.certificates.auth_cli)
        async with httpx.AsyncClient(verify=context, trust_env=False) as http:
            client = DmpClient(http, strict, Signer.load(strict.certificates.sign))
            assert (await client.exists()).fault == "InvalidSecurityToken"
            assert (await client.exists(Assertion(attributes={"LPS_ID_HOMOLOGATION_DMP": "AUTRE"}))).fault == ""


async def test_a_vihf_altered_after_its_signature_is_refused(dmp: DmpClient) -> None:
    assert (await dmp.feed(Feed(envelope_edit=swap("PFI automate", "autre automate")))).fault == "FailedCheck"


def wrap_around(text: str) -> str:
    """The signed assertion is hidden deeper in the message; a forged one takes its place."""
    found = re.search(r"<saml:Assertion.*</saml:Assertion>", text, re.DOTALL)
    assert found is not None
    original = found.group()
    forged = re.sub(r"<ds:Signature .*</ds:Signature>", "", original, flags=re.DOTALL)
    forged = re.sub(r' ID="[^"]*"', ' ID="_forged"', forged, count=1).replace("PFI automate", "autre")
    signature = re.search(r"<ds:Signature .*</ds:Signature>", original, re.DOTALL)
    assert signature is not None
    held = original.replace(signature.group(), "")
    with_object = signature.group().replace("</ds:Signature>", f"<ds:Object>{held}</ds:Object></ds:Signature>")
    return text.replace(original, forged.replace("</saml:Issuer>", "</saml:Issuer>" + with_object))


def second_assertion(text: str) -> str:
    """A second, forged assertion stands beside the good one."""
    found = re.search(r"<saml:Assertion.*</saml:Assertion>", text, re.DOTALL)
    assert found is not None
    forged = re.sub(r"<ds:Signature .*</ds:Signature>", "", found.group(), flags=re.DOTALL)
    return text.replace(found.group(), forged + found.group())


def assertion_in_body(text: str) -> str:
    found = re.search(r"<saml:Assertion.*</saml:Assertion>", text, re.DOTALL)
    assert found is not None
    return text.replace("</env:Body>", "</env:Body>").replace(
        "<rim:RegistryObjectList>", found.group() + "<rim:RegistryObjectList>"
    )


def reference_elsewhere(text: str) -> str:
    """The good signed content moves to the To header; the assertion in force has other content and id."""
    found = re.search(r"<saml:Assertion.*</saml:Assertion>", text, re.DOTALL)
    assert found is not None
    identity = re.search(r' ID="([^"]*)"', found.group())
    assert identity is not None
    forged = found.group().replace(f' ID="{identity[1]}"', ' ID="_forged"').replace("PFI automate", "autre")
    return text.replace(found.group(), forged).replace("<wsa:To/>", f'<wsa:To ID="{identity[1]}"/>')


def same_id_twice(text: str) -> str:
    found = re.search(r'<saml:Assertion[^>]* ID="([^"]*)"', text)
    assert found is not None
    return text.replace("<wsa:To/>", f'<wsa:To Id="{found[1]}"/>')


@pytest.mark.parametrize(
    ("attack", "fault"),
    [
        (wrap_around, "FailedCheck"),
        (second_assertion, "InvalidSecurity"),
        (assertion_in_body, "FailedCheck"),
        (reference_elsewhere, "FailedCheck"),
        (same_id_twice, "FailedCheck"),
    ],
)
async def test_signature_wrapping_is_refused(attack: Edit, fault: str, dmp: DmpClient, sandbox: Sandbox) -> None:
    assert (await dmp.feed(Feed(envelope_edit=attack))).fault == fault
    assert sandbox.dmp.documents() == ()


WRONG_SIGNATURES: dict[str, Edit] = {
    "inclusive canonicalisation": swap(
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>',
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>',
    ),
    "no enveloped transform": swap(f'<ds:Transform Algorithm="{DS}enveloped-signature"/>', ""),
    "whole document": lambda t: re.sub(r'URI="#[^"]*"', 'URI=""', t),
    "no certificate": drop(r"<ds:X509Data>.*</ds:X509Data>"),
    "unreadable certificate": lambda t: re.sub(r"(?<=<ds:X509Certificate>)[^<]*", "AAAA", t),
    "HMAC": swap("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", f"{DS}hmac-sha1"),
}


@pytest.mark.parametrize("name", WRONG_SIGNATURES)
async def test_a_signature_made_otherwise_is_refused(name: str, dmp: DmpClient) -> None:
    assert (await dmp.feed(Feed(envelope_edit=WRONG_SIGNATURES[name]))).fault == "FailedCheck"


WRONG_ENVELOPES: dict[str, tuple[Edit, str]] = {
    "SOAP 1.1": (
        swap("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"),
        "Sender",
    ),
    "not XML": (lambda t: t[:-3], "Sender"),
    "no body": (drop(r"<env:Body>.*</env:Body>"), "Sender"),
    "empty body": (lambda t: re.sub(r"<env:Body>.*</env:Body>", "<env:Body/>", t, flags=re.DOTALL), "Sender"),
    "no MessageID": (drop(r"<wsa:MessageID>.*</wsa:MessageID>"), "MessageAddressingHeaderRequired"),
    "MessageID without urn": (swap("<wsa:MessageID>urn:uuid:", "<wsa:MessageID>"), "InvalidAddressingHeader"),
    "MessageID that is no UUID": (
        lambda t: re.sub(r"urn:uuid:[^<]*(?=</wsa:MessageID>)", "urn:uuid:1", t),
        "InvalidAddressingHeader",
    ),
    "no To": (swap("<wsa:To/>", ""), "MessageAddressingHeaderRequired"),
    "no ReplyTo": (drop(r"<wsa:ReplyTo.*</wsa:ReplyTo>"), "MessageAddressingHeaderRequired"),
    "ReplyTo elsewhere": (swap("addressing/anonymous", "addressing/none"), "InvalidAddressingHeader"),
    "Action not to be understood": (
        swap('<wsa:Action env:mustUnderstand="1">', "<wsa:Action>"),
        "InvalidAddressingHeader",
    ),
    "another Action": (swap("DocumentSet-b</wsa:Action>", "DocumentSet</wsa:Action>"), "ActionNotSupported"),
    "no Security": (drop(r"<wsse:Security.*</wsse:Security>"), "InvalidSecurity"),
    "a Timestamp in Security": (
        lambda t: re.sub(r"(<wsse:Security[^>]*>)", r"\1<Timestamp/>", t),
        "InvalidSecurity",
    ),
}


@pytest.mark.parametrize("name", WRONG_ENVELOPES)
async def test_an_envelope_without_its_headers_is_a_fault(name: str, dmp: DmpClient) -> None:
    edit, fault = WRONG_ENVELOPES[name]
    reply = await dmp.feed(Feed(envelope_edit=edit))
    assert (reply.status, reply.fault) == (500, fault), reply.reason


async def test_a_service_of_another_path_is_not_served(dmp: DmpClient, signer: Signer) -> None:
    headers, body = existence_request(Assertion(), signer)
    assert (await dmp.post("registry", headers, body)).fault == "ActionNotSupported"


async def test_the_content_type_says_the_action_and_the_charset(dmp: DmpClient, signer: Signer) -> None:
    _, body = existence_request(Assertion(), signer)
    for kind, fault in (
        ("text/xml", "Sender"),
        ("application/soap+xml; charset=ISO-8859-1", "Sender"),
        ('application/soap+xml; action="urn:autre"', "ActionMismatch"),
    ):
        assert (await dmp.post("patients", {"Content-Type": kind}, body)).fault == fault


async def test_faults_carry_no_identity(dmp: DmpClient) -> None:
    reply = await dmp.exists(Assertion(resource="279035121518989^^^&1.2&ISO^NH"))
    assert "279035121518989" not in etree.tostring(reply.envelope, encoding="unicode")
