import unicodedata
from dataclasses import replace
from typing import Any

import pytest

from pfi.model.document import Document
from pfi.model.patient import Traits
from pfi.standards.mail.headers import file_name_parameter
from pfi.standards.mail.subject import pdf_file_names, subject
from tests.unit.mssante.material import PDF, cda, document

VIAL = Traits("VIAL", "Paul", "Paul Jean", "19781126", "M")


def labelled(label: str, **changes: Any) -> Document:
    return document(cda(label=label, **changes))


def test_the_subject_names_the_document_and_the_patient() -> None:
    document = labelled("CR d'examens biologiques")
    assert subject([document], VIAL) == "XDM/1.0/DDM+CR d'examens biologiques VIAL Paul 26/11/1978"


def test_names_lose_their_accents_and_labels_keep_theirs() -> None:
    traits = Traits("Bœuf-d'Été", "Héloïse", "", "20000229", "F")
    assert subject([labelled("Synthèse médicale")], traits) == (
        "XDM/1.0/DDM+Synthèse médicale BOEUF-D'ETE Heloise 29/02/2000"
    )


def test_a_long_label_is_cut_at_40_characters() -> None:
    told = subject([labelled("A" * 45)], VIAL)
    assert told == f"XDM/1.0/DDM+{'A' * 40} VIAL Paul 26/11/1978"


def test_an_accent_written_as_a_letter_of_its_own_is_not_counted() -> None:
    decomposed = unicodedata.normalize("NFD", "é" * 45)
    assert subject([labelled(decomposed)], VIAL) == f"XDM/1.0/DDM+{'é' * 40} VIAL Paul 26/11/1978"


@pytest.mark.parametrize("birth_date", ["", "1978", "197811", "19781300", "inconnu!"])
def test_an_unknown_date_is_left_out_with_its_blank(birth_date: str) -> None:
    assert subject([labelled("CR")], replace(VIAL, birth_date=birth_date)) == "XDM/1.0/DDM+CR VIAL Paul"


def test_documents_are_counted_but_the_n1_and_the_n3_of_one_are_not() -> None:
    first = labelled("CR", unique_id="1.2.3.1")
    n1 = labelled("CR", unique_id="1.2.3.2", pdf=PDF)
    assert subject([n1, first], VIAL).startswith("XDM/1.0/DDM+CR VIAL")
    assert subject([n1, first, n1, first], VIAL).startswith("XDM/1.0/DDM+2 documents VIAL")
    assert subject([first, labelled("CR", unique_id="1.2.3.3")], VIAL).startswith("XDM/1.0/DDM+2 documents VIAL")
    assert subject([first, labelled("CR", title="Autre")], VIAL).startswith("XDM/1.0/DDM+2 documents VIAL")
    assert subject([first, labelled("CR", code="11502-2")], VIAL).startswith("XDM/1.0/DDM+2 documents VIAL")


def test_what_is_missing_of_a_name_is_replaced_by_what_is_known() -> None:
    assert subject([labelled("CR")], Traits(used_name="Martin", given_names="Zoé Anne")) == "XDM/1.0/DDM+CR MARTIN Zoe"


def test_the_title_stands_for_a_missing_label() -> None:
    document = labelled("CR", title="Compte rendu")
    header = replace(document.header, code=replace(document.header.code, label=""))
    assert subject([replace(document, header=header)], VIAL) == "XDM/1.0/DDM+Compte rendu VIAL Paul 26/11/1978"


def test_a_pdf_is_named_after_the_act_the_type_and_the_patient() -> None:
    document = labelled("CR d'examens biologiques", act="20150802")
    names = pdf_file_names([document], VIAL, "12150302014578")
    assert names == ("20150802_CR d'examens biologiques_VIAL_Paul_12150302014578.pdf",)


def test_a_file_name_has_no_character_that_a_file_system_refuses() -> None:
    document = labelled('CR / "radio" : *?<>|\\ .')
    assert pdf_file_names([document], VIAL) == ("20260304_CR radio_VIAL_Paul.pdf",)


def test_the_same_name_is_numbered_and_a_document_without_act_has_its_own_date() -> None:
    document = labelled("CR", act="")
    assert pdf_file_names([document, document, document], VIAL) == (
        "20260305_CR_VIAL_Paul.pdf",
        "20260305_CR_VIAL_Paul_2.pdf",
        "20260305_CR_VIAL_Paul_3.pdf",
    )


def test_names_that_differ_by_accents_or_case_alone_are_numbered_too() -> None:
    names = pdf_file_names([labelled("Résumé"), labelled("resume")], VIAL)
    assert names == ("20260304_Résumé_VIAL_Paul.pdf", "20260304_resume_VIAL_Paul_2.pdf")


@pytest.mark.parametrize("name", ["A" * 900, "Ω" * 900])
def test_a_name_without_end_still_gives_a_file_name_that_a_disk_and_a_mail_can_take(name: str) -> None:
    names = pdf_file_names([labelled("CR"), labelled("CR")], replace(VIAL, birth_name=name))
    assert len(set(names)) == 2
    for each in names:
        assert len(each.encode()) <= 255
        assert each.endswith(".pdf")
        assert max(map(len, file_name_parameter("filename", each).split("\r\n"))) < 998
