"""Frames of every kind that an engine takes, their times, and frames that it refuses."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from tests.footage import numbered_frame
from tests.recovery.engine_calls import (
    HEIGHT,
    METHODS,
    WIDTH,
    an_engine,
    assert_same,
    call_frames,
    recover_frames,
    seconds_of,
)
from unveil import Engine
from unveil.recovery.parameters import Method

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
