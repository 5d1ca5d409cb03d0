"""Selection of a video's frames by time and stride."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import av

from unveil.errors import InvalidParameter, check_positive
from unveil.video.container import VideoProperties
from unveil.video.packets import FrameReader

SAME_TIME_SECONDS: Final = 1e-6  # times are rounded when a container stores them


@dataclass(frozen=True, slots=True)
class Selection:
    """Every `stride`-th of the frames with start <= time < end, beginning with the first.

    Times are seconds since the stream's first frame, whatever its time stamp.

    Raises
    ------
    InvalidParameter
        A number is out of range, or the end is not after the start.
    """

    start_seconds: float = 0.0
    end_seconds: float = math.inf
    stride: int = 1

    def __post_init__(self) -> None:
        """Check every range."""
        if not 0 <= self.start_seconds < math.inf:
            raise InvalidParameter(f"start_seconds: {self.start_seconds} is no time in a video")
        if not self.end_seconds > self.start_seconds:
            raise InvalidParameter(
                f"end_seconds: {self.end_seconds:g} is not after the start, {self.start_seconds:g}"
            )
        check_positive("stride", self.stride)

    @classmethod
    def between(
        cls, start_seconds: float | None, end_seconds: float | None, stride: int = 1
    ) -> Selection:
        """Make a selection where None stands for the beginning or the end of the video."""
        return cls(
            0.0 if start_seconds is None else start_seconds,
            math.inf if end_seconds is None else end_seconds,
            stride,
        )

    def expected_frames(self, properties: VideoProperties) -> int | None:
        """Return the number of selected frames if none is damaged, None if it is unknown."""
        duration, total = properties.duration_seconds, properties.declared_frames
        if total is None and duration and properties.frame_rate:
            total = round(duration * properties.frame_rate)
        if total is None:
            return None
        if duration:
            chosen = max(0.0, min(self.end_seconds, duration) - self.start_seconds)
            total = min(total, math.ceil(total * chosen / duration - SAME_TIME_SECONDS))
        return -(-total // self.stride)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a recording that is decoded on its own: frames with begin <= time < end.

    Attributes
    ----------
    number
        Its place among the segments that are read, from 0.
    begin_seconds, end_seconds
        Since the stream's first frame; the last segment ends at infinity.
    keyframes
        Time stamps, in the stream's time base, of key frames from which it can be decoded: its
        own one, then an earlier one. Empty: from the beginning of what is read.
    n_before
        Frames between the selection's start and the segment's, by the packets: every N-th frame
        is counted from the selection's start.
    """

    number: int
    begin_seconds: float
    end_seconds: float
    keyframes: tuple[int, ...] = ()
    n_before: int = 0

    def limit_damage(self, reader: FrameReader, origin_seconds: float) -> None:
        """Let a reader count only damage between the segment's borders."""
        begin, end = (
            origin_seconds + border - SAME_TIME_SECONDS / 2
            for border in (self.begin_seconds, self.end_seconds)
        )
        reader.counted_until_seconds = end
        if self.keyframes:
            reader.counted_from_seconds = max(reader.counted_from_seconds, begin)


class KeyframeLost(Exception):
    """A segment's key frame is not in the file any more."""


def check_stream(number: int | None) -> None:
    """Raise `InvalidParameter` if a number of a video stream is negative."""
    if number is not None and number < 0:
        raise InvalidParameter(f"stream: {number} is no number of a stream; they count from 0")


