"""Which destination carries a channel for an establishment: its own, or the one that serves whoever is not named."""

from typing import Any

import pytest
from pydantic import ValidationError

from pfi.engine.settings import Settings
from pfi.model.decision import Channel
from pfi.model.parties import Establishment

MAIN, ANNEX, OTHER = "750999013", "750999047", "750999054"


def settings(**establishments: list[str]) -> Settings:
    every: dict[str, Any] = {
        name: {"connector": "mssante", "channels": ["PRO", "CIT"], "establishments": given}
        for name, given in establishments.items()
    }
    return Settings.model_validate({"destinations": every})


def carrier(given: Settings, **where: str) -> str | None:
    return given.destination_of(Channel.PRO, Establishment(**where))


def test_each_establishment_has_its_own() -> None:
    given = settings(main=[MAIN], annex=[ANNEX])
    assert carrier(given, ej=MAIN) == "main"
    assert carrier(given, ej=ANNEX) == "annex"


def test_the_geographic_establishment_wins_over_its_legal_entity() -> None:
    given = settings(main=[MAIN], annex=[ANNEX])
    assert carrier(given, ej=MAIN, eg=ANNEX) == "annex"


def test_an_establishment_that_nobody_names_is_never_served_by_another() -> None:
    given = settings(main=[MAIN], annex=[ANNEX])
    assert carrier(given, ej=OTHER) is None
    assert carrier(given) is None
    assert given.carries(Channel.PRO)
    assert not given.carries(Channel.DMP)


def test_the_destination_that_names_nobody_serves_the_others() -> None:
    given = settings(usual=[], annex=[ANNEX])
    assert carrier(given, ej=OTHER) == "usual"
    assert carrier(given, ej=ANNEX) == "annex"


def test_names_are_compared_without_case_nor_blanks_around() -> None:
    assert carrier(settings(main=["CH Exemple"], annex=[ANNEX]), ej=" ch exemple ") == "main"


@pytest.mark.parametrize("twice", [{"main": [], "annex": []}, {"main": [MAIN], "annex": ["Autre", f" {MAIN}"]}])
def test_two_destinations_never_carry_the_same_establishment(twice: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError, match="« main » et par « annex »"):
        settings(**twice)


def test_an_establishment_has_a_name() -> None:
    with pytest.raises(ValidationError, match="sans nom"):
        settings(main=[" "])
