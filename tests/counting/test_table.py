"""The state: merging, finalising as a snapshot, bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.clips import PROPERTY, Clip, ShuffledBands, chunks, clips, counted, stretches
from tests.kernels.counting import naive
from unveil.counting import table as table_module
from unveil.counting.accumulators import TABLES
from unveil.counting.runs import RunTable
from unveil.counting.table import ColourTable
from unveil.counting.transitions import TransitionTable
from unveil.errors import IncompatibleTable
from unveil.parallel import Bands
from unveil.recovery.decide.finalise import finalise
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Colour, Layout
from unveil_kernels.counting.transitions import UNCHANGED

pytestmark = pytest.mark.kernels

KINDS: list[type[ColourTable]] = [RunTable, TransitionTable]

BANDS = Bands(1)

RGB = Colour("rgb", full_range=True)

CUTS = st.lists(st.integers(0, 60), min_size=1, max_size=3)


def parts_of(kind: type[ColourTable], clip: Clip, cuts: list[int]) -> list[ColourTable]:
    """Count the stretches of a clip in tables of their own."""
    tables = []
    for planes in stretches(clip.planes, [min(cut, clip.n_frames) for cut in cuts]):
        table = clip.table(kind)
        for chunk in chunks(planes, clip.layout):
            table.update(chunk, BANDS)
        tables.append(table)
    return tables


def merged(tables: list[ColourTable], seed: int = 0) -> ColourTable:
    bands: Any = ShuffledBands(seed)
    first, *rest = tables
    for table in rest:
        first.merge(table, bands)
    return first


def contents(table: ColourTable) -> dict[str, Any]:
    """Tell by pixel all that counts, but not in which slots colours stand or what is unused."""
    told: dict[str, Any] = {
        name: np.moveaxis(array, 0, -1).reshape(-1, 3).tolist()
        if name in ("run", "leader", "challenger")
        else array.ravel().tolist()
        for name, array in table.arrays.items()
        if name != "slots"
    }
    if isinstance(table, TransitionTable):
        votes = zip(told["challenger"], told["challenger_votes"], strict=True)
        told["challenger"] = [colour if n else None for colour, n in votes]
    told["slots"] = [
        sorted((s.colour, s.episodes, s.count, s.first, s.last) for s in pixel)
        for pixel in naive.read_slots(table.slots)
    ]
    return told


@PROPERTY
@given(
    clip=clips(bits=(8,), tolerance=(0,), slots=(9,), max_colours=2),
    cuts=CUTS,
    seed=st.integers(0, 9),
)
def test_merged_runs_equal_the_whole(clip: Clip, cuts: list[int], seed: int) -> None:
    """Also runs and episodes that go on across a seam."""
    whole = counted(RunTable, clip)
    parts = merged(parts_of(RunTable, clip, cuts), seed)
    assert isinstance(whole, RunTable)
    assert isinstance(parts, RunTable)
    assert parts.n_frames == clip.n_frames
    slots, evictions, _ = whole.closed(0, clip.layout.height)
    its_slots, its_evictions, _ = parts.closed(0, clip.layout.height)
    assert slots.tobytes() == its_slots.tobytes()
    assert evictions.tobytes() == its_evictions.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(
    clip=clips(bits=(8,), tolerance=(0,), slots=(9,), max_colours=2),
    cuts=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
@example(
    clip=Clip(
        Layout(2, 12, 1, 1),
        n_frames=49,
        slots=9,
        bits=8,
        tolerance=0,
        n_colours=2,
        stay=0.8,
        seed=0,
    ),
    cuts=(1, 6),
)
def test_merging_is_associative(kind: type[ColourTable], clip: Clip, cuts: tuple[int, int]) -> None:
    """Two levels a channel make eight colours a pixel; two are often still, but not always."""
    a, b, c = parts_of(kind, clip, list(cuts))
    d, e, f = parts_of(kind, clip, list(cuts))
    parts = [contents(part) for part in (a, b, c) if part.n_frames]
    first, last = merged([a, b]), merged([e, f])
    # A merged part changes its leader where two parts' challenger has as many votes as theirs.
    led = [*parts, *(contents(part) for part in (first, last) if part.n_frames)]
    left = contents(merged([first, c]))
    right = contents(merged([d, last]))
    assert not any(left["evictions"])
    if kind is RunTable:
        assert left == right
        return
    assert [left[name] for name in TAILS] == [right[name] for name in TAILS]
    elected = ("leader", "leader_surveys", "challenger", "challenger_votes")
    for pixel in range(len(left["leader"])):
        leaders = {tuple(part["leader"][pixel]) for part in led}
        rivals = {tuple(part["challenger"][pixel] or ()) for part in parts} - {()}
        if len(leaders | rivals) > 2:
            continue
        same = elected if len(leaders) > 1 else set(left) - TAILS
        for name in same:
            assert left[name][pixel] == right[name][pixel], name


TAILS = {"tail0", "tail1", "tail2", "surveyed"}


def test_merging_changes_leaders_as_a_longer_call_would() -> None:
    """What leads in neither part with more surveys than the other's leader leads in both."""
    layout = Layout(1, 1)

    def counting(levels: list[int]) -> TransitionTable:
        table = TransitionTable(layout, slots=4, bits=8, tolerance=0)
        level = np.array(levels, np.uint8).reshape(-1, 1, 1)
        table.update(Chunk((level, level, level), np.zeros(len(levels)), layout), BANDS)
        return table

    every = 16
    # Three surveys of 50 each against four of another colour: 50 wins together.
    first = counting([10] * (4 * every) + [50] * (3 * every))
    later = counting([90] * (4 * every) + [50] * (3 * every))
    assert first.leader[0, 0, 0] == 10
    assert later.leader[0, 0, 0] == 90
    votes = [int(table.challenger_votes[0, 0]) for table in (first, later)]
    first.merge(later, BANDS)
    assert first.leader[0, 0, 0] == 50
    assert first.leader_surveys[0, 0] == sum(votes)
    slots = naive.read_slots(first.slots)[0]
    assert sorted(slot.colour for slot in slots) == [(10,) * 3, (90,) * 3]
    assert first.challenger[0, 0, 0] == 10, "of equals the smaller"
    assert first.history[0, 0] == UNCHANGED


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips())
def test_an_empty_table_changes_nothing(kind: type[ColourTable], clip: Clip) -> None:
    table, empty = counted(kind, clip), clip.table(kind)
    before = {name: array.tobytes() for name, array in table.arrays.items()}
    table.merge(clip.table(kind), BANDS)
    assert {name: array.tobytes() for name, array in table.arrays.items()} == before
    empty.merge(table, BANDS)
    assert empty.n_frames == table.n_frames
    if isinstance(table, RunTable):
        assert isinstance(empty, RunTable)
        assert empty.closed(0, 1)[0].tobytes() == table.closed(0, 1)[0].tobytes()
    assert contents(empty) == contents(table)


