"""Sample frames over a recording: its keyframes for a first look, then frames at even distances."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import av
import av.error
import numpy as np
from av.codec.context import Flags

from unveil.interruption import StopRequested, check
from unveil.video.chunk import Layout, Planes
from unveil.video.container import VideoProperties, open_container, packets_of
from unveil.video.pixel_format import PlaneReader
from unveil.video.reader import open_video
from unveil.video.source import Source

MAX_SAMPLE_BYTES: Final = 96 * 2**20
"""Sample frames together take at most this much memory, but for `MIN_SAMPLES` of them."""

MIN_SAMPLES, MAX_SAMPLES = 8, 64

MAX_KEYFRAMES: Final = 5
"""Keyframes of the first look: it costs every recording their decoding."""

READ_THROUGH_FRAMES: Final = 4000
"""A recording of at most so many frames is read through for samples; in a longer one they are
searched for, each from the keyframe before it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame: its seconds since the first frame, and its planes, (h, w), (ch, cw), (ch, cw)."""

    seconds: float
    planes: Planes
    layout: Layout


def keyframes(source: Source, stream: int | None, start: float, end: float) -> list[Sample]:
    """Return a few keyframes spread over the selected time, the one of the first frame included.

    Where seeking fails, and where the recording's length is unknown, that is the first frame.
    """
    container, video = open_container(source, 1, stream)
    reader = PlaneReader()
    found: dict[int | None, Sample] = {}
    with container:
        video.codec_context.skip_frame = "NONKEY"
        # Without this, a decoder reads on to the next keyframe before it gives out one.
        video.codec_context.flags |= Flags.low_delay
        origin = float((video.start_time or 0) * (video.time_base or 0))
        length = _length(container, video)
        last = min(end, length) if not math.isnan(length) else start
        for seconds in np.linspace(start, max(start, last - 0.5), MAX_KEYFRAMES):
            with suppress(av.error.FFmpegError, EOFError, StopIteration):
                if seconds > 0 and video.time_base:
                    container.seek(
                        round((origin + float(seconds)) / float(video.time_base)), stream=video
                    )
                packets = packets_of(container, video)
                frame = next(frame for packet in packets for frame in video.decode(packet))
                if frame.pts not in found:
                    found[frame.pts] = _sample(reader, frame, float(seconds))
            if math.isnan(length) or video.time_base is None:
                break
    return list(found.values())


def _length(container: Any, video: Any) -> float:
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    return float(container.duration / av.time_base) if container.duration else math.nan


def _sample(reader: PlaneReader, frame: av.VideoFrame, seconds: float) -> Sample:
    layout = reader.layout_of(frame)
    planes = layout.empty(1)
    reader.copy_into(frame, planes, 0)
    luma, cb, cr = planes
    return Sample(seconds, (luma[0], cb[0], cr[0]), layout)


def spread(
    source: Source, reading: Mapping[str, Any], stop: StopRequested
) -> tuple[list[Sample], VideoProperties]:
    """Return frames at even distances over the selected time, in their order.

    Parameters
    ----------
    source
        A file.
    reading
        Keywords of `unveil.video.reader.open_video`.
    stop
        Returns whether to stop.

    Raises
    ------
    Interrupted
        `stop` asked for it.
    """
    with open_video(source, **reading, stop=stop) as video:
        expected, length = video.expected_frames, video.properties.duration_seconds
        properties = video.properties
        if expected is None or length is None or expected <= READ_THROUGH_FRAMES:
            kept = _Kept()
            for chunk in video.chunks():
                kept.add(chunk.planes, chunk.pts_seconds.tolist(), chunk.layout)
            return kept.samples, properties
    start = reading.get("start_seconds") or 0.0
    end = min(length, reading.get("end_seconds") or math.inf)
    return list(_searched(source, reading, stop, start, end)), properties


def _searched(
    source: Source, reading: Mapping[str, Any], stop: StopRequested, start: float, end: float
) -> Iterator[Sample]:
    """Yield the frames at even distances, each read from the keyframe before it."""
    n_samples = MAX_SAMPLES
    seconds, period = start, (end - start) / MAX_SAMPLES
    while seconds < end:
        check(stop)
        at = {**reading, "start_seconds": seconds, "chunk_frames": 1}
        with open_video(source, **at, stop=stop) as video:
            chunk = next(video.chunks(), None)
            if chunk is None:
                return
            n_samples = _affordable(chunk.layout)
            luma, cb, cr = (plane[0].copy() for plane in chunk.planes)
            yield Sample(float(chunk.pts_seconds[0]), (luma, cb, cr), chunk.layout)
        period = (end - start) / n_samples
        seconds += period


def _affordable(layout: Layout) -> int:
    return int(np.clip(MAX_SAMPLE_BYTES // layout.frame_bytes, MIN_SAMPLES, MAX_SAMPLES))


class _Kept:
    """Every N-th of the frames so far; N doubles where they would be too many."""

    def __init__(self) -> None:
        self._step, self._n_frames = 1, 0
        self._kept: list[tuple[int, Sample]] = []

    def add(self, planes: Planes, seconds: list[float], layout: Layout) -> None:
        for i, time in enumerate(seconds):
            if self._n_frames % self._step == 0:
                luma, cb, cr = (plane[i].copy() for plane in planes)
                self._kept.append((self._n_frames, Sample(time, (luma, cb, cr), layout)))
                if len(self._kept) > _affordable(layout):
                    self._step *= 2
                    self._kept = [one for one in self._kept if one[0] % self._step == 0]
            self._n_frames += 1

    @property
    def samples(self) -> list[Sample]:
        return [sample for _, sample in self._kept]
