"""TD0.2: does this patient have a DMP? (HL7 v3 PRPA_IN201307UV02; DMP digest §1.4)."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from connectors.sandbox import codes
from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.dmp.soap import SoapFaultError

ACTION: Final = "urn:hl7-org:v3:PRPA_IN201307UV02"
ANSWER_ACTION: Final = "urn:hl7-org:v3:PRPA_IN201308UV02"
_HL7: Final = "urn:hl7-org:v3"
_NS: Final = {"h": _HL7}
_DMP_DEVICE: Final = "1.2.250.1.213.4.1.1.1"
_ATTENTION: Final = "1.2.250.1.213.4.1.2.6"
_AUTHORISATIONS: Final = "1.2.250.1.213.4.1.2.6.1"
_REASONS: Final = "1.2.250.1.213.1.1.4.11"
_INTERACTIONS: Final = "2.16.840.1.113883.1.6"
_FIXED: Final = (
    ("h:interactionId", "extension", ("PRPA_IN201307UV02",)),
    ("h:interactionId", "root", (_INTERACTIONS,)),
    ("h:processingCode", "code", ("P", "D", "T")),
    ("h:processingModeCode", "code", ("T",)),
    ("h:acceptAckCode", "code", ("AL",)),
    ("h:receiver/h:device/h:id", "root", (_DMP_DEVICE,)),
    ("h:controlActProcess/h:reasonCode", "code", ("TEST_EXST",)),
    ("h:controlActProcess/h:reasonCode", "codeSystem", (_REASONS,)),
)


@dataclass(frozen=True, slots=True)
class Query:
    matricule: str
    oid: str
    message_root: str
    message_extension: str
    query: etree._Element


def read_query(body: etree._Element) -> Query:
    """Reads a request. Raises SoapFaultError when it does not follow its interaction."""
    if body.tag != f"{{{_HL7}}}PRPA_IN201307UV02" or body.get("ITSVersion") != "XML_1.0":
        raise _wrong("PRPA_IN201307UV02 avec ITSVersion XML_1.0 attendu")
    for path, attribute, allowed in _FIXED:
        if _attribute(body, path, attribute) not in allowed:
            raise _wrong(f"{path.replace('h:', '')}/@{attribute} : {' ou '.join(allowed)} attendu")
    for path in ("h:id", "h:sender/h:device/h:id"):
        if not _attribute(body, path, "root"):
            raise _wrong(f"{path.replace('h:', '')} absent")
    if not _attribute(body, "h:creationTime", "value"):
        raise _wrong("creationTime absent")
    parameters = body.find("h:controlActProcess/h:queryByParameter", _NS)
    if parameters is None or not _attribute(parameters, "h:queryId", "root"):
        raise _wrong("queryByParameter ou queryId absent")
    identifiers = parameters.findall("h:parameterList/h:patientIdentifier", _NS)
    if len(identifiers) != 1 or identifiers[0].findtext("h:semanticsText", "", _NS).strip() != "Patient.id":
        raise _wrong("un seul patientIdentifier, avec semanticsText Patient.id")
    oid = _attribute(identifiers[0], "h:value", "root")
    matricule = _attribute(identifiers[0], "h:value", "extension")
    if oid not in codes.INS_OIDS or not matricule:
        raise _wrong("patientIdentifier doit porter un INS")
    return Query(matricule, oid, _attribute(body, "h:id", "root"), _attribute(body, "h:id", "extension"), parameters)


def write_answer(query: Query, state: DmpState, *, blocked: bool = False) -> str:
    """`PRPA_IN201308UV02`. Identity traits are never given: the sandbox knows none. `blocked`: the patient has shut
    this caller out."""
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    found = state is not DmpState.ABSENT
    if not found:
        # The DMP's own code for it is in annex A7-1, which is not public: only what HL7 v3 says of a query is said,
        # accepted (AA) and nothing found (queryResponseCode NF).
        detail = '<acknowledgementDetail typeCode="I"><text>Aucun DMP pour ce patient</text></acknowledgementDetail>'
    else:
        closed = state is DmpState.CLOSED
        detail = (
            f'<acknowledgementDetail typeCode="I"><code code="{"DMPClosed" if closed else "DMPFound"}"/>'
            f"<text>{'DMP fermé' if closed else 'DMP existant'}</text></acknowledgementDetail>"
        )
    subject = attention = ""
    if found:
        status = "terminated" if state is DmpState.CLOSED else "active"
        attention = _attention("AUTORISATION", "INTERDITE" if blocked else "VALIDE")
        subject = (
            '<subject typeCode="SUBJ" contextConductionInd="false"><registrationEvent classCode="REG" moodCode="EVN">'
            '<statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT">'
            f"<id root={quoteattr(query.oid)} extension={quoteattr(query.matricule)}/>"
            f'<statusCode code="{status}"/></patient></subject1></registrationEvent></subject>'
        )
    parameters = etree.tostring(query.query, encoding="unicode", with_tail=False)
    extension = f" extension={quoteattr(query.message_extension)}" if query.message_extension else ""
    return (
        f'<PRPA_IN201308UV02 xmlns="{_HL7}" ITSVersion="XML_1.0"><id root="2.25.{uuid.uuid4().int}"/>'
        f'<creationTime value="{now}"/><interactionId root="{_INTERACTIONS}" extension="PRPA_IN201308UV02"/>'
        '<processingCode code="D"/><processingModeCode code="T"/><acceptAckCode code="NE"/>'
        '<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="2.25.1"/></device>'
        "</receiver>"
        f'<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="{_DMP_DEVICE}"/>'
        "<softwareName>DMP</softwareName></device></sender>"
        f'{attention}<acknowledgement><typeCode code="AA"/><targetMessage>'
        f"<id root={quoteattr(query.message_root)}{extension}/></targetMessage>{detail}</acknowledgement>"
        '<controlActProcess classCode="CACT" moodCode="EVN">'
        f'<code code="PRPA_TE201308UV02" codeSystem="{_INTERACTIONS}"/>{subject}'
        f'<queryAck>{_query_id(query)}<statusCode code="deliveredResponse"/>'
        f'<queryResponseCode code="{"OK" if found else "NF"}"/></queryAck>{parameters}</controlActProcess>'
        "</PRPA_IN201308UV02>"
    )


def _attention(keyword: str, value: str) -> str:
    """Status of the caller's authorisation. The list of its values is not public: these two stand for it."""
    return (
        f'<attentionLine><keyWordText code="{keyword}" codeSystem="{_ATTENTION}">{keyword}</keyWordText>'
        f'<value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CV" code="{value}" '
        f'codeSystem="{_AUTHORISATIONS}"/></attentionLine>'
    )


def _query_id(query: Query) -> str:
    identity = query.query.find("h:queryId", _NS)
    if identity is None:
        return ""
    return f"<queryId root={quoteattr(identity.get('root', ''))} extension={quoteattr(identity.get('extension', ''))}/>"


def _attribute(element: etree._Element, path: str, name: str) -> str:
    found = element.find(path, _NS)
    return found.get(name, "") if found is not None else ""


def _wrong(reason: str) -> SoapFaultError:
    return SoapFaultError("", f"TD0.2 : {reason}")
