"""The pace of a destination: a few attempts at first, all that it is given while it follows, less when it is busy."""

import asyncio

import pytest

from pfi.engine.pace import Pace


async def wave(pace: Pace, *, busy: bool = False) -> int:
    """Fills every seat, then ends each attempt in the same way; returns how many there were."""
    count = 0
    taken = asyncio.Event()
    finish = asyncio.Event()

    async def attempt() -> None:
        nonlocal count
        async with pace:
            count += 1
            taken.set()
            await finish.wait()
            if busy:
                pace.slowed()
            else:
                pace.passed()

    tasks = [asyncio.create_task(attempt()) for _ in range(pace.seats)]
    await taken.wait()
    finish.set()
    await asyncio.gather(*tasks)
    return count


async def test_seats_double_as_attempts_end_well_up_to_the_most() -> None:
    pace = Pace(10, 1)
    assert [await wave(pace) for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert pace.full


async def test_a_start_above_the_most_is_the_most() -> None:
    assert Pace(3, 8).seats == 3


async def test_nobody_takes_a_seat_that_is_not_there() -> None:
    pace = Pace(8, 2)
    under_way, most = 0, 0

    async def attempt() -> None:
        nonlocal under_way, most
        async with pace:
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    await asyncio.gather(*(attempt() for _ in range(40)))
    assert most == 2


async def test_a_busy_destination_gets_half_once_for_all_that_was_under_way_then_one_more_at_a_time() -> None:
    pace = Pace(16, 16)
    assert await wave(pace, busy=True) == 16
    assert pace.seats == 8
    assert [await wave(pace) for _ in range(3)] == [8, 9, 10]


async def test_one_at_a_time_and_still_busy_is_too_much() -> None:
    pace = Pace(2, 2)
    async with pace:
        assert pace.slowed()
    assert pace.seats == 1
    async with pace:
        assert not pace.slowed()


async def test_what_was_under_way_when_it_slowed_says_nothing_of_the_new_pace() -> None:
    pace = Pace(2, 2)
    async with pace, pace:
        assert pace.slowed()
        assert pace.slowed(), "the second attempt of the same wave"
        pace.passed()
        assert pace.seats == 1


async def test_after_a_stop_it_begins_again() -> None:
    pace = Pace(8, 2)
    await wave(pace)
    await wave(pace)
    async with pace:
        pace.stopped()
    assert [await wave(pace) for _ in range(3)] == [2, 4, 8]


async def test_who_waits_is_served_in_order_and_a_freed_seat_is_given_once() -> None:
    pace = Pace(1, 1)
    served: list[int] = []

    async def attempt(number: int) -> None:
        async with pace:
            served.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(attempt(number) for number in range(5)))
    assert served == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("given", [False, True], ids=["waiting", "seat just given"])
async def test_who_gives_up_waiting_keeps_no_seat(given: bool) -> None:
    pace = Pace(1, 1)

    async def attempt() -> None:
        async with pace:
            pass

    async with pace:
        waiting = asyncio.create_task(attempt())
        await asyncio.sleep(0)
        if not given:
            waiting.cancel()
    if given:
        waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        await attempt()
