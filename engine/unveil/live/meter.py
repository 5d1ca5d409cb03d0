"""`LeakMeter`: recovers the room from the protected frames, to show what an attacker would have."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image

from unveil.arrays import F64, U8
from unveil.errors import explain
from unveil.live.newest import Newest
from unveil.recovery.engine import Engine
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Layout, Planes

logger = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 3.0

CHUNK_FRAMES: Final = 4
"""Frames counted at once. The network runs on every fourth frame."""

MAX_PIXELS: Final = 1280 * 720
"""Larger frames are halved: the state takes up to 680 MB at this size."""

SURE: Final = 0.5
"""Claims of a higher confidence count as confident."""

PARAMETERS: Final = Parameters("farend", person="lite", threads=1)
"""The fastest network and one thread leave the cores to the protection."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the attacker has after some seconds.

    Attributes
    ----------
    seconds, frames
        Time and frames since the meter began or the background was changed.
    skipped
        Frames that came while it was busy, since it was switched on.
    leaked_share, confident_share
        Shares of the pixels whose room colour is claimed, and with a confidence above `SURE`.
    notes
        What limits the figures, such as that the background is a blur of the room.
    picture
        The room as a PNG with transparency where nothing is claimed.
    """

    seconds: float
    frames: int
    skipped: int
    leaked_share: float
    confident_share: float
    notes: tuple[str, ...]
    picture: bytes

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON, without the picture."""
        return {
            "seconds": round(self.seconds, 1),
            "frames": self.frames,
            "skipped": self.skipped,
            "leaked_share": self.leaked_share,
            "confident_share": self.confident_share,
            "notes": list(self.notes),
        }


class LeakMeter:
    """Counts protected frames in one thread; frames that come while it is busy are skipped.

    Parameters
    ----------
    on_reading, on_error
        Called in the meter's thread, with a reading every `REFRESH_SECONDS`, and with a line when
        the meter has ended because it failed.
    parameters
        Of the recovery.
    refresh_seconds
        Time between two readings.
    """

    def __init__(
        self,
        on_reading: Callable[[Reading], object],
        on_error: Callable[[str], object],
        *,
        parameters: Parameters = PARAMETERS,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._on_reading = on_reading
        self._on_error = on_error
        self._parameters = parameters
        self._refresh_seconds = refresh_seconds
        self._frames: Newest[tuple[int, Planes, Layout, float]] = Newest()
        self._n_beginnings = 0
        self._thread = threading.Thread(target=self._run, name="unveil-meter", daemon=True)
        self._thread.start()

    def push(self, planes: Planes, layout: Layout, timestamp: float) -> None:
        """Offer a protected frame; it must not be changed any more. `timestamp`: seconds."""
        self._frames.put((self._n_beginnings, planes, layout, timestamp))

    def begin_anew(self) -> None:
        """Forget what was counted, because frames pushed from now on have another background.

        To be called in the thread that pushes.
        """
        self._n_beginnings += 1

    def close(self) -> None:
        """End the meter; its thread ends after what it is doing."""
        self._frames.close()

    def join(self, timeout_seconds: float) -> bool:
        """Wait after `close` until the thread has ended; return whether it has."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._count_all()
        except Exception as error:
            if not self._frames.closed:
                logger.debug("the meter failed", exc_info=True)
                self._frames.close()
                self._on_error(f"leak meter: {explain(error)}; it is switched off")

    def _count_all(self) -> None:
        counted: CountedFrames | None = None
        beginning = 0
        while not self._frames.closed:
            taken = self._frames.take(self._refresh_seconds)
            if taken is None:
                continue
            since, planes, layout, timestamp = taken
            if counted is None or since != beginning or counted.source_layout != layout:
                counted = CountedFrames(layout, self._parameters)
                beginning = since
            counted.add(planes, timestamp)
            if counted.seconds_since_reading >= self._refresh_seconds:
                reading = counted.reading(self._frames.n_skipped)
                if self._n_beginnings == beginning and not self._frames.closed:
                    self._on_reading(reading)


class CountedFrames:
    """The frames of one layout, and their recovery.

    Parameters
    ----------
    layout
        Of the frames; those over `MAX_PIXELS` are halved before they are counted.
    parameters
        Of the recovery.
    """

    def __init__(self, layout: Layout, parameters: Parameters) -> None:
        self.source_layout = layout
        self._halves = layout.height * layout.width > MAX_PIXELS
        if self._halves:
            height, width = layout.height // 4 * 2, layout.width // 4 * 2
            layout = Layout(height, width, 1, 1, layout.colour)
        self._engine = Engine(layout.height, layout.width, parameters=parameters)
        self._staged = layout.empty(CHUNK_FRAMES)
        self._times: F64 = np.empty(CHUNK_FRAMES)
        self._n_staged = 0
        self._layout = layout
        self._n_frames = 0
        self._began = self._read = time.monotonic()

    @property
    def seconds_since_reading(self) -> float:
        """Time since the last reading, or since the beginning."""
        return time.monotonic() - self._read

    def add(self, planes: Planes, timestamp: float) -> None:
        """Count a frame."""
        for staged, plane in zip(self._staged, planes, strict=True):
            place = staged[self._n_staged]
            place[:] = _halved(plane, *place.shape) if self._halves else plane
        self._times[self._n_staged] = timestamp
        self._n_staged += 1
        self._n_frames += 1
        if self._n_staged == CHUNK_FRAMES:
            self._count_staged()

    def _count_staged(self) -> None:
        n_frames, self._n_staged = self._n_staged, 0
        luma, cb, cr = (plane[:n_frames] for plane in self._staged)
        self._engine.update(Chunk((luma, cb, cr), self._times[:n_frames], self._layout))

    def reading(self, n_skipped: int) -> Reading:
        """Recover the room from the frames so far."""
        if self._n_staged:
            self._count_staged()
        recovery = self._engine.finalise()
        claimed = recovery.sharp  # everybody sees the blurred room
        self._read = time.monotonic()
        return Reading(
            self._read - self._began,
            self._n_frames,
            n_skipped,
            float(claimed.mean()),
            float((claimed & (recovery.confidence > SURE)).mean()),
            tuple(recovery.report["warnings"]),
            _png(recovery.room, claimed),
        )


def _halved(plane: U8, height: int, width: int) -> U8:
    """Average squares of 2 x 2 samples: (height, width) of a plane at least twice as large."""
    part = plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    mean: U8 = np.rint(part.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)
    return mean


def _png(room: U8, claimed: Any) -> bytes:
    picture = room.copy()
    picture[..., 3] = np.where(claimed, 255, 0)
    picture[~claimed] = 0
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()
