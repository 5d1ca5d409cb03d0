"""Decoding of packets to undamaged frames: damage is counted and skipped, never fatal."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Final, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from unveil.video.audio import SoundTrack
from unveil.video.container import PYAV_ERRORS, one_line

_TAIL_PACKETS: Final = 64  # over 16 decoding threads and 16 frames to be reordered
_SOUND_LAG_SECONDS: Final = 2.0
"""Audio may be stored at most this long after the frames of the same time."""
_MAX_TAIL_BYTES: Final = 32 * 2**20


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
        Packets and frames with an error, at or after `counted_from_seconds`.
    last_error, end_error
        FFmpeg's messages about the last damaged packet, and about an early end of the file.
    reached_seconds
        End of the last packet in the container's time; -inf if packets have no time stamps.
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
        self.n_sent = 0
        self.n_received = 0
        self.n_damaged = 0
        self.last_error: str | None = None
        self.end_error: str | None = None
        self.counted_from_seconds = -math.inf
        self.reached_seconds = -math.inf

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

    def seek(self, seconds: float) -> bool:
        """Seek to the keyframe at or before a time; return False if the source cannot seek.

        After a seek, generators that `frames` returned before must not be used.
        """
        if not self._time_base:
            return False
        try:
            self._container.seek(math.floor(seconds / self._time_base), stream=self._stream)
        except PYAV_ERRORS:
            return False
        self.n_sent = self.n_received = self.n_damaged = self._n_failed = 0
        self._newest_pts = None
        if self._sound is not None:
            self._sound.restart()
        return True

    def frames(self) -> Iterator[av.VideoFrame]:
        """Decode from the current position to the end."""
        self._tail = _Tail()
        for packet in self._packets():
            if packet.pts is not None:
                end = self.seconds_of(packet.pts + (packet.duration or 0))
                self.reached_seconds = max(self.reached_seconds, end)
            self._tail.add(packet)
            yield from self._decode(packet)
        if not self._stop.is_set():
            yield from self._decode(None)
            yield from self._salvage()

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
        sound = self._sound
        streams = () if sound is None else sound.streams
        packets = self._container.demux(self._stream, *streams)
        while not self._stop.is_set():
            try:
                packet = next(packets, None)
            except IndexError:
                # At the end of data, PyAV fails on streams that appeared during reading.
                return
            except PYAV_ERRORS as error:
                self.end_error = one_line(error)
                return
            if packet is None:
                return
            if sound is not None and packet.stream.index != self._stream.index:
                sound.add(cast("Packet[AudioStream]", packet))
            elif packet.size:  # an empty packet would flush the decoder
                yield cast("Packet[VideoStream]", packet)

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
        if not self.seconds_of(pts) < self.counted_from_seconds:
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
