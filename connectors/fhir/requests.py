"""What is asked by a request, judged on its line and headers alone, before a byte of its body is read. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from enum import Enum, auto
from typing import Final

from connectors.fhir import refusals
from connectors.fhir.refusals import Refusal

_JSON: Final = frozenset({"application/fhir+json", "application/json"})
_ACCEPTABLE: Final = _JSON | {"application/*", "*/*"}
_FHIR_VERSIONS: Final = frozenset({"", "4.0", "4.0.1"})


class Ask(Enum):
    """What a request that is not refused asks for."""

    TAKE_LOT = auto()
    CAPABILITY = auto()


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers, names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def line(self) -> bytes:
        """What is kept of a request whose body is not: no header, since some carry secrets."""
        return f"{self.method} {self.target}"[:_LINE].encode("utf-8", "replace")


_LINE: Final = 200


def judge(head: Head, base: str, max_body_bytes: int) -> Ask | Refusal:
    """Whether to go on, and to what."""
    path = head.target.partition("?")[0].rstrip("/")
    if path == f"{base}/metadata":
        if head.method != "GET":
            return refusals.method_not_allowed("GET")
        return Ask.CAPABILITY if _accepts_json(head) else refusals.not_acceptable()
    if path != base:
        return refusals.not_found()
    if head.method != "POST":
        return refusals.method_not_allowed("POST")
    return _judge_lot(head, max_body_bytes)


def _judge_lot(head: Head, max_body_bytes: int) -> Ask | Refusal:
    if any(value.strip().lower() not in ("", "identity") for value in head.values("content-encoding")):
        return refusals.content_encoding()
    if not _is_fhir_json(head.values("content-type")):
        return refusals.media_type()
    if not _accepts_json(head):
        return refusals.not_acceptable()
    if any(value.isdigit() and int(value) > max_body_bytes for value in head.values("content-length")):
        return refusals.too_large(max_body_bytes)
    return Ask.TAKE_LOT


def _is_fhir_json(values: Iterable[str]) -> bool:
    """One Content-Type: JSON, in UTF-8, of R4."""
    every = list(values)
    if len(every) != 1:
        return False
    parsed = Message()
    parsed["content-type"] = every[0]
    charset, version = parsed.get_param("charset", ""), parsed.get_param("fhirversion", "")
    return (
        parsed.get_content_type() in _JSON
        and isinstance(charset, str)
        and charset.lower() in ("", "utf-8", "utf8")
        and version in _FHIR_VERSIONS
    )


def _accepts_json(head: Head) -> bool:
    ranges = [each for value in head.values("accept") for each in value.split(",") if each.strip()]
    return not ranges or any(_allows(each) for each in ranges)


def _allows(media_range: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
    weights = (parameter.removeprefix("q=") for parameter in parameters if parameter.startswith("q="))
    return media_type in _ACCEPTABLE and all(weight.strip("0.") for weight in weights)
