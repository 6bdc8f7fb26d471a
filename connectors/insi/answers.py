"""Answers of INSi -> values (INS digest §7.2 and §7.3). Free text of the service is never kept: it may quote traits."""

import re
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from connectors.insi.transport import Failure, Reply
from connectors.insi.wire import WireRequest
from pfi.model.patient import Ins, Traits
from pfi.standards.soap.envelope import Fault, SoapUnreadableError, read_answer
from pfi.standards.xml import parse

SIRAM: Final = "urn:siram"
FOUND: Final = "00"
NOBODY: Final = "01"
SEVERAL: Final = "02"
_RETRY_LATER: Final = frozenset({"insi_101", "insi_102"})
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")


@dataclass(frozen=True, slots=True)
class Individual:
    """INDIVIDU: the active INS, former ones, and the traits of the national base."""

    active: Ins
    former: tuple[Ins, ...] = ()
    traits: Traits = field(default_factory=Traits, repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """RESULTAT: `code` is CodeCR."""

    code: str
    individual: Individual | None = None


def read_report(reply: Reply, request: WireRequest) -> Report | Failure:
    """What INSi says, or why nothing can be concluded from it."""
    try:
        answer = read_answer(reply.content)
    except SoapUnreadableError:
        if reply.status >= 300:
            return _http(reply)
        return _unreadable()
    if answer.fault is not None:
        return _fault(answer.fault, reply)
    if reply.status >= 300:
        return _http(reply)
    if answer.relates_to and answer.relates_to != request.message_id:
        return Failure("INSI_ANSWER_MISMATCH", "La réponse du téléservice INSi est celle d'une autre demande.")
    body = answer.body
    if body is None or etree.QName(body).namespace != request.answer_namespace:
        return _unreadable()
    code = _text(body, "CR", "CodeCR")
    if not _CODE.fullmatch(code):
        return _unreadable()
    found = body.find("{*}INDIVIDU")
    return Report(code, None if found is None else _individual(found))


def _individual(found: etree._Element) -> Individual | None:
    active = _ins(found.find("{*}INSACTIF"))
    if active is None:
        return None
    former = tuple(ins for each in found.iterfind("{*}INSHISTO") if (ins := _ins(each)) is not None)
    return Individual(
        active,
        former,
        Traits(
            birth_name=_text(found, "TIQ", "NomNaissance"),
            first_given_name=_text(found, "TIQ", "Prenom"),
            given_names=_text(found, "TIQ", "ListePrenom"),
            birth_date=_text(found, "TIQ", "DateNaissance").replace("-", ""),
            sex=_text(found, "TIQ", "Sexe"),
            birth_place=_text(found, "TIQ", "LieuNaissance"),
        ),
    )


def _ins(element: etree._Element | None) -> Ins | None:
    """`Cle` is optional: a matricule may come with its 13 characters alone."""
    if element is None:
        return None
    number = _text(element, "IdIndividu", "NumIdentifiant").upper()
    return Ins(number + _text(element, "IdIndividu", "Cle"), _text(element, "OID")) if number else None


def _fault(fault: Fault, reply: Reply) -> Failure:
    """insi_101 and insi_102: a national register is away. Any other code is about the transport or our context: it says
    nothing of the patient either."""
    code = next((each for each in (_siram_code(reply.content), *reversed(fault.subcodes)) if each), fault.code)
    code = code if _CODE.fullmatch(code) else "INSI_FAULT"
    if code in _RETRY_LATER:
        return Failure(code, "Le téléservice INSi ne peut pas répondre pour l'instant.", reply.retry_after)
    if fault.code == "Sender":
        text = f"Le téléservice INSi a refusé notre demande ({code}) : vérifier certificat, logiciel et contrat."
        return Failure(code, text, reply.retry_after)
    return Failure(code, f"Le téléservice INSi signale une erreur technique ({code}).", reply.retry_after)


def _siram_code(content: bytes) -> str:
    """Code of the service's own error, in the detail of a fault that has been read already."""
    error = next(parse(content).iter(f"{{{SIRAM}}}Erreur"), None)
    return "" if error is None else error.get("code", "").strip()


def _http(reply: Reply) -> Failure:
    text = f"Le téléservice INSi n'a pas traité la demande (HTTP {reply.status})."
    return Failure(f"HTTP_{reply.status}", text, reply.retry_after, away=reply.status >= 500)


def _unreadable() -> Failure:
    return Failure("INSI_ANSWER_UNREADABLE", "La réponse du téléservice INSi n'est pas celle attendue.")


def _text(parent: etree._Element, *path: str) -> str:
    element: etree._Element | None = parent
    for name in path:
        element = None if element is None else element.find(f"{{*}}{name}")
    return "" if element is None else "".join(str(text) for text in element.itertext()).strip()
