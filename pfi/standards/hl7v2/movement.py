"""ZBE: the movement that an ADT message of ITI-31 tells, corrects or cancels (hl7v2 digest §6.2)."""

from datetime import datetime
from typing import Final

from pfi.model.adt import Movement, MovementAction
from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.identifiers import known
from pfi.standards.hl7v2.timestamp import as_utc, read_timestamp
from pfi.standards.hl7v2.tokenizer import Message, Segment

MOVEMENT_EVENTS: Final = frozenset(
    {"A01", "A03", "A04", "A05", "A06", "A07", "A11", "A13", "A14", "A38", "Z99"},
)
"""Events of a stay: they need a ZBE."""
CANCEL_EVENTS: Final = frozenset({"A11", "A13", "A38"})
_UPDATE_EVENT: Final = "Z99"
_INSERT_ONLY: Final = frozenset({"A01", "A03", "A04", "A05", "A14"})
"""They never cancel anything; A06 and A07 may (the way back is cancelled by the other one)."""
_NATURES: Final = frozenset({"S", "H", "M", "L", "D", "SM", "SH", "MH", "LD", "HMS", "C"})
_ACTIONS: Final = frozenset(action.value for action in MovementAction)
_RULE: Final = "hl7v2 digest §6.2"


def read_movement(message: Message, trigger: str, deviations: Deviations) -> Movement | None:
    """The movement of a message, `None` when it tells none. ZBE is read for the events of a stay only."""
    if trigger not in MOVEMENT_EVENTS:
        return None
    zbe = message.first("ZBE")
    if zbe is None:
        deviations.deviate("MOVEMENT_MISSING", "ZBE^1", "Le segment ZBE (mouvement), requis, est absent.", "100", _RULE)
        return None
    shift = _check_shift(zbe, deviations)
    action = _read_action(zbe, shift, trigger, deviations)
    original = known(zbe.component(6 + shift)).upper()
    if action is not MovementAction.INSERT and not original:
        deviations.deviate(
            "MOVEMENT_ORIGIN_MISSING",
            "ZBE^1^6",
            "ZBE-6 (événement d'origine) est requis pour une mise à jour ou une annulation de mouvement.",
            "101",
            _RULE,
        )
    return Movement(
        ids=_read_ids(zbe, deviations),
        action=action,
        original_trigger=original,
        started_at=_read_start(zbe, deviations),
        historic=_read_historic(zbe, shift, deviations),
        medical_unit=_unit(zbe, 7 + shift),
        care_unit=_unit(zbe, 8 + shift),
        nature=_read_nature(zbe, shift, trigger, deviations),
    )


def unit_in(zbe: Segment) -> str:
    """The code of the medical UF of a movement."""
    return _unit(zbe, 7 + _shift(zbe))


def _unit(zbe: Segment, number: int) -> str:
    """The code of a UF in an XON: component 10, else the older component 3."""
    xon = zbe.first(number)
    return known(xon.component(10)) or known(xon.component(3))


def _shift(zbe: Segment) -> int:
    """ZBE-3 is forbidden. Some senders fill it and write everything after it one field too far (hl7v2 digest §8.1)."""
    return int(zbe.component(5).upper() in _ACTIONS and zbe.component(4).upper() not in _ACTIONS)


def _check_shift(zbe: Segment, deviations: Deviations) -> int:
    shift = _shift(zbe)
    if shift:
        deviations.deviate(
            "MOVEMENT_SHIFTED",
            "ZBE^1^5",
            "Le code d'action du mouvement est en ZBE-5 au lieu de ZBE-4 : les champs suivants sont lus décalés.",
            "102",
            f"{_RULE} et §8.1",
        )
    elif zbe.component(3):
        deviations.deviate("MOVEMENT_END_FORBIDDEN", "ZBE^1^3", "ZBE-3 ne doit pas être renseigné.", "102", _RULE)
    return shift


def _read_ids(zbe: Segment, deviations: Deviations) -> tuple[str, ...]:
    """Every ZBE-1, an EI, as `value^authority`: the OID or FINESS of the authority, else its name."""
    ids = []
    for ei in zbe.repetitions(1):
        value = known(ei.component(1))
        if value:
            ids.append(f"{value}^{known(ei.component(3)) or known(ei.component(2))}")
    if not ids:
        deviations.deviate("MOVEMENT_ID_MISSING", "ZBE^1^1", "ZBE-1 (identifiant du mouvement) est vide.", "101", _RULE)
    return tuple(dict.fromkeys(ids))


def _read_start(zbe: Segment, deviations: Deviations) -> datetime | None:
    text = known(zbe.component(2))
    moment = read_timestamp(text)
    if moment is None:
        deviations.deviate(
            "MOVEMENT_TIME_INVALID" if text else "MOVEMENT_TIME_MISSING",
            "ZBE^1^2",
            "ZBE-2 (début du mouvement) ne donne pas une date.",
            "102" if text else "101",
            _RULE,
        )
        return None
    return as_utc(moment)


def _read_action(zbe: Segment, shift: int, trigger: str, deviations: Deviations) -> MovementAction:
    """ZBE-4. Whatever it says, A11, A13 and A38 cancel; an unknown or missing code means what the event means."""
    expected = _expected(trigger)
    text = known(zbe.component(4 + shift)).upper()
    if text not in _ACTIONS:
        deviations.deviate(
            "MOVEMENT_ACTION_UNKNOWN" if text else "MOVEMENT_ACTION_MISSING",
            "ZBE^1^4",
            "ZBE-4 (action) doit valoir INSERT, UPDATE ou CANCEL : l'événement du message décide à sa place.",
            "103" if text else "101",
            _RULE,
        )
        return expected
    action = MovementAction(text)
    misplaced = (
        (action is MovementAction.UPDATE and trigger != _UPDATE_EVENT)
        or (action is MovementAction.CANCEL and trigger in _INSERT_ONLY)
        or (action is not MovementAction.CANCEL and trigger in CANCEL_EVENTS)
    )
    if misplaced:
        deviations.deviate(
            "MOVEMENT_ACTION_UNEXPECTED",
            "ZBE^1^4",
            "ZBE-4 (action) ne convient pas à l'événement du message.",
            "103",
            _RULE,
        )
    return MovementAction.CANCEL if trigger in CANCEL_EVENTS else action


def _expected(trigger: str) -> MovementAction:
    if trigger in CANCEL_EVENTS:
        return MovementAction.CANCEL
    return MovementAction.UPDATE if trigger == _UPDATE_EVENT else MovementAction.INSERT


def _read_historic(zbe: Segment, shift: int, deviations: Deviations) -> bool:
    text = known(zbe.component(5 + shift)).upper()
    if text not in ("Y", "N"):
        deviations.strictly(
            "MOVEMENT_HISTORIC", "ZBE^1^5", "ZBE-5 (mouvement historique) doit valoir Y ou N.", "103", _RULE
        )
    return text == "Y"


def _read_nature(zbe: Segment, shift: int, trigger: str, deviations: Deviations) -> str:
    nature = known(zbe.component(9 + shift)).upper()
    if nature and (nature not in _NATURES or (nature == "C" and trigger != _UPDATE_EVENT)):
        deviations.deviate(
            "MOVEMENT_NATURE_UNKNOWN",
            "ZBE^1^9",
            "ZBE-9 (nature du mouvement) est inconnue pour cet événement.",
            "103",
            _RULE,
        )
    return nature