def test_a_caller_at_the_first_survey_does_not_become_the_background() -> None:
    """An empty table takes over a leader that no survey has seen yet."""
    layout = Layout(1, 1)
    later, empty = (TransitionTable(layout, slots=4, bits=8, tolerance=0) for _ in range(2))
    level = np.array([10, 10, 99, 10, 10, 10], np.uint8).reshape(-1, 1, 1)
    later.update(Chunk((level, level, level), np.zeros(6), layout), BANDS)
    empty.merge(later, BANDS)
    assert empty.leader[0, 0, 0] == later.leader[0, 0, 0] == 10


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips(max_frames=30), cut=st.integers(1, 30))
def test_merging_leaves_the_other_as_it_was(kind: type[ColourTable], clip: Clip, cut: int) -> None:
    first, later = parts_of(kind, clip, [cut])
    before = contents(later)
    first.merge(later, BANDS)
    assert contents(later) == before


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips(max_frames=40, colour=Colour("bt709")), seed=st.integers(0, 999))
def test_finalising_never_changes_the_state(kind: type[ColourTable], clip: Clip, seed: int) -> None:
    parameters = Parameters(
        kind.method,
        slots=clip.slots,
        bits=clip.bits,
        tolerance=clip.tolerance,
    )
    table, undisturbed = clip.table(kind), counted(kind, clip)
    finalise(table, parameters, BANDS)
    for chunk in chunks(clip.planes, clip.layout, seed):
        table.update(chunk, BANDS)
        before = {name: array.tobytes() for name, array in table.arrays.items()}
        first, again = (finalise(table, parameters, BANDS) for _ in range(2))
        assert {name: array.tobytes() for name, array in table.arrays.items()} == before
        assert first.room.tobytes() == again.room.tobytes()
    for name, array in undisturbed.arrays.items():
        assert array.tobytes() == table.arrays[name].tobytes(), name


