"""The packets of a video's sound, taken aside while its pictures are read."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

MAX_PACKETS: Final = 1 << 20
"""Hours of sound. What nobody takes is forgotten from the front."""


class SoundTrack:
    """Gathers packets of sound in the order in which they are read.

    One thread may add while another takes.

    Attributes
    ----------
    streams
        The audio streams that are gathered; `Packet.stream` of a packet is one of them.
    """

    def __init__(self, streams: Sequence[AudioStream]) -> None:
        self.streams = tuple(streams)
        self._indices = {stream.index for stream in self.streams}
        self._packets: deque[Packet[AudioStream]] = deque(maxlen=MAX_PACKETS)
        self._reached = dict.fromkeys(self._indices, -math.inf)

    @classmethod
    def of(cls, container: InputContainer) -> SoundTrack:
        """Gather all streams whose codec is known: of others no header can be written."""
        # PyAV leaves the codec context out where FFmpeg does not know the codec.
        return cls([s for s in container.streams.audio if s.codec_context is not None])  # type: ignore[redundant-expr]

    def add(self, packet: Packet[AudioStream]) -> None:
        """Append a packet that was read; those of other streams and empty ones are left out."""
        index = packet.stream.index
        if index not in self._indices or not packet.size:
            return
        seconds = seconds_of(packet)
        if not math.isnan(seconds):
            self._reached[index] = max(self._reached[index], seconds)
        self._packets.append(packet)

    def restart(self) -> None:
        """Forget everything: reading goes on from another place."""
        self._packets.clear()
        self._reached = dict.fromkeys(self._indices, -math.inf)

    def reaches(self, seconds: float) -> bool:
        """Whether all streams have been read up to a time of the container."""
        return all(reached >= seconds for reached in self._reached.values())

    def take(self, until_seconds: float = math.inf) -> Iterator[Packet[AudioStream]]:
        """Remove and give the packets up to the first that begins at or after a time."""
        while self._packets:
            if seconds_of(self._packets[0]) >= until_seconds:
                return
            yield self._packets.popleft()


def seconds_of(packet: Packet[AudioStream]) -> float:
    """When a packet begins, in the container's time; NaN where it bears no time."""
    place = packet.dts if packet.pts is None else packet.pts
    if place is None or packet.time_base is None:
        return math.nan
    return float(place * packet.time_base)
