"""The TLS side of a connection to the operator (MSSanté digest §3.1)."""

import hashlib
import ssl
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cryptography import x509

from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import CertificateState
from pfi.model.clock import Clock, system_clock
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.errors import BugError, ConfigurationError
from pfi.standards.x509.contexts import load_authorities, load_pair
from pfi.standards.x509.guard import Judge, guarded_context
from pfi.standards.x509.identity import CertifiedKey, check_dates, fingerprint
from pfi.standards.x509.renewal import PairFiles, RenewedPair
from pfi.standards.x509.secret import read_secret
from pfi.standards.x509.trust import Trust, TrustFiles

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2; the suites of TLS 1.3 are all sound."""
_SUBJECT: Final = "certificat client MSSanté"
_LATER: Final = 900.0
"""Seconds before anything is tried again with a certificate that may not be used."""


class ClientTls:
    """The context of new sessions. The certificate, the authorities and the revocation lists may be renewed while it is
    in use; sessions under way keep theirs."""

    def __init__(self, settings: MssanteSettings, clock: Clock = system_clock) -> None:
        self._settings = settings
        self._clock = clock
        files = TrustFiles(
            settings.ca_bundle,
            settings.authorities,
            settings.crl,
            settings.crl_required,
            "« ca_bundle » ou à « authorities »",
        )
        self._trust = Trust(files, clock)
        self._pair: RenewedPair[ssl.SSLContext] | None = None
        self._context: ssl.SSLContext | None = None
        self._anchors = b""
        self._fault: ConfigurationError | None = None
        self._problem: ConfigurationError | None = None
        if settings.client_cert is not None:
            pair = PairFiles(
                settings.client_cert,
                settings.client_key or settings.client_cert,
                _SUBJECT,
                "auth_cli",
                lambda: read_secret(settings.key_password, "key_password"),
            )
            self._pair = RenewedPair(pair, self._prepared)

    @property
    def context(self) -> ssl.SSLContext:
        """What the next session uses."""
        if self._context is None:
            raise BugError("MSS_NOT_OPEN", "Le connecteur MSSanté n'est pas ouvert.")
        return self._context

    def open(self, now: datetime) -> None:
        """Raises ConfigurationError when the files cannot be used."""
        self._anchors = self._anchored()
        self._trust.open(now)
        self._context = client_context(self._settings, self._trust.judge) if self._pair is None else self._opened(now)

    def refresh(self, now: datetime) -> bool:
        """Looks at the files again; true when new sessions are opened otherwise than before. Never raises for what the
        files contain."""
        before = self._context
        anchors = self._anchored()
        self._trust.refresh(now)
        renewed = self._pair is not None and self._pair.refresh(now)
        if renewed and self._pair is not None and self._pair.held is not None:
            self._context, self._anchors, self._fault = self._pair.held.made, anchors, None
        elif anchors != self._anchors:
            try:
                # A pair that is being written has its own fault: what it was is used on.
                if self._pair is None or self._pair.fault is None:
                    self._context = client_context(self._settings, self._trust.judge)
                    self._anchors, self._fault = anchors, None
            except ConfigurationError as error:
                self._fault = error
        self._problem = self._found_problem(now)
        return self._context is not before

    def refusal(self) -> Outcome | None:
        """Why our certificate may not be shown at this moment (out of date, revoked); `None` = it may."""
        problem = self._problem
        if problem is None and self._pair is not None and self._pair.held is not None:
            problem = _out_of_date(self._pair.held.key, self._clock())
        if problem is None:
            return None
        return Outcome(
            OutcomeKind.NOT_DELIVERED,
            problem.code,
            f"{problem.text} Rien ne part par cette boîte. {problem.next_step}".strip(),
            retry_after=_LATER,
            counts=False,
            stop_destination=True,
        )

    def states(self, now: datetime) -> tuple[CertificateState, ...]:
        """The client certificate, if there is one, then the files of authorities and lists that have a fault."""
        return (*self._own(now), *self._trust_faults())

    def _own(self, now: datetime) -> Iterator[CertificateState]:
        if self._pair is None:
            return
        certificate = self._pair.held.key.certificate if self._pair.held is not None else _readable(self._pair.files)
        fault = self._pair.fault or self._fault
        if self._pair.held is not None:
            fault = self._found_problem(now) or fault
        yield CertificateState(
            slot="client",
            subject=_SUBJECT,
            name=certificate.subject.rfc4514_string() if certificate is not None else "",
            fingerprint=fingerprint(certificate) if certificate is not None else "",
            not_after=certificate.not_valid_after_utc if certificate is not None else None,
            in_use=self._pair.held is not None,
            fault=fault.code if fault is not None else "",
            fault_text=f"{fault.text} {fault.next_step}".strip() if fault is not None else "",
        )

    def _trust_faults(self) -> Iterator[CertificateState]:
        for path, fault in self._trust.faults.items():
            text = f"{fault.text} {fault.next_step}".strip()
            subject = "vérification des certificats de l'opérateur MSSanté"
            yield CertificateState(f"trust/{path}", subject, fault=fault.code, fault_text=text)

    def _opened(self, now: datetime) -> ssl.SSLContext:
        if self._pair is None:
            raise BugError("MSS_NO_PAIR", "Aucun certificat client à charger.")
        return self._pair.open(now).made

    def _prepared(self, key: CertifiedKey, now: datetime) -> ssl.SSLContext:
        self._trust.vet(key, _SUBJECT, now)
        return client_context(self._settings, self._trust.judge)

    def _found_problem(self, now: datetime) -> ConfigurationError | None:
        if self._pair is None or self._pair.held is None:
            return None
        try:
            self._trust.vet(self._pair.held.key, _SUBJECT, now)
        except ConfigurationError as error:
            return error
        return None

    def _anchored(self) -> bytes:
        """Digest of the authorities of servers; of nothing when they cannot be read."""
        try:
            return hashlib.sha256(self._settings.ca_bundle.read_bytes()).digest()
        except OSError:
            return b""


def client_context(settings: MssanteSettings, judge: Judge) -> ssl.SSLContext:
    """TLS 1.2 at least, the given authorities only, our certificate; `judge` is asked about the operator's once the
    rest is found good. Raises ConfigurationError."""
    context = guarded_context(judge)
    context.set_ciphers(_CIPHERS)
    load_authorities(context, settings.ca_bundle, code="MSS_CA_BUNDLE", service="MSSanté")
    if settings.client_cert is not None:
        password = read_secret(settings.key_password, "key_password")
        load_pair(
            context,
            settings.client_cert,
            settings.client_key,
            password,
            code="MSS_CLIENT_CERTIFICATE",
            service="MSSanté",
        )
    return context


def _out_of_date(key: CertifiedKey, now: datetime) -> ConfigurationError | None:
    try:
        check_dates(key.certificate, _SUBJECT, now)
    except ConfigurationError as error:
        return error
    return None


def _readable(files: PairFiles) -> x509.Certificate | None:
    """The certificate on disk, whatever is wrong with it."""
    try:
        return x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
    except (OSError, ValueError):
        return None
