"""The French sentences that tell what a rule of the site does."""

from typing import Final

from pfi.model.decision import Priority, Trigger
from pfi.model.profile import Policy
from pfi.routing.rulefile import Schedule, SiteRule, Then, Weekday

TRIGGERS: Final = {
    Trigger.IDENTITY_QUALIFIED: "que l'identité soit qualifiée",
    Trigger.OBJECTION_LIFTED: "que l'opposition soit levée",
    Trigger.INFORMATION_COLLECTED: "que l'information du patient soit recueillie",
    Trigger.DMP_ACTIVE: "que le DMP soit connu actif",
    Trigger.HUMAN_RELEASE: "qu'un exploitant libère l'envoi",
}
"""What a sending waits for, after « attend »."""

PRIORITIES: Final = {Priority.HIGH: "haute", Priority.NORMAL: "normale", Priority.LOW: "basse"}

_POLICIES: Final = {
    Policy.RESPECT: "les ordres de l'émetteur seuls décident",
    Policy.WARN: "tout écart avec la table légale est signalé",
    Policy.COMPLETE: "la table légale tient lieu d'ordre si l'émetteur n'en donne aucun",
}
_DAYS: Final = {
    Weekday.MON: "lundi",
    Weekday.TUE: "mardi",
    Weekday.WED: "mercredi",
    Weekday.THU: "jeudi",
    Weekday.FRI: "vendredi",
    Weekday.SAT: "samedi",
    Weekday.SUN: "dimanche",
}
_SINGLE: Final = {
    "policy": "Politique",
    "annuaire": "Annuaire Santé",
    "mailbox": "Boîte d'émission",
    "priority": "Priorité",
    "schedule": "Plage horaire",
}


def sentence(rule: SiteRule) -> str:
    """The rule's own text, then its effects."""
    return f"{rule.text.rstrip(' .')}. Règle du site : {' ; '.join(_clauses(rule.then))}."


def single_valued_name(effect: str) -> str:
    """French name of an effect that can have but one value."""
    return _SINGLE[effect]


def hours(schedule: Schedule) -> str:
    """« de 08:00 à 18:00 (lundi, mardi) »."""
    days = ", ".join(name for day, name in _DAYS.items() if day in schedule.days)
    return f"de {schedule.from_} à {schedule.to} ({days})"


def _clauses(then: Then) -> list[str]:
    said = []
    if then.policy is not None:
        said.append(_POLICIES[then.policy])
    if then.deny is not None:
        said.append("l'envoi est interdit")
    if then.hold is not None:
        said.append(f"l'envoi attend {TRIGGERS[then.hold.until]}")
    if then.add_recipients is not None:
        said.append("destinataires ajoutés")
    if then.derive_recipients is not None:
        said.append("destinataires déduits du dossier")
    if then.annuaire is not None:
        said.append(
            "adresses manquantes demandées à l'Annuaire Santé"
            if then.annuaire
            else "aucune adresse n'est demandée à l'Annuaire Santé"
        )
    if then.mailbox is not None:
        said.append(f"envoi par la boîte « {then.mailbox} »")
    if then.priority is not None:
        said.append(f"priorité {PRIORITIES[then.priority]}")
    if then.schedule is not None:
        said.append(f"envoi {hours(then.schedule)}")
    return said
