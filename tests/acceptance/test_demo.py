"""`pfi demo`: what a newcomer sees first must be true, row by row."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.running import SAMPLES, Ran, pfi
from tests.stores import open_directory

pytestmark = pytest.mark.xdist_group("demo")


@dataclass(frozen=True)
class Row:
    """One row of the table, its wrapped lines joined."""

    kind: str
    sender: str
    ack: str
    dmp: str
    pro: str
    cit: str
    reports: str


@dataclass(frozen=True)
class Demo:
    ran: Ran
    directory: Path
    rows: dict[str, Row]

    def row(self, beginning: str) -> Row:
        (found,) = [row for story, row in self.rows.items() if story.startswith(beginning)]
        return found


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    directory = open_directory("pfi-demo-")
    try:
        ran = pfi("demo", "--samples", str(SAMPLES), "--directory", str(directory))
        yield Demo(ran, directory, rows_of(ran.out))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def rows_of(text: str) -> dict[str, Row]:
    rows, cells = {}, [""] * 8
    for line in text.splitlines():
        if line.startswith("│"):
            cells = [
                f"{before} {now.strip()}".strip() for before, now in zip(cells, line.split("│")[1:-1], strict=True)
            ]
        elif cells[0]:
            rows[cells[0]] = Row(*cells[1:])
            cells = [""] * 8
    return rows


def test_the_demonstration_ends_well(demo: Demo) -> None:
    assert demo.ran.code == 0, demo.ran.out
    assert len(demo.rows) == 23
    assert "0 ZAM refusés" in demo.ran.out
    assert "Tout n'est pas arrivé" not in demo.ran.out
    assert '"event"' not in demo.ran.out + demo.ran.err, "a log line amid what is shown"


@pytest.mark.parametrize(
    ("story", "kind", "sender"),
    [
        ("Lettre de liaison, en séjour", "11490-0", "DPI"),
        ("Biologie hors séjour", "11502-2", "SGL"),
        ("Imagerie hors séjour", "18748-4", "RIS"),
        ("Compte rendu opératoire", "34874-8", "DPI"),
        ("Ordonnance", "57833-6", "DPI"),
        ("Deux niveaux CDA", "11502-2", "SGL"),
    ],
)
def test_a_sound_document_reaches_its_three_destinations(demo: Demo, story: str, kind: str, sender: str) -> None:
    row = demo.row(story)
    assert (row.ack, row.dmp, row.pro, row.cit) == ("AA", "remis", "remis", "remis")
    assert row.kind.startswith(kind)
    assert row.sender == sender
    assert sorted(row.reports.replace("Z", " Z").split()) == ["Y", "Y", "Y", "Z01", "Z02", "Z02"]


def test_biology_in_stay_is_not_sent_to_the_patient(demo: Demo) -> None:
    row = demo.row("Biologie en séjour")
    assert (row.ack, row.dmp, row.pro, row.cit) == ("AA", "remis", "remis", "non demandé")


def test_a_document_without_ins_leaves_by_mail_and_must_come_again_for_the_dmp(demo: Demo) -> None:
    row = demo.row("INS non qualifiée, absente")
    assert row.ack == "AA"
    assert row.dmp.startswith("annulé INS_NOT_IN_DOCUMENT")
    assert row.pro == "remis"
    assert row.cit.startswith("non envoyé INS_NOT_IN_DOCUMENT")
    assert "Z01 N INS_NOT_QUALIFIED" in row.reports


def test_a_document_that_waited_for_a_qualified_identity_leaves_once_everywhere(demo: Demo) -> None:
    row = demo.row("INS non qualifiée, présente")
    assert row.ack == "AA"
    assert (row.dmp, row.pro, row.cit) == ("remis", "remis", "remis")
    assert "Z01 N" in row.reports
    assert "Z01 Y" in row.reports
    assert row.reports.count("Z02 Y") == 2


def test_the_document_of_another_patient_is_refused(demo: Demo) -> None:
    row = demo.row("CDA d'un autre patient")
    assert row.ack == "AE"
    assert all(cell.startswith("non envoyé INS_MISMATCH") for cell in (row.dmp, row.pro, row.cit))
    assert row.reports == "-"


@pytest.mark.parametrize(
    ("story", "code", "said"),
    [("Patient sans DMP", "DMP_NOT_FOUND", "n'a pas de DMP"), ("DMP fermé", "DMPClosed", "est fermé")],
)
def test_a_patient_without_dmp_is_served_by_mail_all_the_same(demo: Demo, story: str, code: str, said: str) -> None:
    row = demo.row(story)
    assert code in row.dmp
    assert said in row.dmp
    assert (row.pro, row.cit) == ("remis", "remis")
    assert f"Z01 N {code}" in row.reports


def test_an_opposed_patient_has_nothing_sent_to_the_dmp_and_the_law_is_cited(demo: Demo) -> None:
    row = demo.row("Patient opposé")
    assert row.dmp.startswith("non envoyé DMP_OPPOSED")
    assert "R. 1111-47" in row.dmp
    assert (row.pro, row.cit) == ("remis", "remis")


def test_a_refused_address_does_not_deprive_the_other_recipient(demo: Demo) -> None:
    row = demo.row("Un destinataire inconnu")
    assert "550" in row.pro
    assert "1 boîte(s) servie(s), 1 refusée(s)" in row.pro
    assert (row.dmp, row.cit) == ("remis", "remis")
    assert "Z02 N 550" in row.reports
    assert row.reports.count("Z02 Y") == 2


def test_a_duplicate_gets_the_same_answer_and_is_not_sent(demo: Demo) -> None:
    row = demo.row("Doublon")
    assert row.ack == "AA"
    assert {row.dmp, row.pro, row.cit} == {"déjà reçu"}


def test_a_dmp_that_fails_twice_is_tried_again(demo: Demo) -> None:
    row = demo.row("Le DMP est en panne deux fois")
    assert row.dmp == "remis (3 essais)"
    assert row.reports.count("Y") == 3


def test_a_lost_answer_is_looked_into_and_never_doubled(demo: Demo) -> None:
    assert demo.row("Réponse du DMP perdue").dmp == "remis (2 essais)"


def test_visibility_orders_are_respected(demo: Demo) -> None:
    invisible, masked = demo.row("Document invisible"), demo.row("Document masqué")
    assert (invisible.dmp, invisible.pro) == ("remis", "remis")
    assert invisible.cit.startswith("non envoyé PATIENT_INVISIBLE")
    assert (masked.dmp, masked.cit) == ("remis", "remis")
    assert masked.pro.startswith("non envoyé PS_MASKED")


def test_an_unreadable_document_is_refused_with_its_reason(demo: Demo) -> None:
    row = demo.row("CDA illisible")
    assert row.ack == "AE"
    assert "n'est pas bien formé" in row.reports


def test_adt_messages_are_taken(demo: Demo) -> None:
    assert {row.ack for story, row in demo.rows.items() if story.startswith("ADT")} == {"AA"}


def test_the_table_names_no_patient(demo: Demo) -> None:
    assert "PAT-TROIS" not in demo.ran.out
    assert "279035121518989" not in demo.ran.out


def test_what_the_demonstration_proposes_next_works(demo: Demo) -> None:
    config = str(demo.directory / "pfi.yaml")
    proposed = [line.split() for line in demo.ran.out.splitlines() if line.startswith("  pfi ")]
    assert [words[1] for words in proposed] == ["messages", "show", "explain"]
    listed = pfi("messages", "--config", config)
    assert listed.code == 0
    assert "DPI-0107" in listed.out
    shown = pfi("show", proposed[1][2], "--config", config)
    assert shown.code == 0
    assert "inconnu.absent@medecin-exemple.mssante.fr" in shown.out


def test_a_folder_that_is_not_a_demonstration_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "these.txt").write_text("à garder")
    ran = pfi("demo", "--directory", str(tmp_path))
    assert ran.code == 2
    assert "ne sera pas vidé" in ran.err
    assert (tmp_path / "these.txt").is_file()
