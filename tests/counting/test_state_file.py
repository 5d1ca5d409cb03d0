"""Files of states: what is saved goes on exactly, and what is no state is refused at once."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips import PROPERTY, Clip, chunks, clips, counted, stretches
from unveil.counting.accumulators import TABLES
from unveil.counting.auto import STATES, AutoTable
from unveil.counting.runs import RunTable
from unveil.counting.state_file import FORMAT, read_state
from unveil.counting.table import ColourTable
from unveil.counting.transitions import TransitionTable
from unveil.errors import IncompatibleTable, OutputUnwritable
from unveil.parallel import Bands
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Layout

pytestmark = pytest.mark.kernels

KINDS: list[type[ColourTable]] = [RunTable, TransitionTable]

BANDS = Bands(1)

FILE_DAMAGE = settings(max_examples=300, derandomize=True, database=None)


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
    loaded, told = load(path)
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


def load(path: Path) -> tuple[ColourTable, dict[str, Any]]:
    return read_state(path, TABLES)


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
        load(path)
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
        table, parameters = load(path)
    except IncompatibleTable:
        return
    whole, its_parameters = load(saved_once)
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
        load(tmp_path / "call.npz")


def test_saving_where_nothing_can_be_written(saved: Path, tmp_path: Path) -> None:
    table, parameters = load(saved)
    for folder in (tmp_path / "missing", saved):
        with pytest.raises(OutputUnwritable):
            table.save(folder / "call.npz", parameters)
    assert [path.name for path in tmp_path.iterdir()] == ["call.npz"]


def test_saving_replaces(saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    table, parameters = load(saved)
    table.save(saved, parameters)
    assert saved.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["call.npz"]


@pytest.mark.parametrize("number", [None, 1, FORMAT + 1, "2", True])
def test_another_format_is_refused_by_name(saved: Path, number: Any) -> None:
    header = header_of(saved)
    assert header.pop("format") == FORMAT
    rewrite(saved, header=encoded(header if number is None else header | {"format": number}))
    with pytest.raises(IncompatibleTable, match="count the recording again") as caught:
        load(saved)
    assert f"format {1 if number is None else number}" in str(caught.value)
    assert f"reads format {FORMAT}" in str(caught.value)
    assert header["unveil"] in str(caught.value), "which version could read it"


def test_an_array_that_is_not_expected(saved: Path) -> None:
    rewrite(saved, more=np.zeros(3))
    assert_not_loadable(saved)


def test_an_array_that_occurs_twice(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        run = archive.read("run.npy")
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("run.npy", run)
    assert_not_loadable(saved)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def replace_member(
    path: Path, name: str, content: bytes, compression: int = zipfile.ZIP_STORED
) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for each, former in members.items():
            if each == name:
                archive.writestr(each, content, compression)
            else:
                archive.writestr(each, former)


@pytest.mark.parametrize("name", ["header", "run"])
def test_compressed_arrays_are_refused(saved: Path, name: str) -> None:
    """A few bytes could unpack to many."""
    with zipfile.ZipFile(saved) as archive:
        content = archive.read(f"{name}.npy")
    replace_member(saved, f"{name}.npy", content)
    load(saved)
    replace_member(saved, f"{name}.npy", content, zipfile.ZIP_DEFLATED)
    with pytest.raises(IncompatibleTable, match=f"{name} is compressed"):
        load(saved)


def test_sizes_that_do_not_fit(saved: Path) -> None:
    with np.load(saved) as stored:
        run, knots = stored["run"], stored["time_frames"]
    before = saved.read_bytes()
    for name, content in (
        ("run.npy", npy(run)[:-1]),
        ("run.npy", npy(run) + b"x"),
        ("run.npy", npy(np.asfortranarray(np.moveaxis(run, 0, -1)).T)),
        ("run.npy", npy(run).replace(b"(3, 6, 7)", b"(3, 6,77)")),
        ("run.npy", b"\x93NUMPY\x03" + npy(run)[7:]),
        ("time_frames.npy", npy(knots[:-1])),
        ("time_frames.npy", npy(np.arange(65537))),
        ("header.npy", npy(np.zeros(1 << 17, np.uint8))),
        ("header.npy", npy(encoded(header_of(saved) | {"more": "x" * 70_000}))),
    ):
        saved.write_bytes(before)
        load(saved)
        replace_member(saved, name, content)
        assert_not_loadable(saved)


@pytest.mark.parametrize(
    "layout",
    [
        {"height": 1 << 19, "width": 1 << 19},
        {"height": 0},
        {"height": -6},
        {"height": 6.0},
        {"height": True},
        {"height": 1 << 70},
        {"chroma_shift_x": 64},
        {"colour": {"matrix": "violet", "full_range": False}},
        {"colour": {"matrix": "rgb", "full_range": 1}},
        {"more": 1},
    ],
    ids=str,
)
def test_layouts_that_no_frame_has(saved: Path, layout: dict[str, Any]) -> None:
    header = header_of(saved)
    rewrite(saved, header=encoded(header | {"layout": header["layout"] | layout}))
    assert_not_loadable(saved)


@pytest.mark.parametrize(
    "parameters",
    [{"slots": 1}, {"slots": 1 << 30}, {"slots": None}, {"bits": 9}, {"tolerance": -1}],
    ids=str,
)
def test_parameters_out_of_range(saved: Path, parameters: dict[str, Any]) -> None:
    header = header_of(saved)
    rewrite(saved, header=encoded(header | {"parameters": header["parameters"] | parameters}))
    assert_not_loadable(saved)


def test_nothing_large_is_allocated_for_a_file_that_does_not_fit(saved: Path) -> None:
    """A header alone promises a state of many GiB."""
    header = header_of(saved)
    layout = header["layout"] | {"height": 1 << 16, "width": 1 << 16}
    rewrite(saved, header=encoded(header | {"layout": layout}))
    tracemalloc.start()
    try:
        assert_not_loadable(saved)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "times",
    [
        {"time_step": np.array([0, 20])},
        {"time_step": np.array([1, 19])},
        {"time_step": np.array([1, -1])},
        {"time_frames": np.arange(20)[::-1].copy()},
        {"time_frames": np.arange(1, 21)},
        {"time_seconds": np.full(20, np.nan)},
        {"time_seconds": np.zeros(19)},
    ],
    ids=str,
)
def test_times_that_no_recording_has(saved: Path, times: dict[str, Any]) -> None:
    rewrite(saved, **times)
    assert_not_loadable(saved)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert_not_loadable(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert_not_loadable(tmp_path / "pipe")


@pytest.mark.parametrize("found", [False, True])
def test_the_state_of_both_methods_goes_on_exactly(tmp_path: Path, found: bool) -> None:
    """With one accumulator or two, and slots that were not chosen."""
    layout = Layout(9, 12)
    rng = np.random.default_rng(3)

    def chunk(n_frames: int) -> Chunk:
        luma, cb, cr = (
            rng.integers(0, 9, plane.shape, np.uint8) for plane in layout.empty(n_frames)
        )
        person = np.zeros((n_frames, *layout.block_grid), np.uint8)
        if not found:
            person[...] = 2
        return Chunk((luma, cb, cr), np.arange(n_frames) / 25, layout, person)

    table = AutoTable(layout, slots=None, bits=8, tolerance=0)
    table.update(chunk(30), BANDS)
    assert (table.transitions is None) == found
    table.save(tmp_path / "call.npz", Parameters("auto", tolerance=0).as_dict())
    loaded, _ = read_state(tmp_path / "call.npz", STATES)
    assert isinstance(loaded, AutoTable)
    assert loaded.presence == table.presence
    more = chunk(30)
    for each in (table, loaded):
        each.update(more, BANDS)
    for one, other in ((table.outside, loaded.outside), (table.transitions, loaded.transitions)):
        if one is None or other is None:
            assert one is other
            continue
        for name, array in one.arrays.items():
            assert array.tobytes() == other.arrays[name].tobytes(), name
