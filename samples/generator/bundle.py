"""FHIR lots (PDSm / MHD ITI-65): the same requests as `request.py`, as transaction Bundles."""

import base64
import hashlib
import json
from typing import Any

from . import world
from .catalogue import Sample, discharge
from .clinical_document import ClinicalDocument, write
from .request import Kind, Request
from .world import Person, Professional, Structure

SOURCE_ID = world.oid("source DPI")
"""The system that sends: what `senders[].match.application` is compared with."""

ORDERS = "urn:pfi:fhir:orders"
_MHD = "https://profiles.ihe.net/ITI/MHD/StructureDefinition"
_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition"
_CORE_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
_NOS = "https://mos.esante.gouv.fr/NOS"
_VISIBILITY = f"{_NOS}/TRE_A07-StatusVisibiliteDocument/FHIR/TRE-A07-StatusVisibiliteDocument"
_CLASSES = {"I": "IMP", "O": "AMB", "E": "EMER"}
_FACILITIES = f"{_NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"
_PRACTICES = f"{_NOS}/TRE_A01-CadreExercice/FHIR/TRE-A01-CadreExercice"

Json = dict[str, Any]


def write_bundle(request: Request, *, with_orders: bool = True) -> bytes:
    """The Bundle as JSON in UTF-8. `with_orders`: with our extension of the lot, else a plain PDSm lot."""
    return json.dumps(bundle(request, with_orders=with_orders), ensure_ascii=False, indent=1).encode("utf-8")


def bundle(request: Request, *, with_orders: bool = True) -> Json:
    """The Bundle: the lot, then each document's entry and bytes."""
    lot_url = f"urn:uuid:{world.identifier(f'lot {request.control_id}')}"
    references, binaries = [], []
    for number, document in enumerate(request.documents, 1):
        content = write(document)
        urls = {
            name: f"urn:uuid:{world.identifier(f'{name} {number} {request.control_id}')}"
            for name in ("reference", "binary")
        }
        references.append(_entry(urls["reference"], _reference(request, document, content, urls["binary"])))
        data = base64.b64encode(content).decode("ascii")
        binaries.append(_entry(urls["binary"], {"resourceType": "Binary", "contentType": "text/xml", "data": data}))
    lot = _lot(request, [each["fullUrl"] for each in references], with_orders=with_orders)
    return {
        "resourceType": "Bundle",
        "meta": {
            "profile": [f"{_PDSM}/pdsm-comprehensive-provide-document-bundle"],
            "tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}],
        },
        "type": "transaction",
        "entry": [_entry(lot_url, lot), *references, *binaries],
    }


def _entry(url: str, resource: Json) -> Json:
    return {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


# The lot -------------------------------------------------------------------------------------------------------------


def _lot(request: Request, references: list[str], *, with_orders: bool) -> Json:
    patient = request.patient or request.documents[0].patient
    recipients = [_practitioner(each, f"destinataire-{rank}") for rank, each in enumerate(request.recipients, 1)]
    if not request.flags.dest_mss_ps:
        recipients = []
    if request.pharmacy and request.flags.dest_mss_ps:
        recipients.append(_organization(world.PHARMACY, "pharmacie", world.PHARMACY_MAILBOX))
    if request.flags.dest_mss_pat:
        recipients.append(_patient(request, patient, "destinataire-patient", mailbox=True))
    designation = {"system": _FACILITIES, "code": request.author.structure.facility[0]}
    extensions: list[Json] = [
        {"url": f"{_MHD}/ihe-designationType", "valueCodeableConcept": {"coding": [designation]}},
        {
            "url": f"{_MHD}/ihe-sourceId",
            "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{SOURCE_ID}"},
        },
        {"url": f"{_MHD}/ihe-sourcePatientId", "valueReference": {"reference": "#patient"}},
        *(
            {"url": f"{_PDSM}/pdsm-ext-intended-recipient", "valueReference": {"reference": f"#{each['id']}"}}
            for each in recipients
        ),
    ]
    if with_orders:
        extensions.append(_orders(request))
    return {
        "resourceType": "List",
        "meta": {"profile": [f"{_PDSM}/pdsm-submissionset-comprehensive"]},
        "contained": [
            _patient(request, patient, "patient"),
            _practitioner(request.author, "auteur"),
            _organization(request.author.structure, "structure"),
            *recipients,
        ],
        "extension": extensions,
        "identifier": [
            {"use": "usual", "system": "urn:ietf:rfc:3986", "value": f"urn:oid:{world.oid(request.control_id)}"}
        ],
        "status": "current",
        "mode": "working",
        "title": request.documents[0].kind.label,
        "code": {
            "coding": [{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}]
        },
        "subject": _subject(request, patient),
        "date": _instant(request.sent_at),
        "source": {
            "extension": [{"url": f"{_MHD}/ihe-authorOrg", "valueReference": {"reference": "#structure"}}],
            "reference": "#auteur",
        },
        "entry": [{"item": {"reference": url}} for url in references],
    }


