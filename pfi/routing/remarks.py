"""The French reasons of a decision besides exceptions and site rules: the order, the law, what is missing."""

from collections.abc import Iterator
from typing import Final

from pfi.model.decision import Channel, Reason
from pfi.model.submission import Orders, Submission
from pfi.routing.facts import DocumentFacts
from pfi.routing.recipients import is_patient
from pfi.routing.rulefile import Due, Row

RELEASED: Final = Reason("RELEASED", "Un exploitant a libéré cet envoi, que seule une décision humaine retenait.")
EXPLICIT_ONLY: Final = Reason(
    "EXPLICIT_RECIPIENTS",
    "Les règles du site n'ajoutent ici personne : seuls sont servis les destinataires que l'émetteur nomme.",
)
GAP: Final = Reason("OBLIGATION_GAP", "Envoi dû et non réalisé : à signaler à l'émetteur.")
SETTING_UNKNOWN: Final = Reason(
    "SETTING_UNKNOWN",
    "Ni le CDA ni PV1-2 ne disent si le document est produit en séjour : les lignes qui en dépendent sont écartées.",
)

_FLAGS: Final = {Channel.DMP: "DESTDMP", Channel.PRO: "DESTMSSANTEPS", Channel.CIT: "DESTMSSANTEPAT"}
_CHANNEL_NAMES: Final = {
    Channel.DMP: "au DMP",
    Channel.PRO: "aux professionnels (MSSanté)",
    Channel.CIT: "au patient (Mon espace santé)",
}


def order(channel: Channel, orders: Orders) -> bool | None:
    """What the sender says of a channel; `None` = nothing."""
    if channel is Channel.DMP:
        return orders.dest_dmp
    return orders.dest_mss_ps if channel is Channel.PRO else orders.dest_mss_pat


def order_reason(channel: Channel, orders: Orders, *, completed: bool, ordered: bool) -> Reason:
    """Why the channel is ordered or not; `completed`: the table stands for the order."""
    flag, stated = _FLAGS[channel], order(channel, orders)
    if completed:
        if ordered:
            text = "Émetteur sans indicateurs de destination : la table légale tient lieu d'ordre."
        else:
            text = "Émetteur sans indicateurs de destination, et la table légale ne demande pas ce canal."
        return Reason("POLICY_COMPLETE", text)
    if stated is None:
        return Reason(flag, f"L'émetteur ne dit rien de l'envoi {_CHANNEL_NAMES[channel]} ({flag} absent).")
    if stated:
        return Reason(flag, f"L'émetteur demande l'envoi {_CHANNEL_NAMES[channel]} ({flag} = Y).")
    return Reason(flag, f"L'émetteur ne demande pas l'envoi {_CHANNEL_NAMES[channel]} ({flag} = N).")


def row_reasons(channel: Channel, rows: tuple[Row, ...]) -> Iterator[Reason]:
    """The rows of the law that make the channel due."""
    for row in rows:
        value = row.due(channel)
        if value is Due.NONE:
            continue
        text = f"{row.label} : envoi {_CHANNEL_NAMES[channel]} dû ({row.basis}"
        if row.from_ is not None:
            text += f", depuis le {row.from_:%d/%m/%Y}"
        text += ")"
        if value is Due.FREE_CHOICE:
            text += ", vers le seul professionnel choisi par le patient (CSP R. 4127-6)"
        if row.deadline == "same_day_as_discharge" and channel is not Channel.DMP:
            text += ", le jour même de la sortie"
        yield Reason(row.id, f"{text}.")


def document_remarks(facts: tuple[DocumentFacts, ...], orders: Orders) -> Iterator[Reason]:
    """What the documents and the orders leave unsaid."""
    if any(fact.date is None for fact in facts):
        yield Reason("DATE_UNKNOWN", "La date du document est illisible : seules les lignes sans date s'appliquent.")
    if orders.given and True not in (orders.dest_dmp, orders.dest_mss_ps, orders.dest_mss_pat):
        yield Reason("NOTHING_ORDERED", "Aucune destination n'est demandée : le message est accepté, rien n'est fait.")


def overlooked(channel: Channel, submission: Submission) -> Iterator[Reason]:
    """Recipients whose channel is not ordered."""
    orders = submission.orders
    if channel is not Channel.DMP and orders.given and order(channel, orders) is not True:
        patient = channel is Channel.CIT
        if any(is_patient(recipient) is patient for recipient in submission.recipients):
            yield Reason(
                "RECIPIENT_NOT_SERVED",
                "Un destinataire est nommé mais son canal n'est pas demandé : il n'est pas servi.",
            )
