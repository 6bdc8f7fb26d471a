"""Wave 2, the DMP read for a professional: TD3.1a (find) and TD3.2 (get), behind a mode of their own (DMP digest §1.2).

Plain indirect authentication opens nothing to read: then every question is refused here, with its reason, without any
network. Nothing that the DMP returns is kept: neither metadata nor documents.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Final

from connectors.dmp.caller import Caller, structure_at
from connectors.dmp.checks import refused
from connectors.dmp.consultation_entry import FoundDocument, read_entries
from connectors.dmp.consultation_query import (
    EVERYTHING,
    RETRIEVE_ACTION,
    DocumentQuery,
    describe_document,
    find_documents,
    retrieve_document,
)
from connectors.dmp.consultation_retrieval import RetrievedDocument, read_retrieval, verify
from connectors.dmp.entities import Entities, Entity
from connectors.dmp.queries import FIND_ACTION, read_query_response
from connectors.dmp.settings import OID_PATTERN, ConsultationMode, DmpSettings, plain
from connectors.dmp.transport import Reply
from connectors.dmp.verdict import error_table
from connectors.dmp.wire import WireRequest
from pfi.engine.connector import Surroundings
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.document import CodedValue
from pfi.model.errors import ConfigurationError
from pfi.model.parties import Author, Organization, Person
from pfi.model.patient import Ins, Patient
from pfi.model.profile import Environment
from pfi.standards.cda.oids import INS_OIDS, MATRICULE, PROFESSIONAL_OID, TEST_INS_OIDS
from pfi.standards.saml.vihf import Mode
from pfi.standards.x509.secret import read_secret
from pfi.standards.xds.datatypes import cx

_OID: Final = re.compile(OID_PATTERN)
_PSIDNAT: Final = re.compile(r"8\d{11}|0[0-9A-Z]{9}")
_PROFESSIONS: Final = "1.2.250.1.71.1.2.7"  # TRE_G15
_SPECIALITIES: Final = {"10": "1.2.250.1.71.4.2.5", "21": "1.2.250.1.71.4.2.6"}  # doctors TRE_R01, pharmacists TRE_G05
_SECTORS: Final = "1.2.250.1.71.4.2.4"
_ENVELOPE: Final = 1024 * 1024
"""Room for everything of an answer that is not the document."""

OFF: Final = refused(
    "DMP_CONSULTATION_OFF",
    "Le DMP ne se consulte pas en authentification indirecte simple : il faut l'authentification indirecte renforcée "
    "(AIR) ou directe, et le réglage « consultation ».",
)

# What a class of errors means when nothing is being fed (DMP digest §2.6).
_TEXTS: Final = {
    "generic": "Le DMP n'a pas pu répondre à la consultation : réessayer plus tard.",
    "doubtful": "Le DMP n'a pas répondu clairement à la consultation : réessayer.",
    "duplicate": "Le DMP a refusé la consultation.",
    "document": "Le DMP a refusé la consultation.",
    "unlisted": "Le DMP a refusé la consultation, avec un code non répertorié.",
    "patient": "Le patient n'a pas de DMP actif pour cet INS, ou son DMP est fermé.",
}


@dataclass(frozen=True, slots=True)
class Professional:
    """Who reads. `identifier` is a PSIdNat (`8` + RPPS), `profession` a code of TRE_G15. `speciality`: of TRE_R01 for a
    doctor, of TRE_G05 for a pharmacist, who must both give it."""

    identifier: str
    family: str
    given: str
    profession: str
    speciality: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """One VIHF that was made and used: what AIR asks to keep (EX_AIR-070)."""

    transaction: str
    message_id: str
    assertion_id: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the DMP lists. `incomplete`: it says that something is missing from its answer."""

    documents: tuple[FoundDocument, ...]
    incomplete: bool = False


