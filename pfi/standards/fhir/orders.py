"""What the sender orders: visibility by security labels, the rest by our extension of the lot (docs/fhir.md)."""

from dataclasses import dataclass, field
from typing import Final

from pfi.model.submission import Orders
from pfi.standards.fhir.element import Element
from pfi.standards.fhir.vocabulary import ORDERS, VISIBILITY_SYSTEMS
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.orders import (
    BODY_PATIENT,
    BODY_PROFESSIONAL,
    DESTINATIONS,
    REPLY_TO,
    Flag,
    FlagReading,
    as_orders,
)
from pfi.standards.hl7v2.participants import check_address

CLOSE_EXCHANGE: Final = "FIN"

_RULE: Final = "hl7v2 digest §2.1"
_LABEL_RULE: Final = "DMP digest §3"
_LABELS: Final = {
    "MASQUE_PS": Flag.MASQUE_PS,
    "INVISIBLE_PATIENT": Flag.INVISIBLE_PATIENT,
    "INVISIBLE_REPRESENTANTS_LEGAUX": Flag.INVISIBLE_REP_LEGAUX,
}
_CONFIDENTIALITY: Final = frozenset({"N", "R", "V"})
"""v3-Confidentiality: that of the document itself, told by the CDA."""
_TEXTS: Final = (BODY_PROFESSIONAL, BODY_PATIENT, REPLY_TO)


@dataclass(frozen=True, slots=True)
class OrdersReading:
    """The flags with their places, and the texts that go with them; an absent text is empty."""

    flags: FlagReading
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def orders(self) -> Orders:
        return self.flags.orders


def read_orders(lot: Element, documents: tuple[Element, ...], deviations: Deviations) -> OrdersReading:
    """Labels and extension together. A lot without destination orders nothing, like an HL7 v2 sender without flags."""
    values: dict[Flag, bool] = {}
    places: dict[Flag, str] = {}
    texts: dict[str, str] = {}
    for document in documents:
        _read_labels(document, values, places, deviations)
    close_exchange = False
    for extension in lot.extensions(ORDERS):
        for part in extension.all("extension"):
            name = part.text("url")
            if name in _TEXTS:
                texts[name] = _text_of(part, name, deviations)
            elif name == CLOSE_EXCHANGE:
                close_exchange = part.flag("valueBoolean") is True
            else:
                _read_flag(part, name, values, places, deviations)
    if values.keys().isdisjoint(DESTINATIONS):
        deviations.inform(
            "FLAGS_ABSENT",
            lot.at("extension"),
            "Le lot n'ordonne aucune destination : il est lu comme celui d'un émetteur qui n'ordonne rien.",
            _RULE,
        )
    else:
        _complete(lot, values, deviations)
    for flag in Flag:
        places.setdefault(flag, lot.at("extension"))
    return OrdersReading(FlagReading(as_orders(values, close_exchange=close_exchange), places), texts)


def _read_labels(document: Element, values: dict[Flag, bool], places: dict[Flag, str], deviations: Deviations) -> None:
    """Labels of visibility are a whole statement: one that is not among them is a no, unless another document says it
    (the stricter of two wins)."""
    stated: set[Flag] = set()
    says = False
    for coding in document.codes("securityLabel"):
        code = coding.text("code").upper()
        ours = coding.text("system") in VISIBILITY_SYSTEMS
        if code in _LABELS:
            stated.add(_LABELS[code])
            places[_LABELS[code]] = coding.where
        elif code not in _CONFIDENTIALITY:
            deviations.refuse(
                "SECURITY_LABEL_UNKNOWN",
                coding.where,
                "Cette étiquette de confidentialité n'est pas connue : le document ne peut être transmis sans risque.",
                "103",
                _LABEL_RULE,
            )
        says = says or ours or code in _LABELS
    if says:
        for flag in _LABELS.values():
            values[flag] = values.get(flag, False) or flag in stated
            places.setdefault(flag, document.at("securityLabel"))


def _read_flag(
    part: Element, name: str, values: dict[Flag, bool], places: dict[Flag, str], deviations: Deviations
) -> None:
    flag = next((each for each in Flag if each.value == name), None)
    value = part.flag("valueBoolean")
    if flag is None:
        deviations.refuse("ORDER_UNKNOWN", part.where, "Cette consigne n'existe pas (docs/fhir.md).", "103", _RULE)
        return
    if value is None:
        deviations.refuse("FLAG_VALUE", part.where, f"La consigne {flag} demande un booléen.", "103", _RULE)
        return
    if values.get(flag, value) is not value:
        deviations.refuse(
            "FLAG_REPEATED",
            part.where,
            f"La consigne {flag} est donnée plusieurs fois, ou contredit une étiquette de confidentialité.",
            "198",
            _RULE,
        )
    values[flag] = value
    places[flag] = part.where


def _text_of(part: Element, name: str, deviations: Deviations) -> str:
    text = part.text("valueString")
    if name == REPLY_TO:
        check_address(text, part.where, deviations)
    return text


def _complete(lot: Element, values: dict[Flag, bool], deviations: Deviations) -> None:
    """As for a message: acknowledgments count as no, what is not said of anything else stays unsaid."""
    for flag in Flag:
        if flag in values:
            continue
        if flag in (Flag.ACK_RECEPTION, Flag.ACK_LECTURE_MSS):
            values[flag] = False
        else:
            deviations.deviate(
                "FLAG_MISSING",
                lot.at("extension"),
                f"La consigne {flag} est absente : elle n'est pas tenue pour dite, et vaut non par défaut.",
                "101",
                _RULE,
            )
