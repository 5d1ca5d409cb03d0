"""What an eye sees of a resisting background: likeness to the plain picture, and flicker."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from unveil.arrays import F64, U8
from unveil.errors import InvalidParameter
from unveil.shielding.writing import CRF
from unveil.video.rgb_reader import VideoPictures
from unveil.video.writer import VideoWriter

SAMPLES_EVERY: Final = 10
"""SSIM is measured in every N-th frame."""

_LUMA: Final = np.array([0.299, 0.587, 0.114])
_WINDOW: Final = 7
_C1: Final = (0.01 * 255) ** 2
_C2: Final = (0.03 * 255) ** 2


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
    error = float(np.mean(squares))
    return Likeness(
        ssim=float(np.mean(similar)),
        psnr=10 * math.log10(255**2 / error) if error else math.inf,
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
    one, two = first.astype(np.float64), second.astype(np.float64)
    mean_one, mean_two = _window_means(one), _window_means(two)
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    variance_one = unbiased * (_window_means(one * one) - mean_one**2)
    variance_two = unbiased * (_window_means(two * two) - mean_two**2)
    covariance = unbiased * (_window_means(one * two) - mean_one * mean_two)
    similar = (2 * mean_one * mean_two + _C1) * (2 * covariance + _C2)
    similar /= (mean_one**2 + mean_two**2 + _C1) * (variance_one + variance_two + _C2)
    return float(similar.mean())


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


def _window_means(values: F64) -> F64:
    """Average over each window that lies inside: (h, w, c) to (h - 6, w - 6, c)."""
    for axis in (0, 1):
        sums = np.cumsum(np.insert(values, 0, 0.0, axis=axis), axis=axis)
        ends = np.take(sums, range(_WINDOW, sums.shape[axis]), axis=axis)
        values = (ends - np.take(sums, range(sums.shape[axis] - _WINDOW), axis=axis)) / _WINDOW
    return values
