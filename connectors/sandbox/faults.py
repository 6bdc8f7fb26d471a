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
    """What goes wrong. The kinds from `CUT_IN_REQUEST` on are those of the DMP alone."""

    LATENCY = "latency"
    REFUSE = "refuse"
    CLOSE_BEFORE_ANSWER = "close_before_answer"
    """The connection is cut and nothing was done."""
    CLOSE_AFTER_BODY = "close_after_body"
    """The request was carried out in full, then the connection is cut without an answer: doubt."""
    WRONG_ANSWER = "wrong_answer"
    """An answer that does not follow the protocol, or that answers another request."""
    HTTP_500 = "http_500"
    """HTTP 500 without a body."""
    HTTP_503 = "http_503"
    TEMPORARY = "temporary"
    """The service says to come again: SMTP 451, XDSRepositoryBusy, MSA-1 = AR."""
    CUT_IN_REQUEST = "cut_in_request"
    """The connection is cut while the body of the request arrives."""
    SILENCE = "silence"
    """No answer: the connection stays open for `seconds` (0 = as long as the caller waits)."""
    HEADERS_ONLY = "headers_only"
    """The connection is cut after the headers of the answer."""
    HALF_ANSWER = "half_answer"
    """The connection is cut in the middle of the body of the answer."""
    CLOSE_AFTER_ANSWER = "close_after_answer"
    """The whole answer, then the connection is closed: the next request needs another one."""
    HTTP_ERROR = "http_error"
    """The status given by `code`, without a body."""
    SOAP_FAULT = "soap_fault"
    """`code`: `Receiver` (the usual one), `Sender`, or with a sub-code `Sender/DMPInvalidCertificate`."""
    PARTIAL_SUCCESS = "partial_success"
    WARN = "warn"
    """Success, with the warning `code` (usually `XDSExtraMetadataNotSaved`)."""
    UNRELATED_ANSWER = "unrelated_answer"
    """An answer without `wsa:RelatesTo`."""
    OTHER_ROOT = "other_root"
    """The body of the envelope holds another element than the one expected."""
    NOT_XML = "not_xml"
    NO_BOUNDARY = "no_boundary"
    """A multipart Content-Type without a boundary."""
    NO_ROOT_PART = "no_root_part"
    """A multipart package that lacks the part with the envelope."""
    TRUNCATED = "truncated"
    """Half of the answer, as if it were whole."""


_COMMON: Final = frozenset(
    {
        FaultKind.LATENCY,
        FaultKind.REFUSE,
        FaultKind.CLOSE_BEFORE_ANSWER,
        FaultKind.CLOSE_AFTER_BODY,
        FaultKind.WRONG_ANSWER,
        FaultKind.TEMPORARY,
    }
)
_SENSE: Final[Mapping[Service, frozenset[FaultKind]]] = {
    Service.DMP: frozenset(FaultKind),
    Service.SMTP: _COMMON,
    Service.DPI: _COMMON,
    Service.INSI: _COMMON | {FaultKind.HTTP_500, FaultKind.HTTP_503},
}
_NOTHING_DONE: Final = frozenset(
    {
        FaultKind.CLOSE_BEFORE_ANSWER,
        FaultKind.CUT_IN_REQUEST,
        FaultKind.SILENCE,
        FaultKind.HTTP_500,
        FaultKind.HTTP_503,
        FaultKind.HTTP_ERROR,
        FaultKind.SOAP_FAULT,
    }
)
"""Kinds before which the request is usually not carried out."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One ordered fault. `times` = how many requests it hits (`None` = all until cleared).

    `match` restricts it to requests that have all these facts: `patient` (matricule), `unique_id`, `transaction`
    (`TD0.2`, `TD2.1`, `TD3.1b`, `TD3.3c`) for the DMP; `recipient`, `sender` for SMTP; `event` (`Z01`), `request`
    (OBX-4) for the DPI; `operation`, `given`, `patient` for INSi. `seconds` is for `LATENCY` and `SILENCE`. `code` and
    `text` say what a `REFUSE` answers (an XDS code, `550 5.7.1`, an ERR-3, a CodeCR) when not the service's usual one;
    `code` also the status, fault or warning of the kinds that say so. `done`, for the DMP: whether the request is
    carried out all the same; `None` = as the kind usually has it.
    """

    service: Service
    kind: FaultKind
    times: int | None = 1
    match: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    code: str = ""
    text: str = ""
    done: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in _SENSE[self.service]:
            raise ValueError(f"la panne « {self.kind} » n'a pas de sens pour le service « {self.service} »")
        if self.times is not None and self.times < 1:
            raise ValueError("une panne doit toucher au moins une requête")
        if not 0 <= self.seconds <= 3600:
            raise ValueError("la latence est de 0 à 3600 secondes")
        if self.kind is FaultKind.HTTP_ERROR and not (self.code.isdecimal() and 300 <= int(self.code) <= 599):
            raise ValueError("« code » est le statut HTTP, de 300 à 599")

    @property
    def carried_out(self) -> bool:
        """Whether the request has its effect in spite of the fault. A refusal is an answer like any other."""
        return self.kind not in _NOTHING_DONE if self.done is None else self.done

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
            "done": self.done,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Fault":
        """Reads `{"service": "dmp", "kind": "refuse", "times": 2, "match": {...}}`; raises ValueError."""
        unknown = set(value) - {"service", "kind", "times", "match", "seconds", "code", "text", "done"}
        if unknown:
            raise ValueError(f"clé inconnue : {sorted(unknown)[0]}")
        if "service" not in value or "kind" not in value:
            raise ValueError("« service » et « kind » sont obligatoires")
        times = value.get("times", 1)
        match = value.get("match", {})
        if not (times is None or isinstance(times, int)) or not isinstance(match, Mapping):
            raise ValueError("« times » est un entier ou null, « match » est un objet")
        if value.get("done") not in (None, True, False):
            raise ValueError("« done » est un booléen ou null")
        return cls(
            Service(value["service"]),
            FaultKind(value["kind"]),
            times,
            {str(key): str(item) for key, item in match.items()},
            float(value.get("seconds", 0.0)),
            str(value.get("code", "")),
            str(value.get("text", "")),
            value.get("done"),
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
