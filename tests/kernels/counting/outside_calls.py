"""Random calls with a person in them, counted by the table and by its reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from tests.clips import Clip, ShuffledBands, chunks, clips
from tests.kernels.counting import naive
from tests.kernels.counting.naive_outside import OutsidePixel
from unveil.counting.outside import OutsideTable
from unveil.counting.table import ColourTable
from unveil.video.chunk import Chunk, Layout

Array = npt.NDArray[Any]

BANDS: Any = ShuffledBands(0)


@dataclass(frozen=True)
class Call:
    """A clip and who is where in it."""

    clip: Clip
    covered: float

    @property
    def person(self) -> Array:
        """Masks of the person, which change slowly."""
        rng = np.random.default_rng((self.clip.seed, 1))
        masks = np.empty((self.clip.n_frames, *self.clip.layout.block_grid), np.uint8)
        shown = rng.random(masks.shape[1:]) < self.covered
        for frame in masks:
            change = rng.random(shown.shape) < 0.2
            shown = np.where(change, rng.random(shown.shape) < self.covered, shown)
            frame[...] = shown
        return masks

    @property
    def searched(self) -> Array:
        """Frames in which the person was searched."""
        return np.random.default_rng((self.clip.seed, 2)).random(self.clip.n_frames) < 0.4

    @property
    def table(self) -> OutsideTable:
        """An empty table for it."""
        clip = self.clip
        return OutsideTable(clip.layout, slots=clip.slots, bits=clip.bits, tolerance=clip.tolerance)

    def chunks(self, seed: int | None = None) -> Iterator[Chunk]:
        """Cut it into chunks of random lengths, or into one."""
        start, person, searched = 0, self.person, self.searched
        for chunk in chunks(self.clip.planes, self.clip.layout, seed):
            part = slice(start, start + len(chunk))
            yield replace(chunk, person=person[part], mask_is_fresh=searched[part])
            start += len(chunk)

    def counted(self, seed: int | None = None) -> OutsideTable:
        """Count it: in random chunks and bands where there is a seed."""
        table = self.table
        bands: Any = ShuffledBands(seed or 0, 1 if seed is not None else 1 << 30)
        for chunk in self.chunks(seed):
            table.update(chunk, bands)
        return table

    def pixels(self) -> dict[naive.Place, OutsidePixel]:
        """Make references that have seen nothing yet."""
        layout = self.clip.layout
        return {
            (y, x): OutsidePixel(self.clip.slots, self.clip.comparison)
            for y in range(layout.height)
            for x in range(layout.width)
        }

    def seen(self) -> dict[naive.Place, OutsidePixel]:
        """Make references that have seen it."""
        pixels = self.pixels()
        see(pixels, self, range(self.clip.n_frames))
        return pixels


def see(pixels: dict[naive.Place, OutsidePixel], call: Call, numbers: range | list[int]) -> None:
    """Show a call to references, its frames by these numbers."""
    layout, planes, person = call.clip.layout, call.clip.planes, call.person
    for (y, x), pixel in pixels.items():
        shifts = layout.chroma_shift_y, layout.chroma_shift_x
        colours = naive.samples_of(planes, *shifts, (y, x))
        inside = person[:, y // layout.block_size, x // layout.block_size]
        for number, colour, covered, searched in zip(
            numbers, colours, inside, call.searched, strict=True
        ):
            pixel.see(number, colour, inside=bool(covered), searched=bool(searched))


covered_shares = st.sampled_from([0.0, 0.3, 0.7, 1.0])
calls = st.builds(Call, clips(), covered_shares)
short_calls = st.builds(Call, clips(max_frames=30), covered_shares)

ONE_PIXEL = Clip(Layout(1, 1), 1, slots=4, bits=8, tolerance=0, n_colours=1, stay=0.5, seed=0)


def one_pixel(
    levels: list[int],
    inside: list[int] | None = None,
    clip: Clip = ONE_PIXEL,
    seed: int = 3,
    searched: list[int] | None = None,
) -> OutsideTable:
    """Count a pixel of one row and column, whose three channels are equal."""
    frames = np.isin(np.arange(len(levels)), searched or [])
    table = Call(clip, 0.0).table
    planes: Any = tuple(np.array(levels, np.uint8).reshape(-1, 1, 1) for _ in range(3))
    person = np.array(inside or [0] * len(levels), np.uint8).reshape(-1, 1, 1)
    for chunk in chunks(planes, clip.layout, seed):
        start = table.n_frames
        part = slice(start, start + len(chunk))
        table.update(replace(chunk, person=person[part], mask_is_fresh=frames[part]), BANDS)
    return table


def colours_of(planes: Array) -> list[tuple[int, ...]]:
    """Return the colour of each pixel, row by row."""
    return [tuple(colour) for colour in planes.reshape(3, -1).T.tolist()]


def assert_equal(table: OutsideTable, pixels: dict[naive.Place, OutsidePixel]) -> None:
    """Check that a table holds what the references hold."""
    wanted = list(pixels.values())
    assert colours_of(table.leader) == [p.leader.colour for p in wanted]
    assert table.leader_surveys.ravel().tolist() == [p.leader.votes for p in wanted]
    assert table.leader_stills.ravel().tolist() == [p.leader_stills for p in wanted]
    assert table.challenger_votes.ravel().tolist() == [p.challenger.votes for p in wanted]
    challengers = zip(colours_of(table.challenger), wanted, strict=True)
    assert all(c == p.challenger.colour for c, p in challengers if p.challenger.votes)
    assert table.outside_surveys.ravel().tolist() == [p.outside_surveys for p in wanted]
    assert naive.read_slots(table.slots) == [p.slots.used for p in wanted]
    assert table.evictions.ravel().tolist() == [p.slots.evictions for p in wanted]


def assert_same_bytes(a: ColourTable, b: ColourTable) -> None:
    """Check that two tables are the same to the byte."""
    for name, array in a.arrays.items():
        assert array.tobytes() == b.arrays[name].tobytes(), name
