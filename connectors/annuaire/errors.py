"""What the directory's service can fail with. No text names anybody."""

from collections.abc import Mapping
from typing import Final

from pfi.model.errors import PeerRefusedError, TransportError
from pfi.standards.fhir.element import Element

_ISSUES: Final[Mapping[str, str]] = {
    "invalid": "requête mal formée",
    "structure": "requête mal formée",
    "value": "valeur refusée",
    "not-supported": "recherche non prise en charge",
    "processing": "requête non traitée",
    "not-found": "ressource inconnue",
    "deleted": "ressource supprimée",
    "expired": "page de résultats expirée",
    "security": "accès refusé",
    "login": "accès refusé",
    "forbidden": "accès refusé",
    "too-costly": "recherche trop large",
    "exception": "défaut interne du service",
    "transient": "service momentanément indisponible",
    "timeout": "délai dépassé",
    "throttled": "trop de requêtes",
}
"""IssueType of an OperationOutcome, in French; its own text may quote what was asked and is never shown."""


class AnnuaireAwayError(TransportError):
    """`ANNUAIRE_UNREACHABLE`, `ANNUAIRE_TIMEOUT`, `ANNUAIRE_BUSY`, `ANNUAIRE_FAILED`, `ANNUAIRE_CERTIFICATE`: nothing
    is known for now. `retry_after` in seconds when the service said so; `down`: asking about somebody else would fail
    alike."""

    def __init__(self, code: str, text: str, *, retry_after: float | None = None, down: bool = False) -> None:
        super().__init__(code, text)
        self.retry_after = retry_after
        self.down = down


class AnnuaireRefusedError(PeerRefusedError):
    """`ANNUAIRE_KEY_REFUSED`, `ANNUAIRE_REFUSED`, `ANNUAIRE_ANSWER_UNREADABLE`: the same request would fail alike."""


def refused(status: int, answer: Element) -> AnnuaireRefusedError:
    """What an HTTP error means, with the first issue of its OperationOutcome when there is one."""
    if status in (401, 403):
        return AnnuaireRefusedError(
            "ANNUAIRE_KEY_REFUSED",
            f"L'Annuaire Santé refuse la clé d'API (HTTP {status}).",
            "Vérifier « key » et l'abonnement de l'application sur le portail des API de l'ANS.",
        )
    issue = answer.one("issue").text("code") if answer.kind == "OperationOutcome" else ""
    reason = f", {_ISSUES[issue]}" if issue in _ISSUES else ""
    return AnnuaireRefusedError("ANNUAIRE_REFUSED", f"L'Annuaire Santé a refusé la requête (HTTP {status}{reason}).")


def unreadable() -> AnnuaireRefusedError:
    """An answer that is no answer to what was asked."""
    return AnnuaireRefusedError(
        "ANNUAIRE_ANSWER_UNREADABLE", "La réponse de l'Annuaire Santé n'est pas celle attendue."
    )
