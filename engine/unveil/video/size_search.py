"""A cheap look ahead: which sizes the frames of a file have."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from av.packet import Packet
from av.video.stream import VideoStream

from unveil.errors import UnveilError
from unveil.interruption import StopRequested, check, never
from unveil.video.container import PYAV_ERRORS, open_container, packets_of
from unveil.video.source import Source

_STEP_SECONDS: Final = 0.5
"""Keyframes nearer to the last decoded one are skipped: some codecs have nothing else."""


def largest_size(
    source: Source,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    stream_number: int | None = None,
    stop: StopRequested = never,
) -> tuple[int, int] | None:
    """Return rows and columns of the largest frames of a file; the commonest of equally large.

    Only keyframes are decoded, at most two a second, because sizes change at keyframes. A size
    that is shown for less than half a second may be missed.

    Parameters
    ----------
    source
        Only a regular file is read.
    start_seconds, end_seconds
        Frames outside this time, counted from the first frame, do not matter, except for those
        after the last keyframe before it.
    stream_number
        Of several video streams, as `open_container` counts them.
    stop
        Returns whether to stop, see `unveil.interruption`.

    Returns
    -------
    size
        None where there is no regular file, or nothing can be decoded.

    Raises
    ------
    Interrupted
        `stop` asked for it.
    """
    if source.path is None or not source.path.is_file():
        return None
    try:
        container, stream = open_container(source, 1, stream_number)
    except UnveilError:
        return None  # whoever reads the frames says why
    sizes: Counter[tuple[int, int]] = Counter()
    before: tuple[int, int] | None = None
    origin, last = math.nan, -math.inf
    start = start_seconds or 0.0
    end = math.inf if end_seconds is None else end_seconds
    try:
        stream.codec_context.thread_type = "NONE"
        for packet in packets_of(container, stream):
            check(stop)
            pts = packet.pts if packet.pts is not None else packet.dts
            seconds = math.nan
            if pts is not None and packet.time_base:
                seconds = float(pts * packet.time_base)
            origin = seconds if math.isnan(origin) else origin
            seconds -= origin
            if seconds >= end:
                break
            if not packet.size or not packet.is_keyframe or seconds - last < _STEP_SECONDS:
                continue
            last = seconds if math.isfinite(seconds) else last
            for size in _sizes_of(stream, packet):
                if seconds <= start:
                    before = size
                else:
                    sizes[size] += 1
    except PYAV_ERRORS:
        pass  # what follows the damage is scaled to what was seen before it
    finally:
        container.close()
    if before is not None:
        sizes[before] += 1
    if not sizes:
        return None
    return max(sizes, key=lambda size: (size[0] * size[1], sizes[size], size))


def _sizes_of(stream: VideoStream, packet: Packet[VideoStream]) -> list[tuple[int, int]]:
    """Decode a keyframe by itself."""
    try:
        frames = [*stream.codec_context.decode(packet), *stream.codec_context.decode(None)]
    except PYAV_ERRORS:
        return []
    finally:
        stream.codec_context.flush_buffers()
    return [(frame.height, frame.width) for frame in frames]
