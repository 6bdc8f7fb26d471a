"""The readable form of a document."""

import pytest

from pfi.standards.cda.facts import Fact, french_date
from pfi.standards.cda.narrative import Cell, ItemList, Media, Paragraph, Section, Table, read_narrative
from pfi.standards.cda.tree import CdaUnreadableError, parse_cda
from tests.unit.cda.documents import document, encoded, n1, n3, section


def blocks(text: str, extra: str = "") -> tuple[object, ...]:
    (only,) = read_narrative(document(body=n3(section(text, extra=extra)))).sections
    return only.blocks


def test_the_facts_that_a_professional_looks_for_come_first() -> None:
    narrative = read_narrative(document())
    assert narrative.title == "Lettre de liaison de sortie"
    assert narrative.sections == ()
    assert narrative.facts == (
        Fact("Type de document", "Lettre de liaison de sortie"),
        Fact("Date du document", "06/03/2026 à 09:04"),
        Fact("Nom de naissance", "PAT-TROIS"),
        Fact("Prénoms de naissance", "DOMINIQUE MARIE-LOUISE"),
        Fact("Nom utilisé", "PAT-DEUX"),
        Fact("Prénom utilisé", "DOM"),
        Fact("Sexe", "Féminin"),
        Fact("Né(e) le", "28/03/1979"),
        Fact("Lieu de naissance (code INSEE)", "51215"),
        Fact("Matricule INS", "279035121518989"),
        Fact("Auteur", "Camille ESSAI (Médecin généraliste)"),
        Fact("Structure", "CH Démo"),
        Fact("Conservation", "CH Démo"),
        Fact("Date de l'acte", "06/03/2026 à 08:00"),
        Fact("Début de la venue", "06/03/2026 à 07:00"),
        Fact("Version", "1"),
    )


def test_software_authors_and_missing_titles_have_their_words() -> None:
    device = (
        "<author><assignedAuthor><assignedAuthoringDevice><softwareName>Automate</softwareName>"
        "</assignedAuthoringDevice></assignedAuthor></author>"
    )
    authenticator = '<legalAuthenticator><assignedEntity><id root="1.2"/></assignedEntity></legalAuthenticator>'
    narrative = read_narrative(document(authors=device, title="", middle=authenticator))
    assert narrative.title == "Lettre de liaison de sortie"
    assert Fact("Auteur", "Automate") in narrative.facts
    assert all(fact.label != "Responsable" for fact in narrative.facts)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("", ""),
        ("1979", "1979"),
        ("197903", "03/1979"),
        ("19790328", "28/03/1979"),
        ("197903281015+0100", "28/03/1979 à 10:15"),
        ("19790328+0100", "28/03/1979"),
        ("mars", "mars"),
    ],
)
def test_dates_are_written_as_the_french_do(moment: str, words: str) -> None:
    assert french_date(moment) == words


def test_sections_come_in_reading_order_with_their_depth() -> None:
    inner = section("<paragraph>b</paragraph>", "Dedans")
    body = n3(section("<paragraph>a</paragraph>", "Dehors", inner) + "<component><section/></component>")
    assert read_narrative(document(body=body)).sections == (
        Section("Dehors", 1, (Paragraph("a"),)),
        Section("Dedans", 2, (Paragraph("b"),)),
        Section("", 1, ()),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  un \n  deux ", Paragraph("un deux")),
        ("<paragraph>un<br/>deux</paragraph>", Paragraph("un\ndeux")),
        ("un<br/>deux", Paragraph("un\ndeux")),
        ("H<sub>2</sub>O, 10<sup>9</sup>/L, 10<sup> -3 </sup>", Paragraph("H₂O, 10⁹/L, 10⁻³")),
        ("2<sup>e</sup>, x<sub>max</sub>, a<sup>9<content>b</content></sup>", Paragraph("2^e, x_(max), a⁹^b")),
        ("a <content>b</content> c", Paragraph("a b c")),
        ("<content styleCode='Bold'>b</content>", Paragraph("b", strong=True)),
        ("<paragraph styleCode='bold'>b</paragraph>", Paragraph("b", strong=True)),
        ("<paragraph><content styleCode='BoldItalics'>b</content> c</paragraph>", Paragraph("b c")),
        ("<content styleCode='Italics'>b</content>", Paragraph("b")),
        ("12\u00a0mg/l", Paragraph("12\u00a0mg/l")),
        ("<linkHtml href='https://a.fr/x'>voir</linkHtml>", Paragraph("voir (https://a.fr/x)")),
        ("<linkHtml href='https://a.fr'>https://a.fr</linkHtml>", Paragraph("https://a.fr")),
        ("<linkHtml href='#r1'>voir</linkHtml>", Paragraph("voir")),
        ("a<footnoteRef IDREF='f'/> b<footnote ID='f'> note </footnote>", Paragraph("a [note] b note")),
        ("a<footnoteRef IDREF='nowhere'/>", Paragraph("a")),
    ],
)
def test_running_text_reads_as_in_a_browser(text: str, expected: Paragraph) -> None:
    assert blocks(text) == (expected,)


