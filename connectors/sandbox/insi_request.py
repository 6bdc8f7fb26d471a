"""How the sandbox's INSi reads a request: everything that the contract fixes is required, nothing more is accepted
(INS digest §7.2). Written apart from the connector that it judges."""

import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from lxml import etree

from connectors.sandbox.insi_register import Inquiry
from pfi.standards.xml import XmlRefusedError, parse

_ENV: Final = "{http://www.w3.org/2003/05/soap-envelope}"
_WSA: Final = "{http://www.w3.org/2005/08/addressing}"
_SECURITY: Final = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"
_ASSERTION: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}Assertion"
_LPS: Final = "{urn:siram:lps:ctxlps}"
_BAM: Final = "{urn:siram:bam:ctxbam}"
_HEADERS: Final = (_SECURITY, f"{_LPS}ContexteLPS", f"{_WSA}MessageID", f"{_BAM}ContexteBAM", f"{_WSA}Action")
_ACTIONS: Final = "urn:ServiceIdentiteCertifiee:1.0.0:"
SEARCH: Final = "rechercherInsAvecTraitsIdentite"
VERIFY: Final = "verifierInsAvecTraitsIdentite"
_SEARCH_NS: Final = "{http://www.cnamts.fr/INSiRecSans}"
_VERIFY_NS: Final = "{http://www.cnamts.fr/INSiLot2/REQUnitaire}"
_BODIES: Final = {SEARCH: f"{_SEARCH_NS}RECSANSVITALE", VERIFY: f"{_VERIFY_NS}IndividuVerifie"}

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_FRESH: Final = timedelta(minutes=10)
_NIR: Final = re.compile(r"\d{6}[AB0-9]\d{6}")
_PATTERNS: Final = {
    "NomNaissance": re.compile(r"[A-Z' -]+"),
    "Prenom": re.compile(r"[A-Z' -]+"),
    "Sexe": re.compile(r"[MF]"),
    "DateNaissance": re.compile(r"\d{4}-\d\d-\d\d"),
    "LieuNaissance": re.compile(r"[A-Za-z0-9]{5}"),
}
_SEARCHED: Final = ("NomNaissance", "Prenom", "Sexe", "DateNaissance", "LieuNaissance")
_REQUIRED: Final = frozenset(_SEARCHED) - {"LieuNaissance"}


class InsiFaultError(Exception):
    """The request is answered by a SOAP fault. `code` goes in `siram:Erreur`; those that begin by `sandbox_` are ours:
    the national list is not public. `sender`: the request is at fault, not the service."""

    def __init__(self, code: str, text: str, *, sender: bool = True) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.sender = sender


