"""A small call for engines, with and without person masks, and what two recoveries have alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from unveil import Engine
from unveil.recovery.engine import RGB
from unveil.recovery.parameters import Method
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk, Layout

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


def an_engine(*, width: int = WIDTH, **choice: Any) -> Engine:
    """Make an engine that needs no person: these calls show none."""
    return Engine(HEIGHT, width, **{"method": "transitions"} | choice)


def recover_frames(frames: Array, **choice: Any) -> Recovery:
    """Push frames into one engine and recover what it saw."""
    engine = an_engine(**choice)
    engine.push(frames)
    return engine.finalise()


def assert_same(a: Recovery, b: Recovery) -> None:
    """Check that two recoveries and their reports are the same to the byte."""
    assert a.room.tobytes() == b.room.tobytes()
    assert a.background.tobytes() == b.background.tobytes()
    assert a.confidence.tobytes() == b.confidence.tobytes()
    assert a.stats.equals(b.stats)
    assert a.report == b.report


def seconds_of(recovery: Recovery, name: str) -> Array:
    """Return a column of times of the statistics, without unknown ones."""
    values = np.array(recovery.stats[name].to_pylist(), np.float64)
    return values[~np.isnan(values)]