def test_text_around_a_block_makes_paragraphs_of_its_own() -> None:
    text = "avant<list><item>x</item></list>entre <content>deux</content><paragraph>p</paragraph>après"
    assert blocks(text) == (
        Paragraph("avant"),
        ItemList(("x",)),
        Paragraph("entre deux"),
        Paragraph("p"),
        Paragraph("après"),
    )


def test_empty_blocks_are_left_out() -> None:
    assert blocks("<paragraph> </paragraph><list/><table><tbody><tr/></tbody></table><br/>") == ()


def test_lists_keep_their_order_caption_and_nested_items() -> None:
    text = (
        "<list listType='ordered'><caption>Titre</caption><item>un<list><item>dedans<list><item>au fond</item></list>"
        "</item></list></item><item><caption>c</caption>deux</item></list>"
    )
    assert blocks(text) == (ItemList(("un\n• dedans\n  • au fond", "deux"), ordered=True, caption="Titre"),)


def test_tables_keep_header_rows_and_spans() -> None:
    text = """<table><caption>Bilan</caption>
      <thead><tr><th rowspan="2">A</th><th colspan="2"><content styleCode="Bold">B</content></th></tr></thead>
      <tfoot><tr><td>pied</td></tr></tfoot>
      <tbody><tr><td colspan="x">1<br/>2</td><td><paragraph>a</paragraph><paragraph>b</paragraph></td></tr></tbody>
      </table>"""
    assert blocks(text) == (
        Table(
            header=((Cell("A", header=True, rowspan=2), Cell("B", header=True, strong=True, colspan=2)),),
            rows=((Cell("1\n2"), Cell("a\nb")), (Cell("pied"),)),
            caption="Bilan",
        ),
    )


def test_a_table_without_body_groups_is_read_and_a_nested_one_is_flattened() -> None:
    inner = "<table><tr><td>x</td><td>y</td></tr><tr><td>z</td></tr></table>"
    assert blocks(f"<table><tr><td>{inner}</td></tr></table>") == (Table((), ((Cell("x | y\nz"),),)),)


def test_images_are_found_by_their_reference() -> None:
    image = b"\x89PNG"
    entry = (
        f'<entry><observationMedia ID="I1"><value mediaType="image/png">{encoded(image)}</value></observationMedia>'
        f'</entry><entry><regionOfInterest ID="R1"><entryRelationship><observationMedia>'
        f'<value mediaType="image/gif">{encoded(image)}</value></observationMedia></entryRelationship>'
        '</regionOfInterest></entry><entry><observationMedia ID="I2"><value mediaType="image/png">**</value>'
        '</observationMedia></entry><entry><observationMedia ID="I3"/></entry>'
    )
    png, gif = Media("image/png", image), Media("image/gif", image)
    assert blocks("<renderMultiMedia referencedObject='I1 R1 I2 I3'/>", entry) == (png, gif)
    assert blocks("<renderMultiMedia/><renderMultiMedia referencedObject='absent'/>", entry) == ()
    assert blocks("<content>a<renderMultiMedia referencedObject='I1'/></content>", entry) == (Paragraph("a"), png)
    assert blocks("<paragraph><renderMultiMedia referencedObject='R1'/></paragraph>", entry) == (gif,)
    assert blocks("<table><tr><td><renderMultiMedia referencedObject='I1'/></td></tr></table>", entry) == (
        Table((), ((Cell("", media=(png,)),),)),
    )


def test_an_n1_text_is_cut_into_paragraphs() -> None:
    narrative = read_narrative(document(body=n1("Été\r\nsuite\r\n\r\nFin".encode(), "text/plain")))
    assert narrative.sections == (Section("", 1, (Paragraph("Été\nsuite"), Paragraph("Fin"))),)
    plain = (
        '<component><nonXMLBody><text mediaType="text/plain" representation="TXT">Bonjour</text></nonXMLBody>'
        "</component>"
    )
    assert read_narrative(document(body=plain)).sections == (Section("", 1, (Paragraph("Bonjour"),)),)


def test_an_n1_image_is_one_medium_and_other_forms_have_no_section() -> None:
    narrative = read_narrative(document(body=n1(b"\xff\xd8", "image/jpeg")))
    assert narrative.sections == (Section("", 1, (Media("image/jpeg", b"\xff\xd8"),)),)
    broken = '<component><nonXMLBody><text mediaType="image/jpeg">**</text></nonXMLBody></component>'
    for body in (broken, n1(b"{\\rtf1}", "text/rtf"), "<component><nonXMLBody/></component>"):
        assert read_narrative(document(body=body)).sections == ()


def test_a_very_deep_narrative_is_read_without_exhausting_the_stack() -> None:
    deep = "<content>" * 240 + "fond" + "</content>" * 240
    assert blocks(deep) == (Paragraph("fond"),)


def test_the_tree_can_be_lent_and_an_unreadable_document_raises() -> None:
    assert read_narrative(b"", parse_cda(document())) == read_narrative(document())
    with pytest.raises(CdaUnreadableError):
        read_narrative(b"<a/>")
