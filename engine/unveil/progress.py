"""How far a run is, told to whoever asks; silence is the default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes
    ----------
    stage
        "prepare" while kernels are loaded; "compile" if some must be compiled, as on the first
        run on a machine; then "count"; then "finalise".
    n_frames
        Frames counted.
    expected_frames
        How many there will be, None where nobody knows.
    video_seconds
        Time in the recording of the last frame counted; NaN where frames bear no time.
    elapsed_seconds
        Wall time since the run began.
    """

    stage: Literal["prepare", "compile", "count", "finalise"]
    n_frames: int = 0
    expected_frames: int | None = None
    video_seconds: float = 0.0
    elapsed_seconds: float = 0.0


ProgressCallback: TypeAlias = Callable[[Progress], object]
"""Called a few times a second at most while frames are counted, in the caller's thread."""

PROGRESS_SECONDS: Final = 0.1
"""Between two calls, at least, while frames are counted."""


def silent(progress: Progress) -> None:
    """Tell nobody."""
