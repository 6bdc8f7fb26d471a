"""Both indirect modes of the VIHF, and the connexion secrète."""

import pytest
import structlog
from lxml import etree
from pydantic import ValidationError

from connectors.dmp.settings import DmpSettings
from pfi.standards.saml.vihf import SAML
from pfi.standards.xmlsign.algorithms import DSIG
from tests.unit.dmp.given import RESOURCE_ID, XmlsecVerifier, delivery, known_caller, settings, wire

S = f"{{{SAML}}}"
CONFIDENTIALITY = "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code"


def assertion(with_settings: DmpSettings, *, secret: bool = False) -> etree._Element:
    request = wire(with_settings).plain(
        "https://x/y", "urn:action", known_caller(delivery(), with_settings), RESOURCE_ID, b"<x/>", secret=secret
    )
    found = next(etree.fromstring(request.body).iter(f"{S}Assertion"))
    assert found.get("ID") == request.assertion_id
    return found


def attribute(found: etree._Element, name: str) -> str:
    return found.findtext(f".//{S}Attribute[@Name='{name}']/{S}AttributeValue", "")


def test_plain_indirect_authentication_declares_nothing() -> None:
    found = assertion(settings())
    assert attribute(found, "Authentification_Mode") == "INDIRECTE"
    assert found.find(f".//{S}AuthnContextDecl") is None


@pytest.mark.parametrize("declared", ["APP_BROWSER_AUTH", "CONF_EXI_PGSSIS"])
def test_air_declares_the_primary_authentication_and_stays_signed(declared: str, verifier: XmlsecVerifier) -> None:
    own = settings(
        vihf={
            "mode": "INDIRECTE_RENFORCEE",
            "declaration": declared,
            "authentication_class": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
        }
    )
    found = assertion(own)
    assert attribute(found, "Authentification_Mode") == "INDIRECTE_RENFORCEE"
    context = found.find(f"{S}AuthnStatement/{S}AuthnContext")
    assert context is not None
    assert [(etree.QName(each).localname, each.text) for each in context] == [
        ("AuthnContextClassRef", "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"),
        ("AuthnContextDecl", declared),
    ]
    verifier.verify(next(found.iter(f"{{{DSIG}}}Signature")), "ID")


def test_air_traces_every_vihf_by_its_ids_only() -> None:
    with structlog.testing.capture_logs() as plain:
        assertion(settings())
    with structlog.testing.capture_logs() as reinforced:
        found = assertion(settings(vihf={"mode": "INDIRECTE_RENFORCEE"}))
    assert plain == []
    (line,) = reinforced
    assert (line["event"], line["assertion"]) == ("vihf_made", found.get("ID"))
    assert set(line) == {"event", "log_level", "room", "assertion", "message", "action"}


def test_a_connexion_secrete_is_told_and_only_then() -> None:
    assert attribute(assertion(settings(), secret=True), CONFIDENTIALITY) == "INVISIBLE_REPRESENTANTS_LEGAUX"
    assert attribute(assertion(settings()), CONFIDENTIALITY) == ""
    other = settings(vihf={"secret_connection_code": "SECRET"})
    assert attribute(assertion(other, secret=True), CONFIDENTIALITY) == "SECRET"


@pytest.mark.parametrize("vihf", [{"mode": "DIRECTEMENT"}, {"declaration": "<x/>"}, {"declaration": ""}])
def test_a_mode_or_a_declaration_of_another_form_is_refused(vihf: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings(vihf=vihf)


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha384", "sha512"])
def test_the_algorithms_are_settings(name: str, verifier: XmlsecVerifier) -> None:
    own = settings(signing={"certificate": "c", "key": "k", "vihf_digest": name, "lot_digest": name})
    signature = next(assertion(own).iter(f"{{{DSIG}}}Signature"))
    verifier.verify(signature, "ID")
    method = signature.find(f"{{{DSIG}}}SignedInfo/{{{DSIG}}}SignatureMethod")
    assert method is not None
    assert method.get("Algorithm", "").endswith(f"rsa-{name}")
