"""Requests to INSi as bytes: SOAP 1.2 document/literal, five headers in a fixed order (INS digest §7.2)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from connectors.insi.questions import Question
from connectors.insi.settings import InsiSettings, Operation
from pfi.engine.connector import Surroundings
from pfi.standards.soap.envelope import SOAP, WSA, WSSE
from pfi.standards.xds.ebrim import xml_text

CTXLPS: Final = "urn:siram:lps:ctxlps"
CTXBAM: Final = "urn:siram:bam:ctxbam"
SEARCH: Final = "http://www.cnamts.fr/INSiRecSans"
RESULT: Final = "http://www.cnamts.fr/INSiResultat"
_KEY_LENGTH: Final = 2


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP POST. An answer that relates to another message than `message_id` is not ours; one in another
    namespace than `answer_namespace` is not read."""

    content_type: str
    message_id: str
    answer_namespace: str
    body: bytes = field(repr=False)


class Wire:
    """Writes requests; each has identifiers and a moment of its own."""

    def __init__(self, settings: InsiSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._surroundings = surroundings

    def request(self, question: Question) -> WireRequest:
        """One question in the configured operation."""
        verifies = self._settings.operation is Operation.VERIFY
        action = self._settings.verify.action if verifies else self._settings.search.action
        body = self._verification(question) if verifies else _search(question)
        message_id = f"uuid:{self._surroundings.ids.uuid4()}"
        envelope = (
            f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{SOAP}"><soap:Header>'
            f'<wsse:Security xmlns:wsse="{WSSE}"/>'
            f"{self._lps()}"
            f'<wsa:MessageID xmlns:wsa="{WSA}">{message_id}</wsa:MessageID>'
            f"{self._bam()}"
            f'<wsa:Action xmlns:wsa="{WSA}">{xml_text(action)}</wsa:Action>'
            f"</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
        )
        return WireRequest(
            f'application/soap+xml; charset=UTF-8; action="{action}"',
            message_id,
            self._settings.verify.answer_namespace if verifies else RESULT,
            envelope.encode(),
        )

    def _lps(self) -> str:
        software = self._settings.software
        name = software.name or self._surroundings.product_name
        version = software.version or self._surroundings.product_version
        return (
            f'<ctxlps:ContexteLPS xmlns:ctxlps="{CTXLPS}" Nature="CTXLPS" Version="01_00">'
            f"{self._stamp('ctxlps')}"
            f'<ctxlps:LPS><ctxlps:IDAM R="4">{xml_text(software.idam)}</ctxlps:IDAM>'
            f"<ctxlps:Version>{xml_text(version)}</ctxlps:Version>"
            f"<ctxlps:Instance>{software.instance}</ctxlps:Instance>"
            f"<ctxlps:Nom>{xml_text(f'urn:lps:{name}:{version}')}</ctxlps:Nom></ctxlps:LPS>"
            "</ctxlps:ContexteLPS>"
        )

    def _bam(self) -> str:
        return (
            f'<ctxbam:ContexteBAM xmlns:ctxbam="{CTXBAM}" Nature="CTXBAM" Version="01_02">'
            f"{self._stamp('ctxbam')}<ctxbam:COUVERTURE/></ctxbam:ContexteBAM>"
        )

    def _stamp(self, prefix: str) -> str:
        """Identifier, moment and issuer, with which both contexts begin."""
        now = self._surroundings.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return (
            f"<{prefix}:Id>{self._surroundings.ids.uuid4()}</{prefix}:Id><{prefix}:Temps>{now}</{prefix}:Temps>"
            f"<{prefix}:Emetteur>{xml_text(self._settings.issuer)}</{prefix}:Emetteur>"
        )

    def _verification(self, question: Question) -> str:
        contract = self._settings.verify
        matricule, oid = question.ins.matricule, question.ins.oid
        inner = (
            f"<i:{contract.element}>"
            f"<i:INSFourni><i:IdIndividu><i:NumIdentifiant>{matricule[:-_KEY_LENGTH]}</i:NumIdentifiant>"
            f"<i:Cle>{matricule[-_KEY_LENGTH:]}</i:Cle></i:IdIndividu><i:OID>{oid}</i:OID></i:INSFourni>"
            f"<i:TraitsIdentiteIndividu>{''.join(_traits(question))}</i:TraitsIdentiteIndividu>"
            f"</i:{contract.element}>"
        )
        root = contract.wrapper or contract.element
        if contract.wrapper:
            inner = f"<i:{contract.wrapper}>{inner}</i:{contract.wrapper}>"
        return inner.replace(f"<i:{root}>", f'<i:{root} xmlns:i="{xml_text(contract.namespace)}">', 1)


def _search(question: Question) -> str:
    return f'<i:RECSANSVITALE xmlns:i="{SEARCH}">{"".join(_traits(question))}</i:RECSANSVITALE>'


def _traits(question: Question) -> Iterator[str]:
    for name, value in (
        ("NomNaissance", question.birth_name),
        ("Prenom", question.given_name),
        ("Sexe", question.sex),
        ("DateNaissance", question.birth_date),
        ("LieuNaissance", question.birth_place),
    ):
        if value:
            yield f"<i:{name}>{xml_text(value)}</i:{name}>"
