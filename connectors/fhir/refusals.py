"""What the listener says of requests that it does not take as lots (FHIR R4, RESTful API)."""

from dataclasses import dataclass, replace
from typing import Final

from pfi.model.finding import Finding, Severity

_RULE: Final = "FHIR R4, API REST"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`headers` go with the answer. `record`: bytes of a lot were under way, and leave a row with this reason. `close`:
    what comes next on the connection cannot be trusted."""

    status: int
    finding: Finding
    headers: tuple[tuple[str, str], ...] = ()
    record: bool = True
    close: bool = False


def _refusal(
    status: int, code: str, text: str, *headers: tuple[str, str], record: bool = True, err3: str = ""
) -> Refusal:
    return Refusal(status, Finding(code, Severity.ERROR, "", text, _RULE, err3), headers, record)


def malformed(status: int) -> Refusal:
    text = "La requête HTTP n'est pas lisible : la connexion est fermée."
    return replace(_refusal(status, "HTTP_MALFORMED", text), close=True)


def not_found() -> Refusal:
    text = "Rien à cette adresse : les lots sont à déposer à la base de la porte FHIR."
    return _refusal(404, "HTTP_NOT_FOUND", text, record=False)


def method_not_allowed(allowed: str) -> Refusal:
    text = f"Cette adresse n'admet que la méthode {allowed} : la plateforme ne permet ni lecture ni recherche."
    return _refusal(405, "HTTP_METHOD", text, ("Allow", allowed), record=False)


def not_acceptable() -> Refusal:
    return _refusal(406, "HTTP_NOT_ACCEPTABLE", "La réponse n'existe qu'en JSON (application/fhir+json).")


def media_type() -> Refusal:
    text = "Un lot est un Bundle FHIR R4 en JSON, en UTF-8 (Content-Type : application/fhir+json)."
    return _refusal(415, "HTTP_MEDIA_TYPE", text, ("Accept", "application/fhir+json"))


def content_encoding() -> Refusal:
    text = "Un lot n'est pas compressé (Content-Encoding)."
    return _refusal(415, "HTTP_ENCODING", text, ("Accept-Encoding", "identity"))


def too_large(limit: int) -> Refusal:
    return _refusal(413, "HTTP_TOO_LARGE", f"Le lot dépasse la taille maximale acceptée ({limit} octets).")


def too_slow(seconds: float) -> Refusal:
    return _refusal(408, "HTTP_TIMEOUT", f"La requête n'est pas arrivée en entier en {seconds:g} s.")


def truncated() -> Refusal:
    return _refusal(400, "HTTP_TRUNCATED", "La connexion s'est interrompue avant la fin du lot.")


def busy() -> Refusal:
    text = "Trop de connexions ou de lots en même temps : réessayez plus tard."
    return _refusal(503, "COME_AGAIN", text, record=False)
