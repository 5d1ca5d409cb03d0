"""When colours were seen, against references that keep a set of seconds for each colour."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips import PROPERTY, Clip, ShuffledBands, chunks, clips
from tests.kernels.counting import naive
from tests.kernels.counting.naive_outside import OutsidePixel
from unveil.counting import colour_times
from unveil.counting.accumulators import TABLES
from unveil.counting.colour_times import MAX_BINS, ColourTimes
from unveil.counting.outside import OutsideTable
from unveil.counting.runs import RunTable
from unveil.counting.state_file import read_state
from unveil.counting.table import ColourTable
from unveil.counting.transitions import TransitionTable
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Layout

pytestmark = [pytest.mark.kernels, pytest.mark.usefixtures("blocks_of_several_pixels")]

Array = npt.NDArray[Any]
Seconds = frozenset[int]

FEWER = settings(PROPERTY, max_examples=25)
"""The slots themselves have properties of their own."""

KINDS: list[type[ColourTable]] = [RunTable, TransitionTable, OutsideTable]


@dataclass(frozen=True)
class Timed:
    """A clip, the times of its frames, and the number of its sampled pixels."""

    clip: Clip
    begin: float
    longest_gap: float
    unknown: float
    few_samples: bool = False

    @property
    def pts_seconds(self) -> Array:
        """Times with gaps of all lengths, some of them unknown."""
        rng = np.random.default_rng((self.clip.seed, 7))
        gaps = self.longest_gap * rng.random(self.clip.n_frames) ** 6
        times = self.begin + np.cumsum(gaps + 0.04)
        return np.where(rng.random(len(times)) < self.unknown, np.nan, times)

    @property
    def person(self) -> Array:
        """Masks of the person."""
        rng = np.random.default_rng((self.clip.seed, 1))
        shape = self.clip.n_frames, *self.clip.layout.block_grid
        return (rng.random(shape) < 0.2).astype(np.uint8)

    @property
    def later(self) -> Timed:
        """Another clip that goes on where this one ends."""
        known = self.pts_seconds[~np.isnan(self.pts_seconds)]
        end = float(known[-1]) if len(known) else self.begin
        return replace(self, clip=replace(self.clip, seed=self.clip.seed + 1), begin=end)

    def table(self, kind: type[ColourTable]) -> ColourTable:
        """Make an empty table."""
        with pytest.MonkeyPatch.context() as patch:
            if self.few_samples:
                patch.setattr(colour_times, "MIN_SAMPLES", 1)
                patch.setattr(colour_times, "SAMPLE_STEP", 3)
            return self.clip.table(kind)

    def chunks(self, seed: int | None = None) -> Iterator[Chunk]:
        """Cut it into chunks of random lengths, or into one."""
        start, times, person = 0, self.pts_seconds, self.person
        for chunk in chunks(self.clip.planes, self.clip.layout, seed):
            part = slice(start, start + len(chunk))
            yield replace(chunk, pts_seconds=times[part], person=person[part])
            start += len(chunk)

    def counted(self, kind: type[ColourTable], seed: int | None = None) -> ColourTable:
        """Count it: in random chunks and bands where there is a seed."""
        table = self.table(kind)
        count(table, self, seed)
        return table

    def pixels(self, kind: type[ColourTable]) -> dict[naive.Place, Any]:
        """Make references that have seen nothing yet."""
        if kind is not OutsideTable:
            return self.clip.pixels(kind)
        height, width = self.clip.layout.height, self.clip.layout.width
        places = [(y, x) for y in range(height) for x in range(width)]
        return {place: OutsidePixel(self.clip.slots, self.clip.comparison) for place in places}


def count(table: ColourTable, timed: Timed, seed: int | None) -> None:
    bands: Any = ShuffledBands(seed or 0, 1 if seed is not None else 1 << 30)
    for chunk in timed.chunks(seed):
        table.update(chunk, bands)


def see(pixels: dict[naive.Place, Any], timed: Timed, first_frame: int = 0) -> None:
    """Show a clip to references."""
    layout, planes, person = timed.clip.layout, timed.clip.planes, timed.person
    seconds = [None if math.isnan(t) else math.floor(t) for t in timed.pts_seconds]
    for (y, x), pixel in pixels.items():
        shifts = layout.chroma_shift_y, layout.chroma_shift_x
        colours = naive.samples_of(planes, *shifts, (y, x))
        for n, (colour, second) in enumerate(zip(colours, seconds, strict=True)):
            if isinstance(pixel, OutsidePixel):
                inside = bool(person[n, y // layout.block_size, x // layout.block_size])
                pixel.see(first_frame + n, colour, second, inside=inside, searched=True)
            else:
                pixel.see(first_frame + n, colour, second)


def seen_by(pixel: Any, n_slots: int) -> list[Seconds]:
    """Return the seconds of each of a reference's colours, in the order of the slots."""
    seconds = [slot.seconds for slot in pixel.slots.used]
    if isinstance(pixel, naive.RunPixel):
        return seconds + [frozenset()] * (n_slots - len(seconds))
    return [*seconds, *[frozenset()] * (n_slots - 1 - len(seconds)), pixel.leader_seconds]


