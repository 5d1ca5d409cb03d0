"""Progress reports of a run, for a callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Stage: TypeAlias = Literal["prepare", "compile", "count", "finalise"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run.

    Attributes
    ----------
    stage
        "prepare" while kernels are loaded; "compile" if some must be compiled, as on the first
        run on a machine; then "count"; then "finalise".
    n_frames
        Frames counted so far.
    expected_frames
        Total number of frames, None if unknown.
    video_seconds
        Time in the recording of the last counted frame; NaN if frames have no time stamps.
    elapsed_seconds
        Wall time since the start of the run.
    """

    stage: Stage
    n_frames: int = 0
    expected_frames: int | None = None
    video_seconds: float = 0.0
    elapsed_seconds: float = 0.0


ProgressCallback: TypeAlias = Callable[[Progress], object]
"""Called in the caller's thread, at most every `PROGRESS_SECONDS` while frames are counted."""

PROGRESS_SECONDS: Final = 0.1
"""Shortest time between two calls while frames are counted."""


def silent(progress: Progress) -> None:
    """Ignore the progress: the default callback."""
