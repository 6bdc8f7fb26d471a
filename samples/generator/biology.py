"""The body of a biology report (N3), with the templates and codes of the volet CR-BIO."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from .bodies import base64_text, content, identifier, simple_observation, table, templates
from .clinical_document import LOINC, XSI_TYPE, E, Element, code


@dataclass(frozen=True, slots=True)
class Result:
    """One measure; `low` and `high` bound the reference range."""

    loinc: str
    name: str
    value: str
    unit: str
    low: str
    high: str

    @property
    def interpretation(self) -> tuple[str, str]:
        if float(self.value) < float(self.low):
            return "L", "Anormalement bas"
        if float(self.value) > float(self.high):
            return "H", "Anormalement élevé"
        return "N", "Normal"


@dataclass(frozen=True, slots=True)
class Chapter:
    code: str
    name: str
    results: tuple[Result, ...]


def biology_body(key: str, measured_at: str, chapters: Sequence[Chapter], pdf: bytes) -> Element:
    """CDA level 3 of the volet CR-BIO: one section per chapter, then the copy of the report in PDF."""
    return E.structuredBody(
        *(E.component(_chapter(key, n, measured_at, chapter)) for n, chapter in enumerate(chapters, 1)),
        E.component(_pdf_copy(key, pdf)),
    )


def _chapter(key: str, number: int, measured_at: str, chapter: Chapter) -> Element:
    what = code(chapter.code, chapter.name, LOINC)
    rows: list[list[str | Element]] = [["Examen", "Résultat", "Valeurs de référence"]]
    for n, result in enumerate(chapter.results, 1):
        rows.append(
            [
                content(f"examen-{number}-{n}", result.name),
                f"{result.value} {result.unit}",
                f"{result.low} - {result.high}",
            ]
        )
    leaf = E.section(
        *templates("1.3.6.1.4.1.19376.1.3.3.2.2", "1.2.250.1.213.1.1.2.71"),
        identifier(f"{key}/chapter/{number}/leaf"),
        E.code(what),
        E.title(chapter.name),
        E.text(table(rows)),
        E.entry(
            *templates("1.3.6.1.4.1.19376.1.3.1", "1.2.250.1.213.1.1.3.21"),
            E.act(
                E.code(what),
                E.statusCode(code="completed"),
                *(
                    E.entryRelationship(_observation(result, f"#examen-{number}-{n}", measured_at), typeCode="COMP")
                    for n, result in enumerate(chapter.results, 1)
                ),
                classCode="ACT",
                moodCode="EVN",
            ),
            typeCode="DRIV",
        ),
    )
    return E.section(
        *templates("1.3.6.1.4.1.19376.1.3.3.2.1", "1.2.250.1.213.1.1.2.70"),
        identifier(f"{key}/chapter/{number}"),
        E.code(what),
        E.title(chapter.name.upper()),
        E.component(leaf),
    )


def _observation(result: Result, reference: str, measured_at: str) -> Element:
    interpretation_system = "2.16.840.1.113883.5.83"
    return E.observation(
        *templates("1.3.6.1.4.1.19376.1.3.1.6", "1.2.250.1.213.1.1.3.80"),
        E.code(E.originalText(E.reference(value=reference)), code(result.loinc, result.name, LOINC)),
        E.statusCode(code="completed"),
        E.effectiveTime(value=measured_at),
        E.value({XSI_TYPE: "PQ", "value": result.value, "unit": result.unit}),
        E.interpretationCode(code(*result.interpretation, interpretation_system)),
        E.referenceRange(
            E.observationRange(
                E.value(
                    E.low(value=result.low, unit=result.unit),
                    E.high(value=result.high, unit=result.unit),
                    {XSI_TYPE: "IVL_PQ"},
                ),
                E.interpretationCode(code("N", "Normal", interpretation_system)),
                classCode="OBS",
                moodCode="EVN.CRT",
            ),
            typeCode="REFV",
        ),
        classCode="OBS",
        moodCode="EVN",
    )


def _pdf_copy(key: str, pdf: bytes) -> Element:
    copy = code("55108-5", "Copie du document", LOINC)
    return E.section(
        *templates("1.2.250.1.213.1.1.2.243"),
        identifier(f"{key}/copy"),
        E.code(copy),
        E.title("Copie du document"),
        E.text(
            E.paragraph(
                content("copie", "Copie du compte rendu au format PDF"), E.renderMultiMedia(referencedObject="pdf")
            )
        ),
        E.entry(
            E.organizer(
                *templates("1.2.250.1.213.1.1.3.18"),
                identifier(f"{key}/copy/organizer"),
                E.code(code("55107-7", "Document attaché", LOINC)),
                E.statusCode(code="completed"),
                E.component(
                    E.observation(
                        *simple_observation(
                            f"{key}/copy/type",
                            ("1.2.250.1.213.1.1.3.48.18",),
                            code("69764-9", "Type de document", LOINC),
                            "#copie",
                        ),
                        E.effectiveTime(nullFlavor="NA"),
                        E.value(copy, {XSI_TYPE: "CD"}),
                        classCode="OBS",
                        moodCode="EVN",
                    )
                ),
                E.component(
                    E.observationMedia(
                        E.value(base64_text(pdf), mediaType="application/pdf", representation="B64"),
                        classCode="OBS",
                        moodCode="EVN",
                        ID="pdf",
                    )
                ),
                classCode="CLUSTER",
                moodCode="EVN",
            )
        ),
    )


def long_chapters(count: int, seed: str) -> tuple[Chapter, ...]:
    """A big check-up for the bench: `count` measures spread over three chapters, values drawn from the seed."""
    draw = random.Random(seed)  # noqa: S311 - test data
    names = (("18719-5", "Biochimie"), ("18723-7", "Hématologie"), ("18727-8", "Sérologie"))
    chapters = []
    for arc, (loinc, name) in enumerate(names):
        results = tuple(
            Result(
                "3016-3",
                f"Dosage de démonstration {name.lower()} n° {n}",
                f"{draw.uniform(0.5, 9.5):.3f}",
                "m[IU]/L",
                "1.000",
                "8.000",
            )
            for n in range(arc * count + 1, (arc + 1) * count + 1)
        )
        chapters.append(Chapter(loinc, name, results))
    return tuple(chapters)
