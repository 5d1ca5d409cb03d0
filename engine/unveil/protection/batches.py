"""Batches of a video's frames for the protector: upright and of one layout."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from unveil.protection.frames import Converter, fitting, turned_upright, with_alpha
from unveil.video.chunk import Layout, Planes
from unveil.video.geometry import upright_aspect
from unveil.video.reader import Video


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames of one layout: planes (h, w), (ch, cw), (ch, cw) and seconds since the first frame.

    The arrays are valid until the next batch is requested.
    """

    layout: Layout
    frames: list[tuple[Planes, float]]


class Batches:
    """Iterates once over a video's frames, in batches for the protector.

    Frames are upright and have the colours of the first frame and the given size. Frames of another
    size are scaled without distortion and padded with black. Frames without time stamps are
    spaced by the frame rate.

    A live source yields only its newest frame. Frames that arrive while one is processed are
    dropped; the output shows the previous frame for longer.

    Parameters
    ----------
    video
        The video; its `chunks()` are read.
    alpha
        Whether the layout must have a pixel format with alpha.
    size
        Rows and columns of the output as decoded, before the display matrix; None: those of the
        first frame.

    Attributes
    ----------
    n_held
        Frames of a live source that were dropped.
    n_scaled
        Frames that were converted because their size or colours differed from the output's.
    """

    def __init__(
        self, video: Video, *, alpha: bool = False, size: tuple[int, int] | None = None
    ) -> None:
        self._video = video
        self._alpha = alpha
        self._size = size
        self._aspect = upright_aspect(video.pixel_aspect, video.properties)
        self._layout: Layout | None = None
        self._expected: Layout | None = None
        self._converter = Converter()
        self._period = 1 / (video.properties.frame_rate or 30)
        self._last_seconds = -math.inf
        self.n_held = 0
        self.n_scaled = 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches until the video ends."""
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
        fitting_frames = [
            (self._fitting(planes, layout), self._time(seconds)) for planes, seconds in frames
        ]
        assert self._layout is not None  # a batch has a frame
        return Batch(self._layout, fitting_frames)

    def _fitting(self, planes: Planes, layout: Layout) -> Planes:
        planes, layout = turned_upright(planes, layout, self._video.properties)
        if self._layout is None:
            self._expected, self._layout = self._chosen(layout)
        if layout == self._layout:
            return planes
        self.n_scaled += layout != self._expected
        aspects = self._aspect, self._aspect
        return fitting(planes, layout, self._layout, self._converter, aspects=aspects)

    def _chosen(self, upright: Layout) -> tuple[Layout, Layout]:
        """Return the upright layout that frames should have, and that of the output."""
        if self._size is not None:
            height, width = self._size
            if self._video.properties.rotation_degrees % 180:
                height, width = width, height
            upright = replace(upright, height=height, width=width)
        return upright, with_alpha(upright) if self._alpha else upright

    def _time(self, seconds: float) -> float:
        if math.isnan(seconds):
            seconds = max(0.0, self._last_seconds + self._period)
        self._last_seconds = seconds
        return seconds


class _Mailbox:
    """Holds the newest frame of a live source, which a thread reads."""

    def __init__(self, video: Video) -> None:
        self._video = video
        self._changed = threading.Condition()
        self._item: tuple[Layout, Planes, float] | None = None
        self._ended = False
        self._error: BaseException | None = None
        self.n_replaced = 0
        threading.Thread(target=self._read, name="unveil-newest", daemon=True).start()

    def take(self) -> tuple[Layout, Planes, float] | None:
        """Wait for a new frame and return it; None at the end."""
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
