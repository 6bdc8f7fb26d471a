"""The legal entities that send through one destination, each with its own certificates and connections.

A document leaves with the certificates of the entity whose establishment sends it, and of no other: the DMP holds the
legal entity of the certificate answerable for the structure that the VIHF names (DMP digest §1.3, EJ/EG doctrine).
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from pydantic import SecretStr

from connectors.dmp.caller import is_national
from connectors.dmp.checks import refused
from connectors.dmp.settings import DmpSettings, KeyFiles, finess, plain
from connectors.dmp.transport import Transport, client_context
from connectors.dmp.wire import Wire
from pfi.engine.connector import CertificateState, Surroundings
from pfi.model.delivery import Delivery, Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError
from pfi.standards.x509.identity import CertifiedKey, Purpose, check_dates, fingerprint, legal_entity
from pfi.standards.x509.renewal import PairFiles, RenewedPair
from pfi.standards.x509.secret import read_secret
from pfi.standards.x509.trust import Trust, TrustFiles

SIGN: Final = "certificat de signature (ORG_SIGN)"
TLS: Final = "certificat d'authentification (ORG_AUTH_CLI)"
_CHECKS: Final = "contrôle des certificats du DMP"
_LATER: Final = 900.0
"""Seconds before a delivery is tried again whose entity has no usable certificate."""
_OF_TIME: Final = frozenset({"CERTIFICATE_EXPIRED", "CERTIFICATE_NOT_YET_VALID", "CERTIFICATE_REVOKED"})
"""What happens to one entity without anybody's mistake in the configuration: the others go on."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What one delivery is sent with, from its first request to its last."""

    wire: Wire
    key: CertifiedKey


