"""The engine: frames of every kind in, the same bytes out however they are cut and shared."""

from __future__ import annotations

import itertools
import json
import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

import unveil
from tests.footage import numbered_frame, write_video
from tests.interrupts import ctrl_c_raises, press_ctrl_c
from unveil import Engine, Progress
from unveil.counting import outside, runs, transitions
from unveil.counting.transitions import TransitionTable
from unveil.errors import (
    FrameTooLarge,
    IncompatibleTable,
    InvalidParameter,
    MissingInput,
    OutputUnwritable,
)
from unveil.parallel import Bands
from unveil.recovery import run as run_module
from unveil.recovery.engine import RGB
from unveil.recovery.parameters import Method
from unveil.recovery.result import Recovery
from unveil.recovery.warmup import prepare
from unveil.video.chunk import Chunk, Layout
from unveil.video.source import source_of
from unveil.video.writer import VideoWriter

Array = npt.NDArray[Any]
METHODS: list[Method] = ["transitions", "rarest"]
HEIGHT, WIDTH = 22, 38


def call_frames(n_frames: int = 150, seed: int = 0) -> Array:
    """Let a bar of changing colour cross a textured background; the room shows behind it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    background = np.stack([60 + y, 90 + x, 160 - y], -1)
    room = np.stack([200 - x, 60 + 2 * y, 40 + x], -1)
    frames = np.empty((n_frames, HEIGHT, WIDTH, 3), np.uint8)
    colour = rng.integers(0, 256, 3)
    for i in range(n_frames):
        left = 3 * (i % 30) - 8
        if i % 30 == 0:
            colour = rng.integers(0, 256, 3)
        frames[i] = background
        frames[i, :, max(0, left) : max(0, left + 8)] = colour
        leak = slice(max(0, left - 4), max(0, left))
        frames[i, 5:16, leak] = room[5:16, leak]
    return frames


def assert_same(a: Recovery, b: Recovery) -> None:
    assert a.room.tobytes() == b.room.tobytes()
    assert a.background.tobytes() == b.background.tobytes()
    assert a.confidence.tobytes() == b.confidence.tobytes()
    assert a.stats.equals(b.stats)
    assert a.report == b.report


def an_engine(*, width: int = WIDTH, **choice: Any) -> Engine:
    """Make an engine that needs no person: these calls show none."""
    return Engine(HEIGHT, width, **{"method": "transitions"} | choice)


def recover_frames(frames: Array, **choice: Any) -> Recovery:
    engine = an_engine(**choice)
    engine.push(frames)
    return engine.finalise()


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("call") / "call.mp4"
    with VideoWriter(path, height=HEIGHT, width=WIDTH, frame_rate=25, crf=12) as video:
        for frame in call_frames():
            video.write(frame)
    return path


# What must not matter


@pytest.mark.parametrize("method", METHODS)
def test_threads_and_chunks_change_no_byte(call: Path, tmp_path: Path, method: Method) -> None:
    reference: dict[str, bytes] = {}
    arrays: list[bytes] = []
    for threads in (1, 2):
        for chunk_frames in (1, 7, 64):
            recovery = unveil.recover(
                call, method=method, threads=threads, chunk_frames=chunk_frames
            )
            assert recovery.recovered > 100
            folder = tmp_path / f"{threads}-{chunk_frames}"
            recovery.save(folder)
            names = ("room.png", "background.png", "stats.parquet")
            files = {name: (folder / name).read_bytes() for name in names}
            found = [a.tobytes() for a in (recovery.room, recovery.background, recovery.confidence)]
            reference, arrays = reference or files, arrays or found
            assert files == reference
            assert found == arrays


@pytest.mark.parametrize("method", METHODS)
def test_pushing_one_by_one_or_in_batches_is_the_same(method: Method) -> None:
    frames = call_frames()
    reference = recover_frames(frames, method=method, threads=1)
    for threads, chunk_frames, batch in ((2, 1, 11), (1, 7, 1), (2, 64, 64), (1, 500, 150)):
        engine = Engine(HEIGHT, WIDTH, method=method, threads=threads, chunk_frames=chunk_frames)
        for start in range(0, len(frames), batch):
            engine.push(frames[start : start + batch])
        assert engine.n_frames == len(frames)
        assert_same(engine.finalise(), reference)


@pytest.mark.parametrize("method", METHODS)
def test_finalising_in_between_changes_nothing(method: Method) -> None:
    frames = call_frames()
    engine = Engine(HEIGHT, WIDTH, method=method)
    for number, frame in enumerate(frames):
        engine.push(frame)
        if number % 23 == 0:
            early = engine.finalise()
            assert early.report["frames_read"] == number + 1
            assert_same(early, engine.finalise())
    assert_same(engine.finalise(), recover_frames(frames, method=method))


# Frames


def test_frames_of_every_form() -> None:
    frames = call_frames(40)
    one_by_one, strided = an_engine(), an_engine()
    for frame in frames:
        one_by_one.push(frame)
        strided.push(np.asfortranarray(frame))
    strided.push(frames[:0])
    reference = recover_frames(frames)
    assert_same(one_by_one.finalise(), reference)
    assert_same(strided.finalise(), reference)
    readonly = frames.copy()
    readonly.flags.writeable = False
    assert_same(recover_frames(readonly), reference)


def test_an_array_may_be_reused() -> None:
    frames = call_frames(40)
    engine, buffer = an_engine(), np.empty((HEIGHT, WIDTH, 3), np.uint8)
    for frame in frames:
        buffer[...] = frame
        engine.push(buffer)
        buffer[...] = 0
    assert_same(engine.finalise(), recover_frames(frames))


@pytest.mark.parametrize("method", METHODS)
def test_rgb_frames_are_the_same_as_arrays(method: Method) -> None:
    frames = call_frames(60)
    engine = Engine(HEIGHT, WIDTH, method=method)
    for frame in frames:
        engine.push(av.VideoFrame.from_ndarray(frame, "rgb24"))
    assert_same(engine.finalise(), recover_frames(frames, method=method))


def test_nv12_is_the_same_as_yuv420p() -> None:
    recoveries = []
    for name in ("yuv420p", "nv12"):
        engine = an_engine()
        for frame in call_frames(60):
            planar = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="yuv420p")
            engine.push(planar.reformat(format=name))
        recoveries.append(engine.finalise())
    assert_same(*recoveries)
    error = (
        recoveries[0].background[..., :3].astype(int)
        - recover_frames(call_frames(60)).background[..., :3]
    )
    assert np.abs(error).mean() < 4, "the colours' matrix is honoured"


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8),
        np.zeros((HEIGHT - 1, WIDTH, 3), np.uint8),
        np.zeros((HEIGHT, WIDTH, 4), np.uint8),
        np.zeros((HEIGHT, WIDTH), np.uint8),
        np.zeros((1, 1, HEIGHT, WIDTH, 3), np.uint8),
        np.zeros((HEIGHT, WIDTH, 3), np.float32),
        np.zeros((HEIGHT, WIDTH, 3), np.int8),
        np.zeros((2, HEIGHT, WIDTH, 3), np.uint16),
        av.VideoFrame(WIDTH + 2, HEIGHT, "yuv420p"),
        av.VideoFrame(WIDTH, HEIGHT - 2, "rgb24"),
    ],
    ids=lambda wrong: str(getattr(wrong, "shape", wrong))[:40],
)
def test_frames_of_another_size_or_type(wrong: Any) -> None:
    engine = an_engine()
    engine.push(call_frames(3))
    with pytest.raises(ValueError, match=f"{WIDTH}"):
        engine.push(wrong)
    assert engine.n_frames == 3
    assert engine.finalise().report["frames_read"] == 3


def test_kinds_of_frames_cannot_be_mixed() -> None:
    frame = numbered_frame(5, HEIGHT, WIDTH)
    engine = an_engine()
    engine.push(call_frames(3))
    with pytest.raises(ValueError, match="for an engine of"):
        engine.push(frame)
    engine.finalise()
    with pytest.raises(ValueError, match="for an engine of"):
        engine.push(frame)
    assert engine.n_frames == 3
    other = an_engine()
    other.push(frame)
    with pytest.raises(ValueError, match="for an engine of"):
        other.push(call_frames(1))


# Times


def seconds_of(recovery: Recovery, name: str) -> Array:
    values = np.array(recovery.stats[name].to_pylist(), np.float64)
    return values[~np.isnan(values)]


@pytest.mark.parametrize("method", METHODS)
def test_times_end_up_in_the_statistics(method: Method) -> None:
    frames = call_frames()
    engine = Engine(HEIGHT, WIDTH, method=method)
    times = 100 + np.cumsum(np.random.default_rng(0).uniform(0.01, 0.2, len(frames)))
    engine.push(frames[0], times[0])
    engine.push(frames[1:], times[1:])
    recovery = engine.finalise()
    stats = recovery.stats.to_pydict()
    assert any(frame is not None for frame in stats["first_frame"])
    for frame, seconds in zip(stats["first_frame"], stats["first_seconds"], strict=True):
        assert seconds == (None if frame is None else pytest.approx(times[frame], abs=1e-12))


def test_a_video_frames_own_time() -> None:
    given, own = an_engine(), an_engine()
    for number, array in enumerate(call_frames()):
        frame = av.VideoFrame.from_ndarray(array, "rgb24")
        given.push(frame, number / 20 + 3)
        frame.pts, frame.time_base = number + 60, Fraction(1, 20)
        own.push(frame)
    assert_same(given.finalise(), own.finalise())
    assert seconds_of(own.finalise(), "first_seconds").min() >= 3


def test_unknown_times_are_null() -> None:
    frames = call_frames()
    by_array, by_frame = an_engine(), an_engine()
    by_array.push(frames)
    for frame in frames:
        by_frame.push(av.VideoFrame.from_ndarray(frame, "rgb24"))
    for engine in (by_array, by_frame):
        stats = engine.finalise().stats
        assert stats["first_frame"].null_count < stats.num_rows
        assert stats["first_seconds"].null_count == stats.num_rows


def test_as_many_times_as_frames() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        an_engine().push(call_frames(3), np.arange(4.0))


# Merging, saving and loading


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_engine_goes_on_exactly(tmp_path: Path, method: Method) -> None:
    frames = call_frames()
    choice: dict[str, Any] = {
        "method": method,
        "metric": "cosine",
        "threshold": 0.97,
        "noise_frames": 0,
        "slots": 4,
        "bits": 7,
        "tolerance": 3,
    }
    engine = Engine(HEIGHT, WIDTH, **choice)
    engine.push(frames[:70], np.arange(70) / 25)
    engine.save(tmp_path / "call.npz")
    loaded = Engine.load(str(tmp_path / "call.npz"), threads=1)
    assert loaded.n_frames == 70
    assert (loaded.height, loaded.width) == (HEIGHT, WIDTH)
    assert loaded.parameters.as_dict() == engine.parameters.as_dict()
    assert loaded.parameters.n_threads == 1
    assert_same(loaded.finalise(), engine.finalise())
    for each in (engine, loaded):
        each.push(frames[70:], np.arange(70, 150) / 25)
    assert_same(loaded.finalise(), engine.finalise())


def test_an_engine_without_frames_can_be_saved(tmp_path: Path) -> None:
    an_engine(slots=3).save(tmp_path / "call.npz")
    loaded = Engine.load(tmp_path / "call.npz")
    assert loaded.n_frames == 0
    loaded.push(numbered_frame(0, HEIGHT, WIDTH))
    assert loaded.finalise().report["frames_read"] == 1


def test_what_is_loaded_takes_frames_of_one_kind(tmp_path: Path) -> None:
    engine = an_engine()
    engine.push(call_frames(3))
    engine.save(tmp_path / "call.npz")
    loaded = Engine.load(tmp_path / "call.npz")

    def go_on() -> None:
        loaded.push(numbered_frame(0, HEIGHT, WIDTH))
        loaded.finalise()

    with pytest.raises(ValueError, match="does not fit"):
        go_on()


def test_files_that_are_no_state(tmp_path: Path) -> None:
    path = tmp_path / "call.npz"
    np.savez(path, frames=np.zeros(3))
    with pytest.raises(IncompatibleTable, match=str(path)):
        Engine.load(path)
    path.write_bytes(b"")
    with pytest.raises(IncompatibleTable, match=str(path)):
        Engine.load(path)


@pytest.mark.parametrize("change", [{"median": True}, {"threshold": 1000}, {"metric": "euclid"}])
def test_parameters_of_another_version(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "call.npz"
    engine = an_engine()
    engine.push(call_frames(3))
    engine.save(path)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    header = json.loads(arrays["header"].tobytes())
    header["parameters"] |= change
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(IncompatibleTable, match="not a state"):
        Engine.load(path)


def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("missing", "file"):
        with pytest.raises(OutputUnwritable):
            an_engine().save(tmp_path / folder / "call.npz")


def test_merged_engines_equal_one() -> None:
    frames = call_frames()
    choice: dict[str, Any] = {"method": "rarest", "tolerance": 0, "slots": 20}
    whole, merged = Engine(HEIGHT, WIDTH, **choice), Engine(HEIGHT, WIDTH, **choice)
    times = np.arange(len(frames)) / 25
    whole.push(frames, times)
    for start, end in ((0, 0), (0, 61), (61, 62), (62, 150)):
        part = Engine(HEIGHT, WIDTH, **choice)
        part.push(frames[start:end], times[start:end])
        merged.merge(part)
        assert part.n_frames == end - start, "the other is left as it was"
    assert merged.n_frames == 150
    assert_same(merged.finalise(), whole.finalise())


@pytest.mark.parametrize(
    "other",
    [{"method": "rarest"}, {"slots": 4}, {"bits": 7}, {"tolerance": 5}],
    ids=str,
)
@pytest.mark.parametrize("n_frames", [0, 3])
def test_engines_that_count_otherwise_cannot_be_merged(
    other: dict[str, Any], n_frames: int
) -> None:
    one, two = an_engine(), an_engine(**other)
    one.push(call_frames(3)[:n_frames])
    two.push(call_frames(3))
    with pytest.raises(IncompatibleTable):
        one.merge(two)
    assert one.n_frames == n_frames


@pytest.mark.parametrize("n_frames", [0, 3])
def test_engines_of_another_size_cannot_be_merged(n_frames: int) -> None:
    one, two = an_engine(), an_engine(width=WIDTH - 2)
    one.push(call_frames(3)[:n_frames])
    two.push(call_frames(3)[:, :, 2:])
    with pytest.raises(IncompatibleTable):
        one.merge(two)
    assert one.finalise().room.shape == (HEIGHT, WIDTH, 4)


# Bounds and parameters


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rgb", [False, True])
def test_the_state_is_at_most_128_bytes_a_pixel(method: Method, rgb: bool) -> None:
    sizes = set()
    for n_frames in (1, 150):
        engine = Engine(HEIGHT, WIDTH, method=method)
        for frame in call_frames(n_frames):
            given = av.VideoFrame.from_ndarray(frame, "rgb24")
            engine.push(given if rgb else given.reformat(format="yuv420p"))
        sizes.add(engine.finalise().report["state_bytes_per_pixel"])
    assert len(sizes) == 1
    assert sizes.pop() <= 128


@pytest.mark.parametrize(
    ("size", "choice"),
    [
        ((0, 5), {}),
        ((5, -1), {}),
        ((5, 5), {"chunk_frames": 0}),
        ((5, 5), {"slots": 1}),
        ((5, 5), {"threshold": 101}),
    ],
)
def test_what_is_out_of_range(size: tuple[int, int], choice: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        Engine(*size, **choice)


def test_a_state_larger_than_the_memory() -> None:
    engine = Engine(2**20, 2**20, chunk_frames=1)
    with pytest.raises(FrameTooLarge, match="scale the video down"):
        engine.save("never written")
    assert not Path("never written").exists()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (1, 40), (41, 1), (2, 9)])
def test_odd_sizes(method: Method, height: int, width: int) -> None:
    engine = Engine(height, width, method=method)
    rng = np.random.default_rng(0)
    for _ in range(70):
        planar = av.VideoFrame(width, height, "yuv420p")
        for plane in planar.planes:
            plane.update(rng.integers(0, 256, plane.buffer_size, np.uint8).tobytes())
        engine.push(planar)
    recovery = engine.finalise()
    assert recovery.room.shape == (height, width, 4)
    assert recovery.stats.num_rows == height * width


# Recovering a file


def test_recover_reports_what_it_did(call: Path) -> None:
    told: list[Progress] = []
    recovery = unveil.recover(call, method="transitions", threads=1, progress=told.append)
    report = recovery.report
    assert json.loads(json.dumps(report)) == report
    assert report["frames_read"] == report["frames_used"] == 150
    assert report["frames_damaged"] == report["frames_skipped"] == 0
    assert report["truncated"] is None
    assert report["interrupted"] is False
    assert report["warnings"] == []
    assert report["input"]["width"] == WIDTH
    assert report["parameters"]["method"] == "transitions"
    assert report["recovered_pixels"] == recovery.recovered
    assert report["coverage"] == pytest.approx(recovery.recovered / (HEIGHT * WIDTH))
    assert report["state_bytes_per_pixel"] <= 128
    assert set(report["seconds"]) >= {"open", "prepare", "decode", "count", "finalise"}
    stages = [progress.stage for progress in told]
    assert stages[0] == "prepare"
    assert stages[-1] == "finalise"
    assert told[-1].n_frames == 150


def test_recover_equals_pushing_the_decoded_frames(call: Path) -> None:
    engine = an_engine()
    with av.open(str(call)) as container:
        for frame in container.decode(video=0):
            engine.push(frame)
    pushed, recovered = engine.finalise(), unveil.recover(call, method="transitions")
    assert pushed.room.tobytes() == recovered.room.tobytes()
    assert pushed.stats.equals(recovered.stats)
    assert seconds_of(recovered, "last_seconds").max() <= 6


def test_a_part_of_a_recording(call: Path) -> None:
    recovery = unveil.recover(
        call, method="transitions", start_seconds=1.0, end_seconds=4.0, stride=2
    )
    assert recovery.report["frames_used"] == pytest.approx(38, abs=1)
    assert recovery.report["selection"] == {
        "start_seconds": 1.0,
        "end_seconds": 4.0,
        "stride": 2,
    }
    seconds = seconds_of(recovery, "first_seconds")
    assert len(seconds) == 0 or (seconds.min() >= 1 - 1e-9 and seconds.max() <= 4)


def test_previews_show_what_is_recovered_so_far(call: Path) -> None:
    previews: list[Recovery] = []
    recovery = unveil.recover(
        call, method="transitions", chunk_frames=10, preview=previews.append, preview_seconds=0.0
    )
    counted = [preview.report["frames_read"] for preview in previews]
    assert counted == sorted(set(counted))
    assert previews[-1].room.shape == recovery.room.shape
    assert recovery.room.tobytes() == unveil.recover(call, method="transitions").room.tobytes()


def test_a_turned_video_is_recovered_upright(tmp_path: Path, call: Path) -> None:
    with av.open(str(call)) as container:
        frames = list(container.decode(video=0))
    path = write_video(tmp_path / "turned.mp4", frames, rate=25, rotation=(90,))
    straight = write_video(tmp_path / "straight.mp4", frames, rate=25)
    turned, upright = (
        unveil.recover(path, method="transitions"),
        unveil.recover(straight, method="transitions"),
    )
    assert turned.room.shape == (WIDTH, HEIGHT, 4)
    assert turned.stats.num_rows == HEIGHT * WIDTH
    assert any(np.array_equal(np.rot90(upright.room, turns), turned.room) for turns in (1, 3))
    assert turned.recovered == upright.recovered


def test_errors_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        unveil.recover(tmp_path / "missing.mp4")
    with pytest.raises(InvalidParameter):
        unveil.recover(tmp_path / "missing.mp4", slots=1)


# Long recordings and several engines


def repeated(engine: Engine, path: Path, doublings: int) -> Engine:
    """Let an engine count its frames so often again: the state is saved, loaded and merged."""
    for _ in range(doublings):
        engine.save(path)
        engine.merge(Engine.load(path, threads=1))
    return engine


@pytest.mark.parametrize("method", ["transitions", "farend"])
def test_a_still_background_is_known_after_a_day(tmp_path: Path, method: Method) -> None:
    """At 30 frames a second a day takes every counter of 16 bits beyond its end."""
    engine = Engine(HEIGHT, WIDTH, method=method, threads=1)
    for chunk in chunks_with_person(10):
        engine.update(chunk)
    early = repeated(engine, tmp_path / "state.npz", 3).finalise()
    late = repeated(engine, tmp_path / "state.npz", 11).finalise()
    assert late.report["frames_read"] > 24 * 3600 * 30
    assert early.report["background_coverage"] > 0.5
    assert early.report["coverage"] > 0.5
    for name in ("background_coverage", "coverage", "mean_confidence"):
        assert late.report[name] == pytest.approx(early.report[name], abs=0.02), name


@pytest.mark.parametrize("method", METHODS)
def test_two_engines_count_at_once_in_two_threads(method: Method) -> None:
    calls = [call_frames(90), call_frames(90)[:, ::-1]]
    engines = [Engine(HEIGHT, WIDTH, method=method, threads=2) for _ in calls]
    both = threading.Barrier(2, timeout=60)

    def count_all(engine: Engine, frames: Array) -> list[Recovery]:
        snapshots = []
        for part in np.split(frames, 6):
            both.wait()
            engine.push(part)
            snapshots.append(engine.finalise())
        return snapshots

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(count_all, engines, calls))
    for frames, snapshots in zip(calls, found, strict=True):
        assert_same(snapshots[-1], recover_frames(frames, method=method, threads=1))
        assert_same(snapshots[2], recover_frames(frames[:45], method=method, threads=1))
    assert found[0][-1].background.tobytes() != found[1][-1].background.tobytes()


def test_two_recoveries_run_at_once(call: Path) -> None:
    """With decoders, kernels and finalisers of their own."""
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(unveil.recover, call, method=method, threads=2)
            for method in (*METHODS, *METHODS)
        ]
        found = [run.result() for run in runs]
    for method, recovery in zip((*METHODS, *METHODS), found, strict=True):
        alone = unveil.recover(call, method=method, threads=1)
        assert recovery.room.tobytes() == alone.room.tobytes()
        assert recovery.stats.equals(alone.stats)


# Interrupts and errors while frames are counted

KERNELS = {
    "farend": (outside, "count_outside"),
    "rarest": (runs, "count_runs"),
    "transitions": (transitions, "count_transitions"),
}
"""The module and the name of the kernel that counts a band, by method."""


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    if os.name == "nt":
        pytest.skip("sends signals to a thread")
    with ctrl_c_raises():
        yield


def before_kernel(
    monkeypatch: pytest.MonkeyPatch, method: str, call: int, action: Callable[[], object]
) -> None:
    """Do something in the band that is counted by the given call of a method's kernel."""
    module, name = KERNELS[method]
    kernel = getattr(module, name)
    calls = itertools.count()

    def counting(*arguments: object) -> None:
        if next(calls) == call:
            action()
        kernel(*arguments)

    monkeypatch.setattr(module, name, counting)


