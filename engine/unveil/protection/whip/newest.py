"""Holds the newest protected frame between the thread that makes it and the loop that sends it."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from dataclasses import dataclass
from typing import Final

import av

CLOCK_RATE: Final = 90_000
"""Ticks a second of the times of video in RTP."""

MAX_DRIFT_SECONDS: Final = 1.0
"""Difference between frames' own times and their arrival beyond which the former start anew."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame, and when it arrived in seconds of `time.monotonic`.

    `again` is True for the last frame when it is taken again; it has then arrived just now.
    """

    frame: av.VideoFrame
    seconds: float
    again: bool = False


class NewestFrame:
    """A place for one frame; a newer one replaces it, so nothing ever queues.

    `put` is thread-safe and never blocks for long; `take` belongs to one event loop.

    Attributes
    ----------
    n_replaced
        Frames that a newer one replaced before they were taken.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Arrived | None = None
        self._last: av.VideoFrame | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self.n_replaced = 0

    def attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Name the event loop that takes frames, None before that loop ends."""
        with self._lock:
            self._loop = loop

    def put(self, frame: av.VideoFrame) -> None:
        """Place a frame, which must not be changed any more."""
        with self._lock:
            self.n_replaced += self._waiting is not None
            self._waiting = Arrived(frame, time.monotonic())
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._arrived.set)

    async def wait(self) -> None:
        """Wait until there is a frame, and leave it in its place."""
        # The event may be set for a frame that was taken already.
        while not self._is_waiting():
            self._arrived.clear()
            if not self._is_waiting():
                await self._arrived.wait()

    async def take(self, repeat_seconds: float = math.inf) -> Arrived:
        """Wait for a frame; after `repeat_seconds` without one, take the last one again."""
        repeats = self._last is not None and math.isfinite(repeat_seconds)
        try:
            await asyncio.wait_for(self.wait(), repeat_seconds if repeats else None)
        except TimeoutError:
            assert self._last is not None  # else there is no timeout
            return Arrived(self._last, time.monotonic(), again=True)
        with self._lock:
            taken, self._waiting = self._waiting, None
        assert taken is not None  # nothing else takes it
        self._last = taken.frame
        return taken

    def _is_waiting(self) -> bool:
        with self._lock:
            return self._waiting is not None


class MediaClock:
    """Gives frames the times of RTP: 90 kHz, strictly increasing, with the frames' own distances.

    The frames' own times are kept while they agree with the arrival within `MAX_DRIFT_SECONDS`.
    Otherwise (a camera that was switched, a page that was loaded again, a pause) they are shifted
    to the arrival.
    """

    def __init__(self) -> None:
        self._origin = math.nan
        self._shift = math.nan
        self._last = -1

    def ticks(self, own_seconds: float, now_seconds: float) -> int:
        """Return the time of the next frame.

        Parameters
        ----------
        own_seconds
            The frame's own time, NaN if it has none.
        now_seconds
            When it arrived, by a clock that only increases.
        """
        if math.isnan(self._origin):
            self._origin = now_seconds
        now = now_seconds - self._origin
        shown = now
        if math.isfinite(own_seconds):
            if not abs(own_seconds + self._shift - now) <= MAX_DRIFT_SECONDS:
                self._shift = now - own_seconds
            shown = own_seconds + self._shift
        self._last = max(round(shown * CLOCK_RATE), self._last + 1)
        return self._last


def own_seconds(frame: av.VideoFrame) -> float:
    """Return a frame's time in seconds, NaN if it has none."""
    if frame.pts is None or not frame.time_base:
        return math.nan
    return float(frame.pts * frame.time_base)
