"""Decisions as rows of a French table, for `pfi explain` and the console. Data only, nothing is printed."""

from collections.abc import Iterable
from dataclasses import dataclass

from pfi.model.decision import Action, Channel, Decision, Priority
from pfi.routing.siteterms import PRIORITIES, TRIGGERS
from pfi.standards.hl7v2.timestamp import NATIONAL_ZONE

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
    "INS_NOT_IN_DOCUMENT": "document sans INS",
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
    """One row: `recipients` is a number (addresses are never shown), `obligation` says whether the law asked.

    `waits_for` and `not_before` say in French what the sending waits for and when it may leave, `priority` and
    `mailbox` how a rule of the site sends it; empty = nothing particular.
    """

    document: str
    channel: str
    action: str
    code: str
    why: str
    obligation: str
    recipients: int
    reasons: tuple[ExplainedReason, ...]
    waits_for: str = ""
    not_before: str = ""
    priority: str = ""
    mailbox: str = ""


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
            waits_for=_waits_for(decision),
            not_before=_opening(decision),
            priority="" if decision.priority is Priority.NORMAL else PRIORITIES[decision.priority],
            mailbox=decision.mailbox,
        )
        for decision in decisions
    )


def _waits_for(decision: Decision) -> str:
    if decision.until is None:
        return ""
    waited = TRIGGERS[decision.until]
    if decision.expiry_days is None:
        return waited
    return f"{waited}, {decision.expiry_days} jour{'s' * (decision.expiry_days > 1)} au plus"


def _opening(decision: Decision) -> str:
    if decision.not_before is None:
        return ""
    return f"{decision.not_before.astimezone(NATIONAL_ZONE):%d/%m/%Y à %H:%M}"


def _obligation(decision: Decision) -> str:
    if not decision.due:
        return "non dû"
    if not decision.gap:
        return "dû"
    if decision.action is Action.HOLD:
        return "dû, en attente"
    return "dû, écart expliqué par la loi" if decision.legal_gap else "dû, écart à justifier"