class Entity:
    """One legal entity."""

    def __init__(self, settings: DmpSettings, surroundings: Surroundings, trust: Trust, *, alone: bool) -> None:
        self.settings = settings
        self.alone = alone
        self.transport = Transport(settings)
        self._surroundings = surroundings
        self._trust = trust
        self._homologation = SecretStr("")
        self._problem: ConfigurationError | None = None
        self._sign = RenewedPair(self._files(settings.signing, SIGN, "sign", "signing"), self._writer)
        self._tls = RenewedPair(self._files(settings.tls, TLS, "auth_cli", "tls"), self._context)

    @property
    def name(self) -> str:
        """Struct_IdNat of the legal entity when it is configured, else of its default structure."""
        return self.settings.legal_entity or self.settings.structure.identifier

    def open(self, homologation: str, now: datetime) -> None:
        """Loads both certificates. Raises ConfigurationError; when it is not alone, an entity whose certificates are
        out of date or revoked is put aside instead."""
        self._homologation = SecretStr(homologation)
        try:
            self._sign.open(now)
            self.transport.open(self._tls.open(now).made)
        except ConfigurationError as error:
            if self.alone or error.code not in _OF_TIME:
                raise
            self._problem = error

    def refresh(self, now: datetime) -> ssl.SSLContext | None:
        """Looks at the files again; the TLS context of a renewed certificate, for `transport.renew`."""
        self._sign.refresh(now)
        renewed = self._tls.refresh(now)
        self._problem = self._found_problem(now)
        return self._tls.held.made if renewed and self._tls.held is not None else None

    def tools(self) -> Tools:
        """What to send with now. Raises ConfigurationError when nothing was loaded."""
        if self._sign.held is None or self._tls.held is None:
            raise ConfigurationError("DMP_NOT_OPEN", "Le connecteur DMP n'est pas ouvert.")
        return Tools(self._sign.held.made, self._sign.held.key)

    @property
    def is_loaded(self) -> bool:
        """Whether both certificates are in use."""
        return self._sign.held is not None and self._tls.held is not None

    def refusal(self) -> Outcome | None:
        """Why nothing can be sent for this entity at this moment; `None` = it can."""
        problem = self._problem
        if problem is None:
            problem = self._out_of_date(self._surroundings.clock())
        if problem is None:
            return None
        return Outcome(
            OutcomeKind.NOT_DELIVERED,
            problem.code,
            f"{problem.text} Rien ne part pour cette entité juridique.",
            retry_after=_LATER,
            counts=False,
            stop_destination=self.alone,
            evidence={"entity": self.name},
        )

    def states(self, now: datetime) -> Iterator[CertificateState]:
        """What is held, and what is wrong with it or with what should replace it."""
        for kind, pair in (("tls", self._tls), ("sign", self._sign)):
            fault = pair.fault
            certificate = None
            if pair.held is not None:
                certificate = pair.held.key.certificate
                fault = self._fault_of(pair.held.key, pair.files.subject, now) or fault
            elif fault is None:
                fault = self._problem
            yield _state(f"{self.name}/{kind}", pair.files, certificate, fault, in_use=pair.held is not None)

    # --- what a pair must satisfy ---

    def _files(self, files: KeyFiles, what: str, purpose: Purpose, block: str) -> PairFiles:
        subject = what if self.alone else f"{what} de l'entité {self.name}"
        return PairFiles(
            files.certificate,
            files.key,
            subject,
            purpose,
            lambda: read_secret(files.key_password, f"{block}.key_password"),
        )

    def _writer(self, key: CertifiedKey, now: datetime) -> Wire:
        self._vet(key, self._sign.files.subject, self._tls.held.key if self._tls.held else None, now)
        return Wire(self.settings, self._surroundings, key, self._homologation.get_secret_value())

    def _context(self, key: CertifiedKey, now: datetime) -> ssl.SSLContext:
        self._vet(key, self._tls.files.subject, self._sign.held.key if self._sign.held else None, now)
        return client_context(self.settings, self._trust.judge)

    def _vet(self, key: CertifiedKey, subject: str, other: CertifiedKey | None, now: datetime) -> None:
        self._trust.vet(key, subject, now)
        holder = legal_entity(key.certificate)
        if self.settings.legal_entity and holder != self.settings.legal_entity:
            raise ConfigurationError(
                "DMP_CERTIFICATE_OF_ANOTHER_ENTITY",
                f"Le {subject} n'est pas celui de l'entité juridique {self.settings.legal_entity}.",
                "Vérifier les chemins des certificats : chaque entité a les siens.",
            )
        if other is None:
            return
        if other.der == key.der:
            raise ConfigurationError(
                "DMP_SAME_CERTIFICATE",
                "Le certificat de signature et celui d'authentification sont le même.",
                "Le DMP exige deux certificats distincts : ORG_AUTH_CLI et ORG_SIGN.",
            )
        if holder != legal_entity(other.certificate):
            raise ConfigurationError(
                "DMP_CERTIFICATES_OF_TWO_ENTITIES",
                "Le certificat de signature et celui d'authentification sont de deux entités juridiques.",
                "Utiliser les deux certificats (ORG_AUTH_CLI et ORG_SIGN) d'une même entité.",
            )

    # --- what becomes of a pair in use ---

    def _found_problem(self, now: datetime) -> ConfigurationError | None:
        for pair in (self._sign, self._tls):
            if pair.held is None:
                return pair.fault or self._problem
            if problem := self._fault_of(pair.held.key, pair.files.subject, now):
                return problem
        return None

    def _fault_of(self, key: CertifiedKey, subject: str, now: datetime) -> ConfigurationError | None:
        try:
            self._trust.vet(key, subject, now)
        except ConfigurationError as error:
            return error
        return None

    def _out_of_date(self, now: datetime) -> ConfigurationError | None:
        for pair in (self._sign, self._tls):
            if pair.held is not None:
                try:
                    check_dates(pair.held.key.certificate, pair.files.subject, now)
                except ConfigurationError as error:
                    return error
        return None


