"""Decoding of packets to undamaged frames: damage is counted and skipped, never fatal."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, cast

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from unveil.video.audio import SoundTrack
from unveil.video.clock import Clock
from unveil.video.container import PYAV_ERRORS, one_line, packets_of

_TAIL_PACKETS: Final = 64  # over 16 decoding threads and 16 frames to be reordered
_SOUND_LAG_SECONDS: Final = 2.0
"""Audio may be stored at most this long after the frames of the same time."""
_MAX_TAIL_BYTES: Final = 32 * 2**20
_MAX_SKIPPED_PACKETS: Final = 1024
"""Packets after a keyframe that are kept while a later one is searched for."""
_EARLIER_SECONDS: Final = (0.0, 5.0, 60.0)
"""How long before a keyframe reading begins in search of it, if seeking went too far."""


class FrameReader:
    """Reads one stream's frames in display order.

    Frames in which FFmpeg finds an error are counted and dropped; decoding continues after them,
    until the end or until `stop` is set. Audio packets in between go to `sound`. Not thread-safe:
    one thread at a time.

    Attributes
    ----------
    n_sent, n_received
        Packets sent to the decoder, and frames (damaged or not) received from it.
    n_damaged
        Packets and frames with an error, at or after `counted_from_seconds` and before
        `counted_until_seconds`.
    last_error, end_error
        FFmpeg's messages about the last damaged packet, and about an early end of the file.
    reached_seconds, others_reached_seconds
        Latest end of this stream's packets, and of those of all other streams, in the container's
        time; -inf if they have no time stamps.
    clock
        Continues the times of picture and sound where the container's time stamps jump.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        stop: threading.Event,
        sound: SoundTrack | None = None,
    ) -> None:
        self._container = container
        self._stream = stream
        self._sound = sound
        self._stop = stop
        self._time_base = stream.time_base
        self._tail = _Tail()
        self._n_failed = 0
        self._newest_pts: int | None = None
        self._skip: _Skip | None = None
        self._begun: Iterator[Packet[VideoStream]] | None = None
        self.n_sent = 0
        self.n_received = 0
        self.n_damaged = 0
        self.last_error: str | None = None
        self.end_error: str | None = None
        self.counted_from_seconds = -math.inf
        self.counted_until_seconds = math.inf
        self.reached_seconds = -math.inf
        self.others_reached_seconds = -math.inf
        discontinuous = bool(container.format.flags & cast("int", Flags.ts_discont.value))
        self.clock = Clock(may_be_discontinuous=discontinuous)

    @property
    def why_no_frame(self) -> str:
        """The reason to report if everything was read and no frame was decoded."""
        return self.last_error or self.end_error or "it holds no data"

    def seconds_of(self, pts: int | None) -> float:
        """Convert a time stamp to seconds in the container's time; None becomes NaN."""
        # In PyAV, a frame flushed from the decoder has no time base, so `frame.time` is None.
        if pts is None or self._time_base is None:
            return math.nan
        return pts * self._time_base.numerator / self._time_base.denominator

    @property
    def can_seek(self) -> bool:
        """Whether a time of the container determines a place in it: not where times may jump."""
        return not self.clock.may_be_discontinuous

    def skip_to(self, seconds: float) -> None:
        """Leave out, without decoding, what precedes the last keyframe at or before a time.

        For sources that cannot seek. `frames` generators that are in use go on behind the gap.
        """
        self._skip = _Skip(seconds)

    def seek(self, seconds: float) -> bool:
        """Seek to the keyframe at or before a time; return False if the format cannot seek.

        A source that cannot be rewound loses data, whatever is returned: use `skip_to` for it.
        After a seek, generators that `frames` returned before must not be used.
        """
        if not self._time_base:
            return False
        try:
            self._container.seek(math.floor(seconds / self._time_base), stream=self._stream)
        except PYAV_ERRORS:
            return False
        self._forget_frames()
        self.clock.restart()
        if self._sound is not None:
            self._sound.restart()
        return True

    def go_to_keyframe(self, pts: int) -> bool:
        """Seek to the keyframe of this time stamp, which `frames` then decodes first.

        Returns
        -------
        found
            Whether it was found; else the position is undefined.
        """
        if not self._time_base:
            return False
        first = self._stream.start_time or 0
        ticks = [math.ceil(seconds / self._time_base) for seconds in _EARLIER_SECONDS]
        # MPEG-TS seeks by decoding times, which precede the first frame's.
        for target in [*(pts - earlier for earlier in ticks), first - ticks[-1]]:
            try:
                self._container.seek(target, stream=self._stream)
            except PYAV_ERRORS:
                continue
            self._forget_frames()
            self.clock.restart()
            packets = self._packets()
            for packet in packets:
                if packet.is_keyframe and packet.pts == pts:
                    self._begun = chain((packet,), packets)
                    return True
                decoded = packet.dts if packet.dts is not None else packet.pts
                if packet.is_keyframe and decoded is not None and decoded > pts:
                    break
        return False

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Read the stream's packets from the current position to the end, without decoding."""
        return self._packets()

    def frames(self) -> Iterator[av.VideoFrame]:
        """Decode from the current position to the end."""
        self._tail = _Tail()
        packets, self._begun = self._begun or self._packets(), None
        for packet in packets:
            if packet.pts is not None:
                end = self.seconds_of(packet.pts + (packet.duration or 0))
                self.reached_seconds = max(self.reached_seconds, end)
            for needed in self._needed(packet):
                self._tail.add(needed)
                yield from self._decode(needed)
        if not self._stop.is_set():
            for needed in self._end_skip():
                self._tail.add(needed)
                yield from self._decode(needed)
            yield from self._decode(None)
            yield from self._salvage()

    def _needed(self, packet: Packet[VideoStream]) -> Iterable[Packet[VideoStream]]:
        """Return the packets to decode now: all but what is skipped."""
        if self._skip is None:
            return (packet,)
        if self._sound is not None:
            self._sound.drop(self._skip.until_seconds)
        if self._skip.add(
            packet, self.seconds_of(packet.dts if packet.pts is None else packet.pts)
        ):
            return ()
        return self._end_skip()

    def _end_skip(self) -> Iterable[Packet[VideoStream]]:
        skip, self._skip = self._skip, None
        if skip is None:
            return ()
        if skip.found_keyframe:
            self._stream.codec_context.flush_buffers()
            self._forget_frames()
            self._tail = _Tail()
        return skip.packets

    def _forget_frames(self) -> None:
        """Count anew: the decoder has lost its frames, and goes on elsewhere."""
        self.n_sent = self.n_received = self.n_damaged = self._n_failed = 0
        self._newest_pts = None

    def read_sound(self, until_seconds: float) -> None:
        """Read on, without decoding, until all audio before a time of the container is read."""
        if self._sound is None:
            return
        packets = self._packets()
        while not self._sound.reaches(until_seconds):
            packet = next(packets, None)
            # Audio may end early or pause: frames well after that time show that it is over.
            if packet is None or self.seconds_of(packet.pts) > until_seconds + _SOUND_LAG_SECONDS:
                return

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Read on; yield the stream's packets, and put those of sound aside."""
        for packet in self._on_one_clock():
            if packet.stream.index == self._stream.index:
                if packet.size:  # an empty packet would flush the decoder
                    yield packet
                continue
            if packet.pts is not None and packet.time_base is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self.others_reached_seconds = max(self.others_reached_seconds, end)
            if self._sound is not None:
                self._sound.add(packet)

    def _on_one_clock(self) -> Iterator[Packet[Any]]:
        """Yield the packets of all streams, with the times of picture and sound continued."""
        timed = {self._stream.index, *(s.index for s in self._container.streams.audio)}
        for packet in self._demuxed():
            if packet.size and packet.stream.index in timed:
                yield from self.clock.add(packet)
            else:
                yield packet
        yield from self.clock.rest()

    def _demuxed(self) -> Iterator[Packet[Any]]:
        others = [s for s in self._container.streams if s.index != self._stream.index]
        packets = packets_of(self._container, self._stream, *others)
        while not self._stop.is_set():
            try:
                packet = next(packets, None)
            except PYAV_ERRORS as error:
                self.end_error = one_line(error)
                return
            if packet is None:
                return
            yield packet

    def _decode(self, packet: Packet[VideoStream] | None) -> Iterator[av.VideoFrame]:
        if packet is not None:
            self.n_sent += 1
        try:
            frames = self._stream.decode(packet)
        except PYAV_ERRORS as error:
            self.last_error = one_line(error)
            self._count_damage(None if packet is None else packet.pts)
            self._n_failed += 1
            return
        for frame in frames:
            self.n_received += 1
            if frame.pts is not None:
                self._newest_pts = max(frame.pts, self._newest_pts or frame.pts)
            if frame.is_corrupt:
                self._count_damage(frame.pts)
            else:
                yield frame

    def _count_damage(self, pts: int | None) -> None:
        seconds = self.seconds_of(pts)
        # A damaged packet without a time is counted.
        if not (seconds < self.counted_from_seconds or seconds >= self.counted_until_seconds):
            self.n_damaged += 1

    def _salvage(self) -> Iterator[av.VideoFrame]:
        """Yield the undamaged frames after an error in the last packets.

        With frame threading, such an error is raised while the decoder is flushed, and PyAV then
        loses the frames that are still inside. The last packets are decoded again with one
        thread, which raises the errors packet by packet.
        """
        context = self._stream.codec_context
        newest = self._newest_pts
        missing = self.n_sent - self.n_received - self._n_failed
        if missing <= 0 or newest is None or context.thread_count == 1:
            return
        single = cast(VideoCodecContext, av.CodecContext.create(context.name, "r"))
        single.extradata = context.extradata
        single.thread_count = 1
        n_failed = n_received = 0
        for packet in [*self._tail.packets(), None]:
            try:
                frames = single.decode(packet)
            except PYAV_ERRORS:
                n_failed += 1
                continue
            for frame in frames:
                if frame.pts is None or frame.pts <= newest:
                    continue
                n_received += 1
                if frame.is_corrupt:
                    self._count_damage(frame.pts)
                else:
                    yield frame
        self.n_received += n_received
        # Not every packet has a frame: frames that are missing without an error are no damage.
        self.n_damaged += min(missing - n_received, n_failed)


