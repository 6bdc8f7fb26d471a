"""The clinical documents of the samples."""

from dataclasses import replace
from pathlib import Path

from . import biology, bodies, pages, world
from .biology import Chapter, Result
from .bodies import DischargeLetter, Drug
from .clinical_document import LOINC, ClinicalDocument, DocumentType, Encounter
from .pdf import Page
from .world import Person, Professional

PDF_FOLDER = Path(__file__).resolve().parents[1] / "pdf"

ACT_CODE = "2.16.840.1.113883.5.4"
IN_STAY = ("IMP", "Hospitalisation (établissement, y compris HAD)", ACT_CODE)
AMBULATORY = ("AMB", "Ambulatoire (hors établissement)", ACT_CODE)
EXTERNAL = ("EXTERNE", "Acte et consultation externe (établissement)", "1.2.250.1.213.1.1.4.2.291")

XDS_SD = (("1.3.6.1.4.1.19376.1.2.20", ""),)
"""Template of a document of level 1 (IHE XDS-SD)."""


def _n1(code: str, label: str, title: str, event: tuple[str, str, str] | None = None) -> DocumentType:
    return DocumentType(code, label, title, XDS_SD, event or (code, label, LOINC))


DISCHARGE = DocumentType(
    "11490-0",
    "Lettre de liaison à la sortie d'un établissement de soins",
    "Lettre de liaison à la sortie de l'établissement",
    (("1.2.250.1.213.1.1.1.29", "2022.01"),),
    IN_STAY,
)
BIOLOGY = DocumentType(
    "11502-2",
    "CR d'examens biologiques",
    "Compte rendu d'examens biologiques",
    (("1.3.6.1.4.1.19376.1.3.3", ""), ("1.2.250.1.213.1.1.1.55", "2024.01")),
    ("18719-5", "Biochimie", LOINC),
)
BIOLOGY_N1 = replace(BIOLOGY, templates=XDS_SD)
IMAGING = _n1("18748-4", "CR d'imagerie médicale", "Compte rendu de radiographie")
OPERATION = _n1("34874-8", "CR opératoire", "Compte rendu opératoire")
PRESCRIPTION = _n1("57833-6", "Prescription de produits de santé", "Ordonnance de produits de santé")
SYNTHESIS = _n1("60591-5", "Synthèse médicale", "Volet de synthèse médicale")
IMAGING_REQUEST = _n1("55115-0", "Demande d'actes d'imagerie", "Demande d'actes d'imagerie")
REFERRAL = _n1("96349-6", "Lettre d'adressage", "Lettre d'adressage après consultation")
CONSULTATION = _n1("11488-4", "CR ou fiche de consultation ou de visite", "Compte rendu de consultation")
UNKNOWN_TYPE = _n1("99999-9", "Type inconnu", "Document d'un type inconnu")

STAY_DATES = Encounter(IN_STAY, "20260301090000+0100", "20260305110000+0100")
VISIT_DATES = Encounter(EXTERNAL, "20260304140000+0100", "20260304143000+0100")
LAB_DATES = Encounter(AMBULATORY, "20260304081000+0100", "20260304160000+0100")


def pdf(page: Page) -> bytes:
    """The committed PDF of a page."""
    return (PDF_FOLDER / page.file).read_bytes()


def level_1(
    key: str,
    kind: DocumentType,
    page: Page,
    *,
    patient: Person,
    author: Professional,
    encounter: Encounter = VISIT_DATES,
    written_at: str = "20260305101000+0100",
    addressee: Professional | None = world.FAMILY_DOCTOR,
) -> ClinicalDocument:
    """A document whose body is the PDF of a page."""
    return ClinicalDocument(
        key, kind, patient, author, written_at, encounter, bodies.pdf_body(pdf(page)), addressee=addressee
    )


def imaging_order(key: str) -> ClinicalDocument:
    """A request for imaging, level 1 in plain text."""
    text = (
        "Acte demandé : radiographie du poignet gauche, deux incidences.\n"
        "Motif : douleur persistante dix jours après une chute. Pas de grossesse en cours.\n"
    )
    return ClinicalDocument(
        key,
        IMAGING_REQUEST,
        world.JEANNE,
        world.CARDIOLOGIST,
        "20260305101000+0100",
        VISIT_DATES,
        bodies.text_body(text),
        addressee=world.FAMILY_DOCTOR,
    )