class Consultation:
    """Reads DMPs in the mode of the settings, with the certificates of one legal entity. Safe for concurrent use.

    `establishment` is where the professional is, as the settings name it (FINESS...): it chooses the legal entity, and
    it is the structure of the VIHF. It may be empty where there is one legal entity only. Raises ConfigurationError
    when it is missing or unknown.
    """

    def __init__(self, settings: DmpSettings, surroundings: Surroundings, establishment: str = "") -> None:
        self._settings = _of_mode(_of_establishment(settings, establishment))
        self._mode = settings.consultation.mode
        self._structure = structure_at(establishment, self._settings)
        self._entities = Entities(self._settings, surroundings)

    @property
    def mode(self) -> ConsultationMode:
        """`OFF`: every question is refused."""
        return self._mode

    async def open(self) -> None:
        """Loads the certificates of the mode. Raises ConfigurationError; contacts nobody."""
        if self._mode is ConsultationMode.OFF:
            return
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        self._entities.open(read_secret(self._settings.product.homologation, "numéro d'homologation DMP"))

    async def close(self) -> None:
        """Ends connections."""
        for entity in self._entities.every:
            await entity.transport.close()

    async def find(
        self, who: Professional, ins: Ins, query: DocumentQuery = EVERYTHING, traces: list[Trace] | None = None
    ) -> Found | Outcome:
        """TD3.1a. Outcomes are `REFUSED` or `NOT_DELIVERED` (ask again). `traces` is given each VIHF used."""
        caller = self._caller(who, ins)
        if isinstance(caller, Outcome):
            return caller
        return await self._list(caller, ins, find_documents(query, _resource_id(ins)), traces)

    async def get(
        self, who: Professional, ins: Ins, unique_id: str, traces: list[Trace] | None = None
    ) -> RetrievedDocument | Outcome:
        """TD3.2: the metadata first (repository, hash, size), then the document, verified against them and read by the
        hardened parser. `unique_id` is the OID of the document, never an entryUUID."""
        caller = self._caller(who, ins)
        if isinstance(caller, Outcome):
            return caller
        if len(unique_id) > 64 or not _OID.match(unique_id):
            return refused(
                "DMP_ID_NOT_OID", "Un document se demande par son uniqueId, un OID de 64 caractères au plus."
            )
        found = await self._list(caller, ins, describe_document(unique_id), traces)
        if isinstance(found, Outcome):
            return found
        entry = next((each for each in found.documents if each.unique_id == unique_id), None)
        if entry is None:
            return refused(
                "DMP_DOCUMENT_NOT_FOUND", "Ce document n'est pas dans le DMP du patient, ou il n'est pas consultable."
            )
        if not entry.repository:
            return refused("DMP_REPOSITORY_MISSING", "Le DMP ne dit pas où ce document est conservé.")
        limit = self._settings.max_document_bytes
        if entry.size is not None and entry.size > limit:
            return refused("DMP_DOCUMENT_TOO_LARGE", f"Le document fait {entry.size} octets, la limite est {limit}.")
        request = self._entity.tools().wire.mtom(
            self._settings.urls.repository,
            RETRIEVE_ACTION,
            caller,
            _resource_id(ins),
            retrieve_document(unique_id, entry.repository, entry.community),
            (),
        )
        reply = await self._post(request, "TD3.2", traces, limit + _ENVELOPE)
        if isinstance(reply, Outcome):
            return _told(reply)
        content = read_retrieval(reply, request.message_id, (Patient(ins=ins),), unique_id)
        if isinstance(content, Outcome):
            return _told(content)
        return await asyncio.to_thread(verify, content, entry, ins, max_bytes=limit)

    async def _list(self, caller: Caller, ins: Ins, body: bytes, traces: list[Trace] | None) -> Found | Outcome:
        wire = self._entity.tools().wire
        request = wire.plain(self._settings.urls.registry, FIND_ACTION, caller, _resource_id(ins), body)
        reply = await self._post(request, "TD3.1a", traces)
        if isinstance(reply, Outcome):
            return _told(reply)
        response = read_query_response(reply, request.message_id, (Patient(ins=ins),), partial=True)
        if isinstance(response, Outcome):
            return _told(response)
        documents = read_entries(response)
        if any(each.patient_id.split("^")[0] != ins.matricule for each in documents):
            return refused(
                "DMP_ANSWER_OTHER_PATIENT", "Le DMP a répondu par un document d'un autre patient : rien n'est montré."
            )
        return Found(documents, incomplete=response.get("status", "").endswith("PartialSuccess"))

    async def _post(
        self, request: WireRequest, transaction: str, traces: list[Trace] | None, max_answer: int | None = None
    ) -> Reply | Outcome:
        if traces is not None:
            traces.append(Trace(transaction, request.message_id, request.assertion_id))
        transport = self._entity.transport
        if max_answer is None:
            return await transport.post(request)
        return await transport.post(request, max_answer=max_answer)

    def _caller(self, who: Professional, ins: Ins) -> Caller | Outcome:
        """Who asks, as the VIHF says it; a refusal when the question may not leave."""
        if self._mode is ConsultationMode.OFF:
            return OFF
        wrong = _wrong_professional(who) or _wrong_ins(ins, self._settings) or self._entity.refusal()
        return wrong or _caller(who, self._structure, self._settings.structure.sector)

    @property
    def _entity(self) -> Entity:
        return self._entities.every[0]


