"""The quota of a second is never passed."""

from connectors.annuaire.pace import Pace


def test_turns_are_spread_evenly_and_idle_time_gives_no_credit() -> None:
    now = 100.0
    pace = Pace(10, lambda: now)
    assert [round(pace.reserve(), 6) for _ in range(4)] == [0, 0.1, 0.2, 0.3]
    now = 200.0
    assert [round(pace.reserve(), 6) for _ in range(2)] == [0, 0.1]


def test_one_process_has_one_pace_for_a_service_and_the_slowest_wins() -> None:
    fast = Pace.shared("annuaire.test:443", 10)
    slow = Pace.shared("annuaire.test:443", 5)
    assert fast is slow
    fast.reserve()
    assert 0.15 < fast.reserve() <= 0.2
    assert Pace.shared("annuaire.test:443", 17) is slow
    assert Pace.shared("other.test:443", 17) is not slow
