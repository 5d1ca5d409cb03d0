"""Interrupts and errors while frames are counted: no state is torn, no band left out."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unveil
from tests.interrupts import ctrl_c_raises, press_ctrl_c
from tests.recovery.engine_calls import (
    HEIGHT,
    METHODS,
    WIDTH,
    an_engine,
    assert_same,
    call_frames,
    chunks_with_person,
)
from unveil import Engine
from unveil.counting import outside, runs, transitions
from unveil.counting.transitions import TransitionTable
from unveil.parallel import Bands
from unveil.recovery import run as run_module
from unveil.recovery.parameters import Method
from unveil.recovery.result import Recovery
from unveil.recovery.warmup import prepare
from unveil.video.source import source_of

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
