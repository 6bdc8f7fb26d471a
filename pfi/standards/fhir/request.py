"""Reads a lot (PDSm / MHD ITI-65) as the request that an HL7 v2 message would have been.

Pure and complete: a refused lot still gets all the findings that can be made. The CDA content is not opened here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from pfi.model.finding import Finding
from pfi.model.patient import Patient
from pfi.model.profile import SenderProfile
from pfi.model.submission import DocumentRequest, MessageHeader, Request
from pfi.standards.fhir.documents import DocumentsReading, read_documents
from pfi.standards.fhir.element import Element
from pfi.standards.fhir.encounter import read_account, read_encounter, read_establishment, read_stay, timestamp
from pfi.standards.fhir.identifiers import in_use
from pfi.standards.fhir.orders import read_orders
from pfi.standards.fhir.outline import EntryOutline, Outline
from pfi.standards.fhir.parties import read_participants, read_sender
from pfi.standards.fhir.patient import find_patients, read_patient
from pfi.standards.fhir.resources import Entry, Resources, read_resources
from pfi.standards.fhir.vocabulary import (
    BIRTH_PLACE,
    FHIR_VERSION,
    IDENTITY_RELIABILITY,
    SOURCE_ID,
    TEST_DATA,
    without_urn,
)
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.matrix import check_combination
from pfi.standards.hl7v2.orders import BODY_PATIENT, BODY_PROFESSIONAL, REPLY_TO
from pfi.standards.hl7v2.participants import check_participants

MESSAGE_CODE: Final = "FHIR"
"""`MessageHeader.message_code` of a lot; its event is `ITI-65`."""
_EVENT: Final = "ITI-65"
_RULE: Final = "MHD, ITI-65"
_CARRIED: Final = frozenset(
    {"List", "DocumentReference", "Binary", "Patient", "Practitioner", "PractitionerRole", "Organization", "Encounter",
     "Device", "Location", "RelatedPerson"}
)  # fmt: skip
"""Types that a lot may have as entries: what is asked of them is to be taken along, never to be updated elsewhere."""


@dataclass(frozen=True, slots=True)
class Lot:
    """A Bundle opened as far as its header: enough to know whose it is. `set` is the SubmissionSet, empty if none."""

    resources: Resources
    set: Element
    references: tuple[Element, ...]
    header: MessageHeader


@dataclass(frozen=True, slots=True)
class LotReading:
    """`request` is `None` when a finding refuses the lot."""

    request: DocumentRequest | None
    findings: tuple[Finding, ...]
    outline: Outline


def open_lot(bundle: Element) -> Lot:
    """The header of a parsed Bundle; never fails, absent fields are empty."""
    resources = read_resources(bundle)
    lots = resources.submission_sets
    lot = lots[0] if lots else Element({}, "Bundle.entry")
    sender = read_sender(resources, lot)
    return Lot(
        resources=resources,
        set=lot,
        references=resources.of("DocumentReference"),
        header=MessageHeader(
            sending_application=without_urn(lot.extension(SOURCE_ID).one("valueIdentifier").text("value")),
            sending_facility=sender.organization.identifier if sender and sender.organization else "",
            receiving_application="PFI",
            receiving_facility="",
            message_code=MESSAGE_CODE,
            trigger_event=_EVENT,
            structure="Bundle",
            control_id=_control_id(resources, lot),
            processing_id="T" if _is_trial(bundle, lot) else "P",
            version=FHIR_VERSION,
            charset="UNICODE UTF-8",
            sent_at=timestamp(lot.text("date")),
            profile=next(iter(bundle.one("meta").texts("profile")), ""),
        ),
    )


def read_lot(lot: Lot, profile: SenderProfile) -> LotReading:
    """Reads and checks a lot as the sender's profile wants."""
    deviations = Deviations(profile.mode)
    _check_lot(lot, profile, deviations)
    documents = read_documents(lot.resources, lot.references, deviations)
    _check_entries(lot.resources.entries, documents.request, deviations)
    patients = find_patients(lot.resources, lot.set, lot.references)
    outline = _outline(lot, documents, patients)
    if not lot.set or not lot.references:
        return LotReading(None, deviations.findings, outline)
    request = _read_request(lot, documents, patients, profile, deviations)
    return LotReading(None if deviations.refused else request, deviations.findings, outline)


def outline_of(lot: Lot) -> Outline:
    """The outline of a lot that is not read further."""
    return _outline(lot, DocumentsReading((), Request.INITIAL), ())


def _read_request(
    lot: Lot,
    documents: DocumentsReading,
    patients: tuple[Element, ...],
    profile: SenderProfile,
    deviations: Deviations,
) -> DocumentRequest | None:
    reading = read_orders(lot.set, lot.references, deviations)
    check_combination(reading.flags, profile, deviations)
    participants = read_participants(lot.resources, lot.set, reading.texts.get(REPLY_TO, ""), deviations)
    patient = read_patient(patients, deviations)
    if patient is None:
        return None
    check_participants(participants, reading.orders, patient, profile, deviations)
    encounter = read_encounter(lot.resources, lot.references)
    stay = read_stay(encounter)
    custodian = lot.resources.resolve(lot.references[0].one("custodian"), lot.references[0])
    if not documents.documents:
        return None
    return DocumentRequest(
        message=lot.header,
        request=documents.request,
        patient=_with_account(patient, encounter),
        stay=stay,
        orders=reading.orders,
        code=documents.documents[0].code,
        documents=documents.documents,
        sender=participants.sender,
        recipients=participants.recipients,
        reply_to=participants.reply_to,
        body_professional=reading.texts.get(BODY_PROFESSIONAL) or None,
        body_patient=reading.texts.get(BODY_PATIENT) or None,
        announced_id=documents.announced_id,
        announced_parent=documents.announced_parent,
        establishment=read_establishment(patient, encounter, custodian, stay),
    )


