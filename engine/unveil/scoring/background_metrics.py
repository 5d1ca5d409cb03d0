"""The six measures of the background-initialisation benchmarks SBI and SBMnet."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from unveil.arrays import F64, I64, U8, Bool
from unveil.errors import InvalidParameter
from unveil.files import finite

ERROR_LEVELS = 20.0
"""Levels of luma beyond which a pixel is an error in pEPs and pCEPs."""

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first (Wang, Simoncelli and Bovik, 2003)."""

_WINDOW = 11
_WINDOW_SIGMA = 1.5
_MARGIN = _WINDOW // 2
_GAUSSIAN = np.exp(-((np.arange(_WINDOW) - _MARGIN) ** 2) / (2 * _WINDOW_SIGMA**2))
_GAUSSIAN /= _GAUSSIAN.sum()
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2


@dataclass(frozen=True, slots=True)
class InitialisationMetrics:
    """The measures of the background-initialisation benchmarks SBI and SBMnet.

    Attributes
    ----------
    age
        Mean absolute difference of luma (studio range, 16 to 235), in levels. Best: 0.
    peps
        Share of error pixels, whose luma differs by more than 20 levels. Best: 0.
    pceps
        Share of pixels that have such an error together with all of their upper, lower, left
        and right neighbours. Best: 0.
    ms_ssim
        Multi-scale structural similarity of luma, 0 to 1. Best: 1.
    psnr
        Peak signal-to-noise ratio of luma in dB. Best: infinite.
    cqm
        Colour image quality in dB, PSNR weighted between luma and chroma. Best: infinite.
    """

    age: float
    peps: float
    pceps: float
    ms_ssim: float
    psnr: float
    cqm: float

    def as_dict(self) -> dict[str, int | float | str | None]:
        """Return all fields, ready for JSON: NaN and infinite values become None."""
        fields: dict[str, int | float | str | None] = finite(asdict(self))
        return fields


def initialisation_metrics(
    estimate: U8, truth: U8, mask: Bool | None = None
) -> InitialisationMetrics:
    """Measure an estimated picture by the six metrics of SBI and SBMnet.

    Parameters
    ----------
    estimate, truth
        (h, w, 3) or (h, w, 4) uint8; alpha is ignored.
    mask
        (h, w) bool, the pixels to measure; None takes all. For pCEPs, neighbours outside the
        mask or the picture count as errors. MS-SSIM replaces the pixels outside the mask by
        `truth` and averages over the windows centred inside.

    Returns
    -------
    InitialisationMetrics
        All NaN if the mask is empty.

    Raises
    ------
    InvalidParameter
        The pictures or the mask differ in size.

    Notes
    -----
    Luma is rounded to integers. A picture of under 161 pixels in one direction is smaller than
    the window of 11 pixels after four halvings: MS-SSIM then uses the scales that fit, with
    weights scaled to the same sum. Under 11 pixels it is NaN.
    """
    check_pictures(estimate, truth)
    if mask is None:
        mask = np.ones(truth.shape[:2], np.bool_)
    if mask.shape != truth.shape[:2]:
        raise InvalidParameter(f"mask: shape {mask.shape} does not fit {truth.shape[:2]}")
    if not mask.any():
        return InitialisationMetrics(*[math.nan] * 6)
    luma, true_luma = _luma(estimate), _luma(truth)
    difference = np.abs(luma - true_luma)
    wrong = difference > ERROR_LEVELS
    n_pixels = int(mask.sum())
    return InitialisationMetrics(
        age=float(difference[mask].mean()),
        peps=int((wrong & mask).sum()) / n_pixels,
        pceps=int((_eroded(wrong | ~mask) & mask).sum()) / n_pixels,
        ms_ssim=_ms_ssim(np.where(mask, luma, true_luma), true_luma, mask),
        psnr=_psnr(difference[mask]),
        cqm=_cqm(estimate[mask], truth[mask]),
    )


def check_pictures(estimate: U8, truth: U8) -> None:
    """Raise `InvalidParameter` if these are not two uint8 pictures of equal size."""
    for name, picture in (("room", estimate), ("truth", truth)):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (3, 4):
            raise InvalidParameter(
                f"{name}: a {picture.dtype} array of shape {picture.shape} is no uint8 "
                "picture of shape (h, w, 3) or (h, w, 4)"
            )
    if estimate.shape[:2] != truth.shape[:2]:
        (height, width), (true_height, true_width) = estimate.shape[:2], truth.shape[:2]
        raise InvalidParameter(
            f"the room is {width}x{height} but the truth {true_width}x{true_height}; "
            "scale the photo to the room's size"
        )


