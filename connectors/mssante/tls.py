"""The TLS side of a connection to the operator (MSSanté digest §3.1)."""

import hashlib
import ssl
from datetime import datetime
from typing import Final

from cryptography import x509

from connectors.mssante.settings import MssanteSettings
from pfi.engine.connector import CertificateState
from pfi.model.errors import BugError, ConfigurationError, system_reason
from pfi.standards.x509.contexts import load_authorities, load_pair
from pfi.standards.x509.identity import CertifiedKey, check_dates, fingerprint
from pfi.standards.x509.renewal import PairFiles, RenewedPair
from pfi.standards.x509.secret import read_secret

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2; the suites of TLS 1.3 are all sound."""
_SUBJECT: Final = "certificat client MSSanté"


class ClientTls:
    """The context of new sessions. The certificate, the authorities and the revocation list may be renewed while it is
    in use; sessions under way keep theirs."""

    def __init__(self, settings: MssanteSettings) -> None:
        self._settings = settings
        self._pair: RenewedPair[ssl.SSLContext] | None = None
        self._context: ssl.SSLContext | None = None
        self._trust = b""
        self._fault: ConfigurationError | None = None
        if settings.client_cert is not None:
            files = PairFiles(
                settings.client_cert,
                settings.client_key or settings.client_cert,
                _SUBJECT,
                "auth_cli",
                lambda: read_secret(settings.key_password, "key_password"),
            )
            self._pair = RenewedPair(files, lambda _key, _now: client_context(settings))

    @property
    def context(self) -> ssl.SSLContext:
        """What the next session uses."""
        if self._context is None:
            raise BugError("MSS_NOT_OPEN", "Le connecteur MSSanté n'est pas ouvert.")
        return self._context

    def open(self, now: datetime) -> None:
        """Raises ConfigurationError when the files cannot be used."""
        self._trust = self._trusted()
        self._context = client_context(self._settings) if self._pair is None else self._pair.open(now).made

    def refresh(self, now: datetime) -> None:
        """Looks at the files again. Never raises for what they contain."""
        trust = self._trusted()
        renewed = self._pair is not None and self._pair.refresh(now)
        if renewed and self._pair is not None and self._pair.held is not None:
            self._context, self._trust, self._fault = self._pair.held.made, trust, None
        elif trust != self._trust:
            try:
                # A pair that is being written has its own fault: what it was is used on.
                if self._pair is None or self._pair.fault is None:
                    self._context = client_context(self._settings)
                    self._trust, self._fault = trust, None
            except ConfigurationError as error:
                self._fault = error

    def states(self, now: datetime) -> tuple[CertificateState, ...]:
        """The client certificate, if there is one."""
        if self._pair is None:
            return ()
        certificate = self._pair.held.key.certificate if self._pair.held is not None else _readable(self._pair.files)
        fault = self._pair.fault or self._fault
        if self._pair.held is not None:
            fault = _out_of_date(self._pair.held.key, now) or fault
        return (
            CertificateState(
                slot="client",
                subject=_SUBJECT,
                name=certificate.subject.rfc4514_string() if certificate is not None else "",
                fingerprint=fingerprint(certificate) if certificate is not None else "",
                not_after=certificate.not_valid_after_utc if certificate is not None else None,
                in_use=self._pair.held is not None,
                fault=fault.code if fault is not None else "",
                fault_text=f"{fault.text} {fault.next_step}".strip() if fault is not None else "",
            ),
        )

    def _trusted(self) -> bytes:
        """Digest of the authorities and of the revocation list; of nothing when they cannot be read."""
        whole = hashlib.sha256()
        for path in (self._settings.ca_bundle, self._settings.crl):
            try:
                whole.update(path.read_bytes() if path is not None else b"")
            except OSError:
                whole.update(b"?")
        return whole.digest()


def client_context(settings: MssanteSettings) -> ssl.SSLContext:
    """TLS 1.2 at least, the given authorities only, our certificate. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    load_authorities(context, settings.ca_bundle, code="MSS_CA_BUNDLE", service="MSSanté")
    if settings.crl is not None:
        load_authorities(context, settings.crl, code="MSS_CA_BUNDLE", service="MSSanté")
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
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


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "format non reconnu"
    return system_reason(error) if isinstance(error, OSError) else "fichier illisible"
