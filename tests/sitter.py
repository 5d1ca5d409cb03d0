"""A person who sits still in a noisy room, and a segmenter that finds that person or fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from unveil.person import Mask
from unveil.video.chunk import Layout, Planes

U8 = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 64, 96
PERSON = np.s_[16:, 32:64]
"""Where the person sits in a picture of this size, far enough inside to be solid."""
INSIDE = np.s_[24:60, 40:56]
OUTSIDE = (np.s_[:, :24], np.s_[:, 72:], np.s_[:8])
SKIN, ROOM_LOW, ROOM_HIGH = 200, 30, 120

Answer = Mask | None | Exception


def seated(height: int = HEIGHT, width: int = WIDTH, presence: float = 1.0) -> Mask:
    """Make a mask of 16 x 24 cells that shows the person."""
    probability = np.zeros((16, 24), np.float32)
    probability[4:, 8:16] = 1.0
    to_mask = np.array([[24 / width, 0.0, 0.0], [0.0, 16 / height, 0.0]])
    return Mask(probability, to_mask, height, width, presence, landmarks=None)


class Watcher:
    """Stands in for `unveil.person.Segmenter`: answers each frame as it is told to.

    `answer` gets the number of the frame and gives a mask, None, or an error to raise.
    """

    def __init__(self, answer: Callable[[int], Answer] = lambda number: seated()) -> None:
        self._answer = answer
        self.n_asked = 0
        self.n_resets = 0
        self.threads: set[str] = set()

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask | None:
        """Answer; frames of 16 x 16 only load kernels and do not count."""
        if (layout.height, layout.width) == (16, 16):
            return None
        self.threads.add(threading.current_thread().name)
        answer = self._answer(self.n_asked)
        self.n_asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def count_people(self, planes: Planes, layout: Layout) -> int | None:
        """Answer as a model that marks all people."""
        return None

    def detect(self, planes: Planes, layout: Layout, to_frame: Any, known: Mask) -> Any:
        """Find nobody beside the known person."""
        return None

    def reset(self) -> None:
        """Count."""
        self.n_resets += 1


def find_seated(monkeypatch: pytest.MonkeyPatch, height: int, width: int) -> None:
    """Let every search of a recovery find the person who sits, without a network."""
    monkeypatch.setattr(
        "unveil.person.blocks.Segmenter",
        lambda model, threads=None: Watcher(lambda number: seated(height, width)),
    )


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> U8:
    """Luma of a frame: a room of noise that is never the same, and the person."""
    rng = np.random.default_rng((7, number))
    luma = rng.integers(ROOM_LOW, ROOM_HIGH, (height, width), np.uint8)
    luma[height // 4 :, width // 3 : 2 * width // 3] = SKIN
    return luma


def frame(number: int, height: int = HEIGHT, width: int = WIDTH) -> av.VideoFrame:
    """Make a yuv420p frame of it, at 25 a second."""
    made = av.VideoFrame(width, height, "yuv420p")
    for plane, content in zip(
        made.planes, (picture(number, height, width), np.uint8(90), np.uint8(160)), strict=True
    ):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        rows[:, : plane.width] = content
    return made


def luma_of(shown: av.VideoFrame, plane: int = 0) -> U8:
    """Copy a plane of a frame, without its padding."""
    data = shown.planes[plane]
    rows = np.frombuffer(data, np.uint8).reshape(data.height, data.line_size)
    return rows[:, : data.width].copy()


def decoded(path: Path, codec: str | None = None) -> list[av.VideoFrame]:
    """Decode all frames of a file; with a decoder of this name where one is given."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if codec is None:
            return list(container.decode(stream))
        context: Any = av.CodecContext.create(codec, "r")
        context.extradata = stream.codec_context.extradata
        frames = []
        for packet in container.demux(stream):
            frames += context.decode(packet if packet.size else None)
        return frames