def _orders(request: Request) -> Json:
    """The flags of the message, but those that security labels tell; mail bodies and reply address."""
    labels = {"MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX"}
    flags = [{"url": name, "valueBoolean": value} for name, _, value in request.flags.rows() if name not in labels]
    if request.flags.close_exchange:
        flags.append({"url": "FIN", "valueBoolean": True})
    texts = {
        "CORPSMAIL_PS": request.body_professional,
        "CORPSMAIL_PATIENT": request.body_patient,
        "REPLY_TO": request.reply_to,
    }
    return {
        "url": ORDERS,
        "extension": [*flags, *({"url": name, "valueString": text} for name, text in texts.items() if text)],
    }


# The documents -------------------------------------------------------------------------------------------------------


def _reference(request: Request, document: ClinicalDocument, content: bytes, binary: str) -> Json:
    patient, structure = request.patient or document.patient, request.author.structure
    replaced = document.version_id(document.replaces_version) if request.kind is Kind.REPLACE else ""
    encounter = document.encounter
    return {
        "resourceType": "DocumentReference",
        "meta": {"profile": [f"{_PDSM}/pdsm-comprehensive-document-reference"]},
        "contained": [
            _patient(request, patient, "patient"),
            _practitioner(request.author, "auteur"),
            _organization(structure, "structure"),
            _stay(request),
        ],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{document.document_id}"},
        "status": "current",
        "type": {
            "coding": [{"system": "http://loinc.org", "code": document.kind.code, "display": document.kind.label}]
        },
        "subject": _subject(request, patient),
        "date": _instant(document.written_at),
        "author": [{"reference": "#auteur"}],
        "authenticator": {"reference": "#auteur"},
        "custodian": {"reference": "#structure"},
        **(
            {
                "relatesTo": [
                    {
                        "code": "replaces",
                        "target": {
                            "type": "DocumentReference",
                            "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{replaced}"},
                        },
                    }
                ]
            }
            if replaced
            else {}
        ),
        "securityLabel": [{"coding": [{"system": _VISIBILITY, "code": code}]} for code in _labels(request)],
        "content": [
            {
                "attachment": {
                    "contentType": "text/xml",
                    "language": "fr-FR",
                    "url": binary,
                    "size": len(content),
                    "hash": base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode("ascii"),
                    "title": document.kind.label,
                    "creation": _instant(document.written_at),
                }
            }
        ],
        "context": {
            "encounter": [{"reference": "#venue"}],
            "period": {"start": _instant(encounter.start)}
            | ({"end": _instant(encounter.stop)} if encounter.stop else {}),
            "facilityType": {"coding": [{"system": _FACILITIES, "code": structure.facility[0]}]},
            "practiceSetting": {"coding": [{"system": _PRACTICES, "code": structure.practice[0]}]},
            "sourcePatientInfo": {"reference": "#patient"},
        },
    }


def _labels(request: Request) -> list[str]:
    flags = request.flags
    told = {
        "MASQUE_PS": flags.masque_ps,
        "INVISIBLE_PATIENT": flags.invisible_patient,
        "INVISIBLE_REPRESENTANTS_LEGAUX": flags.invisible_rep_legaux,
    }
    return [code for code, value in told.items() if value] or ["N"]


def _stay(request: Request) -> Json:
    stay, patient = request.stay, request.patient or request.documents[0].patient
    period = {
        name: _instant(moment) for name, moment in (("start", stay.admitted_at), ("end", stay.discharged_at)) if moment
    }
    identifiers = [("VN", stay.visit), ("AN", patient.account)]
    return {
        "resourceType": "Encounter",
        "id": "venue",
        "identifier": [_local(code, value) for code, value in identifiers if value],
        "status": "finished" if stay.discharged_at else "in-progress",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": _CLASSES[stay.patient_class],
        },
        **({"period": period} if period else {}),
    }


# People --------------------------------------------------------------------------------------------------------------


def _local(code: str, value: str) -> Json:
    """An identifier of the hospital: its authority is the legal entity, by FINESS."""
    system = "http://terminology.hl7.org/CodeSystem/v2-0203"
    return {
        "type": {"coding": [{"system": system, "code": code}]},
        "system": f"urn:oid:{world.oid(code)}",
        "value": value,
        "assigner": {"display": "CH-EXEMPLE", "identifier": {"value": world.HOSPITAL.finess}},
    }


