"""Judges the metadata of a lot against the bytes of its documents (DMP digest §2.4, §2.5 and §3.1)."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors.sandbox import codes
from connectors.sandbox.cda import Cda, Code, Writer, same_time
from connectors.sandbox.dmp.verdict import METADATA, RegistryError
from connectors.sandbox.ebrim import Classification, RegistryObject

OID: Final = re.compile(r"^[0-2](?:\.(?:0|[1-9]\d*))+$")
_TIME: Final = re.compile(r"^\d{4}(?:\d{2}){0,5}$")
# XCN and XON of the DMP digest §3.1: the identifier is component 1, or 10; the authority `&OID&ISO` component 9, or 6.
_XCN: Final = re.compile(r"^[^^]*\^[^^]*\^[^^]*(?:\^{6}&[0-9.]+&ISO\^[^^]*\^{2,3}\w+)?$")
_XON: Final = re.compile(r"^(?P<name>[^^]*)\^{5}&(?P<oid>[0-9.]+)&ISO\^(?P<type>[^^]*)\^{3}(?P<id>[^^]*)$")
_CX: Final = re.compile(r"^[^^]+\^\^\^&[0-9.]+&ISO\^(?:PI|NH)$")
_SOURCE_PATIENT: Final = re.compile(r"^PID-(?:3|5|7|8|11|13|14|15|16|18|21)\|")


_REFERENCES: Final = "urn:ihe:iti:xds:2013:referenceIdList"
_REFERENCE: Final = re.compile(r"^(?P<id>[^^]+)\^\^\^(?:&[0-9.]+&ISO)?\^urn:ihe:iti:xds:20\d\d:\w+$")
_SLOTS: Final = frozenset(
    {
        "creationTime",
        "languageCode",
        "legalAuthenticator",
        "serviceStartTime",
        "serviceStopTime",
        "sourcePatientId",
        "sourcePatientInfo",
        "hash",
        "size",
        _REFERENCES,
        "URI",
        "repositoryUniqueId",
    }
)


def check_unique_id(unique_id: str, location: str) -> Iterator[RegistryError]:
    if OID.match(unique_id) is None or len(unique_id) > 64:
        yield RegistryError(METADATA, "uniqueId : OID de 64 caractères au plus attendu", location)


def check_submission_set(
    package: RegistryObject, patient_id: str, structure: str, now: datetime
) -> Iterator[RegistryError]:
    """`patient_id` and `structure` are those of the VIHF."""
    where = "SubmissionSet"
    time = package.slot("submissionTime")
    yield from _check_submission_time(time, now)
    schemes = codes.SUBMISSION_SCHEMES
    authors = package.classified(schemes["author"])
    if not authors:
        yield RegistryError(METADATA, "author absent", where)
    for author in authors:
        yield from _check_author(author, where)
    institutions = [value for author in authors for value in author.slots.get("authorInstitution", ())]
    if not any((found := _XON.match(value)) and found["id"] == structure for value in institutions):
        yield RegistryError(METADATA, "aucun authorInstitution ne correspond à la structure du VIHF", where)
    content_types = package.classified(schemes["contentTypeCode"])
    if len(content_types) != 1:
        yield RegistryError(METADATA, "contentTypeCode absent ou répété", where)
    elif content_types[0].coding_scheme != codes.CONTENT_TYPE_SCHEME or not re.match(
        r"^\d{2}$", content_types[0].representation
    ):
        yield RegistryError(METADATA, "contentTypeCode hors de JDV_J59", where)
    if not _same_patient(package.identifier(schemes["patientId"]), patient_id):
        yield RegistryError("XDSPatientIdDoesNotMatch", "patientId du lot différent du resource-id du VIHF", where)
    if OID.match(package.identifier(schemes["sourceId"])) is None:
        yield RegistryError(METADATA, "sourceId : OID attendu", where)
    yield from check_unique_id(package.identifier(schemes["uniqueId"]), where)
    yield from _check_labels(package, "SubmissionSet")


def check_entry(entry: RegistryObject, cda: Cda, patient_id: str) -> Iterator[RegistryError]:
    """The entry of a clinical document, against the document itself."""
    where = f"DocumentEntry {entry.id}"
    yield from _check_common(entry, patient_id, where)
    expected_type = "application/xslt+xml" if cda.self_presenting else "text/xml"
    if entry.attributes.get("mimeType") != expected_type:
        yield RegistryError(METADATA, f"mimeType : {expected_type} attendu", where)
    if entry.slot("hash").lower() != cda.sha1 or entry.slot("hash") != entry.slot("hash").lower():
        yield RegistryError("XDSRepositoryMetadataError", "hash différent du SHA-1 des octets reçus", where)
    if entry.slot("size") != str(cda.size):
        yield RegistryError("XDSRepositoryMetadataError", "size différent du nombre d'octets reçus", where)
    if cda.extension or entry.identifier(codes.IHE_SCHEMES["uniqueId"]) != cda.root:
        yield RegistryError(METADATA, "uniqueId différent de l'identifiant du document (OID sans extension)", where)
    if not cda.ins or not _same_patient(cda.ins, patient_id):
        yield RegistryError("XDSPatientIdDoesNotMatch", "l'INS du document n'est pas celui du lot", where)
    yield from _check_times(entry, cda, where)
    yield from _check_document_codes(entry, cda, where)
    yield from _check_people(entry, cda, where)
    if " ".join(entry.title.split()) != " ".join(cda.title[:128].split()):
        yield RegistryError(METADATA, "title différent du titre du document", where)
    if entry.slot("languageCode") != cda.language or cda.language != "fr-FR":
        yield RegistryError(METADATA, "languageCode : fr-FR attendu", where)
    allowed_ids = cda.local_ids or (cda.ins,)
    if entry.slot("sourcePatientId") not in allowed_ids:
        yield RegistryError(METADATA, "sourcePatientId différent de l'identifiant local du document", where)
    yield from _check_source_patient_info(entry, cda, where)
    yield from _check_references(entry, cda, where)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of the DMP that bear on feeding (EX_2.1-1050), with the values that are assumed today."""

    masked_and_invisible: bool = False
    """`cumul-invisible_patient-masque_ps`."""
    minors: bool = True
    """`fonctions-gestion-mineurs`: a secret connection then only feeds what legal representatives may not see."""


