"""Score of a recovery against the exact ground truth of its call: leaks found, claims right."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from unveil.arrays import F64, U8, Bool
from unveil.errors import InvalidParameter
from unveil.files import BACKGROUND, ROOM, finite, read_image
from unveil.scoring.background_metrics import InitialisationMetrics, initialisation_metrics
from unveil.scoring.photo import compare_colours
from unveil.scoring.truth import Truth

if TYPE_CHECKING:
    from os import PathLike


LEAK_DISTANCE: Final = 4.0
"""Below this CIEDE2000 an estimate matches the strongest blend shown (VADER's score)."""

RIGHT_DISTANCE: Final = 10.0
"""Below this CIEDE2000 a claimed colour is right."""

CLOSE_DISTANCE: Final = 5.0
"""Below this CIEDE2000 two colours are hardly distinguishable."""

BLEND_LEAK: Final = 0.3
"""If the room's share exceeded this, a claim of the strongest blend is right, too."""

PURE_FRAMES: Final = 3
"""The background is measured at pixels that showed it pure in so many frames."""

CONFIDENT: Final = 0.5
DECILES: Final = 10


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Claimed pixels whose confidence is above `low` and at most `high`.

    `mean_confidence` and `precision` are NaN if there are none; in a calibrated recovery they are
    equal.
    """

    low: float
    high: float
    pixels: int
    mean_confidence: float
    precision: float


@dataclass(frozen=True, slots=True)
class TruthScore:
    """Measures of a recovery against the exact ground truth of its call.

    Attributes
    ----------
    recovery, truth
        The two files or folders; empty for arrays.
    height, width
        Size in pixels.
    leak_score
        VADER's leak score: the weight of the leaks whose claimed colour is within CIEDE2000 4 of
        the strongest blend shown, as a share of the weight of all leaks. It is a recall only.
    floor
        Leak score of an image of the virtual background, which recovers nothing: a leak score
        near it means nothing.
    f
        Harmonic mean of `recall` and `precision`.
    recall, close_recall
        Share of the strongly leaked pixels whose claimed colour is within CIEDE2000 10, and 5, of
        the room. A pixel is strongly leaked if the room's share was above 0.9 in at least two
        frames.
    precision
        Share of the claimed pixels that are right: within CIEDE2000 10 of the room or, if its
        share exceeded 0.3, of the strongest blend shown. 0 if nothing is claimed.
    confident_precision
        The same for pixels with a confidence above 0.5; NaN if there are none.
    coverage, confident_coverage
        Share of all pixels that are claimed, and claimed with a confidence above 0.5.
    strong_share
        Share of all pixels that are strongly leaked: the coverage of a perfect recovery.
    room
        Background-initialisation metrics of the room, over claimed pixels that are strongly
        leaked.
    background
        The same for the background, over pixels that showed it pure in three frames or more,
        whatever their alpha; None if only a room is measured.
    background_error
        Mean error of full-range luma, in levels, of the background over the same pixels.
    calibration
        Share of right claims by tenths of confidence (the room's alpha).
    """

    recovery: str
    truth: str
    height: int
    width: int
    leak_score: float
    floor: float
    f: float
    recall: float
    close_recall: float
    precision: float
    confident_precision: float
    coverage: float
    confident_coverage: float
    strong_share: float
    room: InitialisationMetrics
    background: InitialisationMetrics | None
    background_error: float | None
    calibration: tuple[ConfidenceBin, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON: NaN and infinite values become None."""
        fields: dict[str, Any] = finite(asdict(self))
        return fields


def score_truth(recovery_path: str | PathLike[str], truth_path: str | PathLike[str]) -> TruthScore:
    """Measure a recovery against the truth of a simulated call.

    Parameters
    ----------
    recovery_path
        The picture of a recovered room, or a folder with room.png and, to measure the background
        too, background.png.
    truth_path
        The truth.npz of the call.

    Raises
    ------
    MissingInput
        There is no such file.
    UnreadableImage, UnreadableTruth
        A file is not what it should be.
    InvalidParameter
        Recovery and truth differ in size.
    """
    truth = Truth.read(truth_path)
    folder = Path(recovery_path)
    background = None
    if folder.is_dir() and (folder / BACKGROUND).exists():
        background = read_image(folder / BACKGROUND)
    return measure_recovery(
        read_image(room_file(recovery_path)),
        truth,
        background,
        recovery_name=str(recovery_path),
        truth_name=str(truth_path),
    )


def room_file(recovery_path: str | PathLike[str]) -> Path:
    """Return the path of the room's picture: the path itself, or room.png in a folder."""
    path = Path(recovery_path)
    return path / ROOM if path.is_dir() else path


def measure_recovery(
    room: U8,
    truth: Truth,
    background: U8 | None = None,
    *,
    recovery_name: str = "",
    truth_name: str = "",
) -> TruthScore:
    """Measure pictures of a recovered room and background against the ground truth.

    Parameters
    ----------
    room
        (h, w, 4) uint8: alpha is the confidence, 0 where nothing is claimed. In (h, w, 3), every
        pixel farther than CIEDE2000 5 from the background is claimed with a confidence of 1:
        such a picture shows the background elsewhere.
    truth
        Ground truth of the call.
    background
        (h, w, 3) or (h, w, 4) uint8, or None.

    Raises
    ------
    InvalidParameter
        The pictures differ from the truth in size.
    """
    size = (truth.height, truth.width)
    for name, picture in (("room", room), ("background", background)):
        if picture is not None and picture.shape[:2] != size:
            height, width = picture.shape[:2]
            raise InvalidParameter(
                f"the {name} is {width}x{height} but the truth {truth.width}x{truth.height}; "
                "they belong to different calls"
            )
    confidence = _confidence(room, truth)
    claimed = confidence > 0
    blend, strong = truth.blend, truth.strong
    # Unclaimed pixels enter no sum below.
    estimate = np.where(claimed[..., None], room[..., :3], np.uint8(0))
    to_room = compare_colours(estimate, truth.room)
    to_blend = compare_colours(estimate, blend)
    is_blend = (truth.leak / 255.0 > BLEND_LEAK) & (to_blend < RIGHT_DISTANCE)
    right = claimed & ((to_room < RIGHT_DISTANCE) | is_blend)

    confident = confidence > CONFIDENT
    found = claimed & strong
    recall = _share((found & (to_room < RIGHT_DISTANCE)).sum(), strong.sum())
    precision = _share(right.sum(), claimed.sum(), empty=0.0)
    to_painted = compare_colours(truth.background, blend)
    pure = truth.seen >= PURE_FRAMES
    return TruthScore(
        recovery=recovery_name,
        truth=truth_name,
        height=truth.height,
        width=truth.width,
        leak_score=_leak_weight(truth, claimed & (to_blend < LEAK_DISTANCE)),
        floor=_leak_weight(truth, to_painted < LEAK_DISTANCE),
        f=_harmonic_mean(recall, precision),
        recall=recall,
        close_recall=_share((found & (to_room < CLOSE_DISTANCE)).sum(), strong.sum()),
        precision=precision,
        confident_precision=_share((right & confident).sum(), confident.sum()),
        coverage=float(claimed.mean()),
        confident_coverage=float(confident.mean()),
        strong_share=float(strong.mean()),
        room=initialisation_metrics(room, truth.room, mask=found),
        background=(
            None
            if background is None
            else initialisation_metrics(background, truth.background, mask=pure)
        ),
        background_error=(
            None if background is None else _luma_error(background, truth.background, pure)
        ),
        calibration=_calibration(confidence, right),
    )


def paint_background(truth: Truth) -> U8:
    """Return the virtual background as a room that is claimed everywhere, (h, w, 4)."""
    opaque = np.full((truth.height, truth.width, 1), 255, np.uint8)
    return np.concatenate([truth.background, opaque], axis=2)


def _confidence(room: U8, truth: Truth) -> F64:
    if room.shape[2] == 4:
        return room[..., 3] / 255.0
    return (compare_colours(room, truth.background) > CLOSE_DISTANCE).astype(np.float64)


def _leak_weight(truth: Truth, matched: Bool) -> float:
    """Return the share of the weight of all leaks that is on the matched pixels."""
    return _share(truth.leak[matched].sum(), truth.leak.sum())


def _harmonic_mean(recall: float, precision: float) -> float:
    both = recall + precision
    return 2 * recall * precision / both if both else 0.0


def _luma_error(background: U8, truth: U8, pure: Bool) -> float:
    """Return the mean absolute difference of full-range BT.601 luma over the pure pixels."""
    if not pure.any():
        return math.nan
    weights = np.array([0.299, 0.587, 0.114])
    luma, true_luma = (np.rint(picture[pure][:, :3] @ weights) for picture in (background, truth))
    return float(np.abs(luma - true_luma).mean())


def _calibration(confidence: F64, right: Bool) -> tuple[ConfidenceBin, ...]:
    """Return the share of right claims by tenths of confidence."""
    levels = np.rint(confidence * 255).astype(np.int64)
    # Integer levels of alpha: the upper bound of a tenth then belongs to it exactly.
    tenth = -(-levels * DECILES // 255) - 1
    bins = []
    for n in range(DECILES):
        inside = tenth == n
        pixels = int(inside.sum())
        bins.append(
            ConfidenceBin(
                low=n / DECILES,
                high=(n + 1) / DECILES,
                pixels=pixels,
                mean_confidence=_share(float(confidence[inside].sum()), pixels),
                precision=_share(right[inside].sum(), pixels),
            )
        )
    return tuple(bins)


def _share(part: float, whole: float, *, empty: float = math.nan) -> float:
    return float(part) / float(whole) if whole else empty