def _with_account(patient: Patient, encounter: Element) -> Patient:
    return replace(patient, account=read_account(encounter))


def _control_id(resources: Resources, lot: Element) -> str:
    """The unique identifier of the lot; for want of one, its entryUUID, its `fullUrl`, the identifier of the Bundle."""
    identifiers = list(in_use(lot))
    unique = next((each for each in identifiers if each.text("use") != "official"), None)
    told = unique or next(iter(identifiers), None)
    if told is not None:
        return without_urn(told.text("value"))
    urls = (entry.full_url for entry in resources.entries if lot and entry.resource is lot)
    own = next((url for url in urls if url.startswith("urn:")), "")
    bundle = resources.bundle
    return without_urn(own) or without_urn(bundle.one("identifier").text("value")) or bundle.text("id")


def _is_trial(*holders: Element) -> bool:
    """HTEST on the Bundle or on the lot: MSH-11 = T."""
    codings = (coding for holder in holders for name in ("tag", "security") for coding in holder.one("meta").all(name))
    return any(coding.text("code") == TEST_DATA for coding in codings)


def _check_lot(lot: Lot, profile: SenderProfile, deviations: Deviations) -> None:
    header = lot.header
    if not lot.set:
        deviations.refuse(
            "SUBMISSION_SET_MISSING", "Bundle.entry", "Le Bundle n'a pas de lot de soumission (List).", "100", _RULE
        )
        return
    if len(lot.resources.submission_sets) > 1:
        deviations.refuse(
            "SUBMISSION_SET_REPEATED", "Bundle.entry", "Le Bundle a plusieurs lots de soumission.", "198", _RULE
        )
    if not header.control_id:
        deviations.refuse(
            "CONTROL_ID_MISSING", lot.set.at("identifier"), "Le lot n'a pas d'identifiant unique.", "101", _RULE
        )
    elif not any(in_use(lot.set)):
        deviations.deviate(
            "CONTROL_ID_DERIVED",
            lot.set.at("identifier"),
            "Le lot n'a pas d'identifiant unique : celui de l'entrée ou du Bundle en tient lieu.",
            "101",
            _RULE,
        )
    if header.processing_id not in profile.processing_ids:
        deviations.refuse(
            "PROCESSING_ID_REFUSED",
            "Bundle.meta",
            "Ce mode de traitement (essai HTEST, ou production) n'est pas admis pour cet émetteur.",
            "202",
            _RULE,
        )
    if not header.sending_application:
        deviations.deviate(
            "SENDER_MISSING",
            lot.set.at("extension"),
            "Le lot ne dit pas quel système l'envoie (extension ihe-sourceId).",
            "101",
            _RULE,
        )
    if not header.sent_at:
        deviations.deviate(
            "MESSAGE_TIME_MISSING", lot.set.at("date"), "La date de soumission est absente.", "101", _RULE
        )


def _check_entries(entries: Iterable[Entry], request: Request, deviations: Deviations) -> None:
    """Everything in the Bundle must be something that can be carried out: an entry is never silently left."""
    for entry in entries:
        if request is Request.REPLACE and entry.method == "PATCH":
            deviations.inform(
                "PATCH_IGNORED",
                entry.resource.where,
                "La fiche remplacée change d'état par le remplacement lui-même : cette entrée n'est pas exploitée.",
                _RULE,
            )
        elif entry.method not in ("POST", "PUT") or entry.resource.kind not in _CARRIED:
            deviations.refuse(
                "ENTRY_UNSUPPORTED",
                entry.resource.where,
                "Cette entrée demande autre chose que l'envoi d'un document : elle n'est pas prise en charge.",
                "103",
                _RULE,
            )


def _outline(lot: Lot, documents: DocumentsReading, patients: tuple[Element, ...]) -> Outline:
    entries = tuple(
        EntryOutline(entry.resource.kind, entry.full_url, entry.method, entry.url) for entry in lot.resources.entries
    )
    return Outline(entries, dict(_places(lot, documents, patients)))


def _places(lot: Lot, documents: DocumentsReading, patients: tuple[Element, ...]) -> Iterator[tuple[str, str]]:
    """HL7 v2 places that shared checks name, and what they are here."""
    yield "MSH", "Bundle"
    yield "MSH^1^3", lot.set.at("extension")
    yield "MSH^1^10", lot.set.at("identifier")
    yield "PRT", lot.set.where
    yield "OBX", lot.set.where
    for rank, place in documents.places.items():
        yield f"OBX^{rank}^5", place
    if lot.references:
        reference = lot.references[0]
        yield "OBR^1^4", reference.at("type")
        yield "TXA^1^12", reference.at("masterIdentifier")
        yield "TXA^1^13", reference.at("relatesTo")
        yield "PID", reference.at("subject")
    described = next((each for each in patients if each.all("name")), patients[0] if patients else None)
    if described is not None:
        yield "PID", described.where
        yield "PID^1^3", described.at("identifier")
        yield "PID^1^5", described.at("name")
        yield "PID^1^7", described.at("birthDate")
        yield "PID^1^8", described.at("gender")
        for place, url in (("PID^1^11", BIRTH_PLACE), ("PID^1^32", IDENTITY_RELIABILITY)):
            yield place, described.extension(url).where
