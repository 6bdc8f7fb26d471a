"""The benchmark of the feed prints its figures, about documents of the size that it says."""

import json

import pytest

from pfi.model.document import Level
from pfi.standards.cda.header import read_header
from tests.bench import feed


def test_it_prints_the_cpu_of_each_piece_and_of_the_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ROUNDS", 2)

    feed.main()

    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"level_3", "level_3_dense", "level_1"}
    for figure in figures.values():
        assert all(value > 0 for value in figure.values())
        assert figure["bytes"] == pytest.approx(feed.BYTES, rel=0.1)


def test_its_documents_are_what_they_are_called() -> None:
    for structured in (feed.level_3(), feed.level_3_dense()):
        assert read_header(structured).level is Level.N3
    assert read_header(feed.level_1()).level is Level.N1