def _of_establishment(settings: DmpSettings, establishment: str) -> DmpSettings:
    """The settings of the legal entity of an establishment, as if it were alone."""
    every = settings.each_entity()
    if not establishment and len(every) == 1:
        return every[0]
    if not establishment:
        raise ConfigurationError(
            "DMP_ENTITY_MISSING",
            "Cette destination sert plusieurs entités juridiques : dire dans quel établissement le professionnel "
            "consulte.",
            "Donner l'option --establishment (FINESS de l'établissement).",
        )
    for each in every:
        if plain(establishment) in each.known_as:
            return each
    raise ConfigurationError(
        "DMP_ENTITY_UNKNOWN",
        "Cet établissement n'est rattaché à aucune entité juridique de cette destination.",
        "Voir entities et establishments dans les réglages du DMP.",
    )


def _of_mode(settings: DmpSettings) -> DmpSettings:
    """The settings as this mode reads them: its VIHF, its certificates, its services."""
    own = settings.consultation
    if own.mode is ConsultationMode.OFF:
        return settings
    vihf = settings.vihf.model_copy(
        update={
            "mode": Mode.REINFORCED if own.mode is ConsultationMode.AIR else Mode.DIRECT,
            "declaration": own.declaration,
            "authentication_class": own.authentication_class or settings.vihf.authentication_class,
        }
    )
    direct = own.mode is ConsultationMode.DIRECT
    return settings.model_copy(
        update={
            "vihf": vihf,
            "legal_entity": "" if direct else settings.legal_entity,
            "urls": own.urls or settings.urls,
            "tls": settings.tls.model_copy(update=dict(own.tls)) if own.tls else settings.tls,
            "signing": settings.signing.model_copy(update=dict(own.signing)) if own.signing else settings.signing,
        }
    )


def _resource_id(ins: Ins) -> str:
    return cx(ins.matricule, ins.oid, "NH")


def _wrong_professional(who: Professional) -> Outcome | None:
    if not _PSIDNAT.fullmatch(who.identifier) or not who.family or not who.profession:
        return refused(
            "DMP_PROFESSIONAL_MISSING",
            "Un professionnel consulte le DMP en son nom : identifiant national (8 et son RPPS), nom et profession.",
        )
    if who.profession in _SPECIALITIES and not who.speciality:
        return refused("DMP_SPECIALITY_MISSING", "Un médecin ou un pharmacien doit donner sa spécialité.")
    return None


def _wrong_ins(ins: Ins, settings: DmpSettings) -> Outcome | None:
    if ins.oid not in INS_OIDS or not MATRICULE.fullmatch(ins.matricule):
        return refused("DMP_INS_OID", "Ce n'est pas une INS : 15 caractères, avec l'OID de son autorité.")
    if (ins.oid in TEST_INS_OIDS) is (settings.environment is Environment.PRODUCTION):
        return refused("DMP_INS_ENVIRONMENT", "L'INS n'est pas de l'environnement de ce DMP (production ou test).")
    return None


def _caller(who: Professional, structure: Organization, sector: str) -> Caller:
    person = Person(who.identifier, PROFESSIONAL_OID, "IDNPS", who.family, who.given)
    roles = [CodedValue(who.profession, who.profession, _PROFESSIONS)]
    if who.speciality:
        system = _SPECIALITIES.get(who.profession, _SPECIALITIES["10"])
        roles.append(CodedValue(who.speciality, who.speciality, system))
    return Caller(
        author=Author(person=person, organization=structure),
        name_id=who.identifier,
        subject=" ".join(part for part in (who.family, who.given) if part),
        structure=structure.identifier,
        sector=f"{sector}^{_SECTORS}",
        roles=tuple(roles),
    )


def _told(outcome: Outcome) -> Outcome:
    """An outcome in the words of a consultation. Nothing was changed in the DMP: a doubt is only a failure, and what
    the peer wrote freely is not kept."""
    kind = OutcomeKind.NOT_DELIVERED if outcome.kind is OutcomeKind.UNKNOWN else outcome.kind
    table = error_table()
    name = "" if outcome.code.startswith("DMP_") else table.of_code(outcome.code).name
    if outcome.code.startswith("HTTP_"):
        name = table.of_http(int(outcome.code.removeprefix("HTTP_"))).name
    return replace(outcome, kind=kind, text=_TEXTS.get(name, outcome.text), evidence={})
