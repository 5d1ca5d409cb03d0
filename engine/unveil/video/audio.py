"""The audio packets of a video, collected while its frames are read."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

MAX_PACKETS: Final = 1 << 20
"""Hours of audio. When more packets wait, the oldest are dropped."""


class SoundTrack:
    """A queue of audio packets in the order in which they are read.

    One thread may add packets while another one takes them.

    Attributes
    ----------
    streams
        The collected audio streams; `Packet.stream` of a packet is one of them.
    """

    def __init__(self, streams: Sequence[AudioStream]) -> None:
        self.streams = tuple(streams)
        self._indices = {stream.index for stream in self.streams}
        self._packets: deque[Packet[AudioStream]] = deque(maxlen=MAX_PACKETS)
        self._reached = dict.fromkeys(self._indices, -math.inf)

    @classmethod
    def of(cls, container: InputContainer) -> SoundTrack:
        """Collect all streams of known codec: for others, no header can be written."""
        # PyAV sets no codec context if FFmpeg does not know the codec.
        return cls([s for s in container.streams.audio if s.codec_context is not None])  # type: ignore[redundant-expr]

    def add(self, packet: Packet[AudioStream]) -> None:
        """Append a packet; ignore packets of other streams and empty ones."""
        index = packet.stream.index
        if index not in self._indices or not packet.size:
            return
        seconds = seconds_of(packet)
        if not math.isnan(seconds):
            self._reached[index] = max(self._reached[index], seconds)
        self._packets.append(packet)

    def restart(self) -> None:
        """Drop all packets: reading continues at another position."""
        self._packets.clear()
        self._reached = dict.fromkeys(self._indices, -math.inf)

    def drop(self, until_seconds: float) -> None:
        """Remove the packets up to the first one that begins at or after a time."""
        for _ in self.take(until_seconds):
            pass

    def reaches(self, seconds: float) -> bool:
        """Whether all streams have been read up to a time of the container."""
        return all(reached >= seconds for reached in self._reached.values())

    def take(self, until_seconds: float = math.inf) -> Iterator[Packet[AudioStream]]:
        """Remove and yield the packets up to the first one that begins at or after a time."""
        while self._packets:
            if seconds_of(self._packets[0]) >= until_seconds:
                return
            yield self._packets.popleft()


def seconds_of(packet: Packet[AudioStream]) -> float:
    """Return the start of a packet in the container's time; NaN if it has no time stamp."""
    ticks = packet.dts if packet.pts is None else packet.pts
    if ticks is None or packet.time_base is None:
        return math.nan
    return float(ticks * packet.time_base)
