"""What the listener says of bytes that it could not take as a message (HL7 digest §7.1)."""

from dataclasses import dataclass, field
from typing import Final

from pfi.model.finding import Finding, Severity

_RULE: Final = "MLLP (HL7v2, transport)"

DATA_TYPE_ERROR: Final = "102"
"""messageErrorCondition sent back when the MSH of the unusable frame can be read."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """`head` is what is known of the bytes; `close` ends the connection after the answer."""

    head: bytes = field(repr=False)
    finding: Finding
    close: bool


def _error(code: str, text: str, err3: str = "") -> Finding:
    return Finding(code, Severity.ERROR, "", text, _RULE, err3)


def noise(head: bytes) -> Refusal:
    text = "Des octets reçus n'appartiennent à aucune trame MLLP (attendu : 0x0B message 0x1C 0x0D)."
    return Refusal(head, _error("MLLP_NOISE", text), close=False)


def too_much_noise(head: bytes, limit: int) -> Refusal:
    text = f"Plus de {limit} octets reçus hors de toute trame MLLP : la connexion est fermée."
    return Refusal(head, _error("MLLP_NOISE_LIMIT", text), close=True)


def truncated(head: bytes) -> Refusal:
    text = "Une trame MLLP a été interrompue avant sa fin : le message est incomplet."
    return Refusal(head, _error("MLLP_TRUNCATED_FRAME", text, DATA_TYPE_ERROR), close=False)


def too_large(head: bytes, limit: int) -> Refusal:
    text = f"Le message dépasse la taille maximale acceptée ({limit} octets) : la connexion est fermée."
    return Refusal(head, _error("MLLP_FRAME_TOO_LARGE", text, DATA_TYPE_ERROR), close=True)


def too_slow(head: bytes, seconds: float) -> Refusal:
    text = f"Le message n'est pas arrivé en entier en {seconds:g} s : la connexion est fermée."
    return Refusal(head, _error("MLLP_FRAME_TIMEOUT", text, DATA_TYPE_ERROR), close=True)
