"""The state of method "auto": what it decides by is what one accumulator alone would have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.clips import PROPERTY, Clip, ShuffledBands, chunks, clips
from unveil.counting.auto import STATES, AutoTable
from unveil.counting.outside import OutsideTable
from unveil.counting.presence import Presence
from unveil.counting.state_file import read_state
from unveil.counting.table import ColourTable
from unveil.counting.transitions import TransitionTable
from unveil.errors import IncompatibleTable
from unveil.parallel import Bands
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Layout
from unveil_kernels.counting import outside
from unveil_kernels.counting.frames import Frames, PersonMask

pytestmark = pytest.mark.kernels

Array = npt.NDArray[Any]

BANDS: Any = ShuffledBands(0)

COMES_AT = st.integers(0, 70)
"""The frame in which the person comes; clips have up to sixty."""


def marked(clip: Clip, comes_at: int, seed: int | None = None) -> Iterator[Chunk]:
    """Cut a clip whose upper half is beside the person from a frame on; each one is searched.

    Nowhere the person itself shows, who would have to move.
    """
    start = 0
    for chunk in chunks(clip.planes, clip.layout, seed):
        person = np.full((len(chunk), *clip.layout.block_grid), 2, np.uint8)
        there = np.arange(start, start + len(chunk)) >= comes_at
        person[there] = 0
        person[there, : clip.layout.block_grid[0] // 2] = 1
        yield replace(chunk, person=person)
        start += len(chunk)


def empty(clip: Clip, kind: Any = AutoTable) -> Any:
    return kind(clip.layout, slots=clip.slots, bits=clip.bits, tolerance=clip.tolerance)


def counted(clip: Clip, comes_at: int, kind: Any = AutoTable, seed: int | None = None) -> Any:
    table = empty(clip, kind)
    for chunk in marked(clip, comes_at, seed):
        table.update(chunk, BANDS)
    return table


def assert_same(a: ColourTable | None, b: ColourTable | None) -> None:
    assert type(a) is type(b)
    if a is None or b is None:
        return
    assert a.n_frames == b.n_frames
    for name, array in a.stored.items():
        assert array.tobytes() == b.stored[name].tobytes(), name


def assert_same_state(a: Any, b: Any) -> None:
    assert a.presence == b.presence
    assert_same(a.outside, b.outside)
    assert_same(a.transitions, b.transitions)


@PROPERTY
@given(clip=clips(slots=(3, 5)), comes_at=COMES_AT, seed=st.integers(0, 99))
@example(clip=Clip(Layout(1, 1), 8, 3, 8, 0, 1, 0.5, 0), comes_at=0, seed=0)
@example(clip=Clip(Layout(1, 1), 9, 3, 8, 0, 1, 0.5, 0), comes_at=0, seed=0)
def test_both_count_as_they_would_alone(clip: Clip, comes_at: int, seed: int) -> None:
    table = counted(clip, comes_at, seed=seed)
    assert_same(table.outside, counted(clip, comes_at, OutsideTable))
    found = max(0, clip.n_frames - comes_at)
    # Whether the person of the first frame moves depends on frames before it, which may be added.
    certain = found - (comes_at == 0)
    if certain >= 8:
        assert table.transitions is None
    else:
        assert_same(table.transitions, counted(clip, comes_at, TransitionTable))
    farend = found >= 8 or (found > 0 and found >= clip.n_frames / 2)
    assert table.decided is (table.outside if farend else table.transitions)
    assert table.n_frames == clip.n_frames


@PROPERTY
@given(clip=clips(), seed=st.integers(0, 9))
def test_frames_of_the_person_as_a_whole_change_no_count(clip: Clip, seed: int) -> None:
    """The kernel itself says so, which is not asked for such frames."""
    table = counted(clip, 0, OutsideTable)
    before = {name: array.copy() for name, array in table.arrays.items()}
    (chunk,) = chunks(replace(clip, seed=clip.seed // 2).planes, clip.layout)
    layout = clip.layout
    mask = PersonMask(
        np.full((len(chunk), *layout.block_grid), 1 + seed % 2, np.uint8),
        np.ones(len(chunk), np.bool_),
        layout.block_size,
    )
    frames = Frames(*chunk.planes, table.n_frames, layout.chroma_shift_y, layout.chroma_shift_x)
    outside.count_outside(
        frames,
        mask,
        table.n_surveys,
        0,
        layout.height,
        table.comparison,
        table.state,
        table.colour_times.append(chunk.pts_seconds),
    )
    for name, array in table.arrays.items():
        assert array.tobytes() == before[name].tobytes(), name


@PROPERTY
@given(clip=clips(), comes_at=COMES_AT, cut=st.integers(0, 60))
def test_a_loaded_state_goes_on_exactly(
    tmp_path_factory: pytest.TempPathFactory, clip: Clip, comes_at: int, cut: int
) -> None:
    """Before the person has come, before that is certain, and afterwards."""
    path = tmp_path_factory.mktemp("state") / "call.npz"
    parameters = Parameters(slots=clip.slots, bits=clip.bits, tolerance=clip.tolerance)
    table, loaded = empty(clip), None
    for chunk in marked(clip, comes_at, seed=cut):
        if loaded is None and table.n_frames >= cut:
            table.save(path, parameters.as_dict())
            loaded, told = read_state(path, STATES)
            assert told == parameters.as_dict()
            assert_same_state(loaded, table)
        table.update(chunk, BANDS)
        if loaded is not None:
            loaded.update(chunk, BANDS)
    if loaded is not None:
        assert_same_state(loaded, table)


@PROPERTY
@given(
    clip=clips(bits=(8,), tolerance=(0,), slots=(9,), max_colours=2),
    comes_at=COMES_AT,
    cuts=st.tuples(st.integers(0, 60), st.integers(0, 60)),
)
def test_parts_decide_as_the_whole(clip: Clip, comes_at: int, cuts: tuple[int, int]) -> None:
    """However they are merged: also where each shows the person for too short a time."""
    whole = counted(clip, comes_at)

    def parts() -> list[Any]:
        tables = [empty(clip) for _ in range(3)]
        for chunk in marked(clip, comes_at):
            assert chunk.person is not None
            ends = [*sorted(min(cut, len(chunk)) for cut in cuts), len(chunk)]
            for table, first, end in zip(tables, [0, *ends], ends, strict=False):
                if first == end:
                    continue
                luma, cb, cr = (np.ascontiguousarray(p[first:end]) for p in chunk.planes)
                part = Chunk(
                    (luma, cb, cr),
                    chunk.pts_seconds[first:end],
                    chunk.layout,
                    chunk.person[first:end],
                )
                table.update(part, BANDS)
        return tables

    a, b, c = parts()
    b.merge(c, BANDS)
    a.merge(b, BANDS)
    d, e, f = parts()
    d.merge(e, BANDS)
    d.merge(f, BANDS)
    for merged in (a, d):
        assert merged.presence == whole.presence
        assert merged.decided.method == whole.decided.method
        assert (merged.transitions is None) == (whole.transitions is None)
        assert merged.n_frames == merged.decided.n_frames == whole.n_frames


def test_a_failing_band_leaves_both_at_the_same_frame() -> None:
    """Like the accumulators alone, of which each counts a chunk as a whole or not."""
    layout = Layout(8, 8)
    table = AutoTable(layout, slots=None, bits=8, tolerance=6)
    other = Layout(8, 9)
    chunk = Chunk(other.empty(2), np.zeros(2), other, np.full((2, *other.block_grid), 2, np.uint8))
    with pytest.raises(IncompatibleTable):
        table.update(chunk, Bands(1))
    assert table.transitions is not None
    assert table.outside.n_frames == table.transitions.n_frames == 0
    assert table.presence == Presence()


def test_what_differs_cannot_be_merged() -> None:
    layout = Layout(4, 4)

    def table(slots: int | None = None, tolerance: int = 6, size: Layout = layout) -> AutoTable:
        return AutoTable(size, slots=slots, bits=8, tolerance=tolerance)

    for other in (table(slots=8), table(tolerance=5), table(size=Layout(4, 5))):
        with pytest.raises(IncompatibleTable, match="cannot be merged"):
            table().merge(other, BANDS)


@pytest.mark.parametrize(
    "name", ["presence", "searches_kept", "farend_slots", "transitions_history"]
)
def test_an_array_is_missing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "call.npz"
    AutoTable(Layout(4, 4), slots=None, bits=8, tolerance=6).save(path, Parameters().as_dict())
    with np.load(path) as stored:
        arrays = {n: stored[n] for n in stored.files}
    del arrays[name]
    np.savez(path, allow_pickle=False, **arrays)
    with pytest.raises(
        IncompatibleTable, match=name.removeprefix("farend_").removeprefix("transitions_")
    ):
        read_state(path, STATES)


def test_slots_are_each_accumulators_own() -> None:
    table = AutoTable(Layout(720, 1280, 1, 1), slots=None, bits=8, tolerance=6)
    assert table.transitions is not None
    assert (table.outside.n_slots, table.transitions.n_slots) == (8, 5)
