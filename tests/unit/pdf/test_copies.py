"""The PDF of a document: the one it carries, byte for byte, or a faithful PDF/A-1 of its narrative."""

import base64
import io
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader

from pfi.model.errors import BugError, SenderDataError
from pfi.standards.cda.narrative import Cell, Media, Paragraph, Table, read_narrative
from pfi.standards.pdf import typesetting
from pfi.standards.pdf.copies import pdf_copies, render
from pfi.standards.pdf.page import page_values
from pfi.standards.pdf.typesetting import typeset
from tests.unit.cda.official import each_document, needs_documents
from tests.unit.mssante.material import MOMENT, PDF, cda, document, section
from tests.unit.pdf.pdfa import check_pdf_a_1a

PICTURE = '<renderMultiMedia referencedObject="image"/>'
"""What shows, in a narrative, the image of `SHOWN`."""
PDF_COPY = (
    '<component><section><templateId root="1.2.250.1.213.1.1.2.243"/><title>Copie</title><text/>'
    '<entry><observationMedia classCode="OBS" moodCode="EVN"><value mediaType="application/pdf" representation="B64">'
    "JVBERi0xLjQKY29waWU=</value></observationMedia></entry></section></component>"
)


def text_of(pdf: bytes) -> str:
    """The words of a PDF as a reader selects them, line ends and hyphens at line ends undone."""
    pages = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    return " ".join(pages.replace("\u200b", "").replace("-\n", "").split())


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", (40, 30), (200, 0, 0, 128)).save(out, "PNG")
    return out.getvalue()


SHOWN = (
    '<component><section><title>Image</title><text/><entry><observationMedia ID="image" classCode="OBS" moodCode="EVN">'
    f'<value mediaType="image/png" representation="B64">{base64.b64encode(png()).decode()}</value></observationMedia>'
    "</entry></section></component>"
)


def test_the_pdf_of_an_n1_is_attached_byte_for_byte() -> None:
    assert pdf_copies([document(cda(pdf=PDF))], MOMENT) == (PDF,)


def test_an_n3_takes_its_own_copy_first_then_the_one_of_its_n1() -> None:
    n1 = document(cda(pdf=PDF))
    with_copy = document(cda(body=section("A", "<paragraph>a</paragraph>") + PDF_COPY))
    assert pdf_copies([with_copy, n1], MOMENT) == (b"%PDF-1.4\ncopie", PDF)
    assert pdf_copies([document(cda()), n1], MOMENT) == (PDF, PDF)


def test_an_n3_never_takes_the_pdf_of_another_document() -> None:
    n1 = document(cda(pdf=PDF))
    for other in (cda(code="34112-3"), cda(title="Un autre compte rendu")):
        assert "Examen sans particularité" in text_of(pdf_copies([n1, document(other)], MOMENT)[1])
    for several in ([n1, document(cda(pdf=PDF + b"2")), document(cda())], [n1, document(cda()), document(cda())]):
        assert "Examen sans particularité" in text_of(pdf_copies(several, MOMENT)[-1])


def test_an_n1_never_takes_the_pdf_of_another() -> None:
    text = document(cda(pdf=b"Bonjour", media_type="text/plain"))
    first, second = pdf_copies([text, document(cda(pdf=PDF))], MOMENT)
    assert second == PDF
    assert "Bonjour" in text_of(first)


def test_a_rendered_document_shows_who_what_when_and_everything_written() -> None:
    body = section("Résultats", "<paragraph>Fièvre ≥ 39 °C, 5 µg/L</paragraph>") + section(
        "Examens",
        "<list><item>Premier point</item><item>Second point</item></list>"
        "<table><caption>Hémogramme</caption><thead><tr><th>Analyse</th><th>Valeur</th></tr></thead>"
        "<tbody><tr><td>Hémoglobine</td><td>13,4 g/dL</td></tr></tbody></table>",
    )
    shown = text_of(render(cda(body=body), MOMENT))
    for words in (
        "Compte rendu d'échographie",
        "PAT-TROIS",
        "DOMINIQUE MARIE",
        "28/03/1979",
        "279035121518989",
        "Camille ESSAI",
        "CH d'Exemple",
        "05/03/2026",
        "Résultats",
        "Fièvre ≥ 39 °C, 5 µg/L",
        "Second point",
        "Hémogramme",
        "Hémoglobine",
        "13,4 g/dL",
        "Page 1 / 1",
    ):
        assert words in shown, words


def test_a_rendered_document_is_tagged_pdf_a_1() -> None:
    body = section("Électrophorèse", f"<paragraph>10<sup>9</sup>/L ≥ α</paragraph>{PICTURE}")
    reader = PdfReader(io.BytesIO(render(cda(body=body + SHOWN), MOMENT)))
    check_pdf_a_1a(reader)
    assert sum(len(page.images) for page in reader.pages) == 1
    assert reader.metadata is not None
    assert reader.metadata.title == "Compte rendu d'échographie"
    assert reader.metadata.creation_date == MOMENT


