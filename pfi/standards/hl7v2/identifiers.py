"""Identifiers of people, structures and documents: CX, HD, EI and the national forms (hl7v2 digest §1.4, 1.7, 1.9)."""

import re
from collections.abc import Iterable
from typing import Final

from pfi.model.document import DocumentId
from pfi.model.patient import Identifier
from pfi.standards.hl7v2.tokenizer import NULL, Repetition

INS_NIR: Final = "1.2.250.1.213.1.4.8"
INS_NIA: Final = "1.2.250.1.213.1.4.9"
INS_NIR_TEST: Final = "1.2.250.1.213.1.4.10"
INS_NIR_DEMONSTRATION: Final = "1.2.250.1.213.1.4.11"
INS_OIDS: Final = frozenset({INS_NIR, INS_NIA, INS_NIR_TEST, INS_NIR_DEMONSTRATION})

_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*)){2,}")
_PERSON_TYPES: Final = frozenset({"IDNPS", "RPPS", "ADELI", ""})
_STRUCTURE_TYPES: Final = frozenset({"IDNST", "FINEG", "FINEJ", "SIRET", ""})


def known(text: str) -> str:
    """`""` asks to delete a value: in a document message it says no more than an empty field."""
    return "" if text == NULL else text


def read_cx(cx: Repetition) -> Identifier | None:
    """A CX, or `None` when it has no value."""
    value = known(cx.component(1))
    if not value:
        return None
    return Identifier(value, cx.subcomponent(4, 2), cx.subcomponent(4, 1), cx.component(5).upper())


def read_document_id(ei: Repetition) -> DocumentId | None:
    """TXA-12 and TXA-13. EI-3 given: root = EI-3, extension = EI-1; else root = EI-1. EI-2 is ignored: senders fill
    it with an organization name."""
    value, root = known(ei.component(1)), known(ei.component(3))
    if root:
        return DocumentId(root, value)
    return DocumentId(value) if value else None


def find_oid(parts: Iterable[str]) -> str:
    """The first OID among the parts of an HD: it may sit in the name part. Empty when there is none."""
    return next((part for part in parts if _OID.fullmatch(part)), "")


def national_person(value: str, kind: str) -> tuple[str, str]:
    """PSIdNat: type digit + identifier (`8` + RPPS, `0` + ADELI). Returns the value and its type.

    Only the length tells whether the type digit is already there: senders type both forms `RPPS`.
    """
    kind = kind.upper()
    if kind not in _PERSON_TYPES or not value.isascii():
        return value, kind
    if len(value) == 11 and value.isdigit() and kind != "ADELI":
        return "8" + value, "IDNPS"
    if len(value) == 9 and kind == "ADELI":
        return "0" + value, "IDNPS"
    if (
        kind == "IDNPS"
        or (len(value) == 12 and value.isdigit() and value[0] == "8")
        or (kind == "ADELI" and len(value) == 10 and value[0] == "0")
    ):
        return value, "IDNPS"
    return value, kind


def national_structure(value: str, kind: str) -> tuple[str, str]:
    """Struct_IdNat: `1` + FINESS (9 characters), `3` + SIRET (14). Returns the value and its type."""
    kind = "SRV" if kind.upper() == "SVR" else kind.upper()
    if kind not in _STRUCTURE_TYPES or not value.isascii() or not value.isalnum():
        return value, kind
    if len(value) == 9 and kind:
        return "1" + value, "IDNST"
    if len(value) == 14 and kind in ("SIRET", "IDNST"):
        return "3" + value, "IDNST"
    if kind == "IDNST" or (len(value), value[0:1]) in ((10, "1"), (15, "3")):
        return value, "IDNST"
    return value, kind
