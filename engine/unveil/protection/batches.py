"""Frames on their way to the protector: upright, of one layout, and of a live source the newest."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unveil.protection.frames import Converter, frame_of, turned_upright
from unveil.video.chunk import Layout, Planes
from unveil.video.reader import Video


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames of one layout: planes (h, w), (ch, cw), (ch, cw) and seconds since the first frame.

    The arrays are valid until the next batch is asked for.
    """

    layout: Layout
    frames: list[tuple[Planes, float]]


class Batches:
    """The frames of a video for the protector; to be iterated once.

    Frames come upright and in the layout of the first: those that differ are scaled, as an output
    has one size. Where frames bear no time, they are spaced by the frame rate.

    Of a live source only the newest frame is given. Those that came while the last one was
    worked on are left out: an output shows the frame before for longer.

    Attributes
    ----------
    n_held
        Frames that were left out for lateness.
    n_scaled
        Frames that had another size or other colours than the first.
    """

    def __init__(self, video: Video) -> None:
        self._video = video
        self._layout: Layout | None = None
        self._converter = Converter()
        self._period = 1 / (video.properties.frame_rate or 30)
        self._last_seconds = -math.inf
        self.n_held = 0
        self.n_scaled = 0

    def __iter__(self) -> Iterator[Batch]:
        """Give batches until the video ends."""
        return self._newest() if self._video.live else self._all()

    def _all(self) -> Iterator[Batch]:
        for chunk in self._video.chunks():
            luma, cb, cr = chunk.planes
            yield self._batch(
                chunk.layout,
                [
                    ((luma[i], cb[i], cr[i]), float(seconds))
                    for i, seconds in enumerate(chunk.pts_seconds)
                ],
            )

    def _newest(self) -> Iterator[Batch]:
        mailbox = _Mailbox(self._video)
        while (item := mailbox.take()) is not None:
            layout, planes, seconds = item
            self.n_held = mailbox.n_replaced
            yield self._batch(layout, [(planes, seconds)])

    def _batch(self, layout: Layout, frames: list[tuple[Planes, float]]) -> Batch:
        return Batch(
            self._layout or turned_upright(frames[0][0], layout, self._video.properties)[1],
            [(self._fitting(planes, layout), self._time(seconds)) for planes, seconds in frames],
        )

    def _fitting(self, planes: Planes, layout: Layout) -> Planes:
        planes, layout = turned_upright(planes, layout, self._video.properties)
        if self._layout is None:
            self._layout = layout
        if layout == self._layout:
            return planes
        self.n_scaled += 1
        return self._converter.planes(frame_of(planes, layout), self._layout)

    def _time(self, seconds: float) -> float:
        if math.isnan(seconds):
            seconds = max(0.0, self._last_seconds + self._period)
        self._last_seconds = seconds
        return seconds


class _Mailbox:
    """Holds the newest frame of a live source; a thread of its own reads all of them."""

    def __init__(self, video: Video) -> None:
        self._video = video
        self._changed = threading.Condition()
        self._item: tuple[Layout, Planes, float] | None = None
        self._ended = False
        self._error: BaseException | None = None
        self.n_replaced = 0
        threading.Thread(target=self._read, name="unveil-newest", daemon=True).start()

    def take(self) -> tuple[Layout, Planes, float] | None:
        """Wait for a frame that was not taken yet; None at the end."""
        with self._changed:
            while self._item is None and not self._ended:
                self._changed.wait(0.5)  # so that Ctrl-C is noticed on every system
            item, self._item = self._item, None
            if item is None and self._error is not None:
                raise self._error
            return item

    def _read(self) -> None:
        try:
            for chunk in self._video.chunks():
                for i, seconds in enumerate(chunk.pts_seconds):
                    luma, cb, cr = (np.array(plane[i]) for plane in chunk.planes)
                    with self._changed:
                        self.n_replaced += self._item is not None
                        self._item = chunk.layout, (luma, cb, cr), float(seconds)
                        self._changed.notify()
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()
