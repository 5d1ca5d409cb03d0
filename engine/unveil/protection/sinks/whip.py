"""A WHIP endpoint, such as a meeting."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import av

from unveil.errors import OutputUnwritable
from unveil.interruption import POLL_SECONDS, StopRequested
from unveil.protection.frames import Converter
from unveil.protection.sinks.output import Output
from unveil.protection.sinks.sink import Footage

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet

_POLL_SECONDS: Final = 0.02

_LATE_SECONDS: Final = 0.25
"""Delay of a file's frame up to which the following ones catch up; a longer one shifts them."""


class WhipSink:
    """Publishes frames in real time: those of a file at their own pace.

    The server is contacted with the first frame, which waits for the connection. While it is
    lost, frames of a camera and of a file are left out and counted.
    """

    def __init__(self, output: Output, footage: Footage, stop: StopRequested) -> None:
        if find_spec("aiohttp") is None or find_spec("aiortc") is None:
            raise OutputUnwritable("WHIP: needs aiohttp and aiortc; pip install 'unveil[live]'")
        from unveil.protection.whip.publisher import Publisher

        assert output.address is not None  # by `output_of`
        self._stop = stop
        self._paced = not footage.live
        self._time_base = footage.time_base or Fraction(1, 90000)
        self._size = footage.square_size
        self._converter = Converter()
        self._begin: float | None = None
        self._late_seconds = 0.0
        self._publisher = Publisher(output.address.url, output.token)
        self._publisher.start()

    @property
    def notes(self) -> Sequence[str]:
        """What viewers did not see as it was."""
        status, notes = self._publisher.status, []
        if self._late_seconds:
            notes.append(
                f"frames were ready {self._late_seconds:.1f} s late in all, so viewers saw pauses; "
                "a lighter --model or a smaller video is faster"
            )
        if status.frames_dropped:
            notes.append(f"{status.frames_dropped} frames were not sent, newer ones came first")
        if status.reconnects:
            notes.append(f"connections to the server lost and restored: {status.reconnects}")
        return notes

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Publish a frame."""
        if (frame.height, frame.width) != self._size:
            frame = self._converter.stretched(frame, *self._size)
        shown = float(pts * self._time_base)
        if self._begin is not None and self._paced:
            shown = self._pace(shown)
        frame.pts, frame.time_base = round(shown * 90000), Fraction(1, 90000)
        self._publisher.push(frame)
        if self._begin is None:
            self._connect()
            self._begin = time.monotonic() - shown
        self._raise_failure()

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Sound is not published."""

    def finish(self, end_pts: int | None = None) -> None:
        """Show the last frame for its time, and end the session."""
        if self._begin is not None and self._paced and end_pts is not None:
            self._sleep_until(self._due(float(end_pts * self._time_base)))
        self._publisher.close()
        self._raise_failure()

    def discard(self) -> None:
        """End the session."""
        self._publisher.close()

    def _connect(self) -> None:
        """Wait until the first frame is sent; refusals and a server that is not there end it."""
        while self._publisher.status.state in ("waiting", "connecting") and not self._stop():
            time.sleep(_POLL_SECONDS)
        status = self._publisher.status
        if status.state in ("failed", "reconnecting"):
            raise OutputUnwritable(status.message)

    def _pace(self, shown: float) -> float:
        """Wait until a frame is due, and return the time at which it is shown."""
        late = time.monotonic() - self._due(shown)
        if late > _LATE_SECONDS:
            self._late_seconds += late
        self._sleep_until(self._due(shown))
        return shown + self._late_seconds

    def _due(self, shown: float) -> float:
        assert self._begin is not None
        return self._begin + shown + self._late_seconds

    def _sleep_until(self, due: float) -> None:
        while (left := due - time.monotonic()) > 0 and not self._stop():
            time.sleep(min(left, POLL_SECONDS))

    def _raise_failure(self) -> None:
        status = self._publisher.status
        if status.state == "failed":
            raise OutputUnwritable(status.message)
