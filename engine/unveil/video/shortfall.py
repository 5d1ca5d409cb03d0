"""Whether a video ends before its declared end."""

from __future__ import annotations

import math
from typing import Final

_SHARE: Final = 0.1
"""Share of the declared length that may be missing in a video that is not truncated."""
_SECONDS: Final = 0.25


def shortfall(
    *,
    duration_seconds: float | None,
    declared_frames: int | None,
    n_packets: int,
    reached_seconds: float,
    others_reached_seconds: float,
    from_start: bool,
) -> str | None:
    """Return one line that says where a video ends too early, None if it does not.

    Parameters
    ----------
    duration_seconds
        Declared length, None if there is none or if it cannot be trusted.
    declared_frames
        Declared number of frames, None if there is none.
    n_packets
        Packets of frames that were read.
    reached_seconds
        End of the last one, since the first frame; infinite if there are no time stamps.
    others_reached_seconds
        End of what was read of all streams that `duration_seconds` is the length of.
    from_start
        Whether the video was read from its beginning.
    """
    few = declared_frames is not None and n_packets < declared_frames * (1 - _SHARE)
    if duration_seconds is None or not math.isfinite(reached_seconds):
        short = few and from_start
    else:
        # The duration decides, because an edit list hides declared frames from the viewer.
        # Audio longer than the video, and rounded headers, are no damage.
        reached = max(reached_seconds, others_reached_seconds)
        short = duration_seconds - reached > max(_SECONDS, _SHARE * duration_seconds)
    if not short:
        return None
    if few and from_start:
        return f"ends after {n_packets} of {declared_frames} frames"
    return f"ends after {max(0.0, reached_seconds):.1f} of {duration_seconds:.1f} seconds"
