"""Which segments a document request must hold, how many, in what order (hl7v2 digest §1.2).

Extra segments and fields never matter.
"""

from typing import Final

from pfi.standards.hl7v2.deviations import Deviations
from pfi.standards.hl7v2.tokenizer import Message

_ORDER: Final = ("MSH", "EVN", "PID", "PV1", "ORC", "OBR", "TXA", "OBX")
_RULE: Final = "hl7v2 digest §1.2 et §4.1"

_REFUSED_WHEN_ABSENT: Final = {"ORU": ("PID", "OBX"), "MDM": ("PID", "TXA", "OBX")}
"""Nothing safe can be done without them."""

_TOLERATED_WHEN_ABSENT: Final = {"ORU": ("ORC", "OBR"), "MDM": ("EVN", "PV1", "ORC", "OBR")}
"""Missing from older profiles (ORC, OBR), or telling nothing that the PFI needs."""


def check_structure(message: Message, message_code: str, deviations: Deviations) -> None:
    """Presence, cardinality and order of the segments of an ORU or an MDM."""
    for name in _REFUSED_WHEN_ABSENT[message_code]:
        if message.first(name) is None:
            deviations.refuse("SEGMENT_MISSING", f"{name}^1", f"Le segment {name}, requis, est absent.", "100", _RULE)
    for name in _TOLERATED_WHEN_ABSENT[message_code]:
        if message.first(name) is None:
            deviations.deviate("SEGMENT_MISSING", f"{name}^1", f"Le segment {name}, requis, est absent.", "100", _RULE)
    if message_code == "ORU" and message.first("PV1") is None:
        deviations.warn(
            "STAY_UNKNOWN", "PV1^1", "Sans segment PV1, le document n'est rattaché à aucun séjour.", _RULE, "100"
        )
    _check_cardinality(message, message_code, deviations)
    _check_order(message, deviations)


def _check_cardinality(message: Message, message_code: str, deviations: Deviations) -> None:
    for name in ("MSH", "PID"):
        if len(message.all(name)) > 1:
            deviations.refuse(
                "SEGMENT_REPEATED",
                f"{name}^2",
                f"Le segment {name} est répété : un message ne concerne qu'un seul patient.",
                "198",
                _RULE,
            )
    for name in ("EVN", "PV1", "ORC", "OBR", "TXA"):
        if len(message.all(name)) > 1:
            deviations.deviate(
                "SEGMENT_REPEATED",
                f"{name}^2",
                f"Le segment {name} est répété : seul le premier est lu.",
                "198",
                _RULE,
            )
    if message_code == "ORU" and message.first("TXA") is not None:
        deviations.inform("SEGMENT_IGNORED", "TXA^1", "Un ORU n'a pas de segment TXA : il est ignoré.", _RULE)


def _check_order(message: Message, deviations: Deviations) -> None:
    """Reports the fewest segments whose move would put all in order."""
    rank = {id(segment): index for index, segment in enumerate(message.segments)}
    present = [(name, rank[id(segment)]) for name in _ORDER if (segment := message.first(name)) is not None]
    in_place = _longest_ordered(present)
    for name, _ in present:
        if name not in in_place:
            deviations.refuse("SEGMENT_ORDER", f"{name}^1", f"Le segment {name} n'est pas à sa place.", "100", _RULE)


def _longest_ordered(present: list[tuple[str, int]]) -> tuple[str, ...]:
    """Names of a longest run of increasing ranks."""
    best: dict[int, tuple[str, ...]] = {}
    for name, rank in present:
        before = max((run for last, run in best.items() if last < rank), key=len, default=())
        best[rank] = (*before, name)
    return max(best.values(), key=len)
