"""Lots to be altered, and what is said of them."""

import json
from collections.abc import Callable
from typing import Any

from pfi.engine.interpretation import Interpretation, interpret
from pfi.model.profile import Environment, Mode, SenderProfile
from samples.generator import bundle
from samples.generator.catalogue import discharge
from samples.generator.request import Request

Json = dict[str, Any]
Change = Callable[[Json], object]


def lot(request: Request | None = None, *, with_orders: bool = True) -> Json:
    """A sound lot: the entries are the List, the DocumentReference and the Binary."""
    return bundle.bundle(request or discharge("LOT"), with_orders=with_orders)


def resource(content: Json, index: int) -> Any:
    return content["entry"][index]["resource"]


def read(content: Json | bytes, mode: Mode = Mode.TOLERANT, **changes: Any) -> Interpretation:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode("utf-8")
    profile = SenderProfile(environment=Environment.TEST, mode=mode, **changes)
    return interpret(raw, lambda _header: profile)


def errors(interpretation: Interpretation) -> set[tuple[str, str]]:
    """Code and expression of what refuses."""
    return {
        (finding.code, interpretation.outline.expression(finding.where))
        for finding in interpretation.findings
        if finding.severity == "error"
    }


def codes(interpretation: Interpretation) -> set[str]:
    return {finding.code for finding in interpretation.findings}
