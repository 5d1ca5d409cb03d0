"""Score of a recovered room against a photo of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from unveil.arrays import F64, U8, Bool
from unveil.errors import check_choice, check_range
from unveil.files import finite, read_image
from unveil.scoring.background_metrics import (
    InitialisationMetrics,
    check_pictures,
    initialisation_metrics,
)
from unveil.video.metric import MAX_THRESHOLD, Metric

if TYPE_CHECKING:
    from os import PathLike


VERIFY_THRESHOLD: dict[Metric, float] = {"ciede2000": 5.06, "cosine": 0.99}
"""A pixel matches if its distance is below this, or its similarity above it."""

_BAND_PIXELS = 1 << 18


@dataclass(frozen=True, slots=True)
class Verification:
    """Numbers of pixels of the recovered room that agree with the photo.

    Attributes
    ----------
    matches, mismatches
        Recovered pixels that agree with the photo, and those that do not.
    unrecovered
        Pixels of alpha 0, which count as neither.
    accuracy
        `matches / (matches + mismatches)`; NaN if nothing was recovered.
    metric, threshold
        The criterion of the comparison.
    """

    matches: int
    mismatches: int
    unrecovered: int
    accuracy: float
    metric: Metric
    threshold: float

    def as_dict(self) -> dict[str, int | float | str | None]:
        """Return all fields, ready for JSON: NaN and infinite values become None."""
        fields: dict[str, int | float | str | None] = finite(asdict(self))
        return fields


@dataclass(frozen=True, slots=True)
class Score:
    """All measures of one recovered room against a photo.

    Attributes
    ----------
    room, truth
        The two files.
    height, width
        Their size in pixels.
    verification
        The result of zoomg's verify, over the recovered pixels.
    initialisation
        The metrics of the background-initialisation benchmarks, over the recovered pixels.
    """

    room: str
    truth: str
    height: int
    width: int
    verification: Verification
    initialisation: InitialisationMetrics

    @property
    def coverage(self) -> float:
        """Share of all pixels that were recovered, right or wrong."""
        return 1 - self.verification.unrecovered / (self.height * self.width)

    def as_dict(self) -> dict[str, object]:
        """Return all fields, ready for JSON."""
        return {
            "room": self.room,
            "truth": self.truth,
            "height": self.height,
            "width": self.width,
            "coverage": self.coverage,
            "verification": self.verification.as_dict(),
            "initialisation": self.initialisation.as_dict(),
        }


def score_room(
    room_path: str | PathLike[str],
    truth_path: str | PathLike[str],
    metric: Metric = "ciede2000",
    threshold: float | None = None,
) -> Score:
    """Compare the picture of a recovered room with a photo of it.

    Transparent pixels (alpha 0) were not recovered: they are counted separately and enter no
    metric.

    Parameters
    ----------
    room_path
        The recovered room, with or without transparency.
    truth_path
        A photo of the room in the same size; its transparency is ignored.
    metric, threshold
        As in `verify`.

    Raises
    ------
    MissingInput
        One of the files does not exist.
    UnreadableImage
        One of the files is not an image.
    InvalidParameter
        The two differ in size, or `metric` or `threshold` is out of range.
    """
    room, truth = read_image(room_path), read_image(truth_path)
    verification = verify(room, truth, metric=metric, threshold=threshold)
    height, width = truth.shape[:2]
    return Score(
        room=str(room_path),
        truth=str(truth_path),
        height=height,
        width=width,
        verification=verification,
        initialisation=initialisation_metrics(room, truth, mask=_recovered(room)),
    )


def verify(
    room: U8, truth: U8, *, metric: Metric = "ciede2000", threshold: float | None = None
) -> Verification:
    """Count the pixels of a recovered room that agree with a photo, as zoomg does.

    Parameters
    ----------
    room
        (h, w, 3) or (h, w, 4) uint8; a pixel of alpha 0 was not recovered and is neither a match
        nor a mismatch.
    truth
        (h, w, 3) or (h, w, 4) uint8; alpha is ignored.
    metric, threshold
        A pixel matches if its CIEDE2000 distance is below `threshold` (0 to 100, default 5.06),
        or its cosine similarity above it (0 to 1, default 0.99).

    Raises
    ------
    InvalidParameter
        The pictures differ in size or are no pictures, or a value is out of range.
    """
    check_pictures(room, truth)
    check_choice("metric", metric, get_args(Metric))
    limit = VERIFY_THRESHOLD[metric] if threshold is None else float(threshold)
    check_range("threshold", limit, 0, MAX_THRESHOLD[metric])
    measured = compare_colours(room[..., :3], truth[..., :3], metric)
    agrees = measured < limit if metric == "ciede2000" else measured > limit
    recovered = _recovered(room)
    n_recovered = int(recovered.sum())
    matches = int((agrees & recovered).sum())
    return Verification(
        matches=matches,
        mismatches=n_recovered - matches,
        unrecovered=recovered.size - n_recovered,
        accuracy=matches / n_recovered if n_recovered else math.nan,
        metric=metric,
        threshold=limit,
    )


def compare_colours(first: U8, second: U8, metric: Metric = "ciede2000") -> F64:
    """Compare the colours of two pictures pixel by pixel.

    Parameters
    ----------
    first, second
        (h, w, 3) uint8 RGB.
    metric
        "ciede2000" returns distances (0 for equal colours), "cosine" similarities (1 for
        parallel RGB vectors, and where one of them is black).

    Returns
    -------
    ndarray
        (h, w) float64.
    """
    # Numba takes long to import, and most of this module does not need it.
    from unveil.video.colour import ciede2000, cosine_similarity, to_lab

    measured = np.empty(first.shape[:2], np.float64)
    rows = max(1, _BAND_PIXELS // first.shape[1])
    for start in range(0, len(first), rows):
        band = slice(start, start + rows)
        a, b = first[band].astype(np.float64), second[band].astype(np.float64)
        if metric == "cosine":
            measured[band] = cosine_similarity(a, b)
        else:
            measured[band] = ciede2000(to_lab(a), to_lab(b))
    return measured


def _recovered(room: U8) -> Bool:
    """Return the pixels for which a picture claims a colour: all of them if it has no alpha."""
    if room.shape[2] == 3:
        return np.ones(room.shape[:2], np.bool_)
    recovered: Bool = room[..., 3] > 0
    return recovered
