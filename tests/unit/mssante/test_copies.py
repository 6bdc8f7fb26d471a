import asyncio
from datetime import UTC, datetime

import pytest

from connectors.mssante import copies
from connectors.mssante.copies import PdfCopies
from pfi.model.document import Document
from pfi.model.errors import BugError
from pfi.standards.pdf.copies import pdf_copies
from tests.unit.mssante.material import MOMENT, PDF, cda, document


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts what is made, and slows it down so that two askers meet."""
    calls: list[int] = []

    def counted(documents: tuple[Document, ...], moment: datetime) -> tuple[bytes, ...]:
        calls.append(len(documents))
        return pdf_copies(documents, moment)

    monkeypatch.setattr(copies, "pdf_copies", counted)
    return calls


async def test_two_mails_of_the_same_document_share_one_rendering(made: list[int]) -> None:
    shared = PdfCopies()
    first, second = await asyncio.gather(shared.of((document(cda()),), MOMENT), shared.of((document(cda()),), MOMENT))
    assert first == second
    assert first[0].startswith(b"%PDF-")
    assert await shared.of((document(cda()),), MOMENT) == first
    assert made == [1]


async def test_another_document_or_moment_is_made_again_and_old_ones_are_forgotten(made: list[int]) -> None:
    shared = PdfCopies(remembered=2)
    for pdf in (PDF, PDF + b"a", PDF + b"b", PDF):
        assert await shared.of((document(cda(pdf=pdf)),), MOMENT) == (pdf,)
    await shared.of((document(),), datetime(2026, 1, 1, tzinfo=UTC))
    assert made == [1] * 5


async def test_an_asker_that_gives_up_does_not_take_the_work_away(made: list[int]) -> None:
    shared = PdfCopies()
    patient = asyncio.create_task(shared.of((document(cda()),), MOMENT))
    hurried = asyncio.create_task(shared.of((document(cda()),), MOMENT))
    await asyncio.sleep(0)
    hurried.cancel()
    assert (await patient)[0].startswith(b"%PDF-")
    assert made == [1]


async def test_a_failure_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = PdfCopies()

    def failing(documents: tuple[Document, ...], moment: datetime) -> tuple[bytes, ...]:
        raise BugError("PDF_NOT_RENDERED", "La copie PDF n'a pas pu être produite.")

    monkeypatch.setattr(copies, "pdf_copies", failing)
    with pytest.raises(BugError):
        await shared.of((document(),), MOMENT)
    monkeypatch.undo()
    assert await shared.of((document(),), MOMENT) == (PDF,)