def _ins(patient: Person) -> Json:
    return {
        "use": "official",
        "type": {"coding": [{"system": _CORE_TYPES, "code": "INS-NIR-TEST"}]},
        "system": f"urn:oid:{world.TEST_INS_OID}",
        "value": patient.matricule,
    }


def _subject(request: Request, patient: Person) -> Json:
    """The record's own identifier, as PDSm for the DMP writes it; the contained patient when there is no INS."""
    if not request.pid_with_ins:
        return {"reference": "#patient"}
    return {"reference": f"Patient?identifier=urn:oid:{world.TEST_INS_OID}|{patient.matricule}"}


def _patient(request: Request, patient: Person, name: str, *, mailbox: bool = False) -> Json:
    status = [
        {
            "url": f"{_CORE}/fr-core-identity-reliability",
            "extension": [
                {
                    "url": "identityStatus",
                    "valueCoding": {
                        "system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445",
                        "code": request.reliability,
                    },
                }
            ],
        }
    ]
    place = {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
        "valueAddress": {
            "extension": [
                {
                    "url": f"{_CORE}/fr-core-address-insee-code",
                    "valueCoding": {
                        "system": f"{_NOS}/TRE_R13-Commune/FHIR/TRE-R13-Commune",
                        "code": patient.birth_place,
                    },
                }
            ]
        },
    }
    birth = patient.birth_date
    return {
        "resourceType": "Patient",
        "id": name,
        "extension": [*(status if request.reliability else []), place],
        "identifier": [*([_ins(patient)] if request.pid_with_ins else []), _local("PI", patient.ipp)],
        "name": [
            {
                "extension": [{"url": f"{_CORE}/fr-core-patient-birth-list-given-name", "valueString": patient.givens}],
                "use": "official",
                "family": patient.family,
                "given": [patient.first_given],
            }
        ],
        **({"telecom": [_mail(patient.mailbox)]} if mailbox else {}),
        "gender": {"M": "male", "F": "female"}[patient.sex],
        "birthDate": f"{birth[:4]}-{birth[4:6]}-{birth[6:]}",
    }


def _practitioner(person: Professional, name: str) -> Json:
    return {
        "resourceType": "Practitioner",
        "id": name,
        "identifier": [
            {
                "type": {"coding": [{"system": _CORE_TYPES, "code": "IDNPS"}]},
                "system": f"urn:oid:{world.PROFESSIONAL_OID}",
                "value": person.national_id,
            }
        ],
        "name": [{"family": person.family, "given": [person.given]}],
        **({"telecom": [_mail(person.mailbox)]} if person.mailbox else {}),
    }


def _organization(structure: Structure, name: str, mailbox: str = "") -> Json:
    return {
        "resourceType": "Organization",
        "id": name,
        "identifier": [
            {
                "type": {"coding": [{"system": _CORE_TYPES, "code": "IDNST"}]},
                "system": f"urn:oid:{world.STRUCTURE_OID}",
                "value": structure.national_id,
            }
        ],
        "name": structure.name,
        **({"telecom": [_mail(mailbox)]} if mailbox else {}),
    }


def _mail(address: str) -> Json:
    return {
        "extension": [
            {
                "url": f"{_CORE}/fr-core-contact-point-email-type",
                "valueCoding": {
                    "system": f"{_NOS}/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie",
                    "code": "MSSANTE",
                },
            }
        ],
        "system": "email",
        "value": address,
    }


def _instant(stamp: str) -> str:
    """An HL7 time as a FHIR one; those without offset are of the hospital, in winter as all samples are."""
    text, zone = stamp[:14].ljust(14, "0"), stamp[14:] or "+0100"
    day, time = f"{text[:4]}-{text[4:6]}-{text[6:8]}", f"{text[8:10]}:{text[10:12]}:{text[12:14]}"
    return f"{day}T{time}{zone[:3]}:{zone[3:]}"


# The samples ---------------------------------------------------------------------------------------------------------


def samples() -> tuple[Sample, ...]:
    """The committed lots."""
    letter = discharge("FHIR-LDL-1")
    return (
        Sample(
            "fhir/lettre-de-liaison.json",
            "The discharge letter as a PDSm lot with our extension of orders",
            "200",
            "send",
            "send",
            "send",
            lambda: write_bundle(letter),
        ),
        Sample(
            "fhir/lettre-de-liaison-pdsm.json",
            "The same as a plain PDSm lot: it orders nothing, `policy: complete` decides",
            "200",
            "-",
            "-",
            "-",
            lambda: write_bundle(discharge("FHIR-LDL-2"), with_orders=False),
        ),
    )
