"""Continuation of time stamps that jump: recordings joined end to end, gaps in a transmission.

The rule is that of the program `ffmpeg` (`ts_discontinuity_detect` in its fftools/ffmpeg_demux.c):
a stream's decoding time that goes backwards is a discontinuity, and so is one that goes forwards
by more than `dts_delta_threshold`, 10 s, in formats whose time stamps may be discontinuous
(AVFMT_TS_DISCONT: MPEG-TS, MPEG-PS, HLS, Ogg). In other formats a frame may stay for hours; only
`dts_error_threshold`, 30 h, is no time. Three cases that `ffmpeg` gets wrong are handled:
streams keep their synchronisation where the first section's sound is longer than its picture, a
pause of one stream while another one continues is none of the clock's, and frames that are
displayed after a gap but decoded before it are moved with the frames behind the gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from av.packet import Packet

AnyPacket: TypeAlias = "Packet[Any]"

GAP_SECONDS: Final = 10.0
"""Longest gap in formats whose time stamps may be discontinuous: `ffmpeg`'s default."""
ERROR_SECONDS: Final = 30 * 3600.0
"""Longest gap in other formats: `ffmpeg`'s default."""
_BACK_SECONDS: Final = 0.1
"""Inaccuracy of decoding times that is no jump backwards, as in `ffmpeg`."""
_MAX_HELD: Final = 1024
"""Packets that may wait; a decoder reorders 16 frames at most."""


@dataclass(slots=True, eq=False)
class _Section:
    """Packets whose time stamps belong together; their times are moved by the same offset.

    `first` and `last` are the earliest and the latest decoding time, as stored.
    """

    offset: float = 0.0
    first: float = math.nan
    last: float = math.nan


@dataclass(slots=True, eq=False)
class _Track:
    """One stream: its section, the offset in use, and its last decoding time and end, moved.

    `step` is its last distance between two decoding times, for packets without a duration.
    """

    section: _Section
    offset: float = 0.0
    last: float = math.nan
    end: float = math.nan
    step: float = 0.0


@dataclass(slots=True, eq=False)
class _Wait:
    """Packets that are held back until it is known whether a gap follows, and where it ends.

    `begin` is the earliest display time behind the gap, as stored.
    """

    track: _Track
    section: _Section
    begin: float = math.inf
    held: list[tuple[AnyPacket, float]] = field(default_factory=list)