class SelectedFrames:
    """The selected frames of a stream with their times; can be iterated once.

    Attributes
    ----------
    n_skipped
        Frames decoded but not selected. Frames skipped by a seek are not counted, and of the
        selected frames not those of another segment.
    reached_end
        Whether the end of the selection was reached before that of the stream.
    shown_until_seconds
        When the last selected frame stops being shown, NaN if that is unknown.
    """

    def __init__(
        self,
        reader: FrameReader,
        selection: Selection,
        *,
        frames: Iterator[av.VideoFrame],
        origin_seconds: float,
        frame_rate: float | None,
        can_seek: bool,
        segment: Segment | None = None,
    ) -> None:
        self._reader = reader
        self._selection = selection
        self._frames = frames
        self._origin = origin_seconds
        self._period = 1 / frame_rate if frame_rate else 0.0
        self._can_seek = can_seek
        self._keyframes = () if segment is None else segment.keyframes
        self._n_before = 0 if segment is None else segment.n_before
        self._begin, self._end = selection.start_seconds, selection.end_seconds
        if segment is not None:
            self._begin = max(self._begin, segment.begin_seconds)
            self._end = min(self._end, segment.end_seconds)
        self.n_skipped = 0
        self.reached_end = False
        self.shown_until_seconds = math.nan

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Yield each selected frame and its seconds since the first (NaN: no time stamp)."""
        chosen = self._selection
        n_inside = self._n_before
        for frame, seconds, position in self._timed():
            if self._begin > position + SAME_TIME_SECONDS:
                self.n_skipped += chosen.start_seconds > position + SAME_TIME_SECONDS
                continue
            if self._end <= position + SAME_TIME_SECONDS:
                self.n_skipped += chosen.end_seconds <= position + SAME_TIME_SECONDS
                self.reached_end = True
                self.shown_until_seconds = self._end
                return
            self.shown_until_seconds = self._end_of(frame, seconds)
            if n_inside % chosen.stride == 0:
                yield frame, seconds
            else:
                self.n_skipped += 1
            n_inside += 1

    def _end_of(self, frame: av.VideoFrame, seconds: float) -> float:
        """Return when a frame stops being shown, by its own duration; NaN if it has none."""
        if not frame.duration:
            return math.nan
        return min(seconds + self._reader.seconds_of(frame.duration), self._selection.end_seconds)

    def _timed(self) -> Iterator[tuple[av.VideoFrame, float, float]]:
        """Yield every frame, its seconds, and the same or, for NaN, an estimate by frame rate."""
        position = -self._period
        latest = -math.inf
        for frame in self._from_start():
            seconds = self._reader.seconds_of(frame.pts) - self._origin
            if not math.isnan(seconds):
                # Where data are missing, a decoder may return frames in another order.
                seconds = latest = max(seconds, latest)
            position = position + self._period if math.isnan(seconds) else seconds
            yield frame, seconds, position

    def _from_keyframe(self) -> Iterator[av.VideoFrame]:
        """Go to the segment's keyframe; return the frames from there.

        Where the decoder leaves out the first frames, as with intra refresh or damage, it begins
        at an earlier keyframe.

        Raises
        ------
        KeyframeLost
            There is no such keyframe.
        """
        usable = [pts for pts in self._keyframes if self._reader.go_to_keyframe(pts)]
        for keyframe in usable:
            self._reader.go_to_keyframe(keyframe)
            frames = self._reader.frames()
            for frame in frames:
                position = self._reader.seconds_of(frame.pts) - self._origin
                if position < self._begin - SAME_TIME_SECONDS:
                    continue
                # The last of them is taken as it is: the frames before are damaged.
                if position <= self._begin + SAME_TIME_SECONDS or keyframe == usable[-1]:
                    return chain((frame,), frames)
                break
        if not usable:
            raise KeyframeLost(f"no key frame at {self._begin:.3f} s any more")
        return iter(())

    def _from_start(self) -> Iterator[av.VideoFrame]:
        """Go to the last keyframe before the start; return the frames from there."""
        if self._keyframes:
            return self._from_keyframe()
        start = self._selection.start_seconds
        if not start or math.isnan(self._origin):
            return self._frames
        if not self._can_seek:
            self._reader.skip_to(self._origin + start)
            return self._frames
        # Some containers seek to a later time than requested; then everything is read.
        for target in (start, 0.0):
            if not self._reader.seek(self._origin + target):
                break
            self._frames = self._reader.frames()
            first = next(self._frames, None)
            if first is None:
                continue
            self._frames = chain((first,), self._frames)
            if self._reader.seconds_of(first.pts) - self._origin <= start + SAME_TIME_SECONDS:
                break
        return self._frames
