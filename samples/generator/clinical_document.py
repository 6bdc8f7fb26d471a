"""CDA R2 documents: the header of the CI-SIS minimal structure (DMP digest §4), around a body made elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lxml import etree
from lxml.builder import ElementMaker  # type: ignore[import-not-found]  # lxml-stubs has no builder

from . import world
from .world import Address, Person, Professional, Structure

CDA_NAMESPACE = "urn:hl7-org:v3"
LAB_NAMESPACE = "urn:oid:1.3.6.1.4.1.19376.1.3.2"
XSI_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"
XSI_TYPE = f"{{{XSI_NAMESPACE}}}type"
LOINC = "2.16.840.1.113883.6.1"

Element = etree._Element


class Maker:
    """Makes elements of one namespace: `E.title("...")`, `E.id(root=...)`; a dictionary gives attributes too."""

    def __init__(self, namespace: str, prefixes: dict[str | None, str]) -> None:
        self._maker = ElementMaker(namespace=namespace, nsmap=prefixes)

    def __call__(self, tag: str, *children: object, **attributes: str) -> Element:
        made = self._maker(tag, *children, **attributes)
        if not isinstance(made, Element):
            raise TypeError(tag)
        return made

    def __getattr__(self, tag: str) -> Callable[..., Element]:
        return partial(self, tag)


E = Maker(CDA_NAMESPACE, {None: CDA_NAMESPACE, "xsi": XSI_NAMESPACE, "lab": LAB_NAMESPACE})
LAB = Maker(LAB_NAMESPACE, {"lab": LAB_NAMESPACE})


@dataclass(frozen=True, slots=True)
class DocumentType:
    """What the header says of the kind of document. `templates` are (root, version) after the two CI-SIS ones."""

    code: str
    label: str
    title: str
    templates: tuple[tuple[str, str], ...]
    event: tuple[str, str, str]
    """Principal serviceEvent: code, label, system."""


@dataclass(frozen=True, slots=True)
class Encounter:
    """`code` is (code, label, system) of JDV_J142; `start` and `stop` are HL7 TS with offset."""

    code: tuple[str, str, str]
    start: str
    stop: str = ""


@dataclass(frozen=True, slots=True)
class ClinicalDocument:
    """Everything one document is made of. `key` seeds its identifiers: same key and version, same document id."""

    key: str
    kind: DocumentType
    patient: Person
    author: Professional
    written_at: str
    encounter: Encounter
    body: Element
    version: int = 1
    replaces_version: int = 0
    confidentiality: tuple[str, str] = ("N", "Normal")
    with_matricule: bool = True
    addressee: Professional | None = None
    order_number: str = ""

    @property
    def document_id(self) -> str:
        return self.version_id(self.version)

    @property
    def set_id(self) -> str:
        return world.oid(f"{self.key}/set")

    def version_id(self, version: int) -> str:
        return world.oid(f"{self.key}/{version}")


def code(value: str, label: str, system: str) -> dict[str, str]:
    """Attributes of a coded element."""
    return {"code": value, "displayName": label, "codeSystem": system}


def write(document: ClinicalDocument) -> bytes:
    """The document as UTF-8 bytes, one line per element, with its XML declaration."""
    root = E.ClinicalDocument(
        E.realmCode(code="FR"),
        E.typeId(root="2.16.840.1.113883.1.3", extension="POCD_HD000040"),
        E.templateId(root="2.16.840.1.113883.2.8.2.1"),
        E.templateId(root="1.2.250.1.213.1.1.1.1"),
        *(_template(root, version) for root, version in document.kind.templates),
        E.id(root=document.document_id),
        E.code(code(document.kind.code, document.kind.label, LOINC)),
        E.title(document.kind.title),
        E.effectiveTime(value=document.written_at),
        E.confidentialityCode(code(*document.confidentiality, "2.16.840.1.113883.5.25")),
        E.languageCode(code="fr-FR"),
        E.setId(root=document.set_id),
        E.versionNumber(value=str(document.version)),
        _record_target(document),
        _author(document),
        _custodian(document.author.structure),
        *_addressees(document),
        _legal_authenticator(document),
        *_participants(document),
        *_orders(document),
        _documentation(document),
        *_replaced(document),
        _encounter(document),
        E.component(document.body),
    )
    etree.indent(root, space="")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _template(root: str, version: str) -> Element:
    return E.templateId(root=root, extension=version) if version else E.templateId(root=root)


def address(value: Address) -> Element:
    return E.addr(
        E.houseNumber(value.number),
        E.streetName(value.street),
        E.postalCode(value.postal_code),
        E.city(value.city),
    )


def _record_target(document: ClinicalDocument) -> Element:
    patient = document.patient
    ids = [E.id(root=world.IPP_OID, extension=patient.ipp)]
    telecoms = [E.telecom(value="tel:0199990100", use="H")]
    if document.with_matricule:
        ids.insert(0, E.id(root=world.TEST_INS_OID, extension=patient.matricule))
        telecoms.append(E.telecom(value=f"mailto:{patient.mailbox}"))
    gender = ("M", "Masculin") if patient.sex == "M" else ("F", "Féminin")
    return E.recordTarget(
        E.patientRole(
            *ids,
            address(patient.address),
            *telecoms,
            E.patient(
                E.name(
                    E.family(patient.family, qualifier="BR"),
                    E.given(patient.givens),
                    E.given(patient.first_given, qualifier="BR"),
                ),
                E.administrativeGenderCode(code(*gender, "2.16.840.1.113883.5.1")),
                E.birthTime(value=patient.birth_date),
                E.birthplace(E.place(E.addr(E.county(patient.birth_place), E.city(patient.birth_city)))),
                classCode="PSN",
            ),
        )
    )


def person_name(professional: Professional) -> Element:
    return E.name(
        E.family(professional.family),
        E.given(professional.given),
        E.suffix(professional.title),
    )


def organization(tag: str, structure: Structure, *, with_practice: bool = False) -> Element:
    """`tag` is `representedOrganization`, `scopingOrganization`, `representedCustodianOrganization`..."""
    parts = [
        E.id(root=world.STRUCTURE_OID, extension=structure.national_id),
        E.name(structure.name),
        E.telecom(value=structure.telecom, use="WP"),
        address(structure.address),
    ]
    if with_practice:
        parts.append(E.standardIndustryClassCode(code(*structure.practice, "1.2.250.1.213.1.1.4.9")))
    return E(tag, *parts)


def professional_id(professional: Professional) -> Element:
    return E.id(root=world.PROFESSIONAL_OID, extension=professional.national_id)


def specialty(professional: Professional) -> Element:
    return E.code(code(*professional.specialty, "1.2.250.1.213.1.1.4.5"))


def assigned_entity(professional: Professional, *, with_practice: bool = False) -> Element:
    return E.assignedEntity(
        professional_id(professional),
        specialty(professional),
        address(professional.structure.address),
        E.telecom(value=professional.structure.telecom, use="WP"),
        E.assignedPerson(person_name(professional)),
        organization("representedOrganization", professional.structure, with_practice=with_practice),
    )


def _author(document: ClinicalDocument) -> Element:
    author = document.author
    return E.author(
        E.time(value=document.written_at),
        E.assignedAuthor(
            professional_id(author),
            specialty(author),
            address(author.structure.address),
            E.telecom(value=author.structure.telecom, use="WP"),
            E.assignedPerson(person_name(author)),
            organization("representedOrganization", author.structure),
        ),
    )


def _custodian(structure: Structure) -> Element:
    return E.custodian(E.assignedCustodian(organization("representedCustodianOrganization", structure)))


def _addressees(document: ClinicalDocument) -> list[Element]:
    addressee = document.addressee
    if addressee is None:
        return []
    return [
        E.informationRecipient(
            E.intendedRecipient(
                professional_id(addressee),
                E.informationRecipient(person_name(addressee)),
                E.receivedOrganization(
                    E.id(root=world.STRUCTURE_OID, extension=addressee.structure.national_id),
                    E.name(addressee.structure.name),
                ),
            )
        )
    ]


def _legal_authenticator(document: ClinicalDocument) -> Element:
    return E.legalAuthenticator(
        E.time(value=document.written_at), E.signatureCode(code="S"), assigned_entity(document.author)
    )


def _participants(document: ClinicalDocument) -> list[Element]:
    """The family doctor; for biology also the prescriber (volet CR-BIO)."""
    doctor = world.FAMILY_DOCTOR

    def entity() -> Element:
        return E.associatedEntity(
            professional_id(doctor),
            specialty(doctor),
            address(doctor.structure.address),
            E.telecom(value=doctor.structure.telecom, use="WP"),
            E.associatedPerson(person_name(doctor)),
            organization("scopingOrganization", doctor.structure),
            classCode="PROV",
        )

    participants = []
    if document.order_number:
        participants.append(
            E.participant(
                E.templateId(root="1.3.6.1.4.1.19376.1.3.3.1.6"),
                E.time(E.high(value=document.encounter.start), {XSI_TYPE: "IVL_TS"}),
                entity(),
                typeCode="REF",
            )
        )
    participants.append(
        E.participant(
            E.functionCode(code("PCP", "Médecin traitant", "2.16.840.1.113883.5.88")),
            E.time(nullFlavor="NA"),
            entity(),
            typeCode="INF",
        )
    )
    return participants


def _orders(document: ClinicalDocument) -> list[Element]:
    if not document.order_number:
        return []
    return [E.inFulfillmentOf(E.order(E.id(root=world.oid("orders"), extension=document.order_number)))]


def _documentation(document: ClinicalDocument) -> Element:
    encounter = document.encounter
    interval = [E.low(value=encounter.start)]
    if encounter.stop:
        interval.append(E.high(value=encounter.stop))
    event = [E.code(code(*document.kind.event)), E.effectiveTime(*interval)]
    performer = [
        E.time(E.high(value=encounter.stop or encounter.start)),
        assigned_entity(document.author, with_practice=True),
    ]
    if document.kind.code == "11502-2":
        event.insert(1, LAB.statusCode(code="completed"))
        performer.insert(0, E.templateId(root="1.3.6.1.4.1.19376.1.3.3.1.7"))
    return E.documentationOf(E.serviceEvent(*event, E.performer(*performer, typeCode="PRF")))


def _replaced(document: ClinicalDocument) -> list[Element]:
    if not document.replaces_version:
        return []
    return [
        E.relatedDocument(
            E.parentDocument(
                E.id(root=document.version_id(document.replaces_version)),
                E.versionNumber(value=str(document.replaces_version)),
            ),
            typeCode="RPLC",
        )
    ]


def _encounter(document: ClinicalDocument) -> Element:
    encounter, structure = document.encounter, document.author.structure
    interval = [E.low(value=encounter.start)]
    if encounter.stop:
        interval.append(E.high(value=encounter.stop))
    return E.componentOf(
        E.encompassingEncounter(
            E.code(code(*encounter.code)),
            E.effectiveTime(*interval),
            E.responsibleParty(assigned_entity(document.author)),
            E.location(
                E.healthCareFacility(
                    E.code(code(*structure.facility, "1.2.250.1.71.4.2.4")),
                    E.location(E.name(structure.name), address(structure.address)),
                )
            ),
        )
    )
