"""How long encoded frames are shown, which encoders and the muxer of MP4 and MOV lose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_MOV_FORMATS: Final = frozenset({"mp4", "mov", "ipod", "3gp", "3g2", "psp", "f4v", "ismv"})
"""Muxers that store durations as distances in decoding order."""


class PacketDurations:
    """Gives each packet the duration of its frame; the newest packet waits for the next one.

    All times are in the units of the encoder. Not thread-safe.
    """

    def __init__(self) -> None:
        self._durations: dict[int, int] = {}
        self._end = 0
        self._delay = 0
        self._last_dts: int | None = None
        self._newest: Packet[VideoStream] | None = None

    def note(self, pts: int, duration: int) -> None:
        """Note when the next frame is shown and for how long; it is then encoded."""
        self._durations[pts] = duration
        self._end = pts + duration

    def add(self, packet: Packet[VideoStream]) -> Packet[VideoStream] | None:
        """Take the next packet of the encoder; return the one before, which can be muxed."""
        if packet.pts is not None and packet.pts in self._durations:
            packet.duration = self._durations.pop(packet.pts)
        before, self._newest = self._newest, packet
        if before is not None:
            self._last_dts = before.dts
        elif packet.pts is not None and packet.dts is not None:
            self._delay = packet.pts - packet.dts
        return before

    def last(self, format_name: str) -> Packet[VideoStream] | None:
        """Return the last packet, so that the video ends with its last frame in any format."""
        packet, self._newest = self._newest, None
        if packet is None or packet.pts is None or format_name not in _MOV_FORMATS:
            return packet
        # The track begins with the first frame and ends with the packet that is decoded last,
        # which need not be the frame that is displayed last.
        dts = packet.pts - self._delay
        packet.dts = dts if self._last_dts is None else max(self._last_dts + 1, dts)
        packet.duration = self._end - self._delay - packet.dts
        return packet
