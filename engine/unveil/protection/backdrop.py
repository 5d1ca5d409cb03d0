"""Backgrounds shown instead of the room: a colour, a picture, or a looping video."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Final, Protocol, Self

import av
import av.error
import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from unveil.arrays import U8
from unveil.errors import InvalidParameter, UnreadableImage, UnveilError
from unveil.files import is_still, is_there, read_image
from unveil.protection.frames import Converter, covering, turned_upright
from unveil.protection.parameters import Background
from unveil.video.chunk import Layout, Planes
from unveil.video.geometry import SQUARE, Shape, cover, upright_aspect
from unveil.video.pixel_format import PlaneReader
from unveil.video.rgb_reader import VideoPictures
from unveil.video.selection import SAME_TIME_SECONDS
from unveil.video.source import VIDEO_EXTENSIONS

_AHEAD: Final = 3
"""Converted frames of a background video that are queued ahead of time."""

_FRAME_RATE: Final = 25.0
"""Frames per second of a background video whose container does not declare a rate."""

_WAIT_SECONDS: Final = 0.1


class Backdrop(Protocol):
    """Source of the planes behind the person."""

    def planes(self, layout: Layout, seconds: float) -> Planes:
        """Return planes (h, w), (ch, cw), (ch, cw) for a time of the output; they are read-only."""

    def close(self) -> None:
        """Free all resources."""


class Picture:
    """A picture scaled to cover the frame, cropped to its centre."""

    def __init__(self, picture: U8, pixel_aspect: Fraction = SQUARE) -> None:
        self._picture = np.ascontiguousarray(picture)
        self._aspect = pixel_aspect
        self._planes: tuple[Layout, Planes] | None = None

    def planes(self, layout: Layout, seconds: float) -> Planes:
        """Return the same planes for every time."""
        if self._planes is None or self._planes[0] != layout:
            target = Shape(layout.height, layout.width, self._aspect)
            fitted = cover(self._picture, target, Image.Resampling.LANCZOS)
            frame = av.VideoFrame.from_ndarray(fitted, format="rgb24")
            self._planes = layout, Converter().planes(frame, layout)
        return self._planes[1]

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


class Colour:
    """A single colour."""

    def __init__(self, red: int, green: int, blue: int) -> None:
        self._pixel = np.array([[[red, green, blue]]], np.uint8)
        self._planes: tuple[Layout, Planes] | None = None

    def planes(self, layout: Layout, seconds: float) -> Planes:
        """Return the same planes for every time."""
        if self._planes is None or self._planes[0] != layout:
            # Converting one small block avoids the cost of a whole picture.
            block = Layout(8, 8, layout.chroma_shift_y, layout.chroma_shift_x, layout.colour)
            frame = av.VideoFrame.from_ndarray(np.tile(self._pixel, (8, 8, 1)), format="rgb24")
            colours = [plane[0, 0] for plane in Converter().planes(frame, block)]
            luma, cb, cr = layout.empty(1)
            for plane, colour in zip((luma, cb, cr), colours, strict=True):
                plane[:] = colour
            self._planes = layout, (luma[0], cb[0], cr[0])
        return self._planes[1]

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


class LoopingVideo:
    """A video that covers the frame and loops at its own frame rate.

    A thread decodes and scales a few frames ahead. The frame depends only on the output's time.
    Times should increase; an earlier time restarts the video.

    Parameters
    ----------
    path
        The video's file; its display matrix and its pixel aspect are applied.
    pixel_aspect
        Pixel aspect of the output's frames.

    Raises
    ------
    UnreadableVideo
        No frame can be decoded from it.
    """

    def __init__(self, path: str | os.PathLike[str], pixel_aspect: Fraction = SQUARE) -> None:
        # This decodes the first frame, so an unreadable video is reported before the work begins.
        self._video = VideoPictures(path, threads=1)
        self._aspect = pixel_aspect
        self._decoder: BackgroundDecoder | None = None
        self._layout: Layout | None = None
        self._last_seconds = -math.inf

    def planes(self, layout: Layout, seconds: float) -> Planes:
        """Return the frame that the video, started at 0 and looped, shows at this time."""
        if self._decoder is None or self._layout != layout or seconds < self._last_seconds:
            self.close()
            self._decoder, self._layout = (
                BackgroundDecoder(self._video, layout, self._aspect),
                layout,
            )
        self._last_seconds = seconds
        return self._decoder.at(seconds)

    def close(self) -> None:
        """Stop decoding."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def __enter__(self) -> Self:
        """Return the backdrop, which is ready to use."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop decoding."""
        self.close()


