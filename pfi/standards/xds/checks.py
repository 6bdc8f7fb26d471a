"""What no official table knows in a document: told with its metadata, never silent (DMP digest §3.2 to §3.4).

A code outside its value set is a warning, for mail may still carry the document; the DMP connector refuses it with its
own reason. A known code under another code system is an error: the DMP would take it for another code.
"""

from collections.abc import Callable, Iterator
from typing import Final

from pfi.model.document import CdaHeader, CodedValue, Level
from pfi.model.finding import Finding, Severity
from pfi.standards import nomenclature

_EVENT_SYSTEMS: Final = frozenset({"1.2.840.10008.2.16.4", "2.16.840.1.113883.6.96"})
"""DICOM (modality) and SNOMED CT (region): translations of an act that are events of their own."""

_FACILITY: Final = "componentOf/encompassingEncounter/location/healthCareFacility/code"
_SETTING: Final = (
    "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization/standardIndustryClassCode"
)


def code_findings(header: CdaHeader, practice_setting: CodedValue | None) -> Iterator[Finding]:
    """Findings on the codes of a document. `practice_setting` is the one that was chosen."""
    yield from _type(header)
    yield from _format(header)
    yield from _member(
        "FACILITY_TYPE", _FACILITY, header.facility, _known(header.facility, nomenclature.facility_type), "JDV_J61"
    )
    yield from _member(
        "PRACTICE_SETTING",
        _SETTING,
        practice_setting,
        _known(practice_setting, nomenclature.practice_setting),
        "JDV_J04",
    )
    yield from _member(
        "CONFIDENTIALITY_CODE",
        "confidentialityCode",
        header.confidentiality,
        _known(header.confidentiality, nomenclature.confidentiality_code),
        "JDV_J08",
    )
    yield from _authors(header)
    yield from _events(header)


def is_event(translation: CodedValue) -> bool:
    """True for a modality or a region of imaging: a translation that is an event of its own (DMP digest §3.1)."""
    known = nomenclature.event_code(translation.code)
    return known is not None and known.system == translation.system


def _known(value: CodedValue | None, find: Callable[[str], CodedValue | None]) -> CodedValue | None:
    return find(value.code) if value is not None else None


def _type(header: CdaHeader) -> Iterator[Finding]:
    known = nomenclature.type_code(header.code.code)
    yield from _member("TYPE_CODE", "code", header.code, known, "JDV_J07")
    if nomenclature.class_is_fallback(header.code.code):
        text = "Le type du document n'a pas de classe dans la table du DMP (ASS_X16) : celle d'ASS_X04 est employée."
        yield Finding("XDS_CLASS_CODE_FALLBACK", Severity.INFO, "code", text, "DMP digest §3.3")


def _format(header: CdaHeader) -> Iterator[Finding]:
    formats = nomenclature.format_codes(header)
    rule = "DMP digest §3.4"
    if not formats and header.level is Level.N1:
        where = "component/nonXMLBody/text/@mediaType"
        text = "Type de média du corps inconnu : le document est décrit comme étant hors profil (formatCode)."
        yield Finding("XDS_FORMAT_CODE_UNKNOWN", Severity.WARNING, where, text, rule)
    elif not formats:
        text = "Aucun modèle connu parmi les templateId : le document est décrit comme étant hors profil (formatCode)."
        yield Finding("XDS_FORMAT_CODE_UNKNOWN", Severity.WARNING, "templateId", text, rule)
    elif len(formats) > 1:
        text = "Les templateId désignent plusieurs formats : le premier est employé (formatCode)."
        yield Finding("XDS_FORMAT_CODE_AMBIGUOUS", Severity.WARNING, "templateId", text, rule)


def _member(name: str, where: str, value: CodedValue | None, known: CodedValue | None, table: str) -> Iterator[Finding]:
    """A code must be in its table, under the code system that the table gives."""
    if value is None or not value.code:
        return
    if known is None:
        text = f"Le code donné en {where} est inconnu de la table officielle ({table})."
        yield Finding(f"XDS_{name}_UNKNOWN", Severity.WARNING, where, text, "DMP digest §3.2")
    elif value.system and value.system != known.system:
        text = f"Le code donné en {where} n'a pas le système de codage de la table officielle ({table})."
        yield Finding(f"XDS_{name}_SYSTEM", Severity.ERROR, where, text, "DMP digest §3.2")


def _authors(header: CdaHeader) -> Iterator[Finding]:
    rule = "DMP digest §3.1"
    for position, author in enumerate(header.authors, 1):
        where = f"author[{position}]/assignedAuthor"
        if author.person is None and author.device is None:
            text = f"L'auteur n° {position} ne nomme ni personne ni logiciel (authorPerson est obligatoire)."
            yield Finding("XDS_AUTHOR_PERSON_MISSING", Severity.ERROR, where, text, rule)
        if author.specialty is None or not author.specialty[0]:
            continue
        code, _, system = author.specialty
        known = nomenclature.author_specialty(code)
        if known is None or (system and system != known.system):
            text = f"La profession ou la spécialité de l'auteur n° {position} est inconnue (JDV_J01)."
            yield Finding("XDS_AUTHOR_SPECIALTY_UNKNOWN", Severity.WARNING, f"{where}/code", text, rule)


def _events(header: CdaHeader) -> Iterator[Finding]:
    for event in header.service_events:
        for translation in event.codes[1 if event.coded else 0 :]:
            if translation.system in _EVENT_SYSTEMS and not is_event(translation):
                where = "documentationOf/serviceEvent/code/translation"
                text = "Modalité ou région d'imagerie inconnue des tables officielles : absente de eventCodeList."
                yield Finding("XDS_EVENT_CODE_UNKNOWN", Severity.WARNING, where, text, "DMP digest §3.1")
                return
