"""Random small clips for property tests, and what runs a table's steps in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from hypothesis import settings
from hypothesis import strategies as st

from tests.kernels.counting import naive
from unveil.counting.runs import RunTable
from unveil.counting.table import ColourTable
from unveil.counting.transitions import TransitionTable
from unveil.video.chunk import Chunk, Colour, Layout

Array = npt.NDArray[Any]

WITHOUT_JIT = bool(numba.config.DISABLE_JIT)
"""Kernels then run as plain Python: the same properties on fewer examples."""

PROPERTY = settings(
    max_examples=10 if WITHOUT_JIT else 40,
    print_blob=True,
    database=None,
    report_multiple_bugs=False,
)


@dataclass(frozen=True)
class Clip:
    """Random frames and how they are to be counted."""

    layout: Layout
    n_frames: int
    slots: int
    bits: int
    tolerance: int
    n_colours: int
    stay: float
    seed: int

    @property
    def comparison(self) -> naive.Comparison:
        """When the references take two colours for one."""
        return naive.Comparison(self.bits, self.tolerance)

    @property
    def planes(self) -> tuple[Array, Array, Array]:
        """Planes on which each sample stays, or changes to one of a few levels."""
        rng = np.random.default_rng(self.seed)
        near = rng.integers(0, 256) + rng.integers(
            -2 * self.tolerance - 3, 2 * self.tolerance + 4, self.n_colours
        )
        levels = np.where(rng.random(self.n_colours) < 0.5, near, rng.integers(0, 256, len(near)))
        levels = np.clip(levels, 0, 255).astype(np.uint8)
        planes = self.layout.empty(self.n_frames)
        for plane in planes:
            shown = np.full(plane.shape[1:], levels[0])
            for frame in plane:
                # The first level is the commonest: there is something to return to.
                drawn = np.minimum(rng.integers(-self.n_colours, self.n_colours, shown.shape), 99)
                change = rng.random(shown.shape) > self.stay
                shown = np.where(change, levels[np.maximum(drawn, 0)], shown)
                frame[...] = shown
        return planes

    def table(self, kind: type[ColourTable]) -> ColourTable:
        """Make a table for the clip."""
        return kind(self.layout, slots=self.slots, bits=self.bits, tolerance=self.tolerance)

    def pixels(self, kind: type[ColourTable]) -> dict[naive.Place, Any]:
        """Make references by place, row by row."""
        reference = naive.RunPixel if kind is RunTable else naive.TransitionPixel
        return {
            (y, x): reference(self.slots, self.comparison)
            for y in range(self.layout.height)
            for x in range(self.layout.width)
        }


@st.composite
def clips(
    draw: st.DrawFn,
    *,
    max_frames: int = 60,
    slots: tuple[int, ...] = (2, 3, 4, 5, 6),
    bits: tuple[int, ...] = (8, 8, 7, 5, 3),
    tolerance: tuple[int, ...] = (0, 0, 1, 6, 20, 255),
    max_colours: int = 9,
    colour: Colour = Colour(),
) -> Clip:
    """Draw a clip; sizes are odd as often as even, and beyond a word of eight pixels."""
    shift_y, shift_x = draw(st.sampled_from([(0, 0), (0, 1), (1, 1), (0, 2), (2, 2)]))
    return Clip(
        Layout(
            draw(st.integers(1, 6)),
            draw(st.integers(1, 9 if WITHOUT_JIT else 19)),
            shift_y,
            shift_x,
            colour,
        ),
        n_frames=draw(st.integers(1, max_frames)),
        slots=draw(st.sampled_from(slots)),
        bits=draw(st.sampled_from(bits)),
        tolerance=draw(st.sampled_from(tolerance)),
        n_colours=draw(st.integers(1, max_colours)),
        stay=draw(st.sampled_from([0.5, 0.8, 0.95])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


class ShuffledBands:
    """Runs a step over bands of random heights in a random order, as threads might."""

    def __init__(self, seed: int, alignment: int = 4) -> None:
        self._rng = np.random.default_rng(seed)
        self._alignment = alignment
        self.n_threads = 1

    def run(
        self, step: Callable[[int, int], Any], n_rows: int, band_rows: int | None = None
    ) -> None:
        """Call `step` for bands that cover all rows."""
        inner = range(self._alignment, n_rows, self._alignment)
        cuts = [0, *(row for row in inner if self._rng.random() < 0.5), n_rows]
        for band in self._rng.permutation(len(cuts) - 1):
            step(cuts[band], cuts[band + 1])


def chunks(
    planes: tuple[Array, Array, Array], layout: Layout, seed: int | None = None
) -> Iterator[Chunk]:
    """Cut frames into chunks of random lengths, or into one."""
    n_frames = len(planes[0])
    rng = np.random.default_rng(seed)
    start = 0
    while start < n_frames:
        end = n_frames if seed is None else min(n_frames, start + int(rng.integers(1, 9)))
        luma, cb, cr = (np.ascontiguousarray(plane[start:end]) for plane in planes)
        yield Chunk((luma, cb, cr), np.arange(start, end) / 25.0, layout)
        start = end


def counted(kind: type[ColourTable], clip: Clip, seed: int | None = None) -> ColourTable:
    """Count a clip: in random chunks and bands where there is a seed."""
    table = clip.table(kind)
    # Row by row, also where rows share chroma: what a row becomes depends on no other.
    bands: Any = ShuffledBands(seed or 0, 1 if seed is not None else 1 << 30)
    for chunk in chunks(clip.planes, clip.layout, seed):
        table.update(chunk, bands)
    return table


def stretches(planes: tuple[Array, Array, Array], cuts: list[int]) -> list[tuple[Array, ...]]:
    """Cut frames at the given places; a stretch may be empty."""
    ends = [*sorted(cuts), len(planes[0])]
    starts = [0, *ends[:-1]]
    return [
        tuple(np.ascontiguousarray(plane[a:b]) for plane in planes)
        for a, b in zip(starts, ends, strict=True)
    ]


__all__ = [
    "PROPERTY",
    "WITHOUT_JIT",
    "Clip",
    "RunTable",
    "ShuffledBands",
    "TransitionTable",
    "chunks",
    "clips",
    "counted",
    "stretches",
]