class Entities:
    """Every legal entity of a destination. Safe for concurrent use, but for `refresh`: one at a time."""

    def __init__(self, settings: DmpSettings, surroundings: Surroundings) -> None:
        self._settings = settings
        self._clock = surroundings.clock
        checks = settings.certificates
        files = TrustFiles(
            servers=settings.tls.ca,
            ours=checks.authorities or settings.tls.ca,
            lists=checks.crl,
            required=checks.crl_required,
            settings="« certificates.authorities » ou à « tls.ca »",
        )
        self.trust = Trust(files, surroundings.clock)
        every = settings.each_entity()
        self.every = tuple(Entity(each, surroundings, self.trust, alone=len(every) == 1) for each in every)
        self._open_to_all = len(every) == 1 and not settings.establishments
        self._by_name = {name: entity for entity in self.every for name in entity.settings.known_as}

    def open(self, homologation: str) -> None:
        """Loads every certificate. Raises ConfigurationError."""
        now = self._clock()
        self.trust.open(now)
        for entity in self.every:
            entity.open(homologation, now)
        if not any(entity.is_loaded for entity in self.every):
            raise ConfigurationError(
                "DMP_NO_USABLE_CERTIFICATE",
                "Aucune entité juridique n'a de certificats utilisables.",
                "Renouveler les certificats auprès de l'IGC Santé.",
            )

    def refresh(self) -> tuple[tuple[Entity, ssl.SSLContext], ...]:
        """Reads the files again; the entities whose connections need another TLS context."""
        now = self._clock()
        self.trust.refresh(now)
        contexts = [(entity, entity.refresh(now)) for entity in self.every]
        return tuple((entity, context) for entity, context in contexts if context is not None)

    def states(self) -> tuple[CertificateState, ...]:
        """Certificates of every entity, then the files of authorities and lists that have a fault."""
        now = self._clock()
        held = [state for entity in self.every for state in entity.states(now)]
        faults = [
            CertificateState(
                f"trust/{path}", "vérification des certificats du DMP", fault=fault.code, fault_text=_say(fault)
            )
            for path, fault in self.trust.faults.items()
        ]
        return (*held, *faults)

    def of(self, delivery: Delivery) -> Entity | Outcome:
        """The entity that answers for who sends: the structure of the message (PRT SB), else the geographic
        establishment, else the legal entity. A national identifier that no entity has ends the search: its certificate
        is not ours to replace."""
        if self._open_to_all:
            return self.every[0]
        organization = delivery.sender.organization if delivery.sender is not None else None
        structure = organization.identifier if organization is not None else ""
        national = organization is not None and is_national(organization)
        for name, decides in (
            (structure, national),
            (delivery.establishment.eg, bool(finess(delivery.establishment.eg))),
            (delivery.establishment.ej, bool(finess(delivery.establishment.ej))),
        ):
            if not name:
                continue
            entity = self._by_name.get(plain(name))
            if entity is not None:
                return entity
            if decides:
                return _unknown("L'établissement qui envoie ce document")
        return _unknown("Le message ne dit pas de quel établissement vient ce document, ou cet établissement")


def _unknown(who: str) -> Outcome:
    return refused(
        "DMP_ENTITY_UNKNOWN",
        f"{who} n'est rattaché à aucune entité juridique de cette destination : rien ne part avec le certificat "
        "d'une autre (entities, establishments).",
    )


def _state(
    slot: str, files: PairFiles, certificate: x509.Certificate | None, fault: ConfigurationError | None, *, in_use: bool
) -> CertificateState:
    shown = certificate or _readable(files)
    return CertificateState(
        slot=slot,
        subject=files.subject,
        name=shown.subject.rfc4514_string() if shown is not None else "",
        fingerprint=fingerprint(shown) if shown is not None else "",
        not_after=shown.not_valid_after_utc if shown is not None else None,
        in_use=in_use,
        fault=fault.code if fault is not None else "",
        fault_text=_say(fault) if fault is not None else "",
    )


def _readable(files: PairFiles) -> x509.Certificate | None:
    """The certificate on disk, whatever is wrong with it."""
    try:
        return x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
    except (OSError, ValueError):
        return None


def _say(error: ConfigurationError) -> str:
    return f"{error.text} {error.next_step}".strip()
