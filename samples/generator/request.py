"""HL7 v2 requests of the volet "Transmission de document(s) CDA en HL7v2" 2.1: ORU^R01 and MDM^T02/T04/T10."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from . import world
from .clinical_document import ClinicalDocument, write
from .world import Person, Professional

SEPARATOR = "\r"


class Kind(StrEnum):
    """OBX-11 of the document."""

    INITIAL = "F"
    REPLACE = "C"
    DELETE = "D"


_ORDER_CONTROL = {Kind.INITIAL: "NW", Kind.REPLACE: "RO", Kind.DELETE: "CA"}
_MDM_EVENT = {Kind.INITIAL: "T02", Kind.REPLACE: "T10", Kind.DELETE: "T04"}


@dataclass(frozen=True, slots=True)
class Sender:
    """A hospital application: MSH-3, MSH-4, and the flow it uses (`ORU` or `MDM`)."""

    application: str
    facility: str
    flow: str


DPI = Sender("DPI", "CH-EXEMPLE", "MDM")
SGL = Sender("SGL", "LABO-EXEMPLE", "ORU")
RIS = Sender("RIS", "CH-EXEMPLE", "MDM")


@dataclass(frozen=True, slots=True)
class Stay:
    """PV1: class, visit number, admission, discharge."""

    patient_class: str
    visit: str = ""
    admitted_at: str = ""
    discharged_at: str = ""


@dataclass(frozen=True, slots=True)
class Flags:
    """MetaDMPMSS: the ten flags in their order, then NTE `FIN` after DESTMSSANTEPAT."""

    masque_ps: bool = False
    invisible_patient: bool = False
    invisible_rep_legaux: bool = False
    connexion_secrete: bool = False
    modif_conf_code: bool = False
    dest_dmp: bool = True
    dest_mss_ps: bool = True
    dest_mss_pat: bool = True
    ack_reception: bool = True
    ack_lecture_mss: bool = False
    close_exchange: bool = False

    def rows(self) -> list[tuple[str, str, bool]]:
        return [
            ("MASQUE_PS", "Masqué aux professionnels de Santé", self.masque_ps),
            ("INVISIBLE_PATIENT", "Document Non Visible par le patient", self.invisible_patient),
            ("INVISIBLE_REP_LEGAUX", "Non visible par les représentants Légaux du patient", self.invisible_rep_legaux),
            ("CONNEXION_SECRETE", "Connexion Secrete", self.connexion_secrete),
            ("MODIF_CONF_CODE", "Modification Confidentiality Code", self.modif_conf_code),
            ("DESTDMP", "Destinataire DMP", self.dest_dmp),
            (
                "DESTMSSANTEPS",
                "Destinataire (Professionnel de Santé, organisation ou BAL applicative)",
                self.dest_mss_ps,
            ),
            ("DESTMSSANTEPAT", "Destinataire Patient", self.dest_mss_pat),
            ("ACK_RECEPTION", "Accusé de réception", self.ack_reception),
            ("ACK_LECTURE_MSS", "Accusé de lecture", self.ack_lecture_mss),
        ]


@dataclass(frozen=True, slots=True)
class Request:
    """One message. `reliability` is PID-32 (empty = absent); `pid_with_ins`: PID-3 carries the matricule."""

    sender: Sender
    control_id: str
    documents: tuple[ClinicalDocument, ...]
    stay: Stay
    author: Professional
    recipients: tuple[Professional, ...] = (world.FAMILY_DOCTOR,)
    pharmacy: bool = False
    flags: Flags = field(default_factory=Flags)
    kind: Kind = Kind.INITIAL
    flow: str = ""
    charset: str = "UNICODE UTF-8"
    reliability: str = "VALI"
    pid_with_ins: bool = True
    patient: Person | None = None
    sent_at: str = "20260305101500"
    body_professional: str = ""
    body_patient: str = ""
    reply_to: str = "secretariat@ch-exemple.mssante.fr"

    def but(self, **changes: object) -> "Request":
        return replace(self, **changes)  # type: ignore[arg-type]  # names are checked by dataclasses.replace itself


def write_request(request: Request) -> bytes:
    """The message without MLLP framing: CR after every segment, encoded as MSH-18 says."""
    return encode(segments(request), request.charset)


def encode(lines: Sequence[str], charset: str = "UNICODE UTF-8") -> bytes:
    codec = {"UNICODE UTF-8": "utf-8", "8859/15": "iso-8859-15"}[charset]
    return "".join(line + SEPARATOR for line in lines).encode(codec)


def escape(text: str) -> str:
    """HL7 escapes of the five separators (HL7 digest §7.3)."""
    table = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    return "".join(table.get(character, character) for character in text)


def segments(request: Request) -> list[str]:
    """The segments in the order of ORU_R01 or MDM_T02, without terminators."""
    flow = request.flow or request.sender.flow
    mdm = flow == "MDM"
    first = request.documents[0]
    kind = f"{first.kind.code}^{escape(first.kind.label)}^LN"
    event = _MDM_EVENT[request.kind]
    lines = [_msh(request, f"MDM^{event}^MDM_T02" if mdm else "ORU^R01^ORU_R01", "2.6" if mdm else "2.5")]
    if mdm:
        lines.append(f"EVN||{request.sent_at}")
    lines += [pid(request), pv1(request.stay), f"ORC|{_ORDER_CONTROL[request.kind]}", f"OBR|1|||{kind}"]
    if mdm:
        parent = first.version_id(first.replaces_version) if request.kind is Kind.REPLACE else ""
        lines.append(f"TXA|1|{first.kind.code}|TEXT|{first.written_at[:12]}||||||||{first.document_id}|{parent}||||AU")
    lines += _document_group(request, kind, mdm=mdm)
    lines += _flag_group(request, mdm=mdm)
    return lines


def _msh(request: Request, message_type: str, version: str) -> str:
    sender = request.sender
    return (
        f"MSH|^~\\&|{sender.application}|{sender.facility}|PFI|CH-EXEMPLE|{request.sent_at}||{message_type}"
        f"|{request.control_id}|T|{version}|||||FRA|{request.charset}|||2.1^CISIS_CDA_HL7_V2"
    )


def pid(request: Request) -> str:
    """PID of the request: identifiers, birth name, traits, birth place, file number, reliability."""
    patient = request.patient or request.documents[0].patient
    return pid_segment(patient, with_ins=request.pid_with_ins, reliability=request.reliability)


def pid_segment(patient: Person, *, with_ins: bool, reliability: str, set_id: str = "") -> str:
    ins = f"{patient.matricule}^^^ASIP-SANTE-INS-NIR&{world.TEST_INS_OID}&ISO^INS"
    ipp = f"{patient.ipp}^^^CH-EXEMPLE&{world.HOSPITAL.finess}&M^PI"
    home = patient.address
    address = f"{home.number} {home.street}^^{home.city}^^{home.postal_code}^FRA^H"
    fields = [""] * 33
    fields[1] = set_id
    fields[3] = f"{ins}~{ipp}" if with_ins else ipp
    fields[5] = f"{patient.family}^{patient.first_given}^{patient.givens}^^^^L"
    fields[7] = patient.birth_date
    fields[8] = patient.sex
    fields[11] = f"{address}~^^^^^^BDL^^{patient.birth_place}"
    fields[18] = f"{patient.account}^^^CH-EXEMPLE&{world.HOSPITAL.finess}&M^AN"
    fields[31] = "N"
    fields[32] = reliability
    return segment("PID", fields)


def pv1(stay: Stay) -> str:
    fields = [""] * 46
    fields[1] = "1"
    fields[2] = stay.patient_class
    fields[19] = f"{stay.visit}^^^CH-EXEMPLE&{world.HOSPITAL.finess}&M^VN" if stay.visit else ""
    fields[44] = stay.admitted_at
    fields[45] = stay.discharged_at
    return segment("PV1", fields)


def segment(name: str, fields: Sequence[str]) -> str:
    """`fields[n]` is field n; `fields[0]` is not used. Empty trailing fields are left out."""
    return "|".join([name, *fields[1:]]).rstrip("|")


def _document_group(request: Request, kind: str, *, mdm: bool) -> list[str]:
    label = "text" if mdm else "TEXT"
    lines = []
    for number, document in enumerate(request.documents, 1):
        content = base64.b64encode(write(document)).decode("ascii")
        lines.append(f"OBX|{number}|ED|{kind}||^{label}^XML^Base64^{content}||||||{request.kind}")
        if number == 1:
            lines += _participants(request)
    return lines


def _participants(request: Request) -> list[str]:
    flags, patient = request.flags, request.patient or request.documents[0].patient
    lines = [_participant("SB^Send by^participation", _xcn(request.author), _xon(request.author), "")]
    copies = "RCT^Result Copies To^participation"
    if flags.dest_mss_ps:
        lines += [_participant(copies, _xcn(person), "", person.mailbox) for person in request.recipients]
        if request.pharmacy:
            lines.append(_participant(copies, "", _xon_structure(world.PHARMACY), world.PHARMACY_MAILBOX))
    if flags.dest_mss_pat:
        ins = f"ASIP-SANTE-INS-NIR&{world.TEST_INS_OID}&ISO"
        person = f"{patient.matricule}^{patient.family}^{patient.first_given}^^^^^^{ins}^L^^^INS"
        lines.append(_participant(copies, person, "", patient.mailbox))
    if request.reply_to:
        lines.append(_participant("REPLY^Reply To^participation", "", "", request.reply_to))
    return lines


def _participant(role: str, person: str, structure: str, mailbox: str) -> str:
    fields = [""] * 16
    fields[2], fields[4], fields[5], fields[8] = "UC", role, person, structure
    fields[15] = f"^^X.400^{mailbox}" if mailbox else ""
    return segment("PRT", fields)


def _xcn(person: Professional) -> str:
    authority = f"ASIP-SANTE-PS&{world.PROFESSIONAL_OID}&ISO"
    return f"{person.national_id}^{person.family}^{person.given}^^^^^^{authority}^D^^^IDNPS"


def _xon(person: Professional) -> str:
    return _xon_structure(person.structure)


def _xon_structure(structure: world.Structure) -> str:
    authority = f"ASIP-SANTE-ST&{world.STRUCTURE_OID}&ISO"
    return f"{escape(structure.name)}^^^^^{authority}^IDNST^^^{structure.national_id}"


def _flag_group(request: Request, *, mdm: bool) -> list[str]:
    coded, label = ("CWE", "text") if mdm else ("CE", "TEXT")
    number = len(request.documents)
    lines = []
    for name, text, value in request.flags.rows():
        number += 1
        answer = "Y" if value else "N"
        lines.append(f"OBX|{number}|{coded}|{name}^{text}^MetaDMPMSS||{answer}^^expandedYes-NoIndicator||||||F")
        if name == "DESTMSSANTEPAT" and request.flags.close_exchange:
            lines.append("NTE|1|||FIN")
    bodies = (
        ("CORPSMAIL_PS", "Corps du mail pour un PS", request.body_professional),
        ("CORPSMAIL_PATIENT", "Corps du mail pour le patient", request.body_patient),
    )
    for name, text, body in bodies:
        if body:
            number += 1
            content = base64.b64encode(body.encode("utf-8")).decode("ascii")
            lines.append(f"OBX|{number}|ED|{name}^{text}^MetaDMPMSS||^{label}^^Base64^{content}||||||F")
    return lines
