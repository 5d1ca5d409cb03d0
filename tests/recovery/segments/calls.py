"""A small call that is cut into segments as if it were long, and what two recoveries have alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import unveil
from tests.command import call_frames
from tests.footage import write_video
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.segments.count import SegmentTask
from unveil.video import segments
from unveil.video.reader import open_video
from unveil.video.segments import plan_segments
from unveil.video.selection import Segment, Selection
from unveil.video.source import source_of

N_FRAMES: Final = 240
RATE: Final = 30
TARGET_SECONDS, SHORTEST_SECONDS = 0.5, 2.0

OF_THE_RUN: Final = ("seconds", "workers", "threads")
"""Fields of a report that differ from run to run."""


def use_short_segments(patch: pytest.MonkeyPatch) -> None:
    """Cut short videos as if they were long."""
    patch.setattr(segments, "SHORTEST_SECONDS", SHORTEST_SECONDS)
    patch.setattr(segments, "TARGET_SECONDS", TARGET_SECONDS)


def write_long_call(path: Path, rate: int = RATE) -> Path:
    """Encode `N_FRAMES` frames; at 30 a second, eight seconds with a key frame in each half."""
    options = {"g": "15", "qp": "0", "preset": "ultrafast"}
    return write_video(path, call_frames(N_FRAMES), rate=rate, options=options)


def planned(path: Path) -> tuple[Segment, ...]:
    """Cut a call, with short segments in use."""
    source = source_of(path)
    with open_video(source, threads=1) as video:
        shown = video.properties
        return plan_segments(
            source,
            Selection(),
            None,
            shown.container,
            shown.duration_seconds,
            video.origin_seconds,
        )[0]


def task_of(path: Path, **options: Any) -> SegmentTask:
    """Return how the segments of a call are counted."""
    return SegmentTask(source_of(path), RecoverOptions(threads=1, **options))


def bytes_of(recovery: unveil.Recovery) -> tuple[bytes, ...]:
    """Return all that a recovery says, but for the times of the run."""
    report = {key: value for key, value in recovery.report.items() if key not in OF_THE_RUN}
    counts = recovery.counts
    arrays = [recovery.room, recovery.background, recovery.confidence]
    arrays += [np.asarray(getattr(counts, name)) for name in counts.__slots__]
    times = recovery.times.seconds_at(np.arange(recovery.times.n_frames))
    leaks = None if recovery.leak_times is None else recovery.leak_times.table().to_pydict()
    return (
        json.dumps(report, sort_keys=True, default=str).encode(),
        json.dumps(leaks).encode(),
        times.tobytes(),
        *(array.tobytes() for array in arrays),
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """Read the files of a saved recovery, the report without the times of the run."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    report = json.loads(found.pop("report.json"))
    kept = {key: value for key, value in report.items() if key not in OF_THE_RUN}
    return {**found, "report.json": json.dumps(kept).encode()}
