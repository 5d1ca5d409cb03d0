"""A thread that encodes protected frames and copies the sound that belongs to them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from queue import Full, Queue
from typing import Final

import av

from unveil.protection.sinks import Sink
from unveil.video.audio import SoundTrack, seconds_of

_AHEAD: Final = 4
"""Frames that may wait to be encoded."""


class _Ask(Enum):
    """What the writing thread is asked for between two frames."""

    SOUND = 1


class SoundCopy:
    """Moves packets from a video that is read to a sink, as far as they belong to its frames.

    Parameters
    ----------
    track
        Where packets come from.
    zero_seconds
        Time of the container that becomes 0.
    start_seconds, end_seconds
        Packets outside are left out; counted from `zero_seconds`.
    """

    def __init__(
        self, track: SoundTrack, zero_seconds: float, start_seconds: float, end_seconds: float
    ) -> None:
        self._track = track
        self._zero = zero_seconds
        self._start = start_seconds
        self._end = end_seconds
        self.n_packets = 0

    def close(self) -> None:
        """Take no more packets; whoever reads must not wait for it."""
        self._track.close()

    def ask_when_full(self, ask: Callable[[], object] | None) -> None:
        """Set what is called when too much sound waits; it must not block."""
        self._track.ask = ask

    def copy(self, sink: Sink, until_seconds: float) -> None:
        """Write what begins before a time of the output."""
        for packet in self._track.take(self._zero + until_seconds):
            begin = seconds_of(packet) - self._zero
            # Sound begins before the pictures in many files, and a player needs that.
            if math.isnan(begin) or not self._start <= begin < self._end:
                continue
            sink.write_sound(packet, -self._zero)
            self.n_packets += 1


class Writer:
    """Feeds a sink from a thread of its own; errors come back with the next call.

    Not thread-safe: one thread puts and finishes.
    """

    def __init__(self, sink: Sink, sound: SoundCopy | None) -> None:
        self._sink = sink
        self._sound = sound
        self._queue: Queue[tuple[av.VideoFrame, int, float] | _Ask | None] = Queue(_AHEAD)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="unveil-encode", daemon=True)
        self._thread.start()
        if sound is not None:
            sound.ask_when_full(self._ask_for_sound)

    def put(self, frame: av.VideoFrame, pts: int, seconds: float) -> None:
        """Hand a frame over; it must not be changed any more."""
        if self._error is not None:
            raise self._error
        self._queue.put((frame, pts, seconds))

    def finish(self, sound_until_seconds: float = math.inf, end_pts: int | None = None) -> None:
        """Write all that was put, the sound up to a time, and complete the output.

        The last frame is shown until `end_pts`, or by the frame rate.
        """
        self._end()
        if self._sound is not None:
            self._sound.copy(self._sink, sound_until_seconds)
        self._sink.finish(end_pts)

    def discard(self) -> None:
        """Stop, and leave nothing behind."""
        self._queue.put(None)
        self._thread.join()
        self._sink.discard()

    def _ask_for_sound(self) -> None:
        """Have all sound copied that waits, even if its pictures have not come yet."""
        with suppress(Full):  # it is asked again
            self._queue.put_nowait(_Ask.SOUND)

    def _end(self) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue  # whoever puts must not wait for ever
            try:
                seconds = math.inf
                if not isinstance(item, _Ask):
                    frame, pts, seconds = item
                    self._sink.write(frame, pts)
                if self._sound is not None:
                    self._sound.copy(self._sink, seconds)
            except BaseException as error:
                self._error = error
                if self._sound is not None:
                    self._sound.close()