def test_the_same_document_at_the_same_moment_gives_the_same_bytes() -> None:
    assert render(cda(), MOMENT) == render(cda(), MOMENT)
    assert render(cda(), MOMENT) != render(cda(), datetime(2026, 3, 6, tzinfo=UTC))


def table(columns: int, cell: str, rows: int = 2) -> str:
    """A section with a table of equal cells."""
    line = f"<tr>{f'<td>{cell}</td>' * columns}</tr>"
    return section("Tableau", f"<table><tbody>{line * rows}</tbody></table>")


def landscape(pdf: bytes) -> bool:
    box = PdfReader(io.BytesIO(pdf)).pages[0].mediabox
    return bool(box.width > box.height)


def test_a_document_with_a_wide_table_is_on_its_side() -> None:
    assert not landscape(render(cda(body=table(5, "PARACÉTAMOL")), MOMENT))
    assert landscape(render(cda(body=table(13, "PARACÉTAMOL")), MOMENT))


@pytest.mark.parametrize("number", ["12,50mg", "01/12/2021", "0.125", "37,5°C", "1:10.000"])
@pytest.mark.parametrize("columns", [8, 12, 16])
def test_a_number_is_never_cut_in_two(number: str, columns: int) -> None:
    """A dose read as « 12 » on one line and « 50 mg » on the next harms."""
    pages = PdfReader(
        io.BytesIO(render(cda(body=table(columns, f"prendre {number} hypertriglycéridémie")), MOMENT))
    ).pages
    lines = "\n".join(page.extract_text() for page in pages)
    assert lines.count(number) == 2 * columns
    assert "\u200b" not in number


def test_an_image_is_no_wider_than_its_column() -> None:
    out = io.BytesIO()
    Image.new("RGB", (1200, 300)).save(out, "PNG")
    image = Cell("", media=(Media("image/png", out.getvalue()),))
    for columns in (1, 4, 12, 40):
        block = page_values(read_narrative(cda()), MOMENT, (Table((), ((image,) * columns,)),))["sections"][-1][
            "blocks"
        ][0]
        assert len(block["cells"]) == columns
        assert all(0 < cell["images"][0]["width"] < block["columns"][cell["x"]] for cell in block["cells"])


def test_a_row_is_not_parted_by_the_end_of_a_page() -> None:
    lines = "".join(f"<paragraph>Ligne {number}</paragraph>" for number in range(4))
    pdf = render(cda(body=table(2, lines, rows=40)), MOMENT)
    for page in PdfReader(io.BytesIO(pdf)).pages:
        words = page.extract_text()
        assert words.count("Ligne 0") == words.count("Ligne 3")


def test_the_foot_of_a_table_is_at_its_end() -> None:
    body = "<table><tfoot><tr><td>Total</td></tr></tfoot><tbody><tr><td>Première</td></tr></tbody></table>"
    shown = text_of(render(cda(body=section("Tableau", body)), MOMENT))
    assert shown.index("Première") < shown.index("Total")


def test_words_of_a_document_are_never_markup() -> None:
    attack = r'#read("/etc/passwd") $x$ = Titre *gras* _it_ @ref <label> `raw` \ // /* ] } #panic("x")'
    shown = text_of(
        render(
            cda(title=attack, body=section(attack, f"<paragraph>{attack.replace('<label>', '')}</paragraph>")), MOMENT
        )
    )
    assert '#read("/etc/passwd")' in shown
    assert '#panic("x")' in shown


def test_a_character_without_a_glyph_is_marked_and_the_reader_is_told() -> None:
    shown = text_of(render(cda(body=section("Avis", "<paragraph>état 中 文 😀 stable</paragraph>")), MOMENT))
    assert "état � � � stable" in shown
    assert "ne peuvent pas être imprimés" in shown
    assert "ne peuvent pas être imprimés" not in text_of(render(cda(), MOMENT))


def test_a_text_in_another_script_is_still_rendered() -> None:
    chinese = "".join(chr(0x4E00 + number) for number in range(300))
    shown = text_of(render(cda(body=section("Avis", f"<paragraph>Début {chinese} fin</paragraph>")), MOMENT))
    assert "Début" in shown
    assert "fin" in shown


@pytest.mark.parametrize(
    ("content", "media_type", "words"),
    [
        ("Texte en clair à lire\r\n\r\nSecond paragraphe".encode(), "text/plain", "Second paragraphe"),
        (rb"{\rtf1\ansi Conclusion : n\'e9ant\par}", "text/rtf", "Conclusion : néant"),
        (b"pas du rtf", "text/rtf", "Pièce jointe de type text/rtf"),
        (b"...", "application/dicom", "Pièce jointe de type application/dicom"),
        (b"pas une image", "image/jpeg", "Pièce jointe de type image/jpeg"),
    ],
)
def test_an_n1_of_another_kind_gives_its_words(content: bytes, media_type: str, words: str) -> None:
    assert words in text_of(render(cda(pdf=content, media_type=media_type), MOMENT))


