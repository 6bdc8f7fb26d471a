"""The MetaDMPMSS flags: what the sender orders (hl7v2 digest §2.1)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pfi.model.submission import Orders
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.tokenizer import Message, Segment

TABLE: Final = "METADMPMSS"
_RULE: Final = "hl7v2 digest §2.1"


class Flag(StrEnum):
    """Codes of OBX-3.1, in the order in which the volet wants them."""

    MASQUE_PS = "MASQUE_PS"
    INVISIBLE_PATIENT = "INVISIBLE_PATIENT"
    INVISIBLE_REP_LEGAUX = "INVISIBLE_REP_LEGAUX"
    CONNEXION_SECRETE = "CONNEXION_SECRETE"  # noqa: S105 - a flag of the volet, no password
    MODIF_CONF_CODE = "MODIF_CONF_CODE"
    DESTDMP = "DESTDMP"
    DESTMSSANTEPS = "DESTMSSANTEPS"
    DESTMSSANTEPAT = "DESTMSSANTEPAT"
    ACK_RECEPTION = "ACK_RECEPTION"
    ACK_LECTURE_MSS = "ACK_LECTURE_MSS"


BODY_PROFESSIONAL: Final = "CORPSMAIL_PS"
BODY_PATIENT: Final = "CORPSMAIL_PATIENT"
REPLY_TO: Final = "REPLY_TO"

DESTINATIONS: Final = (Flag.DESTDMP, Flag.DESTMSSANTEPS, Flag.DESTMSSANTEPAT)
_OPTIONAL: Final = (Flag.ACK_RECEPTION, Flag.ACK_LECTURE_MSS)

_FLAGS: Final = {flag.value: flag for flag in Flag}
_LEGACY_CODES: Final = {
    "INVISIBLE_REPRESENTANTS_LEGAUX": Flag.INVISIBLE_REP_LEGAUX,
    "MODIF_CONFIDENTIALITYCODE": Flag.MODIF_CONF_CODE,
    "ACK_LECTURE": Flag.ACK_LECTURE_MSS,
}
_OTHER_CODES: Final = frozenset({BODY_PROFESSIONAL, BODY_PATIENT, REPLY_TO, "COMP_LOT"})

_ATTRIBUTES: Final = {
    Flag.MASQUE_PS: "masque_ps",
    Flag.INVISIBLE_PATIENT: "invisible_patient",
    Flag.INVISIBLE_REP_LEGAUX: "invisible_rep_legaux",
    Flag.CONNEXION_SECRETE: "connexion_secrete",
    Flag.MODIF_CONF_CODE: "modif_conf_code",
    Flag.DESTDMP: "dest_dmp",
    Flag.DESTMSSANTEPS: "dest_mss_ps",
    Flag.DESTMSSANTEPAT: "dest_mss_pat",
    Flag.ACK_RECEPTION: "ack_reception",
    Flag.ACK_LECTURE_MSS: "ack_lecture_mss",
}


def value_of(orders: Orders, flag: Flag) -> bool:
    """A flag as yes or no; one that was not given counts as N."""
    return bool(getattr(orders, _ATTRIBUTES[flag]))


def as_orders(values: dict[Flag, bool], *, close_exchange: bool = False) -> Orders:
    """Flags as the model has them; one that is not among `values` was not given."""
    return Orders(**{_ATTRIBUTES[flag]: value for flag, value in values.items()}, close_exchange=close_exchange)


@dataclass(frozen=True, slots=True)
class FlagReading:
    """The orders of a message, and where each flag is (`OBX^7^5`)."""

    orders: Orders
    places: dict[Flag, str] = field(default_factory=dict)


def set_id(obx: Segment) -> int:
    """OBX-1, which numbers all OBX of the message; the rank of the segment when OBX-1 says nothing."""
    text = obx.text(1)
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) <= 6 and int(text) else obx.ordinal


def where(obx: Segment, number: int | None = None) -> str:
    """ERR-2 of an OBX, by its set id."""
    return f"OBX^{set_id(obx)}" + ("" if number is None else f"^{number}")


def code_of(obx: Segment) -> str:
    """OBX-3.1 without any blank (the volet prints `INVISIBLE_ REP_LEGAUX`), in upper case."""
    return "".join(obx.component(3, 1).upper().split())


def is_metadata(obx: Segment) -> bool:
    """True for an OBX of table MetaDMPMSS: a flag, a mail body. Older senders leave the table name out."""
    table = "".join(obx.component(3, 3).upper().split())
    code = code_of(obx)
    return table == TABLE or (not table and (code in _FLAGS or code in _LEGACY_CODES or code in _OTHER_CODES))


def read_orders(message: Message, coded_type: str, deviations: Deviations) -> FlagReading:
    """Reads the flags. `coded_type` is the OBX-2 that the version wants (`CE`, `CWE`).

    A missing flag orders and hides nothing (tolerant), or refuses the message (strict); it stays `None`, because
    nothing may be presumed of the documents of minors and of sensitive care (obligations digest §5). Missing
    acknowledgment flags count as N in both modes. Without any destination flag the sender is a legacy one.
    """
    values: dict[Flag, bool] = {}
    places: dict[Flag, str] = {}
    stated: set[Flag] = set()
    close_exchange = False
    segments = message.segments
    for index, obx in enumerate(segments):
        if obx.name != "OBX" or not is_metadata(obx):
            continue
        flag = _flag_of(obx, deviations)
        if flag is None:
            continue
        _check_form(obx, coded_type, deviations)
        _check_rank(flag, stated, obx, deviations)
        stated.add(flag)
        value = _read_value(obx, flag, deviations)
        if value is None:
            continue
        if flag in values:
            _report_duplicate(flag, values[flag] == value, obx, deviations)
            continue
        values[flag] = value
        places[flag] = where(obx, 5)
        if flag is Flag.DESTMSSANTEPAT:
            close_exchange = _closes_exchange(segments[index + 1 :])
    _complete(values, stated, deviations)
    return FlagReading(as_orders(values, close_exchange=close_exchange), places)


def _flag_of(obx: Segment, deviations: Deviations) -> Flag | None:
    code = code_of(obx)
    if code in _LEGACY_CODES:
        deviations.strictly(
            "FLAG_CODE_LEGACY", where(obx, 3), "Le code de cet indicateur vient d'un ancien profil.", "103", _RULE
        )
        return _LEGACY_CODES[code]
    if code in _FLAGS:
        return _FLAGS[code]
    if code not in _OTHER_CODES:
        deviations.inform(
            "FLAG_IGNORED", where(obx, 3), "Ce code de la table MetaDMPMSS n'est pas exploité.", "hl7v2 digest §1.2"
        )
    return None


def _check_form(obx: Segment, coded_type: str, deviations: Deviations) -> None:
    if not obx.component(3, 3):
        deviations.strictly(
            "CODING_SYSTEM_MISSING", where(obx, 3), "OBX-3.3 (table MetaDMPMSS) est vide.", "101", _RULE
        )
    if obx.component(2).upper() != coded_type:
        deviations.strictly(
            "FLAG_TYPE", where(obx, 2), f"OBX-2 d'un indicateur doit valoir {coded_type}.", "102", _RULE
        )
    if obx.component(11).upper() != "F":
        deviations.strictly("FLAG_STATUS", where(obx, 11), "OBX-11 d'un indicateur doit valoir F.", "103", _RULE)


def _check_rank(flag: Flag, stated: set[Flag], obx: Segment, deviations: Deviations) -> None:
    """A warning in both modes: order changes nothing to what is asked."""
    ranks = list(Flag)
    if any(ranks.index(other) > ranks.index(flag) for other in stated):
        deviations.warn(
            "FLAG_ORDER", where(obx), "Les indicateurs ne suivent pas l'ordre demandé par le volet.", _RULE, "100"
        )


def _read_value(obx: Segment, flag: Flag, deviations: Deviations) -> bool | None:
    text = obx.component(5, 1).upper()
    if text in ("Y", "N"):
        return text == "Y"
    if text:
        deviations.refuse("FLAG_VALUE", where(obx, 5), f"L'indicateur {flag} ne vaut ni Y ni N.", "103", _RULE)
    else:
        deviations.refuse("FLAG_EMPTY", where(obx, 5), f"L'indicateur {flag} n'a pas de valeur.", "101", _RULE)
    return None


def _report_duplicate(flag: Flag, same: bool, obx: Segment, deviations: Deviations) -> None:
    report = deviations.deviate if same else deviations.refuse
    text = "avec la même valeur" if same else "avec des valeurs différentes"
    report("FLAG_REPEATED", where(obx), f"L'indicateur {flag} est donné plusieurs fois, {text}.", "198", _RULE)


def _closes_exchange(following: tuple[Segment, ...]) -> bool:
    """NTE-4 = FIN right after DESTMSSANTEPAT: the patient may not answer."""
    for segment in following:
        if segment.name != "NTE":
            return False
        if segment.component(4).upper() == "FIN":
            return True
    return False


def _complete(values: dict[Flag, bool], stated: set[Flag], deviations: Deviations) -> None:
    if not stated.intersection(DESTINATIONS):
        deviations.deviate(
            "FLAGS_ABSENT",
            "OBX^1",
            "Le message ne porte aucun indicateur de destination : il est lu comme celui d'un émetteur ancien, "
            "qui n'ordonne rien.",
            "101",
            _RULE,
        )
        return
    for flag in Flag:
        if flag in stated:
            continue
        if flag in _OPTIONAL:
            values[flag] = False
        else:
            text = f"L'indicateur {flag} est absent : il n'est pas tenu pour dit, et vaut N par défaut."
            deviations.deviate("FLAG_MISSING", "OBX^1", text, "101", _RULE)
