"""What an eye sees of a resisting background: likeness to the plain picture, and flicker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from unveil.arrays import F64, U8
from unveil.errors import InvalidParameter
from unveil.scoring.background_metrics import psnr, ssim_maps
from unveil.shielding.writing import CRF
from unveil.video.rgb_reader import VideoPictures
from unveil.video.writer import VideoWriter

SAMPLES_EVERY: Final = 10
"""SSIM is measured in every N-th frame."""

_LUMA: Final = np.array([0.299, 0.587, 0.114])
_WINDOW: Final = 7


@dataclass(frozen=True, slots=True)
class Likeness:
    """Frames of a background compared with the plain picture, and with each other.

    Attributes
    ----------
    ssim
        Mean structural similarity of the RGB channels, of every tenth frame; 1 is equal.
    psnr
        Of all frames together, in dB; infinite where they are equal.
    flicker
        Mean change of a luma sample from one frame to the next, in levels.
    """

    ssim: float
    psnr: float
    flicker: float


def likeness(frames: Iterable[U8], picture: U8) -> Likeness:
    """Compare frames with the plain picture, all (h, w, 3) uint8 RGB; at least one frame."""
    similar: list[float] = []
    squares: list[float] = []
    changes: list[float] = []
    before: F64 | None = None
    for number, frame in enumerate(frames):
        squares.append(float(np.mean((frame.astype(np.float64) - picture) ** 2)))
        luma = frame @ _LUMA
        if before is not None:
            changes.append(float(np.abs(luma - before).mean()))
        before = luma
        if number % SAMPLES_EVERY == 0:
            similar.append(structural_similarity(frame, picture))
    return Likeness(
        ssim=float(np.mean(similar)),
        psnr=psnr(float(np.mean(squares))),
        flicker=float(np.mean(changes)) if changes else 0.0,
    )


def structural_similarity(first: U8, second: U8) -> float:
    """Compare two pictures, (h, w, 3) uint8, by SSIM: the mean over channels and windows.

    Windows of 7 x 7 equal weights, unbiased variances, as in scikit-image (Wang, Bovik, Sheikh and
    Simoncelli, 2004).

    Raises
    ------
    InvalidParameter
        A side is shorter than the window.
    """
    if min(first.shape[:2]) < _WINDOW:
        raise InvalidParameter(f"pictures: shorter than {_WINDOW} pixels on one side")
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    equal = np.full(_WINDOW, 1 / _WINDOW)
    one, two = first.astype(np.float64), second.astype(np.float64)
    _, similarity = ssim_maps(one, two, equal, unbiased)
    return float(similarity.mean())


def as_encoded(picture: U8, folder: Path) -> U8:
    """Return a picture as it looks in a video of the encoder and quality of `shield`.

    The difference that remains is that of the countermeasure, not of the encoder. The sides are
    even. The video is left in `folder`, as plain.mp4.
    """
    video = folder / "plain.mp4"
    height, width = picture.shape[:2]
    with VideoWriter(video, height=height, width=width, frame_rate=30, crf=CRF) as writer:
        for _ in range(SAMPLES_EVERY):
            writer.write(picture)
    *_, last = VideoPictures(video)
    return last
