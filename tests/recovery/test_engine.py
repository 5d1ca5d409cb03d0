"""The engine: the same bytes out however frames are cut and shared, in bounded memory."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import unveil
from tests.recovery.engine_calls import (
    HEIGHT,
    METHODS,
    WIDTH,
    Array,
    assert_same,
    call_frames,
    chunks_with_person,
    recover_frames,
)
from unveil import Engine
from unveil.errors import FrameTooLarge, InvalidParameter
from unveil.recovery.parameters import Method
from unveil.recovery.result import Recovery
from unveil.recovery.warmup import prepare

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


@pytest.mark.parametrize("method", METHODS)
def test_preparing_counts_nothing(method: Method) -> None:
    assert 0 <= prepare(method) < math.inf


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