def check_visibility(entry: RegistryObject, parameters: Parameters, *, secret: bool) -> Iterator[RegistryError]:
    """Whether the DMP takes this combination of visibilities; `secret`: the call is a « connexion secrète »."""
    where = f"DocumentEntry {entry.id}"
    names = {one.representation for one in entry.classified(codes.IHE_SCHEMES["confidentialityCode"])}
    if {"MASQUE_PS", "INVISIBLE_PATIENT"} <= names and not parameters.masked_and_invisible:
        yield RegistryError(METADATA, "MASQUE_PS et INVISIBLE_PATIENT ne se cumulent pas", where)
    if secret and parameters.minors and "INVISIBLE_REPRESENTANTS_LEGAUX" not in names:
        yield RegistryError(METADATA, "connexion secrète : INVISIBLE_REPRESENTANTS_LEGAUX attendu", where)


def check_signature_entry(
    entry: RegistryObject, content: bytes, patient_id: str, documents: tuple[RegistryObject, ...]
) -> Iterator[RegistryError]:
    """The entry of the signature of the lot (DMP digest §2.5)."""
    where = f"Signature {entry.id}"
    yield from _check_common(entry, patient_id, where)
    constants = (
        ("classCode", "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1", "URN"),
        ("typeCode", "E1762", "ASTM"),
        ("eventCodeList", "1.2.840.10065.1.12.1.14", "1.2.840.10065.1.12"),
    )
    for name, code, scheme in constants:
        found = entry.classified(codes.IHE_SCHEMES[name])
        if [(one.representation, one.coding_scheme) for one in found] != [(code, scheme)]:
            yield RegistryError(METADATA, f"signature : {name} {code} ({scheme}) attendu", where)
    formats = {(one.representation, one.coding_scheme) for one in entry.classified(codes.IHE_SCHEMES["formatCode"])}
    if not formats or not formats <= {
        ("http://www.w3.org/2000/09/xmldsig#", "URN"),
        ("urn:ihe:iti:dsg:detached:2014", "1.3.6.1.4.1.19376.1.2.3"),
    }:
        yield RegistryError(METADATA, "signature : formatCode inattendu", where)
    confidentiality = {one.representation for one in entry.classified(codes.IHE_SCHEMES["confidentialityCode"])}
    if confidentiality != {"N", "MASQUE_PS", "INVISIBLE_PATIENT"}:
        yield RegistryError(METADATA, "signature : N, MASQUE_PS et INVISIBLE_PATIENT attendus", where)
    if entry.attributes.get("mimeType") != "text/xml" or entry.slot("languageCode") != "art":
        yield RegistryError(METADATA, "signature : text/xml et languageCode art attendus", where)
    if entry.title != "Source":
        yield RegistryError(METADATA, "signature : titre Source attendu", where)
    for name in ("healthcareFacilityTypeCode", "practiceSettingCode"):
        own = {one.representation for one in entry.classified(codes.IHE_SCHEMES[name])}
        others = {one.representation for doc in documents for one in doc.classified(codes.IHE_SCHEMES[name])}
        if len(own) != 1 or not own <= others:
            yield RegistryError(METADATA, f"signature : {name} n'est pas celui du document", where)
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    if entry.slot("hash") != sha1 or entry.slot("size") != str(len(content)):
        yield RegistryError("XDSRepositoryMetadataError", "signature : hash ou size faux", where)
    if not _same_patient(entry.slot("sourcePatientId"), patient_id):
        yield RegistryError(METADATA, "signature : sourcePatientId doit être l'INS", where)
    yield from check_unique_id(entry.identifier(codes.IHE_SCHEMES["uniqueId"]), where)


