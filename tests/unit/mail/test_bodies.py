import pytest

from pfi.model.submission import Request
from pfi.standards.mail.bodies import Reader, default_body
from tests.unit.mssante.material import cda, document


@pytest.mark.parametrize("reader", Reader)
@pytest.mark.parametrize(
    ("request_kind", "word"), [(Request.INITIAL, ""), (Request.REPLACE, "rempla"), (Request.DELETE, "")]
)
def test_a_default_text_says_what_it_is_about(reader: Reader, request_kind: Request, word: str) -> None:
    text = default_body(reader, request_kind, document(), establishment="CH d'Exemple")
    assert "« CR d'imagerie médicale »" in text
    assert "04/03/2026" in text
    assert "Camille ESSAI" in text
    assert "CH d'Exemple" in text
    assert word in text
    assert "$" not in text


def test_no_trait_of_the_patient_is_in_the_text() -> None:
    for reader in Reader:
        for request in Request:
            text = default_body(reader, request, document())
            assert not any(trait in text for trait in ("PAT-TROIS", "DOMINIQUE", "1979", "2790351"))


def test_a_deletion_and_a_replacement_say_so() -> None:
    assert "supprimé" in default_body(Reader.PROFESSIONAL, Request.DELETE, document())
    assert "annulé" in default_body(Reader.PATIENT, Request.DELETE, document())
    assert "remplace" in default_body(Reader.PROFESSIONAL, Request.REPLACE, document())


def test_the_patient_is_told_whether_an_answer_is_possible() -> None:
    assert "vous pouvez répondre" in default_body(Reader.PATIENT, Request.INITIAL, document())
    closed = default_body(Reader.PATIENT, Request.INITIAL, document(), may_answer=False)
    assert "pas possible de répondre" in closed


def test_a_line_whose_fact_is_unknown_is_left_out() -> None:
    bare = document(cda(act="").replace(b"Camille", b"").replace(b"ESSAI", b"").replace(b"CH d'Exemple", b""))
    text = default_body(Reader.PROFESSIONAL, Request.INITIAL, bare)
    assert "Établissement :" not in text
    assert "Auteur :" not in text
