"""CDA bodies: a PDF or a text (N1), a discharge letter (N3), with the templates and codes of the volet LDL-SES."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from . import world
from .clinical_document import LOINC, XSI_TYPE, E, Element, code

TA_ASIP = "1.2.250.1.213.1.1.4.322"
SNOMED_CT = "2.16.840.1.113883.6.96"


def pdf_body(pdf: bytes) -> Element:
    """CDA level 1: the PDF is the whole body."""
    return E.nonXMLBody(E.text(base64_text(pdf), mediaType="application/pdf", representation="B64"))


def text_body(text: str) -> Element:
    """CDA level 1: plain text in UTF-8."""
    return E.nonXMLBody(E.text(base64_text(text.encode("utf-8")), mediaType="text/plain", representation="B64"))


def base64_text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def templates(*roots: str) -> list[Element]:
    return [E.templateId(root=root) for root in roots]


def identifier(seed: str) -> Element:
    return E.id(root=str(world.identifier(seed)).upper())


def table(rows: Sequence[Sequence[str | Element]]) -> Element:
    """A narrative table; the first row is its head."""
    head, *body = rows
    return E.table(
        E.thead(E.tr(*(E.th(cell) for cell in head))),
        E.tbody(*(E.tr(*(E.td(cell) for cell in row)) for row in body)),
        border="0",
    )


def content(identifier: str, text: str) -> Element:
    return E.content(text, ID=identifier)


# Discharge letter (LDL-SES) ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drug:
    """One treatment to continue. `cis` is the drug's code in the public drug database (system 1.2.250.1.213.2.3.1)."""

    cis: str
    name: str
    dose: str
    start: str


@dataclass(frozen=True, slots=True)
class DischargeLetter:
    key: str
    reason: str
    summary: str
    discharged_on: str
    drugs: tuple[Drug, ...]
    follow_up: str


def discharge_body(letter: DischargeLetter) -> Element:
    """CDA level 3 of the volet LDL-SES 2022.01: its four required sections."""
    return E.structuredBody(
        E.component(_status(letter)),
        E.component(_reason(letter)),
        E.component(_events(letter)),
        E.component(_treatments(letter)),
    )


def simple_observation(seed: str, template: Sequence[str], what: dict[str, str], reference: str) -> list[Element]:
    return [
        *templates("1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.2.250.1.213.1.1.3.48", *template),
        identifier(seed),
        E.code(what),
        E.text(E.reference(value=reference)),
        E.statusCode(code="completed"),
    ]


def _status(letter: DischargeLetter) -> Element:
    return E.section(
        *templates("1.2.250.1.213.1.1.2.35", "1.2.250.1.213.1.1.2.35.1"),
        identifier(f"{letter.key}/status"),
        E.code(code("33557-0", "Etat d'achèvement", LOINC)),
        E.title("Statut du document"),
        E.text(table([["Statut"], [content("statut", "Approuvé")]])),
        E.entry(
            E.observation(
                *simple_observation(
                    f"{letter.key}/status/entry",
                    ("1.2.250.1.213.1.1.3.48.16", "1.2.250.1.213.1.1.3.48.16.1"),
                    code("GEN-065", "Statut du document", TA_ASIP),
                    "#statut",
                ),
                E.effectiveTime(value=letter.discharged_on),
                E.value(code("9571008", "approuvé", SNOMED_CT), {XSI_TYPE: "CD"}),
                classCode="OBS",
                moodCode="EVN",
            )
        ),
    )


def _reason(letter: DischargeLetter) -> Element:
    return E.section(
        *templates("1.3.6.1.4.1.19376.1.5.3.1.3.1", "1.2.250.1.213.1.1.2.127"),
        identifier(f"{letter.key}/reason"),
        E.code(code("42349-1", "Raison de la recommandation", LOINC)),
        E.title("Motif d'hospitalisation"),
        E.text(E.paragraph(letter.reason)),
    )


