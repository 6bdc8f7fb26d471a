"""What can go wrong in an IMAP session, told to who must act."""

import imaplib
import re
import ssl
from typing import Final

from imapclient.exceptions import CapabilityError, LoginError

from connectors.mssante.imap.inbox import Inbox
from pfi.model.errors import ConfigurationError, PfiError, TransportError, system_reason

FAULTS: Final = (imaplib.IMAP4.error, OSError, ValueError, TypeError, IndexError, KeyError, EOFError)
"""What the client library raises for what the server or the network does, malformed answers included."""

_PASSING: Final = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG|CONTACTADMIN)\b", re.IGNORECASE)
"""Response codes that do not speak of who we are (RFC 5530 §3)."""
_RETRY: Final = "La session est reprise d'elle-même ; si cela dure, voir avec l'opérateur."


def fault_of(error: BaseException, inbox: Inbox, *, encrypted: bool = False) -> PfiError:
    """`encrypted`: nothing was heard yet since the TLS handshake, when servers refuse our certificate by closing."""
    if isinstance(error, PfiError):
        return error
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ConfigurationError(
            "MSS_IMAP_TLS",
            f"Échec TLS avec le serveur IMAP {inbox.place} ({error.reason or 'certificat'}).",
            "Vérifier « ca_bundle », « crl », la date des certificats, le nom du serveur et le certificat client.",
        )
    if encrypted and isinstance(error, imaplib.IMAP4.abort | ConnectionError | ssl.SSLError):
        return ConfigurationError(
            "MSS_IMAP_TLS",
            f"Le serveur IMAP {inbox.place} ferme la connexion dès qu'elle est chiffrée.",
            "Vérifier que le certificat client est celui de la boîte et qu'il est accepté par l'opérateur.",
        )
    if isinstance(error, CapabilityError):
        return ConfigurationError(
            "MSS_IMAP_CAPABILITY",
            f"Le serveur IMAP {inbox.place} n'offre pas ce qui est demandé (STARTTLS, authentification).",
            "Vérifier « imap.tls », « imap.port » et « imap.sasl ».",
        )
    if isinstance(error, LoginError):
        return _login(error, inbox)
    if isinstance(error, imaplib.IMAP4.readonly):
        return ConfigurationError(
            "MSS_IMAP_READ_ONLY",
            f"La boîte {inbox.address} est en lecture seule : ses courriels ne peuvent pas être classés.",
            "Demander à l'opérateur le droit d'y déplacer des courriels.",
        )
    return _passing(error, inbox)


def unreadable_folder(inbox: Inbox, name: str) -> ConfigurationError:
    """A folder that is not there and cannot be created."""
    return ConfigurationError(
        "MSS_IMAP_FOLDER",
        f"Boîte {inbox.address} : le dossier « {name} » n'existe pas et ne peut pas être créé.",
        "Le créer, ou corriger « imap.folder » et « imap.folders ».",
    )


def _login(error: LoginError, inbox: Inbox) -> PfiError:
    if isinstance(error.__context__, imaplib.IMAP4.abort):
        return _passing(error.__context__, inbox)
    if _PASSING.search(str(error)):
        return TransportError(
            "MSS_IMAP_BUSY", f"Le serveur IMAP {inbox.place} n'ouvre pas de session pour le moment.", _RETRY
        )
    return ConfigurationError(
        "MSS_IMAP_LOGIN",
        f"Le serveur IMAP {inbox.place} refuse d'ouvrir la boîte {inbox.address}.",
        "Vérifier « imap.sasl », l'utilisateur, le mot de passe et le certificat de la boîte.",
    )


def _passing(error: BaseException, inbox: Inbox) -> TransportError:
    """Faults that may be over at the next try."""
    place = inbox.place
    match error:
        case ConnectionRefusedError():
            return TransportError(
                "MSS_IMAP_REFUSED", f"Le serveur IMAP {place} refuse la connexion.", "Vérifier l'hôte et le port."
            )
        case TimeoutError():
            return TransportError("MSS_IMAP_TIMEOUT", f"Le serveur IMAP {place} ne répond pas dans le délai.", _RETRY)
        case imaplib.IMAP4.abort() | ssl.SSLError():
            return TransportError("MSS_IMAP_LOST", f"La session avec le serveur IMAP {place} est perdue.", _RETRY)
        case OSError():
            reason = system_reason(error)
            return TransportError("MSS_IMAP_LOST", f"Le serveur IMAP {place} est injoignable ({reason}).", _RETRY)
        case imaplib.IMAP4.error():
            return TransportError("MSS_IMAP_NO", f"Le serveur IMAP {place} refuse une commande.", _RETRY)
        case _:
            return TransportError("MSS_IMAP_MALFORMED", f"Le serveur IMAP {place} répond mal.", _RETRY)
