"""Default texts of the mails, by reader and by what is asked; the words are in `bodies.yaml`."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import yaml

from pfi.model.document import Document
from pfi.model.submission import Request
from pfi.standards.mail.headers import clean
from pfi.standards.mail.subject import french_date


class Reader(StrEnum):
    """Who will read the mail."""

    PROFESSIONAL = "professional"
    PATIENT = "patient"


_REQUEST_KEYS = {Request.INITIAL: "initial", Request.REPLACE: "replacement", Request.DELETE: "deletion"}


def default_body(
    reader: Reader, request: Request, document: Document, *, establishment: str = "", may_answer: bool = True
) -> str:
    """The text of a mail when the sender gives none. Carries no clinical content and no identity trait.

    `establishment` defaults to the custodian of the document. `may_answer` is false when the exchange is closed
    (`X-MSS-MES: FIN`).
    """
    header = document.header
    event = header.principal_event
    author = next((each.person for each in header.authors if each.person is not None), None)
    facts = {
        "label": clean(header.code.label or header.title),
        "date": french_date(event.start if event is not None else "") or french_date(header.effective_time),
        "author": clean(f"{author.given} {author.family}") if author is not None else "",
        "establishment": clean(establishment or (header.custodian.name if header.custodian is not None else "")),
        "answer": _templates()["answer"]["open" if may_answer else "closed"].rstrip("\n"),
    }
    return _fill(_templates()[reader.value][_REQUEST_KEYS[request]], facts)


def _fill(template: str, facts: Mapping[str, str]) -> str:
    lines = []
    for line in template.splitlines():
        names = Template(line).get_identifiers()
        if names and not any(facts[name] for name in names):
            continue
        lines.append(Template(line).substitute(facts))
    return "\n".join(lines) + "\n"


@cache
def _templates() -> dict[str, Any]:
    text = (files(__package__) / "bodies.yaml").read_text(encoding="utf-8")
    templates: dict[str, Any] = yaml.safe_load(text)
    return templates
