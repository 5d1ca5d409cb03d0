"""A made call with a person in every chunk, beside whom the room leaks now and then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unveil.recovery.engine import Engine
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk, Colour, Layout
from unveil.video.colour import ciede2000, to_lab

Array = npt.NDArray[Any]

HEIGHT, WIDTH, FRAMES = 96, 160, 160
LAYOUT = Layout(HEIGHT, WIDTH, colour=Colour("rgb", full_range=True))
PERSON_WIDTH, LEAK_WIDTH = 40, 10

SEARCHED_EVERY = 3


@dataclass(frozen=True)
class Call:
    """A person who sways before a background, and beside whom the room leaks now and then."""

    frames: Array
    """(n, h, w, 3) uint8"""
    person: Array
    """As `Chunk.person`"""
    leaked: Array
    """(h, w) int: frames in which a pixel showed the room."""
    room: Array
    background: Array

    def chunks(self, chunk_frames: int) -> Iterator[Chunk]:
        """Cut it."""
        for start in range(0, len(self.frames), chunk_frames):
            frames = self.frames[start : start + chunk_frames]
            numbers = np.arange(start, start + len(frames))
            green, blue, red = (np.ascontiguousarray(frames[..., c]) for c in (1, 2, 0))
            yield Chunk(
                (green, blue, red),
                numbers / 25,
                LAYOUT,
                self.person[start : start + len(frames)],
                numbers % SEARCHED_EVERY == 0,
            )

    def pushed(self, chunk_frames: int = 16, **choice: Any) -> Engine:
        """Count it."""
        engine = Engine(HEIGHT, WIDTH, **{"method": "farend"} | choice)
        for chunk in self.chunks(chunk_frames):
            engine.update(chunk)
        return engine


def leaking_call() -> Call:
    """Make it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    background = np.stack([70 + y // 2, 90 + x // 4, 150 - y // 4], -1).astype(np.uint8)
    room = np.stack([150 + y // 3, 110 - x // 8, 90 + x // 4], -1).astype(np.uint8)
    rng = np.random.default_rng(0)
    frames = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    person = np.zeros((FRAMES, *LAYOUT.block_grid), np.uint8)
    leaked = np.zeros((HEIGHT, WIDTH), np.int64)
    for number in range(FRAMES):
        left = 60 + round(12 * np.sin(number / 9))
        body = np.s_[30:, left : left + PERSON_WIDTH]
        shown = background.copy()
        if number % 20 < 6:
            for leak in (
                np.s_[34:80, left - LEAK_WIDTH : left],
                np.s_[34:80, left + PERSON_WIDTH : left + PERSON_WIDTH + LEAK_WIDTH],
            ):
                shown[leak] = room[leak]
                leaked[leak] += 1
        shown[body] = rng.integers(0, 60, shown[body].shape)
        frames[number] = np.clip(shown + rng.integers(-2, 3, shown.shape), 0, 255)
        person[number, 29:, left - 1 : left + PERSON_WIDTH + 1] = 1
    assert LAYOUT.block_size == 1
    return Call(frames, person, leaked, room, background)


def assert_same(a: Recovery, b: Recovery) -> None:
    """Compare all that is saved."""
    assert a.room.tobytes() == b.room.tobytes()
    assert a.background.tobytes() == b.background.tobytes()
    assert a.confidence.tobytes() == b.confidence.tobytes()
    assert a.stats.equals(b.stats)
    assert a.report == b.report


def right(recovery: Recovery, room: Array, within: float = 10.0) -> Array:
    """Where a claim is the room's colour."""
    wanted, found = (to_lab(picture[..., :3].astype(float)) for picture in (room, recovery.room))
    near: Array = ciede2000(found, wanted) < within
    return near & (recovery.room[..., 3] > 0)
