"""Decisions as rows of a French table, for `pfi explain` and the console. Data only, nothing is printed."""

from collections.abc import Iterable
from dataclasses import dataclass

from pfi.model.decision import Action, Channel, Decision

CHANNEL_LABELS = {
    Channel.DMP: "DMP",
    Channel.PRO: "MSSanté professionnels",
    Channel.CIT: "Mon espace santé (patient)",
}

ACTION_LABELS = {
    Action.SEND: "envoyer",
    Action.HOLD: "attendre",
    Action.DENY: "ne pas envoyer",
    Action.VOID: "sans objet",
}

CODE_LABELS = {
    "INS_NOT_QUALIFIED": "identité non qualifiée",
    "INS_IN_CDA_NOT_QUALIFIED": "INS dans le document, identité non qualifiée",
    "INS_INCOMPLETE": "INS sans tous ses traits",
    "INS_OID_ENVIRONMENT": "INS d'un autre environnement",
    "IDENTITY_ATTRIBUTE": "attribut d'identité bloquant",
    "DMP_OPPOSED": "opposition du patient",
    "DMP_INFO_MISSING": "information du patient non recueillie",
    "DMP_CLOSED": "DMP fermé",
    "DMP_ABSENT": "DMP inexistant",
    "TYPE_NOT_ACCEPTED": "type non accepté par le DMP",
    "CDA_ID_EXTENSION": "identifiant avec extension",
    "CONFIDENTIALITY_RV": "confidentialité renforcée",
    "PATIENT_INVISIBLE": "non visible par le patient",
    "PS_MASKED": "masqué aux professionnels",
    "LEGAL_REP_INVISIBLE": "visibilité par les représentants légaux",
    "SECRET_MINOR": "secret demandé par un mineur",
    "SENSITIVE_UNIT": "prise en charge sensible",
    "GENETICS": "génétique constitutionnelle",
    "FREE_CHOICE_NO_RECIPIENT": "aucun professionnel choisi",
    "NO_RECIPIENT": "aucun destinataire",
    "NO_MSS_ADDRESS": "aucune adresse utilisable",
    "CIT_OPPOSED": "opposition aux courriels",
    "PRO_OPPOSED": "opposition aux courriels aux professionnels",
    "PATIENT_DECEASED": "patient décédé",
    "ORDER_NO": "non demandé par l'émetteur",
    "FLAGS_INCONSISTENT": "indicateurs contradictoires",
}
"""Short French labels of reason codes; a code of a site's own file may have none."""


@dataclass(frozen=True, slots=True)
class ExplainedReason:
    """One line under a decision."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class ExplainedDecision:
    """One row: `recipients` is a number (addresses are never shown), `obligation` says whether the law asked."""

    document: str
    channel: str
    action: str
    code: str
    why: str
    obligation: str
    recipients: int
    reasons: tuple[ExplainedReason, ...]


def explain(decisions: Iterable[Decision]) -> tuple[ExplainedDecision, ...]:
    """One row per decision, in the same order; the reason that decided comes first."""
    return tuple(
        ExplainedDecision(
            document=decision.document,
            channel=CHANNEL_LABELS[decision.channel],
            action=ACTION_LABELS[decision.action],
            code=decision.code,
            why=CODE_LABELS.get(decision.code, decision.code),
            obligation=_obligation(decision),
            recipients=len(decision.recipients),
            reasons=tuple(ExplainedReason(reason.rule, reason.text) for reason in decision.because),
        )
        for decision in decisions
    )


def _obligation(decision: Decision) -> str:
    if not decision.due:
        return "non dû"
    if not decision.gap:
        return "dû"
    if decision.action is Action.HOLD:
        return "dû, en attente"
    return "dû, écart expliqué par la loi" if decision.legal_gap else "dû, écart à justifier"
