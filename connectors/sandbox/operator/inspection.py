"""What the operator refuses to carry: mails that break the MSSanté rules (mssante digest §4 and §5)."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import Final

from connectors.sandbox import cda, codes, ebrim
from connectors.sandbox.operator.mailboxes import patients_among
from pfi.standards.xml import XmlRefusedError, parse

PATIENT_LIMIT: Final = 25_000_000
_MAX_MEMBER: Final = 64 * 1024 * 1024
_MAX_MEMBERS: Final = 100
_MEMBER: Final = re.compile(r"^(?:[A-Z0-9_]{1,8}/)*[A-Z0-9_]{1,8}(?:\.[A-Z0-9_]{1,3})?$")
_SUBJECT: Final = re.compile(
    r"^XDM/1\.0/DDM\+(?P<label>.{1,40}?) (?P<name>[A-Z' -]+) (?P<given>[A-Za-z' -]+?)( \d{2}/\d{2}/\d{4})?$"
)
_MESSAGE_ID: Final = re.compile(r"^<[^<>@\s]+@[^<>@\s]+>$")
_HAS_MEMBER: Final = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
_ACTION_SLOT: Final = "urn:action:extraMetadataSlot"
_METADATA: Final = "IHE_XDM/SUBSET01/METADATA.XML"


class RefusedMailError(ValueError):
    """The operator refuses the mail at the end of DATA: 554 5.6.0 and a French reason, without traits."""


@dataclass(frozen=True, slots=True)
class Document:
    """One DOCnnnn.XML of the archive."""

    name: str
    facts: cda.Cda
    entry: ebrim.RegistryObject


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the operator remembers of a mail that it carries."""

    message_id: str
    subject: str
    codes: tuple[str, ...]
    documents: tuple[str, ...]
    """uniqueId of each document."""


def inspect(content: bytes, sender: str, recipients: tuple[str, ...]) -> Inspected:
    """Checks one mail. Raises RefusedMailError."""
    patients = patients_among(recipients)
    if patients and len(content) > PATIENT_LIMIT:
        raise RefusedMailError("plus de 25 Mo vers la messagerie d'un usager")
    mail = BytesParser(policy=policy.SMTP).parsebytes(content)
    if mail.defects:
        raise RefusedMailError("structure MIME défectueuse")
    _check_headers(mail, sender, recipients)
    if mail.get_content_type() == "multipart/report" or not sender:
        return Inspected(str(mail["Message-ID"]), str(mail["Subject"]), (), ())
    archive = _archive(mail)
    documents = _read_archive(archive)
    _check_documents(mail, documents, patients)
    _check_pdfs(mail, documents)
    return Inspected(
        str(mail["Message-ID"]),
        str(mail["Subject"]),
        tuple(one.facts.type_code.code for one in documents),
        tuple(one.entry.identifier(codes.IHE_SCHEMES["uniqueId"]) for one in documents),
    )


def _check_headers(mail: EmailMessage, sender: str, recipients: tuple[str, ...]) -> None:
    for name in ("From", "To", "Date", "Message-ID", "Subject", "X-MSS-NIL", "MIME-Version"):
        if len(mail.get_all(name, [])) != 1:
            raise RefusedMailError(f"en-tête {name} absent ou répété")
    if "Sender" in mail:
        raise RefusedMailError("en-tête Sender interdit")
    if not sender and str(mail.get("Auto-Submitted", "no")).lower() == "no":
        raise RefusedMailError("chemin de retour nul : réservé aux réponses automatiques (Auto-Submitted)")
    if sender and _addresses(mail, "From") != [sender]:
        raise RefusedMailError("From n'est pas la boîte qui envoie")
    # A later attempt serves who is left, with the same mail: To may name more than the envelope, never less.
    named = set(_addresses(mail, "To"))
    if not set(recipients) <= named or len(patients_among(named)) not in (0, len(named)):
        raise RefusedMailError("To ne nomme pas les destinataires de l'enveloppe, ou mêle usager et professionnels")
    try:
        aware = parsedate_to_datetime(str(mail["Date"])).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise RefusedMailError("Date mal formée ou sans fuseau horaire")
    if _MESSAGE_ID.match(str(mail["Message-ID"]).strip()) is None:
        raise RefusedMailError("Message-ID mal formé")
    if re.match(r"^\w[\w.-]*$", str(mail["X-MSS-NIL"]).strip()) is None:
        raise RefusedMailError("X-MSS-NIL mal formé")