class _Skip:
    """The packets since the last keyframe at or before a time."""

    def __init__(self, until_seconds: float) -> None:
        self.until_seconds = until_seconds
        self.packets: list[Packet[VideoStream]] = []
        self.found_keyframe = False
        self._n_bytes = 0

    def add(self, packet: Packet[VideoStream], seconds: float) -> bool:
        """Add the next packet and its time; return whether a later keyframe may still come.

        A very long group of frames ends the search: its frames are decoded, and dropped later.
        """
        if packet.is_keyframe and seconds <= self.until_seconds:
            self.packets.clear()
            self.found_keyframe = True
            self._n_bytes = 0
        self.packets.append(packet)
        self._n_bytes += packet.size
        return (
            seconds < self.until_seconds
            and len(self.packets) < _MAX_SKIPPED_PACKETS
            and self._n_bytes < _MAX_TAIL_BYTES
        )


class _Tail:
    """The last packets since a keyframe: more than a decoder ever holds."""

    def __init__(self) -> None:
        self._groups: deque[list[Packet[VideoStream]]] = deque()
        self._n_packets = 0
        self._n_bytes = 0

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets in their order."""
        return chain.from_iterable(self._groups)

    def add(self, packet: Packet[VideoStream]) -> None:
        """Append a packet and drop those that are no longer needed."""
        if packet.is_keyframe:
            self._groups.append([])
        elif not self._groups:
            return
        self._groups[-1].append(packet)
        self._n_packets += 1
        self._n_bytes += packet.size
        while self._groups and (
            self._n_packets - len(self._groups[0]) >= _TAIL_PACKETS
            or self._n_bytes > _MAX_TAIL_BYTES
        ):
            dropped = self._groups.popleft()
            self._n_packets -= len(dropped)
            self._n_bytes -= sum(packet.size for packet in dropped)