def _luma(picture: U8) -> F64:
    """Convert RGB to ITU-R BT.601 luma, 16 to 235, rounded as in 8-bit Y'CbCr: (h, w)."""
    red, green, blue = np.moveaxis(picture[..., :3].astype(np.float64), -1, 0)
    luma: F64 = np.floor(16.5 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255)
    return luma


def _eroded(wrong: Bool) -> Bool:
    """Erode by the cross of four neighbours; pixels outside the picture count as set."""
    padded = np.pad(wrong, 1, constant_values=True)
    rows = padded[:-2, 1:-1] & padded[2:, 1:-1]
    columns = padded[1:-1, :-2] & padded[1:-1, 2:]
    kept: Bool = wrong & rows & columns
    return kept


def psnr(mean_square: float) -> float:
    """Compute the peak signal-to-noise ratio in dB for a peak of 255; infinite for no error."""
    return 10 * math.log10(255**2 / mean_square) if mean_square else math.inf


def _psnr(difference: npt.NDArray[np.float64 | np.int64]) -> float:
    return psnr(float(np.mean(np.square(difference, dtype=np.float64))))


def _cqm(estimate: U8, truth: U8) -> float:
    """Compute CQM of (n, 3 or 4) pixels: PSNR in reversible Y, U, V (Yalman, Ertürk 2013)."""
    a, b = estimate.astype(np.int64), truth.astype(np.int64)

    def planes(rgb: I64) -> tuple[I64, ...]:
        red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]
        return (red + 2 * green + blue) // 4, red - green, blue - green

    luma, u, v = (_psnr(p - q) for p, q in zip(planes(a), planes(b), strict=True))
    return 0.9449 * luma + 0.0551 * (u + v) / 2


def _ms_ssim(estimate: F64, truth: F64, mask: Bool) -> float:
    """Compute multi-scale SSIM of two (h, w) pictures over the windows centred in the mask."""
    contrasts: list[float] = []
    similarity = math.nan
    for _ in MS_SSIM_WEIGHTS:
        inside = mask[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        if min(truth.shape) < _WINDOW or not inside.any():
            break
        contrast_map, ssim_map = ssim_maps(estimate, truth, _GAUSSIAN)
        contrasts.append(float(contrast_map[inside].mean()))
        similarity = float(ssim_map[inside].mean())
        estimate, truth, mask = _halved(estimate), _halved(truth), mask[::2, ::2]
    if not contrasts:
        return math.nan
    weights = np.array(MS_SSIM_WEIGHTS[: len(contrasts)])
    weights *= sum(MS_SSIM_WEIGHTS) / weights.sum()
    # Contrast and structure count at every scale, luminance at the coarsest only. A negative
    # mean has no real power; it counts as 0.
    factors = np.maximum([*contrasts[:-1], similarity], 0.0)
    return float(np.prod(factors**weights))


def ssim_maps(a: F64, b: F64, weights: F64, variance_factor: float = 1.0) -> tuple[F64, F64]:
    """Compute contrast-structure and SSIM at every full window.

    Parameters
    ----------
    a, b
        (h, w) or (h, w, channels), levels of 0 to 255.
    weights
        (n,) weights of a window's rows and columns, with the sum 1.
    variance_factor
        Multiplies variances and covariances, such as to make them unbiased.

    Returns
    -------
    Two arrays (h - n + 1, w - n + 1), with the channels.
    """
    mean_a, mean_b = _windowed(a, weights), _windowed(b, weights)
    variance_a = variance_factor * (_windowed(a * a, weights) - mean_a**2)
    variance_b = variance_factor * (_windowed(b * b, weights) - mean_b**2)
    covariance = variance_factor * (_windowed(a * b, weights) - mean_a * mean_b)
    contrast: F64 = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    luminance: F64 = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return contrast, luminance * contrast


def _windowed(picture: F64, weights: F64) -> F64:
    """Average with these weights over every full window, separably."""
    height, width, *channels = picture.shape
    rows = np.zeros((height - len(weights) + 1, width, *channels))
    for shift, weight in enumerate(weights):
        rows += weight * picture[shift : shift + len(rows)]
    means = np.zeros((len(rows), width - len(weights) + 1, *channels))
    for shift, weight in enumerate(weights):
        means += weight * rows[:, shift : shift + means.shape[1]]
    return means


def _halved(picture: F64) -> F64:
    """Average 2x2 blocks; the last row or column of an odd size is mirrored."""
    height, width = picture.shape
    even = np.pad(picture, ((0, height % 2), (0, width % 2)), mode="symmetric")
    quarters = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    halved: F64 = quarters / 4
    return halved
