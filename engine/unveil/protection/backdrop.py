"""What is shown instead of the room: a colour, a picture, or a video that is repeated."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Final, Protocol, Self

import av
import av.error
import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from unveil.arrays import U8
from unveil.errors import InvalidParameter, UnreadableImage, UnveilError
from unveil.files import is_there
from unveil.protection.frames import Converter, covering
from unveil.protection.parameters import Background
from unveil.video.chunk import Layout, Planes
from unveil.video.container import one_line
from unveil.video.rgb_reader import VideoPictures
from unveil.video.selection import SAME_TIME_SECONDS
from unveil.video.source import VIDEO_EXTENSIONS

_AHEAD: Final = 3
"""Frames of a background video that wait, converted, to be shown."""

_FRAME_RATE: Final = 25.0
"""Of a background video that does not tell its own."""

_WAIT_SECONDS: Final = 0.1


class Backdrop(Protocol):
    """Gives the planes to show behind the person."""

    def planes(self, layout: Layout, seconds: float) -> Planes:
        """Planes (h, w), (ch, cw), (ch, cw) for a time of the output; not to be written to."""

    def close(self) -> None:
        """Free what it holds."""


class Picture:
    """A picture that covers the frame: scaled to fill it, its middle shown."""

    def __init__(self, picture: U8) -> None:
        self._picture = np.ascontiguousarray(picture)
        self._planes: tuple[Layout, Planes] | None = None

    def planes(self, layout: Layout, seconds: float) -> Planes:
        """Give the same for every time."""
        if self._planes is None or self._planes[0] != layout:
            image = Image.fromarray(self._picture)
            size = (layout.width, layout.height)
            fitted = np.asarray(ImageOps.fit(image, size, Image.Resampling.LANCZOS))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(fitted), format="rgb24")
            self._planes = layout, Converter().planes(frame, layout)
        return self._planes[1]

    def close(self) -> None:
        """Nothing to free."""


class Colour:
    """One colour everywhere."""

    def __init__(self, red: int, green: int, blue: int) -> None:
        self._pixel = np.array([[[red, green, blue]]], np.uint8)
        self._planes: tuple[Layout, Planes] | None = None

    def planes(self, layout: Layout, seconds: float) -> Planes:
        """Give the same for every time."""
        if self._planes is None or self._planes[0] != layout:
            # Converted as one block: an enlarged pixel would cost as much as a picture.
            block = Layout(8, 8, layout.chroma_shift_y, layout.chroma_shift_x, layout.colour)
            frame = av.VideoFrame.from_ndarray(np.tile(self._pixel, (8, 8, 1)), format="rgb24")
            colours = [plane[0, 0] for plane in Converter().planes(frame, block)]
            luma, cb, cr = layout.empty(1)
            for plane, colour in zip((luma, cb, cr), colours, strict=True):
                plane[:] = colour
            self._planes = layout, (luma[0], cb[0], cr[0])
        return self._planes[1]

    def close(self) -> None:
        """Nothing to free."""


class Film:
    """A video that covers the frame, is repeated, and keeps its own frame rate.

    A thread decodes and scales ahead by a few frames. Which frame is shown depends on the
    output's time alone. Times must not go backwards; one that does begins the video anew.

    Raises
    ------
    UnreadableVideo
        No frame can be decoded from it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # It decodes the first frame: what cannot be shown is told before the work begins.
        self._video = VideoPictures(path, threads=1)
        self._run: _Projection | None = None
        self._layout: Layout | None = None
        self._last_seconds = -math.inf

    def planes(self, layout: Layout, seconds: float) -> Planes:
        """Give the frame that the video, begun at 0 and repeated, shows at this time."""
        if self._run is None or self._layout != layout or seconds < self._last_seconds:
            self.close()
            self._run, self._layout = _Projection(self._video, layout), layout
        self._last_seconds = seconds
        return self._run.at(seconds)

    def close(self) -> None:
        """Stop decoding."""
        if self._run is not None:
            self._run.close()
            self._run = None

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop decoding."""
        self.close()


class _Projection:
    """One run of a background video for one layout."""

    def __init__(self, video: VideoPictures, layout: Layout) -> None:
        self._video = video
        self._layout = layout
        self._ready: Queue[tuple[float, Planes] | BaseException] = Queue(_AHEAD)
        self._stop = threading.Event()
        self._shown: Planes | None = None
        self._next: tuple[float, Planes] | None = None
        self._thread = threading.Thread(target=self._project, name="unveil-backdrop", daemon=True)
        self._thread.start()

    def at(self, seconds: float) -> Planes:
        """Give the last frame that begins at or before a time."""
        while True:
            if self._next is None:
                item = self._ready.get()
                if isinstance(item, BaseException):
                    self._ready.put(item)  # so that a later call finds it, too
                    raise item
                self._next = item
            if self._shown is not None and self._next[0] > seconds + SAME_TIME_SECONDS:
                return self._shown
            self._shown = self._next[1]
            self._next = None

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except Empty:
                self._thread.join(_WAIT_SECONDS)

    def _project(self) -> None:
        try:
            converter = Converter()
            for begin, frame in _repeated(self._video, self._stop):
                if not self._offer((begin, covering(frame, self._layout, converter))):
                    return
        except BaseException as error:
            self._offer(error)

    def _offer(self, item: tuple[float, Planes] | BaseException) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=_WAIT_SECONDS)
            except Full:
                continue
            return True
        return False


def _repeated(video: VideoPictures, stop: threading.Event) -> Iterator[tuple[float, av.VideoFrame]]:
    """Give a video's frames and the times at which they begin, over and over."""
    period = 1 / (video.frame_rate or _FRAME_RATE)
    begin = 0.0
    while not stop.is_set():
        last = begin
        for n, (seconds, frame) in enumerate(video.frames(stop)):
            last = max(last, begin + (n * period if seconds is None else seconds))
            yield last, frame
        begin = last + period


def make_backdrop(background: Background) -> Backdrop:
    """Find out what a background is.

    Raises
    ------
    InvalidParameter
        It is no file, and no colour.
    UnreadableImage, UnreadableVideo
        It is a file that cannot be shown.
    """
    if isinstance(background, np.ndarray):
        if background.dtype != np.uint8 or background.ndim != 3 or background.shape[2] != 3:
            raise InvalidParameter(
                f"background: a {background.dtype} array of shape {background.shape} is no uint8 "
                "RGB picture of shape (h, w, 3)"
            )
        return Picture(background)
    text = os.fspath(background)
    path = Path(text)
    if is_there(path) and path.is_file():
        return _file_backdrop(path)
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise InvalidParameter(
            f"background: {text!r} is no file, and no colour such as white or #00a000"
        ) from error
    return Colour(red, green, blue)


def as_colour(background: Background | None) -> Colour:
    """Read a colour, green where there is none.

    Raises
    ------
    InvalidParameter
        It is something else.
    """
    try:
        return Colour(*ImageColor.getrgb(str("#00b140" if background is None else background))[:3])
    except ValueError as error:
        raise InvalidParameter(
            f"background: {background} is no colour; choose mode replace for a picture or a video"
        ) from error


def _file_backdrop(path: Path) -> Backdrop:
    if path.suffix.lower() in VIDEO_EXTENSIONS:
        return Film(path)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return Picture(np.array(upright.convert("RGB")))
    except UnidentifiedImageError:
        pass
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableImage(
            f"{path}: is not a picture that can be read ({one_line(error)}); take another one"
        ) from error
    try:
        return Film(path)
    except UnveilError as error:
        raise UnreadableImage(
            f"{path}: is neither a picture nor a video; take another background"
        ) from error
