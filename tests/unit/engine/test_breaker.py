"""The circuit breaker: one alert, one probe, everybody back."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

from pfi.engine.breaker import Breaker


class Watch:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def make() -> tuple[Breaker, Watch]:
    watch = Watch()
    return Breaker(60, watch, Random(1)), watch  # noqa: S311  # replayable


def test_a_sound_destination_takes_everything() -> None:
    breaker, _ = make()
    assert breaker.admit() is None
    assert not breaker.passed()
    assert breaker.open_until is None
    assert breaker.pause_left == timedelta(0)


def test_a_stopped_destination_takes_nothing_before_its_pause_is_over() -> None:
    breaker, watch = make()
    assert breaker.failed()
    assert breaker.open_until == watch.now + timedelta(seconds=60)
    wait = breaker.admit()
    assert wait is not None
    assert timedelta(seconds=60) <= wait <= timedelta(seconds=72)
    watch.passes(59)
    assert breaker.admit() is not None


def test_one_attempt_probes_while_the_others_wait() -> None:
    breaker, watch = make()
    breaker.failed()
    watch.passes(61)
    assert breaker.admit() is None
    assert breaker.admit() is not None


def test_a_good_probe_reopens_the_destination_and_is_news() -> None:
    breaker, watch = make()
    breaker.failed()
    watch.passes(61)
    breaker.admit()
    assert breaker.passed()
    assert breaker.admit() is None
    assert breaker.admit() is None


def test_a_bad_probe_closes_it_again_and_is_no_news() -> None:
    breaker, watch = make()
    assert breaker.failed()
    watch.passes(61)
    breaker.admit()
    assert not breaker.failed()
    assert breaker.admit() is not None


def test_a_probe_that_was_not_made_lets_another_one_probe() -> None:
    breaker, watch = make()
    breaker.failed()
    watch.passes(61)
    breaker.admit()
    breaker.abandoned()
    assert breaker.admit() is None


def test_an_attempt_begun_before_the_stop_does_not_reopen() -> None:
    breaker, _ = make()
    breaker.failed()
    assert not breaker.passed()
    assert breaker.open_until is not None


def test_pauses_of_a_destination_that_is_away_are_short_at_first_then_double_up_to_the_longest() -> None:
    watch = Watch()
    breaker = Breaker(60, watch, Random(1), first_seconds=10)  # noqa: S311  # replayable
    pauses = []
    for _ in range(5):
        breaker.failed(away=True)
        pauses.append(breaker.pause_left.total_seconds())
        watch.passes(pauses[-1])
        assert breaker.admit() is None
    assert pauses == [10, 20, 40, 60, 60]
    assert breaker.passed()
    breaker.failed(away=True)
    assert breaker.pause_left.total_seconds() == 10


def test_a_refusal_of_everything_is_given_the_longest_pause_at_once() -> None:
    watch = Watch()
    breaker = Breaker(60, watch, Random(1), first_seconds=10)  # noqa: S311  # replayable
    breaker.failed()
    assert breaker.pause_left.total_seconds() == 60


async def test_only_the_end_of_the_probe_decides() -> None:
    breaker, watch = make()
    breaker.failed()
    watch.passes(61)
    admitted, go_on = asyncio.Event(), asyncio.Event()

    async def probe() -> bool:
        assert breaker.admit() is None
        admitted.set()
        await go_on.wait()
        return breaker.passed()

    probing = asyncio.create_task(probe())
    await admitted.wait()
    assert not breaker.passed(), "an attempt begun before the stop"
    breaker.abandoned()
    assert breaker.admit() is not None, "the probe is still under way"
    go_on.set()
    assert await probing
    assert breaker.open_until is None
