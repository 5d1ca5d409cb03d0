"""Coordinates of the charts of a page; the template draws them as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F64
from unveil.auditing.verdict import clock, percent
from unveil.recovery.leak_times import LeakTimes

WIDTH: Final = 720
HEIGHT: Final = 200
LEFT: Final = 58
RIGHT: Final = 12
TOP: Final = 28
BOTTOM: Final = 38

MAX_STEPS: Final = 512
"""Stretches that are drawn: more would be narrower than a pixel of a phone's screen."""

_TIME_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)
_SHARE_STEPS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of a chart's grid: its place, and what is written beside it."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A numbered moment: the middle of its mark, and whose number it is."""

    x: float
    number: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Two areas over time, one in front of the other, in the units of the SVG's view box.

    `behind` and `front` are path data.
    """

    behind: str
    front: str
    times: tuple[Tick, ...]
    shares: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def chart_of(
    times: LeakTimes, behind: F64, front: F64, moments: tuple[tuple[float, float], ...] = ()
) -> Chart:
    """Draw two shares (n,) of the picture over the stretches of a call.

    Parameters
    ----------
    times
        The stretches, in order.
    behind, front
        (n,) float64, 0 to 1; `front` is at most `behind`.
    moments
        Start and end of the stretches to number, in seconds.
    """
    step = -(-len(behind) // MAX_STEPS)
    first = np.arange(0, len(behind), step)
    starts = times.start_seconds[first]
    ends = np.append(starts[1:], times.end_seconds[-1])
    # A peak must stay visible where several stretches share a step.
    peaks = [np.maximum.reduceat(share, first) for share in (behind, front)]
    begin, end = float(starts[0]), float(max(ends[-1], starts[0] + 1e-3))
    share_step, top_share = _share_scale(float(peaks[0].max()))

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (seconds - begin) / (end - begin)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share / top_share

    def area(shares: F64) -> str:
        parts = [f"M{x(begin):.1f} {y(0):.1f}"]
        for start, stop, share in zip(starts, ends, shares, strict=True):
            parts.append(f"L{x(start):.1f} {y(share):.1f}H{x(stop):.1f}")
        return "".join([*parts, f"V{y(0):.1f}Z"])

    time_step = next((s for s in _TIME_STEPS if (end - begin) / s <= 8), _TIME_STEPS[-1])
    ticks = np.arange(np.ceil(begin / time_step) * time_step, end + 1e-6, time_step)
    n_shares = round(top_share / share_step)
    return Chart(
        behind=area(peaks[0]),
        front=area(peaks[1]),
        times=tuple(Tick(x(float(seconds)), clock(float(seconds))) for seconds in ticks),
        shares=tuple(Tick(y(n * share_step), percent(n * share_step)) for n in range(n_shares + 1)),
        marks=tuple(
            Mark(x(min(end, max(begin, (start + stop) / 2))), number)
            for number, (start, stop) in enumerate(moments, 1)
        ),
    )


def _share_scale(largest: float) -> tuple[float, float]:
    """Return the step of the grid, and the share at its top, for shares up to `largest`."""
    step = next((step for step in _SHARE_STEPS if largest / step <= 4), _SHARE_STEPS[-1])
    return step, step * max(1, int(np.ceil(largest / step - 1e-9)))