def bins_of(seen: Array) -> list[Seconds]:
    """Read the bits of a pixel, (n_words, n_colours)."""
    bits = [int("".join(f"{int(w):064b}" for w in words[::-1]) or "0", 2) for words in seen.T]
    return [frozenset(b for b in range(word.bit_length()) if word >> b & 1) for word in bits]


def assert_equal(table: ColourTable, pixels: dict[naive.Place, Any], seconds: list[int]) -> None:
    """Check all bits, given the known seconds of all frames."""
    times = table.colour_times
    shift = 0
    while seconds and (max(seconds) >> shift) - (min(seconds) >> shift) >= MAX_BINS:
        shift += 1
    assert times.shift == shift
    first = min(seconds, default=0) >> shift
    assert times.first_bin == first
    frames = Counter((second >> shift) - first for second in seconds)
    assert dict(enumerate(times.n_frames.tolist())) == {
        b: frames[b] for b in range(max(frames, default=-1) + 1)
    }

    def in_bins(kept: Seconds) -> Seconds:
        return frozenset((second >> shift) - first for second in kept)

    for j, y in enumerate(times.grid.rows.tolist()):
        closed = table.closed(y, y + 1)[2] if isinstance(table, RunTable) else None
        for i, x in enumerate(times.grid.columns.tolist()):
            wanted = [in_bins(kept) for kept in seen_by(pixels[y, x], table.n_slots)]
            assert bins_of(times.seen[:, j, i]) == wanted
            if closed is not None:
                ended = seen_by(pixels[y, x].closed(table.n_frames), table.n_slots)
                assert bins_of(closed[:, 0, i]) == [in_bins(kept) for kept in ended]


def seconds_of(*parts: Timed) -> list[int]:
    """Return the seconds of all frames from the first known one, an unknown one as that before."""
    told: list[int] = []
    for part in parts:
        n_before = len(told)
        for time in part.pts_seconds.tolist():
            if not math.isnan(time):
                told.append(math.floor(time))
            elif len(told) > n_before:
                told.append(told[-1])
    return told


timed_clips = st.builds(
    Timed,
    clips(max_frames=40),
    begin=st.sampled_from([0.0, 0.5, -3.2, 100.9, 99_999.0]),
    longest_gap=st.sampled_from([0.0, 1.0, 30.0, 500.0]),
    unknown=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    few_samples=st.booleans(),
)


@pytest.mark.parametrize("kind", KINDS)
@FEWER
@given(timed=timed_clips, seed=st.integers(0, 999))
def test_bits_equal_the_reference(kind: type[ColourTable], timed: Timed, seed: int) -> None:
    """Also where bins last longer than a second, and where times are unknown."""
    pixels = timed.pixels(kind)
    see(pixels, timed)
    assert_equal(timed.counted(kind, seed), pixels, seconds_of(timed))


@pytest.mark.parametrize("kind", KINDS)
@FEWER
@given(timed=timed_clips, seed=st.integers(0, 999))
def test_chunks_and_bands_change_nothing(kind: type[ColourTable], timed: Timed, seed: int) -> None:
    whole, parts = timed.counted(kind).stored, timed.counted(kind, seed).stored
    for name, array in whole.items():
        assert array.tobytes() == parts[name].tobytes(), name


@pytest.mark.parametrize("kind", KINDS)
@FEWER
@given(timed=timed_clips, back=st.booleans(), seed=st.integers(0, 999))
def test_merging_equals_the_reference(
    kind: type[ColourTable], timed: Timed, back: bool, seed: int
) -> None:
    """Then more frames are counted; times may begin anew in the later part."""
    later = replace(timed.later, begin=timed.begin) if back else timed.later
    bands: Any = ShuffledBands(seed)
    table, pixels, its = timed.counted(kind), timed.pixels(kind), timed.pixels(kind)
    table.merge(later.counted(kind, seed), bands)
    see(pixels, timed)
    see(its, later)
    for pixel, other in zip(pixels.values(), its.values(), strict=True):
        pixel.merge(other, timed.clip.n_frames, later.clip.n_frames)
    seconds = seconds_of(timed, later)
    assert_equal(table, pixels, seconds)
    n_frames, more = table.n_frames, later.later
    count(table, more, seed)
    see(pixels, more, n_frames)
    if seconds:  # unknown times at the beginning are those before
        known = [t for t in more.pts_seconds.tolist() if not math.isnan(t)]
        n_unknown = more.clip.n_frames - len(seconds_of(more))
        last = seconds_of(later)[-1:] or seconds_of(timed)[-1:]
        seconds += last * n_unknown + seconds_of(more)
        assert known or n_unknown == more.clip.n_frames
    else:
        seconds = seconds_of(more)
    assert_equal(table, pixels, seconds)