class RequestJudge:
    """Reads requests; remembers identifiers, so that none is used twice."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def read(self, content: bytes, content_type: str, now: datetime) -> Inquiry:
        """What a request asks. Raises InsiFaultError."""
        try:
            root = parse(content, max_bytes=64 * 1024)
        except XmlRefusedError as refused:
            raise InsiFaultError("sandbox_xml", f"enveloppe illisible : {refused.code}") from None
        if root.tag != f"{_ENV}Envelope" or _tags(root) != [f"{_ENV}Header", f"{_ENV}Body"]:
            raise InsiFaultError("sandbox_soap", "enveloppe SOAP 1.2 avec Header puis Body attendue")
        header, body = root[0], root[1]
        if _tags(header) != list(_HEADERS):
            raise InsiFaultError("sandbox_headers", "en-têtes absents, en trop ou dans un autre ordre")
        security, lps, message, bam, action = header
        if any(child.tag != _ASSERTION for child in security):
            raise InsiFaultError("sandbox_security", "l'en-tête Security ne contient que des assertions")
        operation = self._operation(action, body, content_type)
        self._check_contexts(lps, bam, now)
        message_id = _value(message)
        if not message_id.startswith("uuid:"):
            raise InsiFaultError("sandbox_message_id", "MessageID commence par uuid:")
        self._once(message_id.removeprefix("uuid:"), "MessageID")
        return _verification(body[0], message_id) if operation == VERIFY else _search(body[0], message_id)

    def _operation(self, action: etree._Element, body: etree._Element, content_type: str) -> str:
        kind, _, parameters = content_type.partition(";")
        named = {key.strip(): value for key, _, value in (part.partition("=") for part in parameters.split(";"))}
        if kind.strip() != "application/soap+xml" or named.get("charset", "utf-8").strip('"').lower() != "utf-8":
            raise InsiFaultError("sandbox_content_type", "Content-Type application/soap+xml en UTF-8 attendu")
        name = _value(action)
        operation = name.removeprefix(_ACTIONS)
        if operation not in _BODIES or name == operation:
            raise InsiFaultError("sandbox_action", "action inconnue")
        if named.get("action", f'"{name}"').strip('"') != name:
            raise InsiFaultError("sandbox_action", "action du Content-Type différente de wsa:Action")
        if _tags(body) != [_BODIES[operation]]:
            raise InsiFaultError("sandbox_body", "le corps n'est pas celui de l'action")
        return operation

    def _check_contexts(self, lps: etree._Element, bam: etree._Element, now: datetime) -> None:
        for context, nature, version in ((lps, "CTXLPS", "01_00"), (bam, "CTXBAM", "01_02")):
            if sorted(context.items()) != [("Nature", nature), ("Version", version)]:
                raise InsiFaultError("sandbox_context", f"Nature {nature} et Version {version} attendues")
        self._check_stamp(lps, _LPS, now)
        _sequence(lps, _LPS, ("Id", "Temps", "Emetteur", "LPS"))
        software = _sequence(lps[3], _LPS, ("IDAM", "Version", "Instance", "Nom"))
        if software["IDAM"].get("R") != "4" or not _value(software["IDAM"]):
            raise InsiFaultError("sandbox_context", "IDAM vide, ou sans R = 4")
        _uuid(_value(software["Instance"]), "Instance")
        if not re.fullmatch(r"urn:lps:[^:]+:[^:]+", _value(software["Nom"])):
            raise InsiFaultError("sandbox_context", "Nom du logiciel attendu : urn:lps:nom:version")
        self._check_stamp(bam, _BAM, now)
        names = ("Id", "Temps", "Emetteur", "DateRef", "COUVERTURE")
        _sequence(bam, _BAM, tuple(each for each in names if each != "DateRef" or len(bam) == len(names)))

    def _check_stamp(self, context: etree._Element, namespace: str, now: datetime) -> None:
        self._once(_value(context.find(f"{namespace}Id")), "Id")
        moment = _value(context.find(f"{namespace}Temps"))
        if not _MOMENT.fullmatch(moment) or abs(datetime.fromisoformat(moment) - now) > _FRESH:
            raise InsiFaultError("sandbox_context", "Temps absent, sans fuseau ou trop éloigné")
        if not _value(context.find(f"{namespace}Emetteur")):
            raise InsiFaultError("sandbox_context", "Emetteur absent")

    def _once(self, identifier: str, name: str) -> None:
        _uuid(identifier, name)
        if identifier in self._seen:
            raise InsiFaultError("sandbox_replay", f"{name} déjà employé")
        self._seen.add(identifier)


def _search(body: etree._Element, message_id: str) -> Inquiry:
    traits = _traits(body, _SEARCH_NS)
    return Inquiry(
        SEARCH,
        message_id,
        traits["NomNaissance"],
        (traits["Prenom"],),
        traits["Sexe"],
        traits["DateNaissance"],
        traits.get("LieuNaissance", ""),
    )


def _verification(body: etree._Element, message_id: str) -> Inquiry:
    parts = _sequence(body, _VERIFY_NS, ("INSFourni", "TraitsIdentiteIndividu"))
    given = _sequence(parts["INSFourni"], _VERIFY_NS, ("IdIndividu", "OID"))
    known = given["IdIndividu"]
    names = ("NumIdentifiant", "Cle", "TypeMatricule")
    number = _sequence(known, _VERIFY_NS, names if len(known) == len(names) else names[:2])
    digits, key = _value(number["NumIdentifiant"]), _value(number["Cle"])
    if not _NIR.fullmatch(digits) or not re.fullmatch(r"\d\d", key):
        raise InsiFaultError("sandbox_ins", "NumIdentifiant ou Cle d'une autre forme")
    traits = _traits(parts["TraitsIdentiteIndividu"], _VERIFY_NS)
    return Inquiry(
        VERIFY,
        message_id,
        traits["NomNaissance"],
        (traits["Prenom"],),
        traits["Sexe"],
        traits["DateNaissance"],
        traits.get("LieuNaissance", ""),
        matricule=digits + key,
        oid=_value(given["OID"]),
    )


def _traits(parent: etree._Element, namespace: str) -> dict[str, str]:
    """Traits in their order, each once: one given name a call."""
    names = [str(child.tag).removeprefix(namespace) for child in parent]
    expected = [name for name in _SEARCHED if name in names]
    if names != expected or _REQUIRED - set(names):
        raise InsiFaultError("sandbox_traits", "traits absents, répétés ou dans un autre ordre")
    values = {name: child.text or "" for name, child in zip(names, parent, strict=True)}
    wrong = [name for name, value in values.items() if not _PATTERNS[name].fullmatch(value)]
    if wrong:
        raise InsiFaultError("sandbox_traits", f"{wrong[0]} n'a pas la forme attendue")
    return values


def _sequence(parent: etree._Element, namespace: str, names: Sequence[str]) -> dict[str, etree._Element]:
    if _tags(parent) != [f"{namespace}{name}" for name in names]:
        raise InsiFaultError("sandbox_structure", f"{etree.QName(parent).localname} : {', '.join(names)} attendus")
    return dict(zip(names, parent, strict=True))


def _tags(parent: etree._Element) -> list[str]:
    return [str(child.tag) for child in parent]


def _value(element: etree._Element | None) -> str:
    return "" if element is None else (element.text or "")


def _uuid(value: str, name: str) -> None:
    try:
        canonical = str(uuid.UUID(value)) == value.lower()
    except ValueError:
        canonical = False
    if not canonical:
        raise InsiFaultError("sandbox_identifier", f"{name} n'est pas un UUID")
