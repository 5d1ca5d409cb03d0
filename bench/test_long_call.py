"""Tests of the joining of calls: `python -m pytest bench/test_long_call.py`."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from bench.calls import join
from unveil.video.writer import VideoWriter

RATE = 25


def write(path: Path, greys: list[int], height: int = 64) -> Path:
    """Write even frames of these greys."""
    with VideoWriter(path, height=height, width=96, frame_rate=RATE, crf=10) as writer:
        for grey in greys:
            writer.write(np.full((height, 96, 3), grey, np.uint8))
    return path


def decoded(path: Path) -> list[tuple[float, int]]:
    """Return the time and the grey of each frame."""
    with av.open(path) as container:
        return [
            (frame.time or 0.0, round(float(frame.to_ndarray(format="gray").mean())))
            for frame in container.decode(video=0)
        ]


def test_joined_calls_have_all_frames_one_after_the_other(tmp_path: Path) -> None:
    a = write(tmp_path / "a.mp4", [40, 60, 80, 100, 120, 140, 160])
    b = write(tmp_path / "b.mp4", [200, 180, 90])
    parts = {path: [grey for _, grey in decoded(path)] for path in (a, b)}
    join([a, b, b, a], tmp_path / "all.mp4")
    times, greys = zip(*decoded(tmp_path / "all.mp4"), strict=True)
    assert list(greys) == parts[a] + parts[b] + parts[b] + parts[a]
    assert np.diff(times) == pytest.approx(1 / RATE)


def test_calls_of_another_size_are_not_joined(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.mp4", [40, 60]), write(tmp_path / "b.mp4", [40, 60], height=32)
    with pytest.raises(ValueError, match=r"b\.mp4"):
        join([a, b], tmp_path / "all.mp4")
