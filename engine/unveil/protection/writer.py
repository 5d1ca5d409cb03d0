"""A thread that encodes protected frames and copies the sound that belongs to them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from queue import Full, Queue
from typing import Final, TypeAlias

import av

from unveil.interruption import POLL_SECONDS, StopRequested, check, never
from unveil.protection.sinks import Sink
from unveil.video.audio import SoundTrack, seconds_of

_AHEAD: Final = 4
"""Frames that may wait to be encoded."""


class _Ask(Enum):
    """What the writing thread is asked for between two frames."""

    SOUND = 1


_Item: TypeAlias = tuple[av.VideoFrame, int, float]


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
    """Feeds a sink from a thread of its own, which also opens, completes and discards it.

    Whoever calls only waits, so Ctrl-C there tears nothing. Errors come back with the next call.
    Not thread-safe: one thread opens, puts and finishes.

    Parameters
    ----------
    open_sink
        Opens the sink.
    sound
        What copies the sound, None where there is none.
    stop
        Returns whether to stop; asked while the sink takes no more frames.

    """

    def __init__(
        self, open_sink: Callable[[], Sink], sound: SoundCopy | None, stop: StopRequested = never
    ) -> None:
        self._sink: Sink | None = None
        self._open_sink = open_sink
        self._sound = sound
        self._stop = stop
        self._queue: Queue[_Item | _Ask | None] = Queue(_AHEAD)
        self._sound_until = math.inf
        self._end_pts: int | None = None
        self._given_up = False
        self._error: BaseException | None = None
        self._opened = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="unveil-encode", daemon=True)

    @property
    def notes(self) -> Sequence[str]:
        """Those of the sink so far, once it is open."""
        return () if self._sink is None else self._sink.notes

    def open(self) -> None:
        """Open the sink."""
        self._thread.start()
        self._opened.wait()
        self._raise_error()
        if self._sound is not None:
            self._sound.ask_when_full(self._ask_for_sound)

    def put(self, frame: av.VideoFrame, pts: int, seconds: float) -> None:
        """Hand a frame over; it must not be changed any more.

        Raises
        ------
        Interrupted
            `stop` asked for it before the frame was taken.
        """
        while True:
            self._raise_error()
            with suppress(Full):
                self._queue.put((frame, pts, seconds), timeout=POLL_SECONDS)
                return
            check(self._stop)

    def finish(
        self,
        sound_until_seconds: float = math.inf,
        end_pts: int | None = None,
        patience_seconds: float | None = None,
    ) -> bool:
        """Write all that was put, the sound up to a time, and complete the output.

        The last frame is shown until `end_pts`, or by the frame rate. It may be called again
        after a `KeyboardInterrupt`: the output is being completed all the while. Returns False if
        that took longer than `patience_seconds`.
        """
        self._sound_until, self._end_pts = sound_until_seconds, end_pts
        ended = self._end(patience_seconds)
        if ended:
            self._raise_error()
        return ended

    def discard(self) -> None:
        """Stop, and leave nothing behind but an output that is complete already."""
        self._given_up = True
        self._end(None)

    def _ask_for_sound(self) -> None:
        """Have all sound copied that waits, even if its pictures have not come yet."""
        with suppress(Full):  # it is asked again
            self._queue.put_nowait(_Ask.SOUND)

    def _end(self, patience_seconds: float | None) -> bool:
        until = math.inf if patience_seconds is None else time.monotonic() + patience_seconds
        while not self._ended.is_set() and time.monotonic() < until:
            with suppress(Full):
                self._queue.put(None, timeout=POLL_SECONDS)
                break
        if self._thread.ident is None:  # it was not started
            return True
        # Not `Thread.join`: after Ctrl-C in it, Python 3.11 takes the thread for ended.
        return self._ended.wait(None if math.isinf(until) else max(0.0, until - time.monotonic()))

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            sink = self._open_sink()
            self._sink = sink
        except BaseException as error:
            self._error = error
        else:
            self._opened.set()
            self._feed(sink)
        finally:
            self._opened.set()
            self._ended.set()

    def _feed(self, sink: Sink) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None and not self._given_up:
                self._attempt(partial(self._write, sink, item))
        if self._error is None and not self._given_up:
            self._attempt(partial(self._complete, sink))
        if self._error is not None or self._given_up:
            sink.discard()

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as error:
            self._error = error
            if self._sound is not None:
                self._sound.close()

    def _write(self, sink: Sink, item: _Item | _Ask) -> None:
        seconds = math.inf
        if not isinstance(item, _Ask):
            frame, pts, seconds = item
            sink.write(frame, pts)
        if self._sound is not None:
            self._sound.copy(sink, seconds)

    def _complete(self, sink: Sink) -> None:
        if self._sound is not None:
            self._sound.copy(sink, self._sound_until)
        sink.finish(self._end_pts)