def is_signature(entry: RegistryObject) -> bool:
    return any(one.representation == "E1762" for one in entry.classified(codes.IHE_SCHEMES["typeCode"]))


def _check_common(entry: RegistryObject, patient_id: str, where: str) -> Iterator[RegistryError]:
    if entry.attributes.get("objectType") != codes.DOCUMENT_OBJECT_TYPE:
        yield RegistryError(METADATA, "objectType de DocumentEntry attendu", where)
    required = ("creationTime", "languageCode", "legalAuthenticator", "serviceStartTime", "sourcePatientId")
    for name in (*required, "hash", "size"):
        if not entry.slot(name):
            yield RegistryError(METADATA, f"métadonnée obligatoire absente : {name}", where)
    for name in ("creationTime", "serviceStartTime", "serviceStopTime"):
        if entry.slot(name) and _TIME.match(entry.slot(name)) is None:
            yield RegistryError(METADATA, f"{name} : date UTC AAAAMMJJhhmmss attendue", where)
    for name in ("URI", "repositoryUniqueId"):
        if name in entry.slots:
            yield RegistryError(METADATA, f"{name} n'est pas à fournir à l'alimentation", where)
    if not entry.classified(codes.IHE_SCHEMES["author"]):
        yield RegistryError(METADATA, "author absent", where)
    for author in entry.classified(codes.IHE_SCHEMES["author"]):
        yield from _check_author(author, where)
    unknown = {one.scheme for one in entry.classifications} - set(codes.IHE_SCHEMES.values())
    if unknown:
        yield RegistryError(METADATA, "schéma de classification inconnu", where)
    for identifier in entry.identifiers:
        expected = {codes.IHE_SCHEMES[name]: f"XDSDocumentEntry.{name}" for name in ("patientId", "uniqueId")}
        if expected.get(identifier.scheme) != identifier.name:
            yield RegistryError(METADATA, "ExternalIdentifier : schéma et nom ne vont pas ensemble", where)
    if not _same_patient(entry.identifier(codes.IHE_SCHEMES["patientId"]), patient_id):
        yield RegistryError("XDSPatientIdDoesNotMatch", "patientId du document différent de celui du lot", where)
    yield from _check_labels(entry, where)


def _check_labels(owner: RegistryObject, where: str) -> Iterator[RegistryError]:
    """Each coded value has a code, a codingScheme and a French name (DMP digest §2.4)."""
    author_schemes = {codes.IHE_SCHEMES["author"], codes.SUBMISSION_SCHEMES["author"]}
    for one in owner.classifications:
        coded = one.scheme and one.scheme not in author_schemes
        if coded and not (one.representation and one.coding_scheme and one.label):
            yield RegistryError(METADATA, "valeur codée sans code, sans codingScheme ou sans libellé", where)


