"""Cutting of a recording at key frames into segments that are decoded on their own.

The borders depend on the file alone: on the time stamps of its packets, which are read without
decoding. A segment has the frames whose times lie between its border and the next one, so all
segments together have exactly the frames of the recording, each once.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from unveil.interruption import StopRequested, check, never
from unveil.video.container import declared_length, open_container
from unveil.video.packets import FrameReader
from unveil.video.selection import SAME_TIME_SECONDS, Segment, Selection
from unveil.video.source import Source

TARGET_SECONDS: Final = 60.0
"""A segment ends with the first key frame after this time. To begin and to merge one costs as much
as five seconds of a recording; a kill loses those that were in work."""

SHORTEST_SECONDS: Final = 240.0
"""A selection that is shorter is not cut: that would make it slower by 4 %, and little is lost."""

_UNCUT_FORMATS: Final = frozenset({"apng", "gif", "image2", "webp_pipe"})
"""Pictures: each changes the one before, or has no time of its own."""

_CHECK_EVERY: Final = 1024
"""Packets between two questions whether to stop."""


class Keyframe(NamedTuple):
    """A key frame at which a recording can be cut.

    Attributes
    ----------
    pts
        Its time stamp, in ticks of the stream's time base.
    seconds
        The same, since the stream's first frame.
    n_before
        Selected frames that are shown before it.
    """

    pts: int
    seconds: float
    n_before: int = 0


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """What the packets of a video stream say of where it can be cut.

    Attributes
    ----------
    keyframes
        The key frames that no earlier packet's frame follows in display order.
    end_seconds
        End of the last frame, since the first.
    digest
        SHA-256 of all time stamps and sizes, as hexadecimal digits.
    """

    keyframes: tuple[Keyframe, ...] = field(repr=False)
    end_seconds: float
    digest: str


def read_index(
    source: Source,
    stream: int | None,
    origin_seconds: float,
    stop: StopRequested = never,
    *,
    start_seconds: float = 0.0,
) -> PacketIndex | None:
    """Read all packets of a video, without decoding.

    Parameters
    ----------
    source
        A file.
    stream
        As for `unveil.video.reader.open_video`.
    origin_seconds
        Time stamp of the first frame, `Video.origin_seconds`.
    stop
        Returns whether to stop, see `unveil.interruption`.
    start_seconds
        Of the selection, since the first frame: `Keyframe.n_before` counts from there.

    Returns
    -------
    index
        None where time stamps do not determine a place in the file: some are missing, or jump.

    Raises
    ------
    Interrupted
        `stop` asked for it.
    MissingInput, UnreadableVideo
        The file cannot be opened.
    """
    container, video_stream = open_container(source, 1, stream)
    with closing(container):
        reader = FrameReader(container, video_stream, threading.Event())
        digest = hashlib.sha256()
        keyframes: list[Keyframe] = []
        n_selected = 0
        latest: int | None = None
        end_seconds = 0.0
        for number, packet in enumerate(reader.packets()):
            if number % _CHECK_EVERY == 0:
                check(stop)
            pts = packet.pts
            if pts is None:
                return None
            digest.update(b"%d %d %d;" % (pts, packet.size, packet.is_keyframe))
            seconds = reader.seconds_of(pts) - origin_seconds
            if packet.is_keyframe and (latest is None or pts > latest):
                keyframes.append(Keyframe(pts, seconds, n_selected))
            latest = pts if latest is None else max(latest, pts)
            end = reader.seconds_of(pts + (packet.duration or 0)) - origin_seconds
            end_seconds = max(end_seconds, end)
            if seconds + SAME_TIME_SECONDS >= start_seconds:
                n_selected += 1
                _count_leading(keyframes, pts)
        if reader.clock.jumps or latest is None:
            return None
        return PacketIndex(tuple(keyframes), end_seconds, digest.hexdigest())


def _count_leading(keyframes: list[Keyframe], pts: int) -> None:
    """Count a packet whose frame is shown before key frames that come before it in the file."""
    for place in range(len(keyframes) - 1, -1, -1):
        if keyframes[place].pts <= pts:
            break
        keyframes[place] = keyframes[place]._replace(n_before=keyframes[place].n_before + 1)


def cut(index: PacketIndex, target_seconds: float = TARGET_SECONDS) -> tuple[Segment, ...]:
    """Cut a whole recording into segments of at least this length, except for the last one."""
    borders: list[Keyframe] = []
    begin = 0.0
    for keyframe in index.keyframes:
        if keyframe.seconds - begin >= target_seconds:
            borders.append(keyframe)
            begin = keyframe.seconds
    if borders and index.end_seconds - borders[-1].seconds < target_seconds / 2:
        borders.pop()
    ends = [border.seconds for border in borders] + [float("inf")]
    segments = [Segment(0, 0.0, ends[0])]
    for number, (pts, seconds, n_before) in enumerate(borders, 1):
        before = segments[-1].keyframes[:1] or (index.keyframes[0].pts,)
        segments.append(Segment(number, seconds, ends[number], (pts, *before), n_before))
    return tuple(segments)


def selected(segments: Sequence[Segment], selection: Selection) -> tuple[Segment, ...]:
    """Return the segments that have a part of a selection.

    The first of them is read from the key frame before the selection's start.
    """
    chosen = [
        segment
        for segment in segments
        if segment.end_seconds > selection.start_seconds
        and segment.begin_seconds < selection.end_seconds
    ]
    if chosen and selection.start_seconds:
        begin = chosen[0].begin_seconds
        if begin <= selection.start_seconds:
            chosen[0] = replace(chosen[0], keyframes=())
    return tuple(replace(segment, number=n) for n, segment in enumerate(chosen))


def plan_segments(
    source: Source,
    selection: Selection,
    stream: int | None,
    container: str,
    duration_seconds: float | None,
    origin_seconds: float,
    stop: StopRequested = never,
) -> tuple[tuple[Segment, ...], str]:
    """Cut the selected part of a recording, where that is possible and worth it.

    Parameters
    ----------
    source, selection, stream
        What is read.
    container, duration_seconds, origin_seconds
        Of the opened video, as `VideoProperties` and `Video` have them.
    stop
        As for `read_index`.

    Returns
    -------
    segments, digest
        The segments, and the digest of the packets. No segments where the recording is read in
        one piece: it is no file, is short, has pictures instead of a video, or lacks key frames
        or reliable time stamps.
    """
    nothing: tuple[tuple[Segment, ...], str] = ((), "")
    if not _can_be_cut(source) or container in _UNCUT_FORMATS:
        return nothing
    if origin_seconds != origin_seconds:
        return nothing
    if _length(selection, duration_seconds) < SHORTEST_SECONDS:
        return nothing
    index = read_index(source, stream, origin_seconds, stop, start_seconds=selection.start_seconds)
    if index is None or _length(selection, index.end_seconds) < SHORTEST_SECONDS:
        return nothing
    segments = selected(_found_again(source, stream, cut(index, TARGET_SECONDS)), selection)
    return (segments, index.digest) if len(segments) > 1 else nothing


def may_be_cut(
    source: Source, selection: Selection, stream: int | None, stop: StopRequested = never
) -> bool:
    """Whether so much of a recording is selected that `plan_segments` may cut it.

    Judged without decoding: by the length that the container declares, else by the packets.

    Raises
    ------
    Interrupted
        `stop` asked for it.
    MissingInput, UnreadableVideo
        The file cannot be opened.
    """
    if not _can_be_cut(source):
        return False
    container, video_stream = open_container(source, 1, stream)
    with closing(container):
        if container.format.name in _UNCUT_FORMATS:
            return False
        seconds, _ = declared_length(container, video_stream)
    if seconds is None and _length(selection, None) >= SHORTEST_SECONDS:
        index = read_index(source, stream, 0.0, stop)
        if index is None or not index.keyframes:
            return False
        seconds = index.end_seconds - index.keyframes[0].seconds
    return _length(selection, seconds) >= SHORTEST_SECONDS


def _can_be_cut(source: Source) -> bool:
    """Whether parts of a source, of any format and length, can be read by themselves."""
    return source.can_rewind and source.sequence is None


def _length(selection: Selection, duration_seconds: float | None) -> float:
    """Return the seconds of a selection, infinite where the duration is unknown."""
    if duration_seconds is None:
        duration_seconds = float("inf")
    return min(selection.end_seconds, duration_seconds) - selection.start_seconds


def _found_again(
    source: Source, stream: int | None, segments: Sequence[Segment]
) -> tuple[Segment, ...]:
    """Join segments that begin with a key frame that seeking does not find to those before."""
    return tuple(_joined(source, stream, segments))


def _joined(source: Source, stream: int | None, segments: Sequence[Segment]) -> Iterator[Segment]:
    container, video_stream = open_container(source, 1, stream)
    with closing(container):
        reader = FrameReader(container, video_stream, threading.Event())
        current = segments[0]
        for segment in segments[1:]:
            if reader.go_to_keyframe(segment.keyframes[0]):
                yield current
                current = segment
            else:
                current = replace(current, end_seconds=segment.end_seconds)
        yield current