OTHERS: list[dict[str, Any]] = [
    {"layout": Layout(3, 4, 1, 1, RGB)},
    {"layout": Layout(4, 4, 1, 1)},
    {"layout": Layout(3, 4)},
    {"slots": 4},
    {"bits": 7},
    {"tolerance": 5},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", OTHERS)
def test_what_differs_cannot_be_merged(kind: type[ColourTable], other: dict[str, Any]) -> None:
    choice: dict[str, Any] = {
        "layout": Layout(3, 4, 1, 1),
        "slots": 5,
        "bits": 8,
        "tolerance": 6,
    }
    with pytest.raises(IncompatibleTable, match="cannot be merged"):
        kind(**choice).merge(kind(**(choice | other)), BANDS)


def test_methods_cannot_be_mixed() -> None:
    run, transition = (kind(Layout(2, 2), slots=5, bits=8, tolerance=6) for kind in KINDS)
    with pytest.raises(IncompatibleTable, match="rarest"):
        run.merge(transition, BANDS)
    with pytest.raises(IncompatibleTable, match="rarest"):
        transition.merge(run, BANDS)


@pytest.mark.parametrize("kind", KINDS)
def test_frame_numbers_end(kind: type[ColourTable], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "MAX_FRAMES", 10)
    layout = Layout(2, 2)

    def counting(n_frames: int) -> ColourTable:
        table = kind(layout, slots=5, bits=8, tolerance=6)
        planes = layout.empty(n_frames)
        for plane in planes:
            plane[...] = 7
        table.update(Chunk(planes, np.zeros(n_frames), layout), BANDS)
        return table

    assert counting(10).n_frames == 10
    with pytest.raises(IncompatibleTable, match="at most 10"):
        counting(11)
    table = counting(6)
    with pytest.raises(IncompatibleTable, match="at most 10"):
        table.merge(counting(5), BANDS)
    assert table.n_frames == 6


def test_a_chunk_of_another_layout() -> None:
    table = RunTable(Layout(2, 2), slots=5, bits=8, tolerance=6)
    other = Layout(2, 3)
    with pytest.raises(IncompatibleTable, match="does not fit"):
        table.update(Chunk(other.empty(1), np.zeros(1), other), BANDS)


LAYOUTS = [
    Layout(720, 1280, 1, 1),
    Layout(48, 64, 0, 1),
    Layout(48, 64, 0, 0, RGB),
    Layout(1, 1, 0, 0, RGB),
    Layout(3, 5, 0, 0),
    Layout(1, 1, 1, 1),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_state_is_bounded(kind: type[ColourTable], layout: Layout) -> None:
    table = kind(layout, slots=Parameters().slots_of(kind.method), bits=8, tolerance=6)
    assert table.bytes_per_pixel <= 110
    assert table.slots.ctypes.data % 64 == 0


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips())
def test_the_state_does_not_grow(kind: type[ColourTable], clip: Clip) -> None:
    fresh = clip.table(kind).bytes_per_pixel
    assert counted(kind, clip).bytes_per_pixel == fresh


def test_the_accumulators_by_method() -> None:
    assert set(TABLES) == {"farend", "rarest", "transitions"}
    assert all(TABLES[kind.method] is kind for kind in KINDS)
