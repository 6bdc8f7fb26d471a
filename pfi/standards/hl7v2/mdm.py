"""MDM^T02, T10, T04 to the hospital's own software: a document that came by MSSanté mail (flux 6, hl7v2 digest §5.2).

Only the fields that the volet lists are filled. Everything is in UTF-8: subjects hold characters that ISO 8859-15 has
not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pybase64

from pfi.model.document import CodedValue, Document, DocumentId
from pfi.model.errors import BugError
from pfi.model.parties import Author, Organization
from pfi.model.patient import Identifier, Ins, Patient
from pfi.model.submission import Orders, Request
from pfi.standards import nomenclature
from pfi.standards.cda.oids import INS_OIDS, OBSOLETE_INS_OIDS, PROFESSIONAL_OID, STRUCTURE_OID, InsOid
from pfi.standards.hl7v2.escapes import escape
from pfi.standards.hl7v2.orders import Flag, value_of
from pfi.standards.hl7v2.timestamp import write_timestamp
from pfi.standards.hl7v2.writer import components, message, segment

VERSION: Final = "2.6"
PROFILE: Final = ("1.1", "CISIS_CDA_HL7_LPS")
_CHARSET: Final = "UNICODE UTF-8"
_STRUCTURE: Final = "MDM_T02"
_NO_STAY: Final = "N"

_EVENTS: Final = {Request.INITIAL: "T02", Request.REPLACE: "T10", Request.DELETE: "T04"}
_CONTROLS: Final = {Request.INITIAL: "NW", Request.REPLACE: "RO", Request.DELETE: "CA"}

_SYSTEMS: Final = {"2.16.840.1.113883.6.1": "LN", "1.2.250.1.213.1.1.4.12": "TRE_A05"}
"""Code systems of JDV_J07 as HL7 v2 names them (hl7v2 digest §1.6)."""

_INS_AUTHORITIES: Final = {str(InsOid.NIA): "ASIP-SANTE-INS-NIA"}
_INS_AUTHORITY: Final = "ASIP-SANTE-INS-NIR"
_OBSOLETE_AUTHORITY: Final = "ASIP-SANTE-INS-C"
_SEXES: Final = {"UN": "U"}

_ROLES: Final = {
    "SB": ("SB", "Send by", "participation"),
    "RCT": ("RCT", "Result Copies To", "participation"),
    "REPLY": ("REPLY", "Reply To", "participation"),
}

_FLAGS: Final = (
    (Flag.MASQUE_PS, "Masqué aux professionnels de Santé"),
    (Flag.INVISIBLE_PATIENT, "Document Non Visible par le patient"),
    (Flag.INVISIBLE_REP_LEGAUX, "Non visible par les représentants Légaux du patient"),
    (Flag.MODIF_CONF_CODE, "Modification Confidentiality Code"),
)
"""OBX 3 to 6, in this order."""


@dataclass(frozen=True, slots=True)
class Addressing:
    """MSH-3 to 6 and MSH-11: from the PFI to the software bound to the mailbox."""

    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    processing_id: str = "P"


@dataclass(frozen=True, slots=True)
class MailRecipient:
    """An initial addressee: its mailbox and, for a mailbox of ours, the service or unit that it stands for.

    `service.identifier_type` is `UF`, `SRV`, `FINEG`...; `identifier_oid` its authority, an OID or a FINESS number.
    """

    address: str
    service: Organization | None = None


@dataclass(frozen=True, slots=True)
class MailOrigin:
    """The mail that brought the document.

    `message_id` with its angle brackets and `subject` decoded, both written whole; `text` is the readable body;
    `received_at` is when the PFI got the mail, written with the offset of its own zone. `sender` is the address of the
    sender, `sender_party` who it is when the directory or the mail tells.
    """

    message_id: str
    subject: str
    text: str = field(repr=False)
    received_at: datetime
    sender: str
    sender_party: Author | None = None
    recipients: tuple[MailRecipient, ...] = ()
    reply_to: tuple[str, ...] = ()


def visibility(codes: Iterable[CodedValue]) -> Orders:
    """The four flags told by the confidentialityCode of METADATA.XML; all are stated, the other flags are not."""
    said = {code.code.strip().upper() for code in codes}
    return Orders(
        masque_ps="MASQUE_PS" in said,
        invisible_patient="INVISIBLE_PATIENT" in said,
        invisible_rep_legaux=not said.isdisjoint({"INVISIBLE_REPRESENTANTS_LEGAUX", "INVISIBLE_REP_LEGAUX"}),
        modif_conf_code=not said.isdisjoint({"MODIF_CONF_CODE", "MODIF_CONFIDENTIALITYCODE"}),
    )


def write_mdm(
    document: Document,
    *,
    request: Request,
    flags: Orders,
    mail: MailOrigin,
    addressing: Addressing,
    control_id: str,
    now: datetime,
    identity_reliability: tuple[str, ...] = (),
) -> bytes:
    """One message for one document; the same arguments give the same bytes.

    `flags`: those of `visibility`; one that is not stated is written `N`. `identity_reliability` is PID-32: left out
    by default, for an INS received by mail is not qualified by who receives it.

    Raises BugError: `MDM_SENDER_MISSING` without the sender's address, `MDM_PARENT_MISSING` for a replacement whose CDA
    replaces nothing (`pfi.standards.xdm.checks` refuses it before).
    """
    header = document.header
    if not mail.sender.strip():
        raise BugError("MDM_SENDER_MISSING", "L'adresse de l'expéditeur du courriel est requise (PRT-15).")
    if request is Request.REPLACE and header.replaced is None:
        raise BugError("MDM_PARENT_MISSING", "Un remplacement doit désigner le document remplacé (TXA-13).")
    code = _code(header.code)
    segments = [
        _msh(addressing, request, control_id, now),
        segment("EVN", {2: write_timestamp(mail.received_at)}),
        _pid(header.patient, identity_reliability),
        segment("PV1", {1: "1", 2: _NO_STAY}),
        segment("ORC", {1: _CONTROLS[request]}),
        segment("OBR", {1: "1", 4: code}),
        _txa(header.code.code, header.document_id, header.replaced if request is Request.REPLACE else None),
        _observation(1, "ED", code, _encapsulated("XML", document.content), request.value),
        *_participants(mail),
        _observation(
            2, "ED", components(mail.message_id, mail.subject), _encapsulated("", mail.text.encode("utf-8", "replace"))
        ),
    ]
    for number, (flag, label) in enumerate(_FLAGS, 3):
        value = components("Y" if value_of(flags, flag) else "N", "", "expandedYes-NoIndicator")
        segments.append(_observation(number, "CWE", components(flag, label, "MetaDMPMSS"), value))
    return message(segments, _CHARSET)


def _msh(addressing: Addressing, request: Request, control_id: str, now: datetime) -> str:
    # MSH-1 is the separator itself: the numbers here are one less than those of the standard.
    return segment(
        "MSH",
        {
            1: "^~\\&",
            2: escape(addressing.sending_application),
            3: escape(addressing.sending_facility),
            4: escape(addressing.receiving_application),
            5: escape(addressing.receiving_facility),
            6: write_timestamp(now),
            8: components("MDM", _EVENTS[request], _STRUCTURE),
            9: escape(control_id),
            10: escape(addressing.processing_id),
            11: VERSION,
            16: "FRA",
            17: _CHARSET,
            20: components(*PROFILE),
        },
    )


def _pid(patient: Patient, reliability: tuple[str, ...]) -> str:
    """The patient of the CDA, all identifiers included (hl7v2 digest §1.4)."""
    traits = patient.traits
    first = traits.first_given_name or traits.given_names.partition(" ")[0]
    names = []
    if traits.birth_name:
        names.append(components(traits.birth_name, first, traits.given_names, "", "", "", "L"))
    if traits.used_name or traits.used_given_name:
        used = (traits.used_name or traits.birth_name, traits.used_given_name or first)
        names.append(components(*used, "", "", "", "", "D"))
    return segment(
        "PID",
        {
            3: "~".join(_identifiers(patient)),
            5: "~".join(names),
            7: escape(traits.birth_date),
            8: escape(_SEXES.get(traits.sex, traits.sex)),
            11: components("", "", "", "", "", "", "BDL", "", traits.birth_place) if traits.birth_place else "",
            32: "~".join(map(escape, reliability)),
        },
    )


def _identifiers(patient: Patient) -> list[str]:
    written = [_ins(ins) for ins in (patient.ins, *patient.other_ins) if ins is not None]
    # An id that announces an INS without its matricule identifies nobody.
    local = (each for each in patient.identifiers if each.value or each.authority_oid not in INS_OIDS)
    written += [_local(identifier) for identifier in local]
    return list(dict.fromkeys(written))


def _ins(ins: Ins) -> str:
    return _cx(ins.matricule, _INS_AUTHORITIES.get(ins.oid, _INS_AUTHORITY), ins.oid, "INS")


def _local(identifier: Identifier) -> str:
    oid = identifier.authority_oid
    if oid in OBSOLETE_INS_OIDS:
        return _cx(identifier.value, _OBSOLETE_AUTHORITY, oid, "INS-C")
    if not identifier.value:
        return _cx(oid, "", "", "PI")
    return _cx(identifier.value, "", oid, "PI")


def _cx(value: str, authority: str, oid: str, kind: str) -> str:
    return f"{escape(value)}^^^{_hd(authority, oid)}^{kind}"


def _hd(name: str, oid: str) -> str:
    return f"{escape(name)}&{escape(oid)}&ISO" if oid else escape(name)


def _txa(type_code: str, document_id: DocumentId, parent: DocumentId | None) -> str:
    return segment(
        "TXA",
        {
            1: "1",
            2: escape(type_code),
            3: "TEXT",
            12: _ei(document_id),
            13: _ei(parent) if parent else "",
            17: "AU",
        },
    )


def _ei(document_id: DocumentId) -> str:
    """`ext^^root^ISO`, or the root alone (hl7v2 digest §1.7)."""
    if document_id.extension:
        return components(document_id.extension, "", document_id.root, "ISO")
    return escape(document_id.root)


def _code(code: CodedValue) -> str:
    """The type of the document; label and system of JDV_J07 where the CDA gives none."""
    known = nomenclature.type_code(code.code)
    system = code.system or (known.system if known else "")
    return components(code.code, code.label or (known.label if known else ""), _SYSTEMS.get(system, system))


def _observation(number: int, kind: str, what: str, value: str, status: str = "F") -> str:
    return segment("OBX", {1: str(number), 2: kind, 3: what, 5: value, 11: status})


def _encapsulated(subtype: str, content: bytes) -> str:
    """An ED. Base64 holds none of the delimiters: nothing to escape."""
    return f"^text^{subtype}^Base64^{pybase64.b64encode(content).decode('ascii')}"


def _participants(mail: MailOrigin) -> list[str]:
    """SB, RCT, REPLY, in this order (hl7v2 digest §1.9)."""
    party = mail.sender_party or Author()
    return [
        _participant("SB", mail.sender, party),
        *(_participant("RCT", each.address, Author(organization=each.service)) for each in mail.recipients),
        *(_participant("REPLY", address, Author()) for address in mail.reply_to),
    ]


def _participant(role: str, address: str, party: Author) -> str:
    return segment(
        "PRT",
        {
            2: "UC",
            4: components(*_ROLES[role]),
            5: _person(party),
            8: _organization(party.organization),
            10: _device(party),
            15: components("", "", "X.400", address.strip()),
        },
    )


def _person(party: Author) -> str:
    """XCN."""
    person = party.person
    if person is None:
        return ""
    named = components(person.identifier, person.family, person.given)
    if not person.identifier:
        return named
    oid = person.identifier_oid or PROFESSIONAL_OID
    authority = _hd("ASIP-SANTE-PS" if oid == PROFESSIONAL_OID else "", oid)
    head = f"{escape(person.identifier)}^{escape(person.family)}^{escape(person.given)}"
    return f"{head}^^^^^^{authority}^D^^^{escape(person.identifier_type or 'IDNPS')}"


def _organization(organization: Organization | None) -> str:
    """XON; an authority that is no OID (a FINESS number) is written as a name."""
    if organization is None:
        return ""
    if not organization.identifier:
        return escape(organization.name)
    oid = organization.identifier_oid
    is_oid = "." in oid
    authority = _hd("ASIP-SANTE-ST" if oid == STRUCTURE_OID else "", oid) if is_oid else escape(oid)
    kind = organization.identifier_type or ("IDNST" if oid == STRUCTURE_OID else "")
    return f"{escape(organization.name)}^^^^^{authority}^{escape(kind)}^^^{escape(organization.identifier)}"


def _device(party: Author) -> str:
    """EI."""
    device = party.device
    if device is None or not device.identifier:
        return ""
    kind = "ISO" if device.identifier_oid else ""
    return components(device.identifier, device.name, device.identifier_oid, kind)
