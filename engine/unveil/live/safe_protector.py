"""`SafeProtector`: protects every frame, whatever fails; a failure shows the background alone."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from unveil.arrays import U8
from unveil.errors import ProtectionFailed, explain
from unveil.protection import Protector
from unveil.protection.backdrop import Backdrop, Colour, make_backdrop
from unveil.protection.protector import prepare
from unveil.video.chunk import Layout, Planes

logger = logging.getLogger(__name__)

REBUILD_SECONDS: Final = 1.0
"""Time between two attempts to make a new protector after one has failed for good."""

MAX_STEP_SECONDS: Final = 0.5
"""A background video goes on by this much at most after a pause: it would be decoded for as long as
the pause was."""

GREEN: Final = Colour(0x00, 0xB1, 0x40)
GREY: Final = Colour(128, 128, 128)


@dataclass(frozen=True, slots=True)
class Protected:
    """How a frame was protected.

    Attributes
    ----------
    person_ms, compose_ms
        Wall time of the two steps.
    failure
        Why the frame shows no person although one may be there; None if nothing failed.
    """

    person_ms: float
    compose_ms: float
    failure: str | None = None


class _Clock:
    """Time of a background video: it runs with the frames and stands still in long pauses."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._last = math.inf

    def at(self, now: float) -> float:
        """Return the video's time at a time of `time.monotonic`."""
        self._seconds += min(max(0.0, now - self._last), MAX_STEP_SECONDS)
        self._last = now
        return self._seconds


class SafeProtector:
    """Protects frame after frame with a `Protector`, and goes on after any failure.

    Where `Protector` raises because too many frames failed, the background is shown alone, and a
    second later a new protector is made. Not thread-safe: use one in one thread.

    Parameters
    ----------
    make
        Makes the protector; called at once, and after failures.
    now
        Time in seconds, for a background video and between two attempts.

    Raises
    ------
    UnveilError
        The first protector cannot be made.
    """

    def __init__(
        self, make: Callable[[], Protector], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._now = now
        self._protector: Protector | None = make()
        parameters = self._protector.parameters
        self.parameters = parameters
        self._alone: Backdrop = GREY
        if parameters.chosen_mode == "remove":
            self._alone = GREEN
        elif parameters.background is not None:
            self._alone = make_backdrop(parameters.background)
        self._clock, self._alone_clock = _Clock(), _Clock()
        self._failed_at = 0.0
        self._reason = ""

    def prepare(self) -> None:
        """Load the kernels; those that are not in the cache are compiled."""
        if self._protector is not None:
            prepare(self._protector)

    def reset(self) -> None:
        """Forget earlier frames: the next frame is unrelated to them."""
        try:
            if self._protector is not None:
                self._protector.reset()
        except Exception as error:
            self._give_up(error)

    def protect(self, planes: Planes, layout: Layout, target: tuple[U8, ...]) -> Protected:
        """Write a protected frame.

        Parameters
        ----------
        planes
            uint8 (h, w), (ch, cw), (ch, cw), C-contiguous; not changed.
        layout
            Their layout.
        target
            Three planes of the same shapes, to write.
        """
        begin = detected_at = time.perf_counter()
        failure: str | None
        try:
            protector = self._protector or self._remade()
            tally = protector.tally
            before = tally.segmentation_failed, tally.composition_failed
            detection = protector.detect_person(planes, layout)
            detected_at = time.perf_counter()
            seconds = self._clock.at(self._now())
            protector.compose(planes, layout, detection, target, seconds)
            if tally.composition_failed > before[1]:
                self.show_background(layout, target)
            failed = (tally.segmentation_failed, tally.composition_failed) != before
            failure = (tally.last_error or "unknown") if failed else None
        except Exception as error:
            # ProtectionFailed, or a fault of this program: the target may hold anything.
            failure = explain(error)
            self.show_background(layout, target)
            self._give_up(error)
        end = time.perf_counter()
        return Protected(1e3 * (detected_at - begin), 1e3 * (end - detected_at), failure)

    def show_background(self, layout: Layout, target: tuple[U8, ...]) -> None:
        """Write the background alone; plain grey if that fails, too."""
        try:
            shown = self._alone.planes(layout, self._alone_clock.at(self._now()))
        except Exception:
            logger.debug("the background cannot be shown", exc_info=True)
            shown = GREY.planes(layout, 0.0)
        for plane, source in zip(target, shown, strict=False):
            plane[:, : source.shape[1]] = source

    def close(self) -> None:
        """Free the backgrounds; further calls do nothing."""
        self._alone.close()
        if self._protector is not None:
            self._protector.close()

    def _give_up(self, error: Exception) -> None:
        """Drop a protector that failed; a new one is made later."""
        logger.debug("the protector is made anew", exc_info=error)
        if not isinstance(error, _NotYet):
            self._failed_at, self._reason = self._now(), explain(error)
        broken, self._protector = self._protector, None
        if broken is not None:
            with suppress(Exception):
                broken.close()

    def _remade(self) -> Protector:
        if self._now() < self._failed_at + REBUILD_SECONDS:
            raise _NotYet(f"{self._reason}; protection begins again within a second")
        self._protector, self._clock = self._make(), _Clock()
        return self._protector


class _NotYet(ProtectionFailed):
    """A new protector is not made yet."""
