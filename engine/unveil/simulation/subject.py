"""The person of a simulated call: cut-out pictures with a hard outline, and their motion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import numpy as np
from PIL import Image

from unveil.arrays import F32, U8
from unveil.errors import NoPerson
from unveil.files import is_still, read_image
from unveil.redaction import described
from unveil.video.rgb_reader import VideoPictures

if TYPE_CHECKING:
    from os import PathLike

Motion: TypeAlias = Literal["sway", "lean", "zoom", "leave"]

_HARDNESS: Final = 8.0
"""Contrast of the outline: the matte's soft edge becomes about one pixel wide."""

PERSON_ALPHA: Final = 128
"""Smallest alpha of a pixel that shows the person rather than the surroundings."""

_LEAVE_CYCLE_SECONDS: Final = 10.0


class Mask(Protocol):
    """The person mask of one picture."""

    def at(self, height: int, width: int, /) -> F32:
        """Return the probability of the person, 0 to 1, (height, width)."""


class Segmenter(Protocol):
    """Segments the person in pictures, in the order of time."""

    def mask(self, picture: U8, /) -> Mask:
        """Segment an (h, w, 3) uint8 RGB picture."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Pose of the person: shift in shares of the height, zoom, lean in columns per row."""

    right: float = 0.0
    zoom: float = 1.0
    lean: float = 0.0


class Choreography:
    """The pose over time: sums of sines whose common period is long.

    Parameters
    ----------
    motions
        "sway": back and forth. "lean": the head to the sides, the seat in place. "zoom": nearer
        and farther. "leave": out of the picture and back, every ten seconds.
    seed
        Seed of the phases.
    """

    def __init__(self, motions: Sequence[Motion], seed: int) -> None:
        self._motions = frozenset(motions)
        rng = np.random.default_rng((seed, 1))
        self._phases = [float(phase) for phase in rng.uniform(0, 2 * math.pi, 5)]

    def pose(self, seconds: float) -> Pose:
        """Return the pose at a time."""
        sway, swing, lean, nod, zoom = (
            math.sin(2 * math.pi * seconds / period + phase)
            for period, phase in zip((7.3, 2.9, 5.3, 1.7, 6.1), self._phases, strict=True)
        )
        right = 0.0
        if "sway" in self._motions:
            right += 0.16 * sway + 0.05 * swing
        if "leave" in self._motions:
            right += 2.2 * _absence(seconds / _LEAVE_CYCLE_SECONDS % 1)
        return Pose(
            right=right,
            zoom=1.1 + 0.15 * zoom if "zoom" in self._motions else 1.0,
            lean=0.11 * lean + 0.03 * nod if "lean" in self._motions else 0.0,
        )


class Actor:
    """The person of a call as RGBA pictures, frame by frame.

    Attributes
    ----------
    is_still
        Whether it is one image, which has no length of its own.
    frame_rate
        Frames per second of the footage, None for a still or if unknown.
    n_frames
        Number of frames that the footage declares, None for a still or if unknown.
    """

    def __init__(self, path: str | PathLike[str], *, threads: int | None = None) -> None:
        self.is_still = is_still(path)
        self.frame_rate: float | None = None
        self.n_frames: int | None = None
        self._name = described(path)
        self._was_found = False
        self._still: U8 | None = None
        self._footage: VideoPictures | None = None
        if self.is_still:
            self._still = read_image(path)
        else:
            self._footage = VideoPictures(path, threads=threads)
            self.frame_rate = self._footage.frame_rate
            self.n_frames = self._footage.n_frames

    @property
    def needs_matte(self) -> bool:
        """Whether the person must be cut out: not if a still has transparency."""
        return self._still is None or self._still.shape[2] == 3

    def pictures(self, matte: Segmenter | None) -> Iterator[Image.Image]:
        """Iterate over RGBA pictures: those of the footage, or the still without end.

        Parameters
        ----------
        matte
            Cuts the person out; not used unless `needs_matte`.
        """
        if self._still is not None:
            still = self._still if self._still.shape[2] == 4 else _cut_out(self._still, matte)
            return itertools.repeat(self._seen(still))
        assert self._footage is not None
        return (self._seen(_cut_out(picture, matte)) for picture in self._footage)

    def check_found(self) -> None:
        """Check that a picture so far shows the person.

        Raises
        ------
        NoPerson
            None does.
        """
        if not self._was_found:
            raise NoPerson(
                f"{self._name}: nobody is found in it, so the call would show nobody; give another "
                "picture or clip, another matte, or a still with transparency"
            )

    def _seen(self, cut_out: U8) -> Image.Image:
        """Return an RGBA picture, and note whether it shows the person."""
        self._was_found |= bool((cut_out[..., 3] >= PERSON_ALPHA).any())
        return Image.fromarray(cut_out)


def place(picture: Image.Image, pose: Pose, height: int, width: int, scale: float) -> tuple[U8, U8]:
    """Draw a person into the frame, aligned with its lower edge.

    Parameters
    ----------
    picture
        RGBA.
    height, width
        Size of the frame.
    scale
        Height of the picture divided by that of the frame.

    Returns
    -------
    person
        (h, w, 3) uint8, black outside the person.
    matte
        (h, w) uint8: 255 inside the person, 0 outside, with an edge of about one pixel.
    """
    # The inverse of: scale by `factor` from the lower edge, shift right and lean in columns.
    factor = scale * pose.zoom * height / picture.height
    lean = pose.lean
    affine = (
        1 / factor,
        lean / factor,
        (-width / 2 - pose.right * height - lean * height) / factor + picture.width / 2,
        0.0,
        1 / factor,
        picture.height - height / factor,
    )
    # Pillow premultiplies by alpha, so the surroundings of the person do not bleed in.
    placed = picture.transform(
        (width, height), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC
    )
    pixels = np.asarray(placed)
    return pixels[..., :3], _HARDENED[pixels[..., 3]]


def _cut_out(picture: U8, matte: Segmenter | None) -> U8:
    """Return a picture with its matte as alpha."""
    if matte is None:
        raise ValueError("a picture without transparency needs a matte")
    height, width = picture.shape[:2]
    alpha = np.rint(255 * matte.mask(picture).at(height, width)).astype(np.uint8)
    return np.dstack([picture, alpha])


def _hardened() -> U8:
    levels = 127.5 + _HARDNESS * (np.arange(256) - 127.5)
    table: U8 = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return table


_HARDENED: Final = _hardened()


def _absence(phase: float) -> float:
    """Return how far the person is out, 0 to 1: leaves at 0.5 to 0.6, returns at 0.75 to 0.85."""
    way = min((phase - 0.5) / 0.1, (0.85 - phase) / 0.1)
    share = min(1.0, max(0.0, way))
    return share * share * (3 - 2 * share)
