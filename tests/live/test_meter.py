"""The leak meter: it finds what an engine finds, skips instead of waiting, and ends cleanly."""

from __future__ import annotations

import io
import threading
from queue import SimpleQueue

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.command import call_frames
from unveil.live import meter as meter_module
from unveil.live.meter import CountedFrames, LeakMeter, Reading
from unveil.recovery.engine import Engine
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Layout, Planes
from unveil.video.pixel_format import PlaneReader

TRANSITIONS = Parameters("transitions", threads=1)
"""Needs no person, and no network."""


def planes_of(frame: av.VideoFrame) -> Planes:
    reader = PlaneReader()
    luma, cb, cr = reader.layout_of(frame).empty(1)
    reader.copy_into(frame, (luma, cb, cr), 0)
    return luma[0], cb[0], cr[0]


def call(height: int = 48, width: int = 64) -> tuple[list[Planes], Layout]:
    """Make a call that leaks an orange room beside a bar that moves."""
    frames = [
        planes_of(frame.reformat(format="yuv420p")) for frame in call_frames(40, height, width)
    ]
    return frames, Layout(height, width, 1, 1)


def png(picture: bytes) -> npt.NDArray[np.uint8]:
    return np.array(Image.open(io.BytesIO(picture)))


def test_a_reading_is_what_an_engine_finds() -> None:
    frames, layout = call()
    counted = CountedFrames(layout, TRANSITIONS)
    engine = Engine(layout.height, layout.width, parameters=TRANSITIONS)
    for number, planes in enumerate(frames):
        counted.add(planes, number / 30)
        luma, cb, cr = (plane[None] for plane in planes)
        engine.update(Chunk((luma, cb, cr), np.array([number / 30]), layout))
    reading, expected = counted.reading(7), engine.finalise()
    claimed = expected.room[..., 3] > 0
    assert reading.frames == 40
    assert reading.skipped == 7
    assert reading.leaked_share == claimed.mean() > 0.1
    assert reading.confident_share == (expected.confidence > 0.5).mean()
    room = png(reading.picture)
    np.testing.assert_array_equal(room[..., 3], np.where(claimed, 255, 0))
    np.testing.assert_array_equal(room[claimed, :3], expected.room[claimed, :3])
    assert (room[~claimed] == 0).all()


def test_what_limits_a_reading_is_told() -> None:
    """Behind a picture that changes everywhere nothing is recovered, and the notes say why."""
    rng = np.random.default_rng(2)
    layout = Layout(48, 64, 1, 1)
    counted = CountedFrames(layout, Parameters("farend", person="lite", threads=1))
    for number in range(24):
        luma = rng.integers(30, 220, (48, 64), np.uint8)
        counted.add((luma, *(np.full((24, 32), 128, np.uint8),) * 2), number / 30)
    reading = counted.reading(0)
    assert reading.leaked_share == 0
    assert reading.notes
    assert reading.as_dict()["notes"] == list(reading.notes)


def test_a_reading_leaves_the_count() -> None:
    frames, layout = call()
    often, once = CountedFrames(layout, TRANSITIONS), CountedFrames(layout, TRANSITIONS)
    for number, planes in enumerate(frames):
        often.add(planes, number / 30)
        once.add(planes, number / 30)
        if number % 7 == 0:
            often.reading(0)
    assert often.reading(0).picture == once.reading(0).picture


def test_large_frames_are_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, layout = call(96, 130)
    whole = CountedFrames(layout, TRANSITIONS)
    monkeypatch.setattr(meter_module, "MAX_PIXELS", 96 * 130 - 1)
    halved = CountedFrames(layout, TRANSITIONS)
    for number, planes in enumerate(frames):
        whole.add(planes, number / 30)
        halved.add(planes, number / 30)
    assert png(whole.reading(0).picture).shape == (96, 130, 4)
    assert png(halved.reading(0).picture).shape == (48, 64, 4)
    assert abs(whole.reading(0).leaked_share - halved.reading(0).leaked_share) < 0.1


class Metered:
    """A meter and what it says."""

    def __init__(self, refresh_seconds: float, parameters: Parameters = TRANSITIONS) -> None:
        self.readings: SimpleQueue[Reading] = SimpleQueue()
        self.errors: SimpleQueue[str] = SimpleQueue()
        self.meter = LeakMeter(
            self.readings.put,
            self.errors.put,
            parameters=parameters,
            refresh_seconds=refresh_seconds,
        )

    def push_until_reading(self, frames: list[Planes], layout: Layout) -> tuple[int, Reading]:
        """Push frames over and over until there is a reading; return how many."""
        number = 0
        while self.readings.empty():
            self.meter.push(frames[number % len(frames)], layout, number / 30)
            number += 1
            threading.Event().wait(0.001)
        return number, self.readings.get()


def test_every_frame_is_counted_or_skipped() -> None:
    frames, layout = call()
    metered = Metered(0.2)
    pushed, reading = metered.push_until_reading(frames, layout)
    assert 0 < reading.frames <= pushed
    assert reading.frames + reading.skipped <= pushed
    assert reading.seconds >= 0.2
    assert 0 < reading.confident_share <= reading.leaked_share <= 1
    metered.meter.close()
    assert metered.meter.join(20)
    assert metered.errors.empty()


def test_another_background_or_size_begins_anew() -> None:
    frames, layout = call()
    metered = Metered(0.1)
    _, first = metered.push_until_reading(frames, layout)
    _, second = metered.push_until_reading(frames, layout)
    assert second.frames > first.frames
    assert second.seconds > first.seconds
    metered.meter.begin_anew()
    _, third = metered.push_until_reading(frames, layout)
    assert third.seconds < second.seconds
    smaller, other = call(32, 48)
    _, fourth = metered.push_until_reading(smaller, other)
    if png(fourth.picture).shape == (48, 64, 4):  # it was on its way
        _, fourth = metered.push_until_reading(smaller, other)
    assert png(fourth.picture).shape == (32, 48, 4)
    metered.meter.close()


def test_a_frame_that_waits_belongs_to_the_background_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames, layout = call()
    may_count, has_counted = threading.Event(), threading.Semaphore(0)
    counted: list[tuple[int, float]] = []

    def add(self: object, planes: Planes, timestamp: float) -> None:
        counted.append((id(self), timestamp))
        has_counted.release()
        assert may_count.wait(20)

    monkeypatch.setattr(CountedFrames, "add", add)
    metered = Metered(60)
    metered.meter.push(frames[0], layout, 0.0)
    assert has_counted.acquire(timeout=20)
    metered.meter.push(frames[1], layout, 1.0)  # waits, for the meter is busy
    metered.meter.begin_anew()
    may_count.set()
    assert has_counted.acquire(timeout=20)
    metered.meter.push(frames[2], layout, 2.0)
    assert has_counted.acquire(timeout=20)
    metered.meter.close()
    states = {timestamp: state for state, timestamp in counted}
    assert states[0.0] == states[1.0] != states[2.0]


def test_a_meter_that_fails_says_so_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, planes: Planes, timestamp: float) -> None:
        raise MemoryError

    monkeypatch.setattr(CountedFrames, "add", fail)
    frames, layout = call()
    metered = Metered(0.1)
    metered.meter.push(frames[0], layout, 0.0)
    message = metered.errors.get(timeout=20)
    assert message == "leak meter: not enough memory; it is switched off"
    assert metered.meter.join(20)
    metered.meter.push(frames[0], layout, 0.0)  # is dropped


def test_closing_ends_a_meter_that_waits() -> None:
    metered = Metered(60)
    metered.meter.close()
    assert metered.meter.join(20)