def discharge_letter(
    key: str = "lettre-de-liaison", *, patient: Person = world.DOMINIQUE, summary: str = ""
) -> ClinicalDocument:
    """A discharge letter in stay, level 3."""
    letter = DischargeLetter(
        key=key,
        reason="Douleur thoracique d'effort apparue depuis deux semaines.",
        summary=summary or "Bilan coronarien rassurant. Traitement de l'hypertension adapté, bien toléré.",
        discharged_on="20260305",
        drugs=(
            Drug("69999991", "Antihypertenseur de démonstration 5 mg, comprimé", "1 comprimé le matin", "20260302"),
            Drug("69999992", "Hypolipémiant de démonstration 10 mg, comprimé", "1 comprimé le soir", "20260303"),
        ),
        follow_up="Consultation de cardiologie dans un mois ; surveillance de la tension par le médecin traitant.",
    )
    return ClinicalDocument(
        key,
        DISCHARGE,
        patient,
        world.CARDIOLOGIST,
        "20260305110500+0100",
        STAY_DATES,
        bodies.discharge_body(letter),
        addressee=world.FAMILY_DOCTOR,
    )


CHAPTERS = (
    Chapter(
        "18719-5",
        "Biochimie",
        (
            Result("14682-9", "Créatinine [Moles/Volume] Sérum/Plasma ; Numérique", "74", "umol/L", "50", "98"),
            Result("2823-3", "Potassium [Moles/Volume] Sérum/Plasma ; Numérique", "4.1", "mmol/L", "3.5", "5.1"),
            Result("3016-3", "Thyréostimuline Sérum/Plasma ; Numérique", "5.600", "m[IU]/L", "0.270", "4.200"),
        ),
    ),
    Chapter(
        "18723-7",
        "Hématologie",
        (Result("718-7", "Hémoglobine [Masse/Volume] Sang ; Numérique", "13.4", "g/dL", "12.0", "16.0"),),
    ),
)


def biology_report(
    key: str, *, patient: Person = world.PAUL, in_stay: bool = False, version: int = 1, corrected: str = ""
) -> ClinicalDocument:
    """A biology report, level 3 with its copy in PDF. `corrected` replaces the TSH value of the second version."""
    chapters = CHAPTERS
    if corrected:
        first = chapters[0]
        results = tuple(replace(r, value=corrected) if r.loinc == "3016-3" else r for r in first.results)
        chapters = (replace(first, results=results), *chapters[1:])
    return ClinicalDocument(
        key,
        BIOLOGY,
        patient,
        world.HOSPITAL_BIOLOGIST if in_stay else world.BIOLOGIST,
        "20260305093000+0100" if version > 1 else "20260304163000+0100",
        replace(LAB_DATES, code=IN_STAY) if in_stay else LAB_DATES,
        biology.biology_body(f"{key}/{version}", LAB_DATES.start, chapters, pdf(pages.BIOLOGY)),
        version=version,
        replaces_version=version - 1,
        addressee=world.FAMILY_DOCTOR,
        order_number="26030400042",
    )


def biology_level_1(key: str) -> ClinicalDocument:
    """The same report as `biology_report`, its PDF being the whole body."""
    return ClinicalDocument(
        key,
        BIOLOGY_N1,
        world.PAUL,
        world.BIOLOGIST,
        "20260304163000+0100",
        LAB_DATES,
        bodies.pdf_body(pdf(pages.BIOLOGY)),
        addressee=world.FAMILY_DOCTOR,
    )


def bench_biology(measures: int, pdf_copy: bytes) -> ClinicalDocument:
    """A long biology report for the bench: `measures` results in each of three chapters, and a heavy PDF."""
    key = "banc-biologie"
    body = biology.biology_body(key, LAB_DATES.start, biology.long_chapters(measures, key), pdf_copy)
    return replace(biology_report(key), body=body)


def imaging_report(key: str) -> ClinicalDocument:
    """An imaging report out of stay, level 1."""
    return level_1(key, IMAGING, pages.IMAGING, patient=world.JEANNE, author=world.RADIOLOGIST)


def bench_imaging(content: bytes) -> ClinicalDocument:
    """An imaging report for the bench, with a heavy PDF."""
    return replace(imaging_report("banc-imagerie"), body=bodies.pdf_body(content))
