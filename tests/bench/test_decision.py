"""The benchmark of the decision prints its figures, and its 500 rules are real ones."""

import json

import pytest

from pfi.model.decision import Channel
from pfi.routing.decide import decide
from tests.bench import decision


def test_it_prints_the_time_with_and_without_rules_of_a_site(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    two = decision.documents()[:2]
    monkeypatch.setattr(decision, "documents", lambda: two)

    decision.main()

    figures = json.loads(capsys.readouterr().out)
    assert figures.pop("documents") == 2
    assert set(figures) == {"0_site_rules_us", "500_site_rules_us", "2000_site_rules_us"}
    assert all(figure > 0 for figure in figures.values())


def test_its_rules_load_and_some_of_them_match() -> None:
    book = decision.book(500)
    one = decision.documents()[0]

    decisions = decide(one.submission, one.state, one.identity, book, one.profile, one.now)

    assert len(book.site.rules) == 500
    told = {reason.rule for each in decisions for reason in each.because if each.channel is Channel.PRO}
    assert any(name.startswith("SITE_") for name in told)
