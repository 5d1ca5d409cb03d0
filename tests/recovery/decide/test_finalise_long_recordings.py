"""A day of a call decides as an hour of it does: no counter may be full, and no share may drift."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest

from unveil.counting.accumulators import TABLES
from unveil.counting.outside import OutsideTable
from unveil.counting.surveying import SurveyingTable
from unveil.counting.table import ColourTable
from unveil.parallel import Bands
from unveil.recovery.background.steadiness import background_motion
from unveil.recovery.decide.finalise import finalise
from unveil.recovery.parameters import Method, Parameters
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk, Colour, Layout
from unveil_kernels.counting.survey import MAX_SURVEYS

BANDS = Bands(1)

LAYOUT = Layout(16, 24, colour=Colour("rgb", full_range=True))

ROOM = (slice(3, 10), slice(2, 9))
CALLER = (slice(0, 16), slice(17, 24))

MINUTE = 1800
"""Frames at 30 frames/s: all of a recording is this minute, again and again."""

HOURS = [5.0, 10.0, 12.1, 24.0]
"""At 30 frames/s a counter of 16 bits is full of surveys after 4.9 or 9.7 hours, and of samples
after 36 minutes."""

METHODS: list[Method] = ["farend", "transitions", "rarest"]

Planes = Callable[[Any, Any], None]


def leaking(planes: Any, rng: np.random.Generator) -> None:
    """Show the room in two frames of twelve, and a caller who moves."""
    rows, columns = np.mgrid[: LAYOUT.height, : LAYOUT.width]
    for plane, level, room in zip(planes, (60, 80, 100), (200, 30, 40), strict=True):
        plane[...] = level + columns + rows
        for phase in (5, 6):
            plane[phase::12, *ROOM] = room
        caller = plane[:, *CALLER]
        caller[...] = rng.integers(0, 5, caller.shape) * 50


def alternating(planes: Any, rng: np.random.Generator) -> None:
    """Show one of two pictures half of the time."""
    for plane in planes:
        plane[...] = 50
        plane[np.arange(MINUTE) // 60 % 2 == 1] = 200


def person_in(n_frames: int) -> Any:
    person = np.zeros((n_frames, *LAYOUT.block_grid), np.uint8)
    person[:, *CALLER] = 2
    return person


def minute_of(method: Method, drawn: Planes, seed: int = 1) -> ColourTable:
    planes: Any = LAYOUT.empty(MINUTE)
    drawn(planes, np.random.default_rng(seed))
    fresh = np.arange(MINUTE) % 4 == 0
    parameters = Parameters(method)
    table = TABLES[method](LAYOUT, slots=parameters.slots_of(method), bits=8, tolerance=6)
    table.update(Chunk(planes, np.arange(MINUTE) / 30, LAYOUT, person_in(MINUTE), fresh), BANDS)
    return table


def repeated(part: ColourTable, times: int) -> ColourTable:
    """Return the table of a recording that is a part of it so many times."""
    whole, power = None, deepcopy(part)
    while times:
        if times % 2:
            if whole is None:
                whole = deepcopy(power)
            else:
                whole.merge(power, BANDS)
        times //= 2
        if times:
            power.merge(deepcopy(power), BANDS)
    assert whole is not None
    return whole


@cache
def after_hours(method: Method, hours: float) -> tuple[ColourTable, Recovery]:
    table = repeated(minute_of(method, leaking), round(60 * hours))
    return table, finalise(table, Parameters(method), BANDS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hours", HOURS)
def test_a_day_decides_as_an_hour(method: Method, hours: float) -> None:
    _, short = after_hours(method, 1.0)
    table, long = after_hours(method, hours)
    assert table.n_frames == round(60 * hours) * MINUTE
    expected = np.zeros((LAYOUT.height, LAYOUT.width), bool)
    expected[ROOM] = True
    beside = np.ones_like(expected)
    beside[CALLER] = False
    for recovery in (short, long):
        assert ((recovery.room[..., 3] > 0) == expected)[beside].all()
        assert recovery.background[beside][:, 3].all()
    assert np.array_equal(long.room[..., 3] > 0, short.room[..., 3] > 0)
    known = short.background[..., 3] > 0
    assert np.array_equal(known, long.background[..., 3] > 0)
    assert np.array_equal(long.background[known], short.background[known])
    assert np.array_equal(long.room[..., :3][expected], short.room[..., :3][expected])
    np.testing.assert_allclose(long.confidence, short.confidence, atol=0.02)
    assert long.report["background"] == short.report["background"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hours", HOURS)
def test_what_is_told_grows_with_the_hours(method: Method, hours: float) -> None:
    """Of 300 samples and 150 episodes a minute: 432,000 and 216,000 in a day."""
    minute = finalise(minute_of(method, leaking), Parameters(method), BANDS).counts
    long = after_hours(method, hours)[1].counts
    assert (minute.room_count[ROOM] >= 300).all()
    for name in ("room_count", "episodes", "background_count"):
        told = getattr(long, name)[ROOM] / getattr(minute, name)[ROOM]
        np.testing.assert_allclose(told, round(60 * hours), rtol=0.05, err_msg=name)


@pytest.mark.parametrize("hours", [1.0, *HOURS])
def test_a_background_that_alternates_never_becomes_still(hours: float) -> None:
    """Each of its two colours shows in half of the surveys, however many there are."""
    table = repeated(minute_of("farend", alternating), round(60 * hours))
    assert isinstance(table, OutsideTable)
    assert background_motion(table) == "moves"


@pytest.mark.parametrize(("method", "minutes"), [("farend", 291), ("transitions", 574)])
def test_halving_while_counting_changes_no_decision(method: Method, minutes: int) -> None:
    """The minute in which the counters become full, counted and not merged."""
    table = repeated(minute_of(method, leaking), minutes)
    assert isinstance(table, SurveyingTable)
    assert MAX_SURVEYS - 100 < table.n_surveys == table.all_surveys
    before = finalise(table, Parameters(method), BANDS)
    planes: Any = LAYOUT.empty(MINUTE)
    leaking(planes, np.random.default_rng(1))
    table.update(Chunk(planes, np.full(MINUTE, np.nan), LAYOUT, person_in(MINUTE)), BANDS)
    assert table.n_surveys < MAX_SURVEYS - 100 < table.all_surveys, "they were halved"
    after = finalise(table, Parameters(method), BANDS)
    assert np.array_equal(before.room[..., 3] > 0, after.room[..., 3] > 0)
    known = before.background[..., 3] > 0
    assert np.array_equal(known, after.background[..., 3] > 0)
    assert np.array_equal(before.background[known], after.background[known])
    np.testing.assert_allclose(before.confidence, after.confidence, atol=0.02)
    surveyed = after.counts.background_count[ROOM] / before.counts.background_count[ROOM]
    np.testing.assert_allclose(surveyed, table.n_frames / (table.n_frames - MINUTE), rtol=2e-3)
