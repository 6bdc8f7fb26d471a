"""TD2.1: takes or refuses a lot (IHE ITI-41; DMP digest §2.4 to §2.6)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from lxml import etree

from connectors.sandbox import cda, codes, ebrim
from connectors.sandbox.dmp import metadata
from connectors.sandbox.dmp.mtom import Part
from connectors.sandbox.dmp.patients import DmpState, PatientDirectory
from connectors.sandbox.dmp.registry import EntryStatus, Registry, StoredDocument, new_entry_uuid
from connectors.sandbox.dmp.schema import SchemaCheck
from connectors.sandbox.dmp.signatures import (
    BadSignatureError,
    BadSignerError,
    SignedLot,
    is_null_digest,
    matches_manifest,
    verify_lot,
)
from connectors.sandbox.dmp.soap import SoapFaultError
from connectors.sandbox.dmp.verdict import METADATA, RefusedError, RegistryError, refuse
from connectors.sandbox.dmp.vihf import Vihf
from pfi.standards.xml import XmlRefusedError

ACTION: Final = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
ANSWER_ACTION: Final = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse"
_XDSB: Final = "urn:ihe:iti:xds-b:2007"
_NS: Final = {"xdsb": _XDSB, "lcm": ebrim.LCM, "xop": "http://www.w3.org/2004/08/xop/include"}
_HAS_MEMBER: Final = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
_SIGNS: Final = "urn:ihe:iti:2007:AssociationType:signs"
_REPLACES: Final = "urn:ihe:iti:2007:AssociationType:RPLC"


@dataclass(frozen=True, slots=True)
class Lot:
    """A readable submission: objects of the registry and the bytes of each document, by entry id."""

    package: ebrim.RegistryObject
    documents: tuple[ebrim.RegistryObject, ...]
    signature: ebrim.RegistryObject
    associations: tuple[ebrim.Association, ...]
    contents: Mapping[str, bytes]

    @property
    def submission_id(self) -> str:
        return self.package.identifier(codes.SUBMISSION_SCHEMES["uniqueId"])

    def unique_id(self, entry: ebrim.RegistryObject) -> str:
        return entry.identifier(codes.IHE_SCHEMES["uniqueId"])


class Feed:
    """Judges lots and stores the good ones. `schema`, when given, is applied to each CDA; `parameters` are those of the
    DMP."""

    def __init__(
        self,
        registry: Registry,
        patients: PatientDirectory,
        authority: x509.Certificate,
        clock: Callable[[], datetime],
    ) -> None:
        self.schema: SchemaCheck | None = None
        self.parameters = metadata.Parameters()
        self._registry = registry
        self._patients = patients
        self._authority = authority
        self._clock = clock

    def take(self, body: etree._Element, parts: Mapping[str, Part], vihf: Vihf) -> tuple[RegistryError, ...]:
        """Stores the documents of a lot, returns warnings. Raises RefusedError, or SoapFaultError for a bad signer."""
        try:
            lot = read_lot(body, parts)
            read = {entry.id: _read_cda(lot.contents[entry.id]) for entry in lot.documents}
            errors = list(self._judge(lot, read, vihf))
        except ebrim.MalformedRegistryError as malformed:
            raise refuse(METADATA, str(malformed)) from None
        if any(not error.warning for error in errors):
            raise RefusedError(error for error in errors if not error.warning)
        self._check_patient(vihf.matricule)
        self._check_duplicates(lot, read)
        replaced = self._replaced(lot, read, vihf.structure)
        self._check_versions(lot, read, replaced)
        self._store(lot, read, replaced, vihf, body)
        return tuple(errors)

    def _judge(self, lot: Lot, read: Mapping[str, cda.Cda], vihf: Vihf) -> Iterator[RegistryError]:
        patient_id = vihf.resource_id
        yield from metadata.check_submission_set(lot.package, patient_id, vihf.structure, self._clock())
        for entry in lot.documents:
            yield from metadata.check_entry(entry, read[entry.id], patient_id)
            yield from metadata.check_visibility(entry, self.parameters, secret=vihf.secret)
            deviation = self.schema.check(lot.contents[entry.id], entry.id) if self.schema is not None else None
            if deviation is not None:
                yield deviation
        signature_content = lot.contents[lot.signature.id]
        yield from metadata.check_signature_entry(lot.signature, signature_content, patient_id, lot.documents)
        identifiers = [lot.unique_id(entry) for entry in (*lot.documents, lot.signature)]
        if len(set(identifiers)) != len(identifiers):
            yield RegistryError("XDSRepositoryDuplicateUniqueIdInMessage", "uniqueId répété dans le lot")
        yield from _check_associations(lot)
        yield from self._check_signature(lot, signature_content, vihf)

    def _check_signature(self, lot: Lot, content: bytes, vihf: Vihf) -> Iterator[RegistryError]:
        try:
            signed = verify_lot(content, self._authority, self._clock())
        except BadSignerError as bad:
            raise SoapFaultError("DMPInvalidCertificate", f"signature du lot : {bad}") from None
        except BadSignatureError as bad:
            yield RegistryError("InvalidDocumentContent", f"signature du lot : {bad}", "Signature")
            return
        if signed.signer != vihf.certificate:
            raise SoapFaultError(
                "DMPInvalidCertificate", "la signature du lot et le VIHF ont des signataires différents"
            )
        yield from _check_manifest(lot, signed)

    def _check_patient(self, matricule: str) -> None:
        state = self._patients.state(matricule)
        if state is DmpState.ABSENT:
            raise refuse("XDSUnknownPatientId", "aucun DMP pour ce patient")
        if state is DmpState.CLOSED:
            raise refuse("DMPClosed", "le DMP de ce patient est fermé")
        if state is DmpState.OPPOSED:
            # The DMP's own code for it is in annex A7-1, which is not public: the generic IHE code stands for it.
            raise refuse("XDSRepositoryError", "le patient s'oppose à l'alimentation de son DMP")

    def _check_duplicates(self, lot: Lot, read: Mapping[str, cda.Cda]) -> None:
        for entry in lot.documents:
            known = self._registry.get(lot.unique_id(entry))
            if known is not None:
                which = "même empreinte" if known.sha1 == read[entry.id].sha1 else "empreinte différente"
                raise refuse("XDSDuplicateUniqueIdInRegistry", f"document déjà présent, {which}", known.unique_id)
        for unique_id in (lot.submission_id, *(lot.unique_id(one) for one in (*lot.documents, lot.signature))):
            if self._registry.is_used(unique_id):
                raise refuse("XDSDuplicateUniqueIdInRegistry", "uniqueId déjà utilisé", unique_id)

    def _replaced(self, lot: Lot, read: Mapping[str, cda.Cda], structure: str) -> dict[str, str]:
        """uniqueId of the document that each entry replaces: the one that its CDA names or, when that one was never
        taken, another version of the same set. Raises RefusedError."""
        replaced: dict[str, str] = {}
        for association in lot.associations:
            if association.type != _REPLACES:
                continue
            target = self._registry.by_entry(association.target)
            if target is None:
                raise refuse("UnresolvedReferenceException", "RPLC vers un entryUUID inconnu")
            if target.status is not EntryStatus.APPROVED:
                raise refuse("XDSRegistryDeprecatedDocumentError", "RPLC vers un document qui n'est plus en vigueur")
            if target.patient != read[association.source].matricule:
                raise refuse("XDSPatientIdDoesNotMatch", "RPLC vers le document d'un autre patient")
            facts = read[association.source]
            same_set = bool(facts.set_id) and facts.set_id == target.set_id
            if facts.parent_id != target.unique_id and not (facts.parent_id and same_set):
                raise refuse(METADATA, "RPLC vers un document qui n'est ni celui que le CDA remplace, ni de son setId")
            if target.structure != structure:
                raise refuse(METADATA, "RPLC vers le document d'une autre structure")
            replaced[association.source] = target.unique_id
        return replaced

    def _check_versions(self, lot: Lot, read: Mapping[str, cda.Cda], replaced: Mapping[str, str]) -> None:
        """A version of a document has one id, and replaces an older one of the same set (DMP digest §4)."""
        for entry in lot.documents:
            facts = read[entry.id]
            version = _number(facts.version)
            for known in self._registry.versions(facts.matricule, facts.set_id):
                if version is not None and version == known.version and known.status is not EntryStatus.DELETED:
                    raise refuse(
                        "InvalidDocumentContent", "setId et versionNumber déjà portés par un autre document", entry.id
                    )
            parent = self._registry.get(replaced.get(entry.id, ""))
            if parent is None or not parent.set_id or not facts.set_id:
                continue
            if parent.set_id != facts.set_id:
                raise refuse("InvalidDocumentContent", "setId différent de celui du document remplacé", entry.id)
            if parent.version is not None and (version is None or version <= parent.version):
                raise refuse(
                    "InvalidDocumentContent", "versionNumber qui ne dépasse pas celui du document remplacé", entry.id
                )

    def _store(
        self,
        lot: Lot,
        read: Mapping[str, cda.Cda],
        replaced: Mapping[str, str],
        vihf: Vihf,
        body: etree._Element,
    ) -> None:
        objects = {element.get("id", ""): element for element in body.iter(f"{{{ebrim.RIM}}}ExtrinsicObject")}
        for entry in lot.documents:
            unique_id = lot.unique_id(entry)
            facts = read[entry.id]
            entry_uuid = new_entry_uuid()
            document = StoredDocument(
                unique_id=unique_id,
                entry_uuid=entry_uuid,
                submission_set=lot.submission_id,
                patient=facts.matricule,
                type_code=facts.type_code.code,
                title=facts.title,
                sha1=facts.sha1,
                size=facts.size,
                structure=vihf.structure,
                confidentiality=tuple(
                    one.representation for one in entry.classified(codes.IHE_SCHEMES["confidentialityCode"])
                ),
                replaces=replaced.get(entry.id, ""),
                received_at=self._clock(),
                path=self._registry.path_of(unique_id),
                content=lot.contents[entry.id],
                authors=tuple(one for one in facts.author_ids if one),
                set_id=facts.set_id,
                version=_number(facts.version),
                logical_id=entry_uuid,
                entry=etree.tostring(objects[entry.id], with_tail=False),
            )
            self._registry.add(document, lot.submission_id, lot.unique_id(lot.signature))
            if document.replaces:
                self._registry.set_status(document.replaces, EntryStatus.DEPRECATED)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def read_lot(body: etree._Element, parts: Mapping[str, Part]) -> Lot:
    """Reads the body of an ITI-41 request. Raises RefusedError, MalformedRegistryError."""
    if body.tag != f"{{{_XDSB}}}ProvideAndRegisterDocumentSetRequest":
        raise ebrim.MalformedRegistryError("ProvideAndRegisterDocumentSetRequest attendu")
    children = list(body.iterchildren("{*}*"))
    if not children or any(child.tag != f"{{{_XDSB}}}Document" for child in children[1:]):
        raise ebrim.MalformedRegistryError("SubmitObjectsRequest puis des Document attendus")
    registry = ebrim.read_submit_objects(children[0])
    if len(registry.packages) != 1:
        raise ebrim.MalformedRegistryError("il faut exactement un RegistryPackage")
    package = registry.packages[0]
    node = codes.SUBMISSION_SCHEMES["node"]
    marked = (package.id, node) in registry.nodes or any(one.node == node for one in package.classifications)
    if not marked:
        raise ebrim.MalformedRegistryError("le RegistryPackage n'est pas classé SubmissionSet")
    contents = _read_contents(children[1:], parts)
    listed = {entry.id for entry in registry.documents}
    if missing := listed - set(contents):
        raise refuse("XDSMissingDocument", "une DocumentEntry n'a pas de Document", sorted(missing)[0])
    if extra := set(contents) - listed:
        raise refuse("XDSMissingDocumentMetadata", "un Document n'a pas de DocumentEntry", sorted(extra)[0])
    signatures = tuple(entry for entry in registry.documents if metadata.is_signature(entry))
    documents = tuple(entry for entry in registry.documents if not metadata.is_signature(entry))
    if len(signatures) != 1:
        raise ebrim.MalformedRegistryError("le lot doit porter exactement une signature")
    if not documents:
        raise ebrim.MalformedRegistryError("le lot ne contient aucun document")
    return Lot(package, documents, signatures[0], registry.associations, contents)


def _read_contents(elements: list[etree._Element], parts: Mapping[str, Part]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    used: set[str] = set()
    for element in elements:
        include = element.find("xop:Include", _NS)
        reference = include.get("href", "") if include is not None else ""
        part = parts.get(reference.removeprefix("cid:")) if reference.startswith("cid:") else None
        if part is None:
            raise refuse("XDSMissingDocument", "Document sans xop:Include vers une partie du message")
        if part.transfer_encoding not in ("binary", "8bit") or not part.content_type.lower().startswith("text/xml"):
            raise refuse("XDSRepositoryMetadataError", "partie de document : text/xml et binary attendus")
        if element.get("id", "") in contents or part.content_id in used:
            raise refuse("XDSRepositoryMetadataError", "deux Document portent le même id ou la même partie")
        used.add(part.content_id)
        contents[element.get("id", "")] = part.content
    if used != set(parts):
        raise refuse("XDSMissingDocumentMetadata", "une partie du message n'est référencée par aucun Document")
    return contents


def _read_cda(content: bytes) -> cda.Cda:
    try:
        return cda.read(content)
    except XmlRefusedError as refused:
        raise refuse("InvalidDocumentContent", f"document illisible : {refused.code}") from None
    except cda.NotACdaError as wrong:
        raise refuse("InvalidDocumentContent", str(wrong)) from None


def _check_associations(lot: Lot) -> Iterator[RegistryError]:
    members = {entry.id for entry in (*lot.documents, lot.signature)}
    found: list[str] = []
    signs = 0
    for one in lot.associations:
        if one.type == _HAS_MEMBER and one.source == lot.package.id and one.target in members:
            found.append(one.target)
            if one.slots.get("SubmissionSetStatus") != ("Original",):
                yield RegistryError(METADATA, "HasMember sans SubmissionSetStatus = Original")
        elif one.type == _SIGNS and one.source == lot.signature.id and one.target == lot.package.id:
            signs += 1
        elif one.type == _REPLACES and one.source in {entry.id for entry in lot.documents}:
            if not one.target.startswith("urn:uuid:"):
                yield RegistryError("UnresolvedReferenceException", "RPLC doit viser un entryUUID")
        else:
            yield RegistryError(METADATA, "association de type ou d'extrémités inattendus")
    if sorted(found) != sorted(members):
        yield RegistryError(METADATA, "il faut une association HasMember par document et pour la signature")
    if signs != 1:
        yield RegistryError(METADATA, "il faut une association signs de la signature vers le lot")


def _check_manifest(lot: Lot, signed: SignedLot) -> Iterator[RegistryError]:
    expected = {f"urn:oid:{lot.unique_id(entry)}": lot.contents[entry.id] for entry in lot.documents}
    submission = f"urn:oid:{lot.submission_id}"
    if set(signed.references) != {submission, *expected}:
        yield RegistryError("InvalidDocumentContent", "le manifeste ne cite pas le lot et chacun de ses documents")
        return
    try:
        if not is_null_digest(signed.references[submission]):
            yield RegistryError("InvalidDocumentContent", "manifeste : l'empreinte du lot est un octet nul")
        for uri, content in expected.items():
            if not matches_manifest(signed.references[uri], content):
                yield RegistryError("InvalidDocumentContent", "manifeste : empreinte d'un document fausse", uri)
    except BadSignatureError as bad:
        yield RegistryError("InvalidDocumentContent", f"manifeste : {bad}")
