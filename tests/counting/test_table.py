"""The state: merging, finalising as a snapshot, bounds, saving and loading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips import PROPERTY, Clip, ShuffledBands, chunks, clips, counted, stretches
from tests.kernels.counting import naive
from unveil.counting import table as table_module
from unveil.counting.table import TABLES, ColourTable, RunTable, TransitionTable
from unveil.errors import IncompatibleTable, OutputUnwritable
from unveil.parallel import Bands
from unveil.recovery.decide.finalise import finalise
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Colour, Layout
from unveil_kernels.counting.transitions import UNCHANGED

pytestmark = pytest.mark.kernels

KINDS: list[type[ColourTable]] = [RunTable, TransitionTable]

BANDS = Bands(1)

RGB = Colour("rgb", full_range=True)

FILE_DAMAGE = settings(max_examples=300, deadline=None, derandomize=True, database=None)

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
    for a, b in zip(
        whole.closed(0, clip.layout.height), parts.closed(0, clip.layout.height), strict=True
    ):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(
    clip=clips(bits=(8,), tolerance=(0,), slots=(9,), max_colours=2),
    cuts=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_merging_is_associative(kind: type[ColourTable], clip: Clip, cuts: tuple[int, int]) -> None:
    """Two levels a channel make eight colours a pixel; two are often still, but not always."""
    a, b, c = parts_of(kind, clip, list(cuts))
    d, e, f = parts_of(kind, clip, list(cuts))
    parts = [contents(part) for part in (a, b, c) if part.n_frames]
    left = contents(merged([merged([a, b]), c]))
    right = contents(merged([d, merged([e, f])]))
    assert not any(left["evictions"])
    if kind is RunTable:
        assert left == right
        return
    assert [left[name] for name in TAILS] == [right[name] for name in TAILS]
    elected = ("leader", "leader_surveys", "challenger", "challenger_votes")
    for pixel in range(len(left["leader"])):
        leaders = {tuple(part["leader"][pixel]) for part in parts}
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


# Saving and loading


def parameters_of(clip: Clip, kind: type[ColourTable]) -> dict[str, Any]:
    return Parameters(
        kind.method,
        slots=clip.slots,
        bits=clip.bits,
        tolerance=clip.tolerance,
    ).as_dict()


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips(max_frames=40), cut=st.integers(0, 40))
def test_a_loaded_state_goes_on_exactly(
    tmp_path_factory: pytest.TempPathFactory, kind: type[ColourTable], clip: Clip, cut: int
) -> None:
    path = tmp_path_factory.mktemp("state") / "call.npz"
    parameters = parameters_of(clip, kind)
    before, after = stretches(clip.planes, [min(cut, clip.n_frames)])
    table = clip.table(kind)
    for chunk in chunks(before, clip.layout):
        table.update(chunk, BANDS)
    table.save(path, parameters)
    loaded, told = ColourTable.load(path)
    assert type(loaded) is kind
    assert told == parameters
    assert loaded.layout == clip.layout
    for chunk in chunks(after, clip.layout, 1):
        table.update(chunk, BANDS)
        loaded.update(chunk, BANDS)
    assert loaded.n_frames == table.n_frames == clip.n_frames
    for name, array in table.arrays.items():
        assert array.tobytes() == loaded.arrays[name].tobytes(), name
    frames = np.arange(clip.n_frames)
    np.testing.assert_array_equal(loaded.times.seconds_at(frames), table.times.seconds_at(frames))


def write_state(path: Path) -> Path:
    clip = Clip(Layout(6, 7, 1, 1), 20, 4, 8, 6, 3, 0.5, 0)
    counted(RunTable, clip).save(path, parameters_of(clip, RunTable))
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write_state(tmp_path / "call.npz")


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a state that no test changes."""
    return write_state(tmp_path_factory.mktemp("state") / "call.npz")