def _check_submission_time(time: str, now: datetime) -> Iterator[RegistryError]:
    try:
        moment = datetime.strptime(time, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        yield RegistryError(METADATA, "submissionTime : AAAAMMJJhhmmss attendu", "SubmissionSet")
        return
    if moment > now + timedelta(minutes=5):
        yield RegistryError(METADATA, "submissionTime dans l'avenir : elle est à donner en UTC", "SubmissionSet")


def _check_times(entry: RegistryObject, cda: Cda, where: str) -> Iterator[RegistryError]:
    for name, expected in (
        ("creationTime", cda.creation_times),
        ("serviceStartTime", cda.start_times),
        ("serviceStopTime", cda.stop_times),
    ):
        written = entry.slot(name)
        if written and not same_time(written, expected):
            yield RegistryError(METADATA, f"{name} différent de celui du document (heure UTC)", where)
        if expected and not written:
            yield RegistryError(METADATA, f"{name} absent alors que le document le donne", where)


def _check_document_codes(entry: RegistryObject, cda: Cda, where: str) -> Iterator[RegistryError]:
    schemes = codes.IHE_SCHEMES
    type_code = cda.type_code
    single = _one(entry.classified(schemes["typeCode"]))
    if single is None or (single.representation, single.coding_scheme) != (type_code.code, type_code.scheme):
        yield RegistryError(METADATA, "typeCode différent de celui du document", where)
    known = type_code.code in codes.CLASS_OF_TYPE or type_code.code == codes.TYPE_WITHOUT_CLASS
    if not known or type_code.scheme not in (codes.LOINC, codes.TRE_A05):
        yield RegistryError(METADATA, "typeCode hors de JDV_J66 : document qui n'est pas destiné au DMP", where)
    family = _one(entry.classified(schemes["classCode"]))
    expected_class = codes.CLASS_OF_TYPE.get(type_code.code)
    if (
        family is None
        or family.coding_scheme != codes.CLASS_SCHEME
        or expected_class not in (None, family.representation)
    ):
        yield RegistryError(METADATA, "classCode différent de celui qu'ASS_X16 donne à ce typeCode", where)
    form = _one(entry.classified(schemes["formatCode"]))
    if (
        form is None
        or form.representation not in cda.formats
        or form.coding_scheme not in codes.format_schemes(form.representation)
    ):
        yield RegistryError(METADATA, "formatCode différent de celui du modèle du document", where)
    yield from _check_confidentiality(entry, cda, where)
    for name, expected, allowed in (
        ("healthcareFacilityTypeCode", cda.facility, codes.FACILITY_SCHEMES),
        ("practiceSettingCode", cda.practice, codes.PRACTICE_SCHEMES),
    ):
        written = _one(entry.classified(schemes[name]))
        if written is None or expected is None or not _same_code(written, expected, allowed):
            yield RegistryError(METADATA, f"{name} absent, inconnu ou différent de celui du document", where)


def _check_confidentiality(entry: RegistryObject, cda: Cda, where: str) -> Iterator[RegistryError]:
    found = entry.classified(codes.IHE_SCHEMES["confidentialityCode"])
    normal = [one for one in found if one.coding_scheme == codes.CONFIDENTIALITY_SCHEME]
    visibility = [one for one in found if one.coding_scheme == codes.VISIBILITY_SCHEME]
    if [one.representation for one in normal] != [cda.confidentiality] or cda.confidentiality != "N":
        yield RegistryError(METADATA, "confidentialityCode : N attendu, comme dans le document", where)
    names = [one.representation for one in visibility]
    if (
        len(normal) + len(visibility) != len(found)
        or not set(names) <= codes.VISIBILITIES
        or len(names) > len(set(names))
    ):
        yield RegistryError(METADATA, "confidentialityCode inconnu, répété ou de mauvaise nomenclature", where)


def _check_people(entry: RegistryObject, cda: Cda, where: str) -> Iterator[RegistryError]:
    persons = [
        value
        for author in entry.classified(codes.IHE_SCHEMES["author"])
        for value in author.slots.get("authorPerson", ())
    ]
    identifiers = [value.partition("^")[0] for value in persons]
    if sorted(identifiers) != sorted(cda.author_ids):
        yield RegistryError(METADATA, "les auteurs ne sont pas ceux du document", where)
    for author in entry.classified(codes.IHE_SCHEMES["author"]):
        if not any(_same_author(author, one) for one in cda.authors):
            yield RegistryError(METADATA, "un auteur n'est pas décrit comme dans le document", where)
    authenticator = entry.slot("legalAuthenticator")
    if authenticator and (
        _XCN.match(authenticator) is None or authenticator.partition("^")[0] != cda.legal_authenticator_id
    ):
        yield RegistryError(METADATA, "legalAuthenticator mal formé, ou différent de celui du document", where)


def _same_author(written: Classification, author: Writer) -> bool:
    """Name, structure, role and specialty are those of one author of the document, where both sides give them."""
    person = next(iter(written.slots.get("authorPerson", ())), "").split("^")
    institutions = [found["id"] for one in written.slots.get("authorInstitution", ()) if (found := _XON.match(one))]
    specialties = [one.partition("^")[0] for one in written.slots.get("authorSpecialty", ())]
    pairs = (
        (person[:1], author.identifier),
        (person[1:2], author.family),
        (person[2:3], author.given),
        (institutions, author.institution),
        (written.slots.get("authorRole", ()), author.role),
        (specialties, author.specialty),
    )
    return all(not values or not own or _folded(values[0]) == _folded(own) for values, own in pairs)


def _folded(text: str) -> str:
    """Without the escapes of HL7 v2 (`\\T\\`) and with single blanks."""
    for escape, character in (("\\T\\", "&"), ("\\S\\", "^"), ("\\F\\", "|"), ("\\R\\", "~"), ("\\E\\", "\\")):
        text = text.replace(escape, character)
    return " ".join(text.split())


def _check_references(entry: RegistryObject, cda: Cda, where: str) -> Iterator[RegistryError]:
    """Acts and references are the document's own: nothing may be said of it that it does not say."""
    events = {one.representation for one in entry.classified(codes.IHE_SCHEMES["eventCodeList"])}
    if not events <= cda.event_codes:
        yield RegistryError(METADATA, "eventCodeList : code que le document ne porte pas", where)
    for value in entry.slots.get(_REFERENCES, ()):
        found = _REFERENCE.match(value)
        if found is None or found["id"] not in cda.references:
            yield RegistryError(METADATA, "referenceIdList mal formé, ou étranger au document", where)
    for name in sorted(set(entry.slots) - _SLOTS):
        yield RegistryError("XDSExtraMetadataNotSaved", f"métadonnée non conservée : {name}", where, warning=True)


def _check_author(author: Classification, where: str) -> Iterator[RegistryError]:
    persons = author.slots.get("authorPerson", ())
    if len(persons) != 1 or _XCN.match(persons[0]) is None:
        yield RegistryError(METADATA, "authorPerson absent, répété ou mal formé (XCN)", where)
    for value in author.slots.get("authorInstitution", ()):
        if _XON.match(value) is None and "^" in value:
            yield RegistryError(METADATA, "authorInstitution mal formé (XON)", where)


def _check_source_patient_info(entry: RegistryObject, cda: Cda, where: str) -> Iterator[RegistryError]:
    values = entry.slots.get("sourcePatientInfo", ())
    if not values:
        yield RegistryError(METADATA, "métadonnée obligatoire absente : sourcePatientInfo", where)
        return
    if not all(_SOURCE_PATIENT.match(value) for value in values):
        yield RegistryError(METADATA, "sourcePatientInfo : PID-n|valeur attendu", where)
    family, given, birth_date, sex = cda.traits
    names = [value.removeprefix("PID-5|").split("^") for value in values if value.startswith("PID-5|")]
    if family and given and not any(name[:2] == [family, given] for name in names):
        yield RegistryError(METADATA, "sourcePatientInfo : PID-5 différent du document", where)
    for field, expected in (("PID-7", birth_date), ("PID-8", sex)):
        # CDA writes the undetermined sex UN, HL7 v2 table 0001 U.
        allowed = {f"{field}|{expected}", f"{field}|{expected[:1]}"} if expected == "UN" else {f"{field}|{expected}"}
        if expected and not allowed & set(values):
            yield RegistryError(METADATA, f"sourcePatientInfo : {field} absent ou différent du document", where)


def _same_patient(written: str, expected: str) -> bool:
    """Equality of two CX; the date that some samples add in CX-8 does not count."""
    return _CX.match(expected) is not None and written.split("^")[:5] == expected.split("^")[:5]


def _same_code(written: Classification, expected: Code, allowed: frozenset[str]) -> bool:
    if written.representation != expected.code or written.coding_scheme not in allowed:
        return False
    return allowed is not codes.PRACTICE_SCHEMES or written.representation in codes.PRACTICES


def _one(found: tuple[Classification, ...]) -> Classification | None:
    return found[0] if len(found) == 1 else None