def _archive(mail: EmailMessage) -> bytes:
    if mail.get_content_type() != "multipart/mixed":
        raise RefusedMailError("multipart/mixed attendu")
    parts = [part for part in mail.iter_parts() if isinstance(part, EmailMessage)]
    if not parts or parts[0].get_content_type() not in ("text/plain", "multipart/alternative"):
        raise RefusedMailError("la première partie doit être le texte du courriel")
    archives = [part for part in parts if (part.get_filename() or "").upper() == "IHE_XDM.ZIP"]
    if len(archives) != 1 or archives[0].get_content_type() != "application/zip":
        raise RefusedMailError("il faut exactement une pièce jointe IHE_XDM.ZIP en application/zip")
    return _payload(archives[0])


def _read_archive(content: bytes) -> tuple[Document, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = _members(archive)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
        raise RefusedMailError("IHE_XDM.ZIP illisible") from None
    for name in ("README.TXT", "INDEX.HTM", _METADATA):
        if name not in members:
            raise RefusedMailError(f"{name} absent de IHE_XDM.ZIP")
    try:
        registry = ebrim.read_submit_objects(parse(members[_METADATA]))
        return tuple(_read_documents(registry, members))
    except XmlRefusedError as refused:
        raise RefusedMailError(f"XML illisible dans IHE_XDM.ZIP : {refused.code}") from None
    except (ebrim.MalformedRegistryError, cda.NotACdaError) as malformed:
        raise RefusedMailError(f"METADATA.XML : {malformed}") from None


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The files of the archive, without ever inflating more than is allowed."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > _MAX_MEMBERS or len({info.filename for info in infos}) != len(infos):
        raise RefusedMailError("IHE_XDM.ZIP : fichiers trop nombreux ou répétés")
    members: dict[str, bytes] = {}
    for info in infos:
        if _MEMBER.match(info.filename) is None or info.flag_bits & 0x1 or info.file_size > _MAX_MEMBER:
            raise RefusedMailError("IHE_XDM.ZIP : nom hors de la forme 8.3 en majuscules, chiffrement ou taille")
        with archive.open(info) as stream:
            data = stream.read(_MAX_MEMBER + 1)
        if len(data) != info.file_size:
            raise RefusedMailError("IHE_XDM.ZIP : taille annoncée fausse")
        members[info.filename] = data
    return members


def _read_documents(registry: ebrim.Registry, members: dict[str, bytes]) -> Iterator[Document]:
    if len(registry.packages) != 1 or not registry.documents:
        raise ebrim.MalformedRegistryError("un RegistryPackage et au moins un document attendus")
    package = registry.packages[0]
    node = codes.SUBMISSION_SCHEMES["node"]
    if (package.id, node) not in registry.nodes and not any(one.node == node for one in package.classifications):
        raise ebrim.MalformedRegistryError("RegistryPackage qui n'est pas classé SubmissionSet")
    patient_ids = {package.identifier(codes.SUBMISSION_SCHEMES["patientId"])}
    targets = [
        one.target
        for one in registry.associations
        if one.type == _HAS_MEMBER
        and one.source == package.id
        and one.slots.get("SubmissionSetStatus") == ("Original",)
    ]
    if sorted(targets) != sorted(entry.id for entry in registry.documents):
        raise ebrim.MalformedRegistryError("une association HasMember par document attendue")
    named: set[str] = set()
    for entry in registry.documents:
        path = f"IHE_XDM/SUBSET01/{entry.slot('URI')}"
        content = members.get(path)
        if content is None or path in named:
            raise ebrim.MalformedRegistryError("URI absente, répétée ou sans fichier")
        named.add(path)
        facts = cda.read(content)
        _check_entry(entry, facts)
        patient_ids.add(entry.identifier(codes.IHE_SCHEMES["patientId"]))
        yield Document(entry.slot("URI"), facts, entry)
    if len(patient_ids) != 1:
        raise ebrim.MalformedRegistryError("un courriel ne concerne qu'un seul usager")
    if {name for name in members if name.startswith("IHE_XDM/") and name.endswith(".XML")} - named != {_METADATA}:
        raise ebrim.MalformedRegistryError("un fichier XML de l'archive n'est décrit par aucune métadonnée")


def _check_entry(entry: ebrim.RegistryObject, facts: cda.Cda) -> None:
    if entry.attributes.get("objectType") != codes.DOCUMENT_OBJECT_TYPE:
        raise ebrim.MalformedRegistryError("objectType inattendu")
    if entry.slot("hash").lower() != facts.sha1 or entry.slot("size") != str(facts.size):
        raise ebrim.MalformedRegistryError("hash ou size différents du fichier")
    unique_id = f"{facts.root}^{facts.extension}" if facts.extension else facts.root
    if entry.identifier(codes.IHE_SCHEMES["uniqueId"]) != unique_id:
        raise ebrim.MalformedRegistryError("uniqueId différent de l'identifiant du document")
    types = [one.representation for one in entry.classified(codes.IHE_SCHEMES["typeCode"])]
    if types != [facts.type_code.code]:
        raise ebrim.MalformedRegistryError("typeCode différent de celui du document")
    patient_id = entry.identifier(codes.IHE_SCHEMES["patientId"])
    if patient_id not in ((facts.ins,) if facts.ins else facts.local_ids):
        raise ebrim.MalformedRegistryError("patientId différent de celui du document")
    if not cda.same_time(entry.slot("creationTime"), facts.creation_times):
        raise ebrim.MalformedRegistryError("creationTime différent de celui du document (heure UTC)")
    if entry.slots.get(_ACTION_SLOT, ("C",)) not in (("C",), ("D",)):
        raise ebrim.MalformedRegistryError("action inconnue")


def _check_documents(mail: EmailMessage, documents: tuple[Document, ...], patients: tuple[str, ...]) -> None:
    if len({one.facts.matricule for one in documents}) != 1:
        raise RefusedMailError("un courriel ne concerne qu'un seul usager")
    ordered = sorted(documents, key=lambda one: one.name)
    if str(mail.get("X-MSS-CODECDA", "")).replace(" ", "") != ",".join(one.facts.type_code.code for one in ordered):
        raise RefusedMailError("X-MSS-CODECDA différent des codes des documents")
    complete = all(one.facts.qualifiable for one in documents)
    if mail.get("X-MSS-INS") != ("O" if complete else "N"):
        raise RefusedMailError("X-MSS-INS ne dit pas ce que portent les documents")
    if _SUBJECT.match(str(mail["Subject"])) is None:
        raise RefusedMailError("objet qui ne suit pas la forme XDM/1.0/DDM+")
    if "X-MSS-MES" in mail and (mail["X-MSS-MES"] != "FIN" or not patients):
        raise RefusedMailError("X-MSS-MES : FIN, et vers un usager seulement")
    for address in patients:
        if not complete:
            raise RefusedMailError("vers un usager, l'identité doit être qualifiée et complète")
        if address.partition("@")[0].upper() != documents[0].facts.matricule:
            raise RefusedMailError("l'adresse de l'usager n'est pas celle de l'INS du document")


def _check_pdfs(mail: EmailMessage, documents: tuple[Document, ...]) -> None:
    """A readable copy of what the archive holds; that of a level 1 PDF is the PDF itself (mssante digest §4.6)."""
    pdfs = [part for part in mail.iter_attachments() if part.get_content_type() == "application/pdf"]
    copies = {_payload(part) for part in pdfs}
    if (
        not pdfs
        or any(not copy.startswith(b"%PDF-") for copy in copies)
        or not all(part.get_filename() for part in pdfs)
    ):
        raise RefusedMailError("il faut au moins une pièce jointe PDF nommée, copie lisible du document")
    embedded = {one.facts.embedded_pdf for one in documents if one.facts.embedded_pdf is not None}
    if not embedded <= copies:
        raise RefusedMailError("la pièce jointe PDF n'est pas identique au PDF contenu dans le document")


def _payload(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _addresses(mail: EmailMessage, name: str) -> list[str]:
    header = mail[name]
    return [address.addr_spec.lower() for address in getattr(header, "addresses", ())]
