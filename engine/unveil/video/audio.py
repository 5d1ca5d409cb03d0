"""The audio packets of a video, collected while its frames are read."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

MAX_BYTES: Final = 32 * 2**20
"""Compressed sound that may wait to be taken: minutes to hours of it."""
MAX_PACKETS: Final = 1 << 15
_ASK_SECONDS: Final = 0.1

_MAX_DELAY_SAMPLES: Final = 5200
_MAX_DELAY_SECONDS: Final = 0.15
"""No lossy encoder's delay is longer; HE-AAC has the longest, 5186 samples."""

_LOSSLESS: Final = frozenset({"flac", "alac", "wavpack", "tta", "truehd", "mlp"})
"""Codecs without a delay, beside PCM."""

_SAME_TIME_SECONDS: Final = 1e-4


class SoundTrack:
    """A queue of audio packets in the order in which they are read.

    Sound that an edit list trims off is left out: a player does not play it, and in a copy it
    would be heard again. One thread may add packets while another one takes them. Once `ask` is
    set, the thread that adds waits while the queue is full; no packet is dropped.

    Attributes
    ----------
    streams
        The collected audio streams; `Packet.stream` of a packet is one of them.
    ask
        Called, from the thread that adds, when the queue is full: packets must be taken soon,
        also those whose pictures have not come yet. It must not block.
    """

    def __init__(self, streams: Sequence[AudioStream]) -> None:
        self.streams = tuple(streams)
        self.ask: Callable[[], object] | None = None
        self._packets: deque[Packet[AudioStream]] = deque()
        self._n_bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.restart()

    @classmethod
    def of(cls, container: InputContainer) -> SoundTrack:
        """Collect all streams of known codec: for others, no header can be written."""
        # PyAV sets no codec context if FFmpeg does not know the codec.
        return cls([s for s in container.streams.audio if s.codec_context is not None])  # type: ignore[redundant-expr]

    def lead_seconds(self, origin_seconds: float) -> float:
        """Return by how much the earliest sound begins before a time of the container, 0 if not."""
        starts = [
            float(stream.start_time * stream.time_base)
            for stream in self.streams
            if stream.start_time is not None and stream.time_base
        ]
        return max(0.0, *(origin_seconds - start for start in starts)) if starts else 0.0

    def add(self, packet: Packet[AudioStream]) -> None:
        """Append a packet; ignore packets of other streams, empty ones and trimmed ones."""
        index = packet.stream.index
        if index not in self._reached or not packet.size:
            return
        seconds = seconds_of(packet)
        if not math.isnan(seconds):
            self._reached[index] = max(self._reached[index], seconds)
        if index not in self._trims:
            self._trims[index] = _Trim(packet, seconds)
        if self._trims[index].hides(packet, seconds):
            return
        with self._changed:
            while self._is_full and self.ask is not None and not self._closed:
                self.ask()
                self._changed.wait(_ASK_SECONDS)
            if not self._closed:
                self._packets.append(packet)
                self._n_bytes += packet.size

    def close(self) -> None:
        """Take no more packets, and wake the thread that waits to add one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def restart(self) -> None:
        """Drop all packets: reading continues at another position."""
        self.drop(math.inf)
        self._reached = {stream.index: -math.inf for stream in self.streams}
        self._trims: dict[int, _Trim] = {}

    def drop(self, until_seconds: float) -> None:
        """Remove the packets up to the first one that begins at or after a time."""
        for _ in self.take(until_seconds):
            pass

    def reaches(self, seconds: float) -> bool:
        """Whether all streams have been read up to a time of the container."""
        return all(reached >= seconds for reached in self._reached.values())

    def take(self, until_seconds: float = math.inf) -> Iterator[Packet[AudioStream]]:
        """Remove and yield the packets up to the first one that begins at or after a time."""
        while True:
            with self._changed:
                if not self._packets or seconds_of(self._packets[0]) >= until_seconds:
                    return
                packet = self._packets.popleft()
                self._n_bytes -= packet.size
                self._changed.notify_all()
            yield packet

    @property
    def _is_full(self) -> bool:
        return self._n_bytes >= MAX_BYTES or len(self._packets) >= MAX_PACKETS


class _Trim:
    """What an edit list hides of a stream: FFmpeg marks the packets, and says how much of them.

    Encoders begin with a delay that is hidden in the same way. It holds no sound, decoders need
    it, and it is kept.
    """

    def __init__(self, first: Packet[AudioStream], first_seconds: float) -> None:
        context = first.stream.codec_context
        n_hidden = _n_skipped_samples(first)
        limit = 0.0
        if not context.name.startswith(("pcm_", "adpcm_")) and context.name not in _LOSSLESS:
            limit = min(_MAX_DELAY_SAMPLES, _MAX_DELAY_SECONDS * context.sample_rate)
        self._begin = first_seconds + n_hidden / max(1, context.sample_rate)
        self._is_delay = n_hidden <= limit

    def hides(self, packet: Packet[AudioStream], seconds: float) -> bool:
        """Whether a packet is trimmed off, in part at least."""
        if seconds < self._begin - _SAME_TIME_SECONDS:
            return not self._is_delay
        return packet.is_discard


def _n_skipped_samples(packet: Packet[AudioStream]) -> int:
    """Return how many samples, from a packet's first one on, are not to be played."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    # FFmpeg's AV_PKT_DATA_SKIP_SAMPLES begins with this number, little-endian.
    return int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little")


def seconds_of(packet: Packet[AudioStream]) -> float:
    """Return the start of a packet in the container's time; NaN if it has no time stamp."""
    ticks = packet.dts if packet.pts is None else packet.pts
    if ticks is None or packet.time_base is None:
        return math.nan
    return float(ticks * packet.time_base)