class Clock:
    """Moves the time stamps of all packets that are read from a container, so that none jumps.

    Sections follow each other without a gap or an overlap in any stream. The first one keeps its
    time stamps. Not thread-safe: one thread at a time.

    Attributes
    ----------
    may_be_discontinuous
        Whether the format's time stamps may be discontinuous (AVFMT_TS_DISCONT).
    jumps
        Times, moved, at which sections after the first one begin.
    """

    def __init__(self, *, may_be_discontinuous: bool) -> None:
        self.may_be_discontinuous = may_be_discontinuous
        self._gap = GAP_SECONDS if may_be_discontinuous else ERROR_SECONDS
        self.jumps: list[float] = []
        self.restart()

    def restart(self) -> None:
        """Forget all times: reading continues at another position."""
        self._newest = _Section()
        self._tracks: dict[int, _Track] = {}
        self._latest = -math.inf
        self._wait: _Wait | None = None
        self.jumps.clear()

    def add(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        """Take the next packet; yield all packets whose times are known, moved."""
        offset = self._place(packet)
        if self._is_ahead(packet):
            track = self._tracks[packet.stream.index]
            self._wait = self._wait or _Wait(track, track.section)
            self._wait.begin = min(self._wait.begin, _seconds(packet, packet.pts))
        elif self._wait is None:
            _move(packet, offset, offset)
            yield packet
            return
        wait = self._wait
        wait.held.append((packet, offset))
        arrived = wait.track.section is not wait.section
        # Another stream continues meanwhile: a pause of this one, no gap in the time stamps.
        pauses = wait.begin + wait.track.offset <= self._latest + self._gap
        if arrived or pauses or len(wait.held) >= _MAX_HELD:
            yield from self._release(wait)

    def rest(self) -> Iterator[AnyPacket]:
        """Yield the packets that are still held back, moved: no further one comes."""
        if self._wait is not None:
            yield from self._release(self._wait)

    def _release(self, wait: _Wait) -> Iterator[AnyPacket]:
        self._wait = None
        track = wait.track
        pauses = wait.begin + track.offset <= self._latest + self._gap
        if track.section is wait.section and not pauses:
            self._begin(track, wait.begin)
        for packet, offset in wait.held:
            _move(packet, offset, track.offset if self._is_ahead(packet) else offset)
            yield packet

    def _is_ahead(self, packet: AnyPacket) -> bool:
        """Whether a packet is displayed after a gap but decoded before it."""
        if packet.pts is None or packet.dts is None or packet.time_base is None:
            return False
        return _seconds(packet, packet.pts - packet.dts) > self._gap

    def _place(self, packet: AnyPacket) -> float:
        """Choose a packet's section and return its offset in seconds."""
        track = self._tracks.get(packet.stream.index)
        if track is None:
            track = _Track(self._newest, self._newest.offset)
            self._tracks[packet.stream.index] = track
        # Between two keyframes, a correction of the offset could change the order of frames.
        if packet.is_keyframe:
            track.offset = track.section.offset
        ticks = packet.dts
        if ticks is None and packet.is_keyframe:
            ticks = packet.pts
        if ticks is None or packet.time_base is None:
            return track.offset
        time = _seconds(packet, ticks)
        # The first frame of a section that is displayed: a keyframe, or what is decoded by then.
        begin = (
            _seconds(packet, packet.pts) if packet.is_keyframe and packet.pts is not None else time
        )
        continues = self._continues(track, time, is_keyframe=packet.is_keyframe)
        if self._joins_newest(track, time, continues=continues):
            # What another stream found; this one must not overlap its own end.
            self._newest.offset += max(0.0, track.end - (time + self._newest.offset))
            track.section, track.offset = self._newest, self._newest.offset
        elif not continues:
            self._begin(track, begin)
        section = track.section
        section.first = time if math.isnan(section.first) else min(section.first, time)
        section.last = time if math.isnan(section.last) else max(section.last, time)
        if 0 < time + track.offset - track.last <= self._gap:
            track.step = time + track.offset - track.last
        duration = _seconds(packet, packet.duration) if packet.duration else track.step
        track.last = time + track.offset
        track.end = track.last + duration
        shown = track.end
        if packet.pts is not None and not self._is_ahead(packet):
            shown = max(shown, _seconds(packet, packet.pts) + duration + track.offset)
        self._latest = max(self._latest, shown)
        return track.offset

    def _joins_newest(self, track: _Track, time: float, *, continues: bool) -> bool:
        """Whether a time belongs to the newest section and not to the stream's own one."""
        if track.section is self._newest:
            return False
        beyond = time + self._newest.offset - track.end
        if not -self._gap <= beyond <= self._latest - track.end + self._gap:
            return False
        return not continues or abs(beyond) < abs(time + track.offset - track.end)

    def _continues(self, track: _Track, time: float, *, is_keyframe: bool) -> bool:
        """Whether a time follows those of its stream, or of its section for a stream's first."""
        if math.isnan(track.end):
            # Sound may be stored long before or after the picture of the same time.
            section = track.section
            return not (time < section.first - self._gap or time > section.last + self._gap)
        # Decoding times that FFmpeg computes, as for Matroska, may err between two keyframes.
        tolerance = _BACK_SECONDS if is_keyframe or self.may_be_discontinuous else GAP_SECONDS
        latest = max(track.end, self._latest) + self._gap
        return track.last - tolerance <= time + track.offset <= latest

    def _begin(self, track: _Track, begin: float) -> None:
        """Begin a section with a display time of a stream, at the end of all that was read."""
        self._newest = _Section(self._latest - begin)
        track.section, track.offset = self._newest, self._newest.offset
        self.jumps.append(self._latest)


def _move(packet: AnyPacket, dts_offset: float, pts_offset: float) -> None:
    """Add offsets in seconds to a packet's time stamps."""
    if packet.time_base is None:
        return
    if packet.dts is not None:
        packet.dts += round(dts_offset / packet.time_base)
    if packet.pts is not None:
        packet.pts += round(pts_offset / packet.time_base)


def _seconds(packet: AnyPacket, ticks: int | None) -> float:
    """Convert a time stamp of a packet to seconds."""
    return float(cast("int", ticks) * packet.time_base)
