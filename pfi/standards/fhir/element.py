"""A JSON object of a resource, and where it is: what readers walk through, so that every remark has its expression."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Element:
    """An object of FHIR JSON. An absent one is an empty element, so that reading never fails.

    `where` is a simple FHIRPath (`Bundle.entry[1].resource.type`), the form of `OperationOutcome.issue.expression`.
    """

    content: Mapping[str, Any] = field(repr=False)
    where: str

    def __bool__(self) -> bool:
        return bool(self.content)

    @property
    def kind(self) -> str:
        """`resourceType`, empty for what is no resource."""
        return self.text("resourceType")

    def text(self, name: str) -> str:
        """A primitive written as a string, exactly as it is; empty when absent."""
        value = self.content.get(name)
        return value if isinstance(value, str) else ""

    def flag(self, name: str) -> bool | None:
        """A boolean; `None` when absent."""
        value = self.content.get(name)
        return value if isinstance(value, bool) else None

    def number(self, name: str) -> int | None:
        """An integer; `None` when absent."""
        value = self.content.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """The strings of a repeated primitive."""
        value = self.content.get(name)
        return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()

    def one(self, name: str) -> "Element":
        """The object of that name; the first one when it repeats."""
        value = self.content.get(name)
        if isinstance(value, list):
            return next(iter(self.all(name)), Element({}, self.at(name)))
        return Element(value if isinstance(value, Mapping) else {}, self.at(name))

    def all(self, name: str) -> tuple["Element", ...]:
        """The objects of a repeated element, or the only one."""
        value = self.content.get(name)
        if isinstance(value, Mapping):
            return (Element(value, self.at(name)),)
        if not isinstance(value, list):
            return ()
        return tuple(
            Element(each, f"{self.at(name)}[{index}]") for index, each in enumerate(value) if isinstance(each, Mapping)
        )

    def at(self, name: str) -> str:
        """The expression of something below this element."""
        return f"{self.where}.{name}"

    def extensions(self, *urls: str) -> Iterator["Element"]:
        """The extensions of these URLs."""
        return (each for each in self.all("extension") if each.text("url") in urls)

    def extension(self, url: str) -> "Element":
        """The first extension of a URL."""
        return next(self.extensions(url), Element({}, self.at("extension")))

    def codes(self, name: str) -> Iterator["Element"]:
        """The codings of the CodeableConcepts of that name."""
        return (coding for concept in self.all(name) for coding in concept.all("coding"))
