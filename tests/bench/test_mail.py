"""The benchmark of mails prints its figures, about documents and mails of the size that it says."""

import json

import pytest

from tests.bench import feed, mail


def test_it_prints_the_cpu_of_a_mail_and_mails_per_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "ROUNDS", 2)
    monkeypatch.setattr(mail, "MAILS", 8)

    mail.main()

    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"structured_with_pdf", "pdf_alone", "structured_alone"}
    for figure in figures.values():
        assert all(value > 0 for value in figure.values())
        assert figure["bytes"] == pytest.approx(feed.BYTES, rel=0.1)
