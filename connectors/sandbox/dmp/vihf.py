"""The VIHF of a call: SAML 2.0 assertion in indirect mode (DMP digest §2.3)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from lxml import etree

from connectors.sandbox.certificates import distinguished_name
from connectors.sandbox.dmp.cards import common_names, holder_of
from connectors.sandbox.dmp.signatures import BadSignatureError, BadSignerError, verify_assertion
from connectors.sandbox.dmp.soap import SAML, SoapFaultError

_NS: Final = {"saml": SAML, "hl7": "urn:hl7-org:v3"}
_ISSUER_FORMAT: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"
_CONTEXT_CLASSES: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
_SUBJECT_ID: Final = "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
_ROLE: Final = "urn:oasis:names:tc:xacml:2.0:subject:role"
_RESOURCE_ID: Final = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
_CONFIDENTIALITY: Final = "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code"
_PURPOSE: Final = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
_PURPOSE_SYSTEM: Final = "1.2.250.1.213.1.1.4.248"
_OID: Final = re.compile(r"^[0-2](?:\.(?:0|[1-9]\d*))+$")
_PROFESSIONS: Final = "1.2.250.1.71.1.2.7"
_WITH_SPECIALITY: Final = frozenset({"10", "21"})  # doctors and pharmacists of TRE_G15 must add their speciality
_LIFETIME: Final = timedelta(seconds=120)
_SKEW: Final = timedelta(seconds=30)


class Mode(StrEnum):
    """`Authentification_Mode`: plain indirect, reinforced indirect (AIR), direct."""

    INDIRECT = "INDIRECTE"
    REINFORCED = "INDIRECTE_RENFORCEE"
    DIRECT = "DIRECTE"


@dataclass(frozen=True, slots=True)
class Vihf:
    """What the other checks need of an assertion that was accepted."""

    structure: str
    """Struct_IdNat of the geographic entity (`1` + FINESS)."""
    resource_id: str
    certificate: x509.Certificate
    mode: Mode = Mode.INDIRECT
    person: str = ""
    """NameID: the professional, or who is responsible for the automated flow."""
    role_systems: frozenset[str] = frozenset()
    """Code systems of the roles."""
    secret: bool = False
    """« Connexion secrète » of a minor."""

    @property
    def matricule(self) -> str:
        return self.resource_id.partition("^")[0]


class VihfJudge:
    """Checks assertions; remembers their ids for as long as they could be replayed.

    `homologation` is the number that the sandbox expects in `LPS_ID_HOMOLOGATION_DMP` (`None` = any).
    """

    def __init__(self, authority: x509.Certificate, clock: Callable[[], datetime], homologation: str | None) -> None:
        self._authority = authority
        self._clock = clock
        self._homologation = homologation
        self._seen: dict[str, datetime] = {}
        self.is_revoked: Callable[[x509.Certificate], bool] = lambda _certificate: False
        """Whether the authority has taken a certificate back."""
        self.structures: dict[str, frozenset[str]] = {}
        """Geographic entities of each legal entity (Struct_IdNat); empty = any structure may be named."""

    def check(self, assertion: etree._Element, client: x509.Certificate) -> Vihf:
        """Raises SoapFaultError: `DMPInvalidCertificate` for the signer, a WS-Security code for anything else."""
        now = self._clock()
        try:
            signer = verify_assertion(assertion, self._authority, now)
        except BadSignerError as bad:
            raise SoapFaultError("DMPInvalidCertificate", str(bad)) from None
        except BadSignatureError as bad:
            raise SoapFaultError("FailedCheck", str(bad)) from None
        if holder_of(signer) != holder_of(client) or not holder_of(signer):
            raise SoapFaultError(
                "DMPInvalidCertificate", "les certificats de connexion et de signature ne sont pas de la même entité"
            )
        if self.is_revoked(signer):
            raise SoapFaultError("DMPInvalidCertificate", "certificat de signature révoqué")
        self._check_form(assertion, signer)
        self._check_times(assertion, now)
        attributes = _attributes(assertion)
        structure = self._check_attributes(attributes)
        _expect(
            not self.structures or structure in self.structures.get(holder_of(signer), frozenset()),
            "Identifiant_Structure n'est pas rattaché à l'entité juridique du certificat",
        )
        mode = _check_mode(attributes, assertion)
        person = assertion.findtext("saml:Subject/saml:NameID", "", _NS).strip()
        if mode is Mode.DIRECT:
            _expect(person in common_names(signer), "NameID n'est pas le titulaire du certificat de signature")
        self._remember(assertion.get("ID", ""), now)
        resource_id, secret = _text(attributes, _RESOURCE_ID), _CONFIDENTIALITY in attributes
        return Vihf(structure, resource_id, signer, mode, person, _role_systems(attributes), secret)

    def _check_form(self, assertion: etree._Element, signer: x509.Certificate) -> None:
        _expect(assertion.get("Version") == "2.0", "Version doit être 2.0")
        _expect(re.match(r"^[A-Za-z_][\w.-]*$", assertion.get("ID", "")) is not None, "ID mal formé")
        issuer = assertion.find("saml:Issuer", _NS)
        if issuer is None or issuer.get("Format") != _ISSUER_FORMAT:
            raise _invalid("Issuer absent, ou son Format n'est pas X509SubjectName")
        try:
            same = distinguished_name(issuer.text or "") == signer.subject
        except ValueError:
            same = False
        _expect(same, "Issuer n'est pas le nom du certificat de signature")
        _expect(bool(assertion.findtext("saml:Subject/saml:NameID", "", _NS).strip()), "NameID absent ou vide")
        context = assertion.findtext("saml:AuthnStatement/saml:AuthnContext/saml:AuthnContextClassRef", "", _NS)
        _expect(context.strip().startswith(_CONTEXT_CLASSES), "AuthnContextClassRef absent ou inconnu")
        _expect(
            assertion.find("saml:Conditions/saml:AudienceRestriction", _NS) is None, "AudienceRestriction est interdit"
        )

    def _check_times(self, assertion: etree._Element, now: datetime) -> None:
        issued = _instant(assertion.get("IssueInstant", ""), "IssueInstant")
        _expect(now - _LIFETIME <= issued <= now + _SKEW, "IssueInstant trop ancien ou dans l'avenir")
        statement = assertion.find("saml:AuthnStatement", _NS)
        authenticated = _instant(statement.get("AuthnInstant", "") if statement is not None else "", "AuthnInstant")
        _expect(authenticated <= now + _SKEW, "AuthnInstant dans l'avenir")
        conditions = assertion.find("saml:Conditions", _NS)
        if conditions is not None:
            before, after = conditions.get("NotBefore"), conditions.get("NotOnOrAfter")
            _expect(before is None or _instant(before, "NotBefore") <= now + _SKEW, "assertion pas encore valable")
            _expect(after is None or now < _instant(after, "NotOnOrAfter"), "assertion périmée")

    def _check_attributes(self, attributes: Mapping[str, list[etree._Element]]) -> str:
        _expect(_text(attributes, "VIHF_Version") in ("3.0", "4.0"), "VIHF_Version doit être 3.0 ou 4.0")
        structure = _text(attributes, "Identifiant_Structure")
        _expect(
            re.match(r"^1\d[0-9AB]\d{7}$", structure) is not None, "Identifiant_Structure : 1 et un FINESS attendus"
        )
        sector = _text(attributes, "Secteur_Activite")
        _expect(re.match(r"^SA\d{2}\^1\.2\.250\.1\.71\.4\.2\.4$", sector) is not None, "Secteur_Activite mal formé")
        _expect(bool(_text(attributes, _SUBJECT_ID)), "subject-id vide")
        _check_roles(attributes)
        resource = _text(attributes, _RESOURCE_ID)
        _expect(
            re.match(r"^\d{6}[0-9AB]\d{8}\^\^\^&1\.2\.250\.1\.213\.1\.4\.(?:8|9|10|11)&ISO\^NH$", resource) is not None,
            "resource-id n'est pas un INS de la forme INS^^^&oid&ISO^NH",
        )
        _expect(_text(attributes, "Ressource_URN") == "urn:dmp", "Ressource_URN doit être urn:dmp")
        purpose = _value(attributes, _PURPOSE).find("hl7:PurposeOfUse", _NS)
        _expect(
            purpose is not None and purpose.get("code") == "normal" and purpose.get("codeSystem") == _PURPOSE_SYSTEM,
            "purposeofuse doit être le code HL7 normal",
        )
        for name in ("LPS_Nom", "LPS_Version", "LPS_ID_HOMOLOGATION_DMP"):
            _expect(bool(_text(attributes, name)), f"{name} vide")
        _expect(
            self._homologation is None or _text(attributes, "LPS_ID_HOMOLOGATION_DMP") == self._homologation,
            "numéro d'homologation inconnu",
        )
        return structure

    def _remember(self, identity: str, now: datetime) -> None:
        horizon = now - _LIFETIME - _SKEW
        self._seen = {seen: moment for seen, moment in self._seen.items() if moment > horizon}
        _expect(identity not in self._seen, "assertion déjà utilisée", "FailedAuthentication")
        self._seen[identity] = now


def _check_mode(attributes: Mapping[str, list[etree._Element]], assertion: etree._Element) -> Mode:
    """The mode, and that AIR alone declares the primary authentication (EX_AIR-050)."""
    spellings = [name for name in attributes if name.lower() == "authentification_mode"]
    _expect(len(spellings) == 1, "Authentification_Mode absent ou répété")
    written = _text(attributes, spellings[0])
    _expect(written in set(Mode), "Authentification_Mode doit être INDIRECTE, INDIRECTE_RENFORCEE ou DIRECTE")
    mode = Mode(written)
    declared = assertion.findtext("saml:AuthnStatement/saml:AuthnContext/saml:AuthnContextDecl", "", _NS).strip()
    _expect(
        bool(declared) is (mode is Mode.REINFORCED),
        "AuthnContextDecl est obligatoire en INDIRECTE_RENFORCEE, et interdit ailleurs",
    )
    return mode


def _role_systems(attributes: Mapping[str, list[etree._Element]]) -> frozenset[str]:
    roles = [role for value in attributes.get(_ROLE, []) for role in value.findall("hl7:Role", _NS)]
    return frozenset(role.get("codeSystem", "") for role in roles)


def _check_roles(attributes: Mapping[str, list[etree._Element]]) -> None:
    values = attributes.get(_ROLE, [])
    roles = [role for value in values for role in value.findall("hl7:Role", _NS)]
    _expect(
        bool(roles) and len(roles) == len(values) and len(roles) <= 2, "role : un ou deux éléments HL7 Role attendus"
    )
    _expect(all(role.get("code") and _OID.match(role.get("codeSystem", "")) for role in roles), "role inconnu")
    if roles[0].get("codeSystem") == _PROFESSIONS and roles[0].get("code") in _WITH_SPECIALITY:
        _expect(len(roles) == 2, "médecin ou pharmacien : la spécialité est obligatoire")


def _attributes(assertion: etree._Element) -> dict[str, list[etree._Element]]:
    statements = assertion.findall("saml:AttributeStatement", _NS)
    _expect(len(statements) == 1, "il faut exactement un AttributeStatement")
    found: dict[str, list[etree._Element]] = {}
    for attribute in statements[0].findall("saml:Attribute", _NS):
        name = attribute.get("Name", "")
        _expect(name not in found, f"attribut {name} répété")
        found[name] = attribute.findall("saml:AttributeValue", _NS)
    return found


def _value(attributes: Mapping[str, list[etree._Element]], name: str) -> etree._Element:
    values = attributes.get(name, [])
    if len(values) != 1:
        raise _invalid(f"attribut {name} absent, ou sans valeur unique")
    return values[0]


def _text(attributes: Mapping[str, list[etree._Element]], name: str) -> str:
    return (_value(attributes, name).text or "").strip()


def _instant(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f"{name} absent ou mal formé") from None
    if moment.utcoffset() != timedelta(0):
        raise _invalid(f"{name} doit être en UTC")
    return moment


def _invalid(reason: str) -> SoapFaultError:
    return SoapFaultError("InvalidSecurityToken", f"VIHF : {reason}")


def _expect(holds: bool, reason: str, subcode: str = "InvalidSecurityToken") -> None:
    if not holds:
        raise SoapFaultError(subcode, f"VIHF : {reason}")
