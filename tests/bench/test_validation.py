"""The benchmark of the validation prints its figures."""

import json

import pytest

from tests.bench import validation
from tests.official import needs_official_samples


@needs_official_samples
def test_it_prints_the_cpu_of_a_validation(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    one = validation.documents()[:1]
    monkeypatch.setattr(validation, "documents", lambda: one)
    monkeypatch.setattr(validation, "ROUNDS", 2)

    validation.main()

    figures = json.loads(capsys.readouterr().out)
    assert figures.pop("documents") == 1
    assert all(figure > 0 for figure in figures.values())
