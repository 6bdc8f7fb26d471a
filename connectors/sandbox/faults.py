"""Ordered faults: what the sandbox is asked to do wrong, how often and for whom."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Service(StrEnum):
    DMP = "dmp"
    SMTP = "smtp"
    DPI = "dpi"
    INSI = "insi"


class FaultKind(StrEnum):
    """What goes wrong. `CLOSE_AFTER_BODY`: the request was carried out, the answer never comes: doubt."""

    LATENCY = "latency"
    REFUSE = "refuse"
    CLOSE_BEFORE_ANSWER = "close_before_answer"
    """The connection is cut and nothing was done."""
    CLOSE_AFTER_BODY = "close_after_body"
    """The request was carried out in full, then the connection is cut without an answer."""
    WRONG_ANSWER = "wrong_answer"
    """An answer that does not follow the protocol, or that answers another request."""
    HTTP_500 = "http_500"
    """HTTP 500 without a body."""
    HTTP_503 = "http_503"
    TEMPORARY = "temporary"
    """The service says to come again: SMTP 451, XDSRepositoryBusy, MSA-1 = AR."""


_SENSE: Final[Mapping[Service, frozenset[FaultKind]]] = {
    Service.DMP: frozenset(FaultKind),
    Service.SMTP: frozenset(FaultKind) - {FaultKind.HTTP_500, FaultKind.HTTP_503},
    Service.DPI: frozenset(FaultKind) - {FaultKind.HTTP_500, FaultKind.HTTP_503},
    Service.INSI: frozenset(FaultKind),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One ordered fault. `times` = how many requests it hits (`None` = all until cleared).

    `match` restricts it to requests that have all these facts: `patient` (matricule), `unique_id`, `transaction`
    (`TD0.2`, `TD2.1`, `TD3.1b`, `TD3.3c`) for the DMP; `recipient`, `sender` for SMTP; `event` (`Z01`), `request`
    (OBX-4) for the DPI; `operation`, `given`, `patient` for INSi. `seconds` is for `LATENCY`. `code` and `text` say
    what a `REFUSE` answers (an XDS code, `550 5.7.1`, an ERR-3, a CodeCR) when not the service's usual one.
    """

    service: Service
    kind: FaultKind
    times: int | None = 1
    match: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    code: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _SENSE[self.service]:
            raise ValueError(f"la panne « {self.kind} » n'a pas de sens pour le service « {self.service} »")
        if self.times is not None and self.times < 1:
            raise ValueError("une panne doit toucher au moins une requête")
        if not 0 <= self.seconds <= 3600:
            raise ValueError("la latence est de 0 à 3600 secondes")

    def to_json(self) -> dict[str, Any]:
        """The form that `from_json` reads."""
        return {
            "service": self.service.value,
            "kind": self.kind.value,
            "times": self.times,
            "match": dict(self.match),
            "seconds": self.seconds,
            "code": self.code,
            "text": self.text,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Fault":
        """Reads `{"service": "dmp", "kind": "refuse", "times": 2, "match": {...}}`; raises ValueError."""
        unknown = set(value) - {"service", "kind", "times", "match", "seconds", "code", "text"}
        if unknown:
            raise ValueError(f"clé inconnue : {sorted(unknown)[0]}")
        if "service" not in value or "kind" not in value:
            raise ValueError("« service » et « kind » sont obligatoires")
        times = value.get("times", 1)
        match = value.get("match", {})
        if not (times is None or isinstance(times, int)) or not isinstance(match, Mapping):
            raise ValueError("« times » est un entier ou null, « match » est un objet")
        return cls(
            Service(value["service"]),
            FaultKind(value["kind"]),
            times,
            {str(key): str(item) for key, item in match.items()},
            float(value.get("seconds", 0.0)),
            str(value.get("code", "")),
            str(value.get("text", "")),
        )


Facts = Mapping[str, frozenset[str]]
"""What is known of a request when faults are looked up: a fact may have several values (recipients of a mail)."""


@dataclass(slots=True)
class _Ordered:
    fault: Fault
    left: int | None


class FaultBook:
    """The faults still to come, in the order in which they were ordered."""

    def __init__(self) -> None:
        self._ordered: list[_Ordered] = []

    def order(self, fault: Fault) -> None:
        self._ordered.append(_Ordered(fault, fault.times))

    def clear(self, service: Service | None = None) -> None:
        """Forgets the faults of one service, or all of them."""
        self._ordered = [one for one in self._ordered if service is not None and one.fault.service is not service]

    def pending(self) -> tuple[Fault, ...]:
        return tuple(one.fault for one in self._ordered)

    def __bool__(self) -> bool:
        return bool(self._ordered)

    def take(self, service: Service, facts: Facts, kinds: Iterable[FaultKind] = tuple(FaultKind)) -> Fault | None:
        """The first fault of these kinds that hits this request, latency excepted; counts it."""
        return self._take(service, facts, frozenset(kinds) - {FaultKind.LATENCY})

    async def delay(self, service: Service, facts: Facts) -> None:
        """Waits as long as an ordered latency says."""
        fault = self._take(service, facts, frozenset({FaultKind.LATENCY}))
        if fault is not None:
            await asyncio.sleep(fault.seconds)

    def _take(self, service: Service, facts: Facts, kinds: frozenset[FaultKind]) -> Fault | None:
        for one in self._ordered:
            fault = one.fault
            if (
                fault.service is service
                and fault.kind in kinds
                and all(value in facts.get(key, frozenset()) for key, value in fault.match.items())
            ):
                if one.left is not None:
                    one.left -= 1
                    if one.left == 0:
                        self._ordered.remove(one)
                return fault
        return None
