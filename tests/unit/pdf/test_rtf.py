from hypothesis import given
from hypothesis import strategies as st

from pfi.standards.pdf.rtf import paragraphs


def test_the_words_of_an_rtf_are_kept_and_its_furniture_is_not() -> None:
    source = (
        rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}{\colortbl;\red0\green0\blue0;}"
        rb"{\*\generator Riched20;}{\info{\author Personne}}\viewkind4\pard\f0\fs20 "
        rb"Compte rendu d\rquote\'e9chographie\par {\b Conclusion}: n\u233?ant, 50\~% \{ok\} \\\par"
        b"\r\nfin\\line suite}"
    )
    assert paragraphs(source) == ("Compte rendu d’échographie", "Conclusion: néant, 50\u00a0% {ok} \\", "fin\nsuite")


def test_a_table_row_is_a_line_with_bars() -> None:
    source = rb"{\rtf1 \trowd Na\cell 140\cell\row K\cell 4,1\cell\row}"
    assert paragraphs(source) == ("Na  |  140\nK  |  4,1",)


def test_the_code_page_of_the_file_is_used() -> None:
    assert paragraphs(rb"{\rtf1\ansi\ansicpg1250 \'b3\'f3d\'9f}") == ("łódź",)
    assert paragraphs(rb"{\rtf1\ansi\ansicpg99999 \'e9}") == ("é",)


def test_a_character_beyond_the_first_plane_is_two_units() -> None:
    assert paragraphs(rb"{\rtf1\uc1 \u-10179?\u-8704? et \u-4064\'3f.}") == ("\U0001f600 et \uf020.",)


def test_replacement_characters_are_skipped_as_told() -> None:
    assert paragraphs(rb"{\rtf1\uc2 \u8364 EU!\uc0 \u8364 .}") == ("€!€.",)


def test_another_file_has_no_paragraph() -> None:
    assert paragraphs(b"%PDF-1.4") == ()
    assert paragraphs(b"") == ()


@given(st.binary(max_size=300))
def test_nothing_makes_the_reader_fail(noise: bytes) -> None:
    paragraphs(b"{\\rtf1 " + noise)


def test_deep_nesting_is_survived() -> None:
    assert paragraphs(b"{\\rtf1 " + b"{" * 10_000 + b"mot" + b"}" * 10_000 + b"}") == ("mot",)