@pytest.mark.parametrize("kind", KINDS)
@FEWER
@given(timed=timed_clips)
def test_an_empty_table_changes_nothing(kind: type[ColourTable], timed: Timed) -> None:
    table, bands = timed.counted(kind), ShuffledBands(0)
    before, empty = deepcopy(table.stored), timed.table(kind)
    table.merge(timed.table(kind), bands)
    empty.merge(table, bands)
    for name, array in before.items():
        assert array.tobytes() == table.stored[name].tobytes(), name
        assert array.tobytes() == empty.stored[name].tobytes(), name


@pytest.mark.parametrize("kind", KINDS)
@FEWER
@given(timed=timed_clips, cut=st.integers(0, 9))
def test_a_loaded_state_goes_on_exactly(
    tmp_path_factory: pytest.TempPathFactory, kind: type[ColourTable], timed: Timed, cut: int
) -> None:
    path = tmp_path_factory.mktemp("state") / "call.npz"
    clip, bands = timed.clip, ShuffledBands(0)
    parameters = Parameters(slots=clip.slots, bits=clip.bits, tolerance=clip.tolerance)
    table, loaded = replace(timed, few_samples=False).table(kind), None
    for number, chunk in enumerate(timed.chunks(cut)):
        if number == cut % 4:
            table.save(path, parameters.as_dict())
            loaded, _ = read_state(path, TABLES)
        for state in (table, loaded):
            if state is not None:
                state.update(chunk, bands)
    if loaded is not None:
        for name, array in table.stored.items():
            assert array.tobytes() == loaded.stored[name].tobytes(), name


@pytest.mark.parametrize("seconds", [1024, 1025, 2048, 2049, 3700])
def test_bins_last_longer_when_there_are_too_many(seconds: int) -> None:
    """A colour seen in one second is in the one bin that holds it."""
    table = TransitionTable(Layout(1, 1), slots=4, bits=8, tolerance=6)
    levels = np.full(2 * seconds, 10, np.uint8)
    levels[1401:1403] = 200
    planes: Any = tuple(levels.reshape(-1, 1, 1) for _ in range(3))
    bands: Any = ShuffledBands(0)
    table.update(Chunk(planes, np.arange(2 * seconds) / 2, table.layout), bands)
    times = table.colour_times
    assert times.shift == math.ceil(math.log2(seconds / 1024))
    assert len(times.n_frames) == math.ceil(seconds / 2**times.shift) <= MAX_BINS
    assert times.n_frames.sum() == 2 * seconds
    (slot, *_, leader) = bins_of(times.seen[:, 0, 0])
    assert slot == {700 >> times.shift, 701 >> times.shift}
    assert leader >= set(range(len(times.n_frames))) - slot


def test_times_that_no_recording_has_are_unknown() -> None:
    times = ColourTimes(Layout(1, 1), 4)
    times.append(np.array([math.inf, 1e300, -1e300, -math.inf, math.nan]))
    assert len(times.n_frames) == 0
    times.append(np.array([5.0, math.inf]))
    assert (times.first_bin, times.n_frames.tolist()) == (5, [2])


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1, 1), (1, 1)),
        ((48, 64), (48, 64)),
        ((96, 128), (48, 64)),
        ((360, 640), (45, 80)),
        ((720, 1280), (90, 160)),
        ((1080, 1920), (90, 160)),
        ((2160, 3840), (94, 167)),
        ((1, 100_000), (1, 12_500)),
    ],
)
def test_there_are_thousands_of_samples_but_not_too_many(
    size: tuple[int, int], shape: tuple[int, int]
) -> None:
    grid = ColourTimes(Layout(*size), 2).grid
    assert grid.shape == shape
    for sampled, length in zip((grid.rows, grid.columns), size, strict=True):
        assert 0 <= sampled[0] <= sampled[-1] < length


@pytest.mark.parametrize(
    "damage",
    [
        {"seen_origin": np.array([0, 0, 7])},
        {"seen_origin": np.array([0, -1, 0])},
        {"seen_origin": np.array([0, 99, 0])},
        {"seen_origin": np.array([1 << 50, 0, 1 << 50])},
        {"seen_frames": np.array([3, 1, 0])},
        {"seen_frames": np.array([-1, 4])},
        {"seen_frames": np.zeros(0, np.int64)},
        {"seen_bins": np.zeros((2, 1, 1, 4), np.uint64)},
        {"seen_bins": np.full((1, 1, 1, 4), 8, np.uint64)},
    ],
)
def test_bins_that_do_not_fit_together_are_refused(damage: dict[str, Array]) -> None:
    times = ColourTimes(Layout(1, 1), 4)
    times.append(np.array([0.0, 0.5, 2.0]))
    whole = times.as_arrays()
    ColourTimes(Layout(1, 1), 4).restore(whole)
    with pytest.raises(ValueError, match="time bins"):
        ColourTimes(Layout(1, 1), 4).restore(whole | damage)


def test_a_state_of_such_bins_is_not_read(tmp_path: Path) -> None:
    table = TransitionTable(Layout(1, 1), slots=4, bits=8, tolerance=6)
    table.colour_times.n_frames = np.array([5])
    table.save(tmp_path / "state.npz", Parameters("transitions", slots=4).as_dict())
    with pytest.raises(Exception, match="time bins"):
        read_state(tmp_path / "state.npz", TABLES)