def rewrite(path: Path, **changes: Any) -> None:
    """Change arrays of a saved state, or leave out those that become None."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files} | changes
    with path.open("wb") as file:
        np.savez(file, **{name: a for name, a in arrays.items() if a is not None})


def header_of(path: Path) -> dict[str, Any]:
    with np.load(path) as stored:
        header: dict[str, Any] = json.loads(stored["header"].tobytes())
    return header


def encoded(header: object) -> Any:
    return np.frombuffer(json.dumps(header).encode(), np.uint8)


def assert_not_loadable(path: Path) -> None:
    with pytest.raises(IncompatibleTable) as caught:
        ColourTable.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a state",
        b"PK\x03\x04 no archive either",
        b"\x93NUMPY\x01\x00",
        b"\x80\x04\x95 pickled",
    ],
)
def test_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "call.npz"
    path.write_bytes(content)
    assert_not_loadable(path)


def test_arrays_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "call.npz"
    np.savez(path, slots=np.zeros((2, 2)), header=np.zeros(3))
    assert_not_loadable(path)
    np.savez(path, header=np.array([{"a": 1}], object), allow_pickle=True)
    assert_not_loadable(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert_not_loadable(tmp_path / "one.npy")


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_a_cut_file(saved: Path, fraction: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(fraction * len(data))])
    assert_not_loadable(saved)


@FILE_DAMAGE
@given(
    place=st.floats(0, 1, exclude_max=True),
    flipped=st.integers(1, 255),
)
def test_a_changed_byte_is_refused_or_changes_nothing(
    saved_once: Path, tmp_path_factory: pytest.TempPathFactory, place: float, flipped: int
) -> None:
    """As in the dates of an archive, which nobody reads."""
    data = bytearray(saved_once.read_bytes())
    data[int(place * len(data))] ^= flipped
    path = tmp_path_factory.getbasetemp() / "changed.npz"
    path.write_bytes(data)
    try:
        table, parameters = ColourTable.load(path)
    except IncompatibleTable:
        return
    whole, its_parameters = ColourTable.load(saved_once)
    assert (type(table), table.layout, table.n_frames) == (
        type(whole),
        whole.layout,
        whole.n_frames,
    )
    assert parameters == its_parameters
    for name, array in whole.arrays.items():
        assert table.arrays[name].tobytes() == array.tobytes(), name
    frames = np.arange(whole.n_frames)
    np.testing.assert_array_equal(table.times.seconds_at(frames), whole.times.seconds_at(frames))


@pytest.mark.parametrize("name", ["slots", "evictions", "run_start", "time_step", "header"])
def test_an_array_is_missing(saved: Path, name: str) -> None:
    rewrite(saved, **{name: None})
    assert_not_loadable(saved)


def test_arrays_of_another_shape_or_type(saved: Path) -> None:
    with np.load(saved) as stored:
        run, slots = stored["run"], stored["slots"]
    for changes in (
        {"run": run[:-1]},
        {"run": run.astype(np.int16)},
        {"slots": slots["count"]},
        {"slots": slots[:, :-1]},
    ):
        rewrite(saved, **({"run": run, "slots": slots} | changes))
        assert_not_loadable(saved)


def test_headers_of_something_else(saved: Path) -> None:
    header = header_of(saved)
    for wrong in (
        [],
        {},
        header | {"method": "median"},
        header | {"layout": {}},
        header | {"layout": header["layout"] | {"height": 7}},
        header | {"n_frames": "many"},
        header | {"parameters": {}},
    ):
        rewrite(saved, header=encoded(wrong))
        assert_not_loadable(saved)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ColourTable.load(tmp_path / "call.npz")


def test_saving_where_nothing_can_be_written(saved: Path, tmp_path: Path) -> None:
    table, parameters = ColourTable.load(saved)
    for folder in (tmp_path / "missing", saved):
        with pytest.raises(OutputUnwritable):
            table.save(folder / "call.npz", parameters)
    assert [path.name for path in tmp_path.iterdir()] == ["call.npz"]


def test_saving_replaces(saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    table, parameters = ColourTable.load(saved)
    table.save(saved, parameters)
    assert saved.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["call.npz"]


def test_the_accumulators_by_method() -> None:
    assert set(TABLES) == {"farend", "rarest", "transitions"}
    assert all(TABLES[kind.method] is kind for kind in KINDS)