def without_preparation(monkeypatch: pytest.MonkeyPatch, method: Method) -> None:
    """Load a method's kernels now, so that `recover` calls them for its chunks alone."""
    prepare(method)
    monkeypatch.setattr(run_module, "prepare", lambda *arguments, **options: 0.0)


def chunks_with_person(n_chunks: int, n_frames: int = 16) -> list[Chunk]:
    """Cut the call into chunks that say that the person is in the left third."""
    layout = Layout(HEIGHT, WIDTH, colour=RGB)
    person = np.zeros((n_frames, *layout.block_grid), np.uint8)
    person[:, :, : layout.block_grid[1] // 3] = 1
    made = []
    for frames in np.split(call_frames(n_chunks * n_frames), n_chunks):
        green, blue, red = (np.ascontiguousarray(frames[..., c]) for c in (1, 2, 0))
        made.append(Chunk((green, blue, red), np.full(n_frames, math.nan), layout, person))
    return made


def assert_not_torn(recovery: Recovery, n_frames: int) -> None:
    """Check that no count is larger than the number of frames, as one that wrapped would be."""
    for name in ("background_count", "room_count", "episodes"):
        assert getattr(recovery.counts, name).max() <= n_frames
    assert recovery.counts.last_frame.max() < n_frames
    assert recovery.confidence.max() <= 1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("band", [0, 1])
@pytest.mark.parametrize("method", KERNELS)
def test_ctrl_c_is_taken_when_the_chunk_is_counted(
    monkeypatch: pytest.MonkeyPatch, ctrl_c: None, method: Method, band: int, threads: int
) -> None:
    chunks = chunks_with_person(4)
    whole = Engine(HEIGHT, WIDTH, method=method, threads=threads)
    for chunk in chunks:
        whole.update(chunk)
    engine = Engine(HEIGHT, WIDTH, method=method, threads=threads)
    engine.update(chunks[0])
    engine.update(chunks[1])
    before_kernel(monkeypatch, method, band, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        engine.update(chunks[2])
    assert engine.n_frames == 48
    assert_not_torn(engine.finalise(), 48)
    engine.update(chunks[3])
    assert_same(engine.finalise(), whole.finalise())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("method", KERNELS)
def test_an_error_in_a_band_is_raised_and_all_other_bands_are_counted(
    monkeypatch: pytest.MonkeyPatch, method: Method, error: type[BaseException], threads: int
) -> None:
    chunks = chunks_with_person(4)
    whole = Engine(HEIGHT, WIDTH, method=method, threads=threads)
    engine = Engine(HEIGHT, WIDTH, method=method, threads=threads)
    for chunk in chunks:
        whole.update(chunk)
    engine.update(chunks[0])
    engine.update(chunks[1])

    def fail() -> None:
        raise error

    with monkeypatch.context() as patch:
        before_kernel(patch, method, 0, fail)
        with pytest.raises(error):
            engine.update(chunks[2])
    assert engine.n_frames == 48
    assert_not_torn(engine.finalise(), 48)
    engine.update(chunks[3])
    recovery = engine.finalise()
    assert_not_torn(recovery, 64)
    if method == "rarest":  # the one whose decision of a pixel asks no other pixel
        untouched = np.s_[8:]
        for name in ("background_count", "room_count", "first_frame", "last_frame"):
            counted = getattr(recovery.counts, name)[untouched]
            assert np.array_equal(counted, getattr(whole.finalise().counts, name)[untouched])


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_during_a_merge_is_taken_after_it(
    monkeypatch: pytest.MonkeyPatch, ctrl_c: None, threads: int
) -> None:
    frames = call_frames(100)
    merged, whole, later = (an_engine(threads=threads) for _ in range(3))
    for engine in (merged, whole):
        engine.push(frames[:60])
    later.push(frames[60:])
    whole.merge(later)
    kernel = transitions.merge_transitions
    calls = itertools.count()

    def merging(*arguments: object) -> None:
        if next(calls) == 1:
            press_ctrl_c()
        kernel(*arguments)

    monkeypatch.setattr(TransitionTable, "merge_kernel", staticmethod(merging))
    with pytest.raises(KeyboardInterrupt):
        merged.merge(later)
    assert merged.n_frames == 100
    assert_same(merged.finalise(), whole.finalise())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_live_source_is_recovered_to_the_last_chunk(
    call: Path, monkeypatch: pytest.MonkeyPatch, ctrl_c: None, method: Method, threads: int
) -> None:
    camera = replace(source_of(call), live=True)
    expected = unveil.recover(call, method=method, threads=threads, end_seconds=3 * 16 / 25 - 0.01)
    n_bands: list[tuple[int, int]] = []
    Bands(threads).run(lambda first, last: n_bands.append((first, last)), HEIGHT)
    without_preparation(monkeypatch, method)
    before_kernel(monkeypatch, method, 2 * len(n_bands) + 1, press_ctrl_c)
    recovery = unveil.recover(camera, method=method, threads=threads)
    assert recovery.report["interrupted"]
    assert recovery.report["frames_used"] == expected.report["frames_used"] == 48
    assert_not_torn(recovery, 48)
    assert recovery.room.tobytes() == expected.room.tobytes()
    assert recovery.stats.equals(expected.stats)


def test_an_interrupted_file_is_not_recovered(
    call: Path, monkeypatch: pytest.MonkeyPatch, ctrl_c: None
) -> None:
    without_preparation(monkeypatch, "transitions")
    before_kernel(monkeypatch, "transitions", 5, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        unveil.recover(call, method="transitions")


@pytest.mark.parametrize("method", METHODS)
def test_preparing_counts_nothing(method: Method) -> None:
    assert 0 <= prepare(method) < math.inf