@pytest.mark.parametrize(("form", "media_type"), [("PNG", "image/png"), ("TIFF", "image/tiff"), ("JPEG", "image/jpeg")])
def test_an_n1_image_is_on_the_page(form: str, media_type: str) -> None:
    out = io.BytesIO()
    Image.new("CMYK" if form == "JPEG" else "RGB", (300, 200), 90).save(out, form)
    pdf = render(cda(pdf=out.getvalue(), media_type=media_type), MOMENT)
    assert sum(len(page.images) for page in PdfReader(io.BytesIO(pdf)).pages) == 1


def test_an_n1_that_says_pdf_but_is_not_one_is_said_to_be_unreadable() -> None:
    assert "Pièce jointe de type application/pdf" in text_of(pdf_copies([document(cda(pdf=b"oups"))], MOMENT)[0])


def test_a_document_that_is_not_xml_is_the_senders_fault() -> None:
    with pytest.raises(SenderDataError):
        render(b"<a", MOMENT)


def test_a_template_that_fails_is_our_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typesetting, "_template", lambda: b"#panic(1)")
    with pytest.raises(BugError, match="PDF_NOT_RENDERED"):
        typeset({"notes": []}, MOMENT)


def test_long_words_and_long_tables_stay_within_the_page() -> None:
    row = "<tr><td>" + "x" * 400 + "</td>" + "<td>d'administration/1.2.250.1.213</td>" * 15 + "</tr>"
    head = "<thead>" + "<tr><th>Une ligne de titre</th></tr>" * 60 + "</thead>"
    pdf = render(cda(body=section("Tableau", f"<table>{head}<tbody>{row * 30}</tbody></table>")), MOMENT)
    reader = PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) > 1
    assert "d'administration/1.2.250.1.213" in text_of(pdf).replace(" ", "")
    assert "PAT-TROIS DOMINIQUE MARIE — né(e) le 28/03/1979" in " ".join(reader.pages[1].extract_text().split())


cells = st.builds(Cell, st.text(max_size=15), st.booleans(), st.booleans(), st.integers(1, 50), st.integers(1, 9))
tables = st.builds(
    Table,
    st.lists(st.lists(cells, min_size=1, max_size=4).map(tuple), max_size=3).map(tuple),
    st.lists(st.lists(cells, min_size=1, max_size=4).map(tuple), max_size=4).map(tuple),
    st.text(max_size=10),
)


@settings(max_examples=60, deadline=None)
@given(tables, st.text(max_size=40))
def test_any_table_and_any_text_can_be_typeset(table: Table, words: str) -> None:
    narrative = read_narrative(cda())
    typeset(page_values(narrative, MOMENT, (table, Paragraph(words))), MOMENT)


@needs_documents
@each_document
def test_every_official_document_is_rendered_in_pdf_a_1(document: Path) -> None:
    check_pdf_a_1a(PdfReader(io.BytesIO(render(document.read_bytes(), MOMENT))))


@needs_documents
@each_document
def test_no_word_of_an_official_document_is_lost(document: Path) -> None:
    """By the standard library's reading of the narrative: each word, as many times as it is written."""
    content = document.read_bytes()
    written: Counter[str] = Counter()
    for found in ElementTree.fromstring(content).iter("{urn:hl7-org:v3}section"):  # noqa: S314 - official samples
        for part in (found.find("{urn:hl7-org:v3}title"), found.find("{urn:hl7-org:v3}text")):
            if part is not None:
                written.update(word for words in part.itertext() for word in map(bare, words.split()) if word)
    shown = bare(text_of(render(content, MOMENT)))
    assert [word for word, times in written.items() if shown.count(word) < times and len(word) < 12] == []


@needs_documents
@each_document
def test_every_official_document_is_rendered_with_its_own_words(document: Path) -> None:
    content = document.read_bytes()
    shown = bare(text_of(render(content, MOMENT)))
    for part in read_narrative(content).sections:
        assert bare(part.title) in shown
        for block in part.blocks:
            if isinstance(block, Table):
                for cell in (cell for line in (*block.header, *block.rows) for cell in line):
                    # A longer cell may be parted by another one on the page: each of its words is looked for.
                    assert all(bare(word) in shown for word in cell.text.split() if len(word) < 12), cell.text


def bare(text: str) -> str:
    """Without blanks nor hyphens, which a typesetter may change or add."""
    return re.sub(r"[\s\u00ad\u200b\u2010-\u2015-]+", "", text)
