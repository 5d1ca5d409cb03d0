"""The place for the newest frame, and the times that frames get."""

from __future__ import annotations

import asyncio
import math
import threading
from fractions import Fraction
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.footage import numbered_frame
from unveil.protection.whip.newest import (
    CLOCK_RATE,
    MAX_DRIFT_SECONDS,
    MediaClock,
    NewestFrame,
    own_seconds,
)

SECONDS = st.floats(-1e6, 1e6)


# The place


def frame(number: int) -> av.VideoFrame:
    made = numbered_frame(number, 2, 2)
    made.pts, made.time_base = number, Fraction(1, 25)
    return made


def test_a_newer_frame_replaces_one_that_waits() -> None:
    async def take() -> int | None:
        frames.attach(asyncio.get_running_loop())
        taken = (await frames.take()).frame.pts
        frames.attach(None)
        return taken

    frames = NewestFrame()
    for number in range(5):
        frames.put(frame(number))
    assert asyncio.run(take()) == 4
    assert frames.n_replaced == 4


def test_the_last_frame_is_taken_again_only_if_no_other_comes() -> None:
    async def take() -> list[tuple[int | None, bool]]:
        frames.attach(asyncio.get_running_loop())
        frames.put(frame(1))
        taken = [await frames.take(0.01) for _ in range(3)]
        frames.put(frame(2))
        taken.append(await frames.take(0.01))
        return [(one.frame.pts, one.again) for one in taken]

    frames = NewestFrame()
    assert asyncio.run(take()) == [(1, False), (1, True), (1, True), (2, False)]


def test_there_is_nothing_to_take_before_the_first_frame() -> None:
    async def take() -> None:
        frames.attach(asyncio.get_running_loop())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(frames.take(0.01), 0.1)

    frames = NewestFrame()
    asyncio.run(take())


def test_frames_from_several_threads_are_taken_or_replaced() -> None:
    n_threads, n_frames = 4, 200
    frames = NewestFrame()
    taken: list[int] = []

    def put(first: int) -> None:
        for number in range(first, first + n_frames):
            frames.put(frame(number))

    async def take() -> None:
        frames.attach(asyncio.get_running_loop())
        threads = [threading.Thread(target=put, args=(1000 * n,)) for n in range(n_threads)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) or frames._is_waiting():
            arrived = await frames.take(0.01)
            if not arrived.again:
                taken.append(arrived.frame.pts or 0)

    asyncio.run(take())
    assert len(taken) + frames.n_replaced == n_threads * n_frames
    for n in range(n_threads):
        own = [number for number in taken if number // 1000 == n]
        assert own == sorted(own)


def test_frames_may_come_when_the_loop_has_ended() -> None:
    async def attach() -> None:
        frames.attach(asyncio.get_running_loop())
        frames.attach(None)

    frames = NewestFrame()
    asyncio.run(attach())
    frames.put(frame(1))


# Times


@given(st.lists(st.tuples(st.one_of(SECONDS, st.just(math.nan)), st.floats(0, 10)), min_size=2))
def test_times_increase_whatever_the_frames_say(told: list[tuple[float, float]]) -> None:
    clock, now, ticks = MediaClock(), 0.0, []
    for own, pause in told:
        now += pause
        ticks.append(clock.ticks(own, now))
        # Frames may say nothing, or come together: a tick each is what they then differ by.
        since = now - told[0][1]
        assert abs(ticks[-1] / CLOCK_RATE - since) <= MAX_DRIFT_SECONDS + len(told) / CLOCK_RATE
    assert all(after > before for before, after in pairwise(ticks))


@given(SECONDS, st.lists(st.floats(0, 0.9), min_size=2, max_size=50))
def test_frames_keep_their_own_distances_however_they_arrive(
    start: float, delays: list[float]
) -> None:
    clock = MediaClock()
    period = 1 / 30
    ticks = [clock.ticks(start + n * period, n * period + late) for n, late in enumerate(delays)]
    own = [(tick - ticks[0]) / CLOCK_RATE for tick in ticks]
    assert own == pytest.approx([n * period for n in range(len(delays))], abs=2 / CLOCK_RATE)


def test_a_jump_of_the_own_times_is_shifted_to_the_arrival() -> None:
    clock = MediaClock()
    assert [clock.ticks(n / 10, 5 + n / 10) for n in range(3)] == [0, 9000, 18000]
    assert [clock.ticks(70 + n / 10, 5.3 + n / 10) for n in range(3)] == [27000, 36000, 45000]
    assert clock.ticks(0.0, 5.6) == 54000
    assert clock.ticks(math.nan, 9.0) == 360000


def test_the_own_time_of_a_frame() -> None:
    made = frame(5)
    assert own_seconds(made) == 0.2
    made.pts = None
    assert math.isnan(own_seconds(made))
