"""The virtual background of a simulated call: a still, a pan, or a looping video."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from unveil.arrays import U8
from unveil.errors import InvalidParameter, check_positive, check_range
from unveil.files import is_still, read_image
from unveil.simulation import scenes
from unveil.video.geometry import Shape, cover
from unveil.video.rgb_reader import VideoPictures, endless

if TYPE_CHECKING:
    from os import PathLike

Scene: TypeAlias = Literal["furnished", "text", "landscape"]

SCENES: Final[tuple[Scene, ...]] = get_args(Scene)


def picture_of(source: str | PathLike[str], height: int, width: int, seed: int) -> U8:
    """Draw a scene by its name, or read an image, scale it to cover the size and crop its centre.

    Raises
    ------
    MissingInput, UnreadableImage
        `source` is neither a scene nor an image.
    """
    name = str(source)
    if name == "furnished":
        return scenes.photo_room(height, width, seed)
    if name == "text":
        return scenes.text_room(height, width)
    if name == "landscape":
        return scenes.landscape(height, width, seed)
    return _fitted(read_image(source)[..., :3], height, width)


class VirtualBackground:
    """The frames of a virtual background, without end.

    Parameters
    ----------
    source
        Name of a scene, an image or a video.
    height, width
        Size of the frames; the source is scaled to cover it and cropped.
    pan
        Columns by which the picture moves to the left per frame, cyclically; may be negative.
    loop_frames
        Number of frames of a video to loop over; None loops over all.
    pixels_of_noise
        Share of pixels with a random colour, which differ in each frame.
    seed
        Seed of the scene and of the noise.

    Attributes
    ----------
    first
        The first frame without its noise, (h, w, 3) uint8.

    Raises
    ------
    InvalidParameter
        A number is out of range, or `loop_frames` is given for a still.
    MissingInput, UnreadableImage, UnreadableVideo
        The source is missing or cannot be read.
    """

    def __init__(
        self,
        source: str | PathLike[str],
        height: int,
        width: int,
        *,
        pan: int = 0,
        loop_frames: int | None = None,
        pixels_of_noise: float = 0.0,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        check_range("pixels_of_noise", pixels_of_noise, 0, 1)
        if abs(pan) >= width:
            raise InvalidParameter(f"pan: {pan} columns a frame are not fewer than {width}")
        if loop_frames is not None:
            check_positive("loop_frames", loop_frames)
        self._size = (height, width)
        self._pan = pan
        self._loop_frames = loop_frames
        self._pixels_of_noise = pixels_of_noise
        self._seed = seed
        self._video: VideoPictures | None = None
        if str(source) in SCENES or is_still(source):
            if loop_frames is not None:
                raise InvalidParameter(f"loop_frames: {source} is a still; leave it out")
            self.first = picture_of(source, height, width, seed)
        else:
            self._video = VideoPictures(source, threads=threads)
            self.first = _fitted(next(iter(self._video)), height, width)
        self._shown = self.frames()

    def behind(self, camera: U8, mask: U8) -> U8:
        """Return the background of the next frame; valid until the next one."""
        return next(self._shown)

    def frames(self) -> Iterator[U8]:
        """Iterate over frames without end; each is valid until the next one."""
        rng = np.random.default_rng((self._seed, 2))
        height, width = self._size
        n_noisy = round(self._pixels_of_noise * height * width)
        for n, picture in enumerate(self._pictures()):
            frame = np.roll(picture, -self._pan * n % width, axis=1) if self._pan else picture
            if n_noisy:
                frame = frame.copy()
                places = rng.integers(0, height * width, n_noisy)
                colours = rng.integers(0, 256, (n_noisy, 3), dtype=np.uint8)
                frame.reshape(-1, 3)[places] = colours
            yield frame

    def _pictures(self) -> Iterator[U8]:
        if self._video is None:
            return itertools.repeat(self.first)
        played = endless(self._video, self._loop_frames)
        return (_fitted(picture, *self._size) for picture in played)


def _fitted(picture: U8, height: int, width: int) -> U8:
    """Scale a picture to cover the size and crop its centre."""
    return cover(picture, Shape(height, width), Image.Resampling.BICUBIC)