def _events(letter: DischargeLetter) -> Element:
    rows: list[list[str | Element]] = [
        ["Rubrique", "Contenu"],
        ["Synthèse médicale", content("synthese", letter.summary)],
        ["Événements indésirables", content("evenements", "Aucun")],
        ["Recherche de micro-organismes multirésistants", content("micro", "Non réalisée")],
        ["Transfusion de produits sanguins", content("transfusion", "Non")],
        ["Administration de dérivés du sang", content("derives", "Non")],
        ["Suites à donner", letter.follow_up],
    ]
    on = E.effectiveTime
    facts: list[tuple[str, str, str, str, Element]] = [
        ("9", "MED-142", "Synthèse médicale", "synthese", E.value(letter.summary, {XSI_TYPE: "ST"})),
        (
            "3",
            "MED-143",
            "Evènements indésirables survenus pendant l'hospitalisation",
            "evenements",
            E.value("Aucun", {XSI_TYPE: "ST"}),
        ),
        (
            "8",
            "MED-309",
            "Recherche de microorganismes multi-résistants ou émergents effectuée",
            "micro",
            E.value({XSI_TYPE: "BL", "value": "false"}),
        ),
        (
            "10",
            "MED-145",
            "Transfusion de produits sanguins",
            "transfusion",
            E.value({XSI_TYPE: "BL", "value": "false"}),
        ),
        (
            "2",
            "MED-147",
            "Administration de dérivés du sang",
            "derives",
            E.value({XSI_TYPE: "BL", "value": "false"}),
        ),
    ]
    entries = [
        E.entry(
            E.observation(
                *simple_observation(
                    f"{letter.key}/{value}",
                    (f"1.2.250.1.213.1.1.3.48.{arc}",),
                    code(value, label, TA_ASIP),
                    f"#{anchor}",
                ),
                on(value=letter.discharged_on),
                content,
                classCode="OBS",
                moodCode="EVN",
            )
        )
        for arc, value, label, anchor, content in facts
    ]
    return E.section(
        *templates(
            "1.3.6.1.4.1.19376.1.5.3.1.1.21.2.9",
            "1.3.6.1.4.1.19376.1.7.3.1.1.13.7",
            "1.2.250.1.213.1.1.2.163",
            "1.2.250.1.213.1.1.2.163.1",
        ),
        identifier(f"{letter.key}/events"),
        E.code(code("42545-4", "Evènements observés", LOINC)),
        E.title("Synthèse médicale du séjour"),
        E.text(table(rows)),
        *entries,
    )


def _treatments(letter: DischargeLetter) -> Element:
    rows: list[list[str | Element]] = [["Médicament", "Posologie"]]
    rows += [[content(f"medicament-{n}", drug.name), drug.dose] for n, drug in enumerate(letter.drugs, 1)]
    return E.section(
        *templates("1.3.6.1.4.1.19376.1.5.3.1.3.22", "1.2.250.1.213.1.1.2.146"),
        identifier(f"{letter.key}/treatments"),
        E.code(code("10183-2", "Traitements à la sortie", LOINC)),
        E.title("Traitements à la sortie"),
        E.text(table(rows)),
        *(E.entry(_administration(letter.key, n, drug)) for n, drug in enumerate(letter.drugs, 1)),
    )


def _administration(key: str, number: int, drug: Drug) -> Element:
    return E.substanceAdministration(
        *templates(
            "1.2.250.1.213.1.1.3.42",
            "2.16.840.1.113883.10.20.1.24",
            "1.3.6.1.4.1.19376.1.5.3.1.4.7",
            "1.3.6.1.4.1.19376.1.5.3.1.4.7.1",
        ),
        identifier(f"{key}/drug/{number}"),
        E.code(code("DRUG", "Médicament", "2.16.840.1.113883.5.4")),
        E.text(E.reference(value=f"#medicament-{number}")),
        E.statusCode(code="completed"),
        E.effectiveTime(E.low(value=drug.start), E.high(nullFlavor="UNK"), {XSI_TYPE: "IVL_TS"}),
        E.effectiveTime(E.period(value="1", unit="d"), {XSI_TYPE: "PIVL_TS", "operator": "A"}),
        E.doseQuantity(E.low(value="1", unit="{tbl}"), E.high(value="1", unit="{tbl}")),
        E.consumable(
            E.manufacturedProduct(
                *templates("1.2.250.1.213.1.1.3.43", "2.16.840.1.113883.10.20.1.53", "1.3.6.1.4.1.19376.1.5.3.1.4.7.2"),
                E.manufacturedMaterial(
                    E.code(
                        E.originalText(E.reference(value=f"#medicament-{number}")),
                        code(drug.cis, drug.name, "1.2.250.1.213.2.3.1"),
                    ),
                    E.name(drug.name),
                ),
            )
        ),
        classCode="SBADM",
        moodCode="EVN",
    )