class BackgroundDecoder:
    """Decodes a looping background video for one layout, in a thread."""

    def __init__(self, video: VideoPictures, layout: Layout, pixel_aspect: Fraction) -> None:
        self._video = video
        self._layout = layout
        self._aspects = upright_aspect(video.pixel_aspect, video.properties), pixel_aspect
        self._ready: Queue[tuple[float, Planes] | BaseException] = Queue(_AHEAD)
        self._stop = threading.Event()
        self._shown: Planes | None = None
        self._next: tuple[float, Planes] | None = None
        self._thread = threading.Thread(target=self._decode, name="unveil-backdrop", daemon=True)
        self._thread.start()

    def at(self, seconds: float) -> Planes:
        """Return the last frame that begins at or before a time."""
        while True:
            if self._next is None:
                item = self._ready.get()
                if isinstance(item, BaseException):
                    self._ready.put(item)  # a later call must raise it, too
                    raise item
                self._next = item
            if self._shown is not None and self._next[0] > seconds + SAME_TIME_SECONDS:
                return self._shown
            self._shown = self._next[1]
            self._next = None

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except Empty:
                self._thread.join(_WAIT_SECONDS)

    def _decode(self) -> None:
        try:
            reader, converter = PlaneReader(), Converter()
            for begin, frame in _repeated(self._video, self._stop):
                stored = reader.layout_of(frame)
                luma, cb, cr = stored.empty(1)
                reader.copy_into(frame, (luma, cb, cr), 0)
                planes, layout = turned_upright(
                    (luma[0], cb[0], cr[0]), stored, self._video.properties
                )
                shown = covering(planes, layout, self._layout, converter, aspects=self._aspects)
                if not self._offer((begin, shown)):
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
    """Yield a video's frames and the times at which they begin, in an endless loop."""
    period = 1 / (video.frame_rate or _FRAME_RATE)
    begin = 0.0
    while not stop.is_set():
        last = begin
        for n, (seconds, frame) in enumerate(video.frames(stop)):
            last = max(last, begin + (n * period if seconds is None else seconds))
            yield last, frame
        begin = last + period


def make_backdrop(background: Background, pixel_aspect: Fraction = SQUARE) -> Backdrop:
    """Make a backdrop of a colour, a picture or a video, for frames of this pixel aspect.

    Raises
    ------
    InvalidParameter
        It is neither a file nor a colour.
    UnreadableImage, UnreadableVideo
        The file cannot be read as a picture or a video.
    """
    if isinstance(background, np.ndarray):
        if background.dtype != np.uint8 or background.ndim != 3 or background.shape[2] != 3:
            raise InvalidParameter(
                f"background: a {background.dtype} array of shape {background.shape} is no uint8 "
                "RGB picture of shape (h, w, 3)"
            )
        return Picture(background, pixel_aspect)
    text = os.fspath(background)
    path = Path(text)
    if is_there(path) and path.is_file():
        return _file_backdrop(path, pixel_aspect)
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise InvalidParameter(
            f"background: {text!r} is no file, and no colour such as white or #00a000"
        ) from error
    return Colour(red, green, blue)


def as_colour(background: Background | None) -> Colour:
    """Return a background's colour; green if there is no background.

    Raises
    ------
    InvalidParameter
        The background is no colour.
    """
    try:
        return Colour(*ImageColor.getrgb(str("#00b140" if background is None else background))[:3])
    except ValueError as error:
        raise InvalidParameter(
            f"background: {background} is no colour; choose mode replace for a picture or a video"
        ) from error


def _file_backdrop(path: Path, pixel_aspect: Fraction) -> Backdrop:
    try:
        if is_still(path):
            return Picture(read_image(path)[..., :3], pixel_aspect)
    except UnreadableImage as error:
        if not isinstance(error.__cause__, UnidentifiedImageError):
            raise
    try:
        return LoopingVideo(path, pixel_aspect)
    except UnveilError as error:
        if path.suffix.lower() in VIDEO_EXTENSIONS:
            raise
        raise UnreadableImage(
            f"{path}: is neither a picture nor a video; take another background"
        ) from error
