"""How much of what leaked a recovery found, and how much of its claims is right."""

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
"""CIEDE2000 below which an estimate matches the strongest blend shown (VADER's score)."""

RIGHT_DISTANCE: Final = 10.0
"""CIEDE2000 below which a claimed colour is right."""

CLOSE_DISTANCE: Final = 5.0
"""CIEDE2000 below which it is hardly told from the truth."""

BLEND_LEAK: Final = 0.3
"""Where the room's share rose over this, claiming the strongest blend is right, too."""

PURE_FRAMES: Final = 3
"""The background is measured where so many frames showed it pure."""

CONFIDENT: Final = 0.5
DECILES: Final = 10


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Claimed pixels whose confidence is over `low` and at most `high`.

    `mean_confidence` and `precision` are NaN where there is none; a calibrated recovery has
    them equal.
    """

    low: float
    high: float
    pixels: int
    mean_confidence: float
    precision: float


@dataclass(frozen=True, slots=True)
class TruthScore:
    """A recovery measured against the exact truth of its call.

    Attributes
    ----------
    recovery, truth
        The two files or folders; empty for arrays.
    height, width
        Size in pixels.
    leak_score
        VADER's: the leaks' weight where the claimed colour is within CIEDE2000 4 of the
        strongest blend shown, as a share of all leaks' weight. Recall alone counts.
    floor
        The leak score of painting the virtual background itself, which is knowing nothing:
        a leak score near it says nothing.
    f
        Harmonic mean of `recall` and `precision`.
    recall, close_recall
        Share of the strongly leaked pixels whose claimed colour is within CIEDE2000 10, and
        5, of the room. A pixel is strongly leaked where the room's share was over 0.9 in at
        least two frames.
    precision
        Share of the claimed pixels that are right: within CIEDE2000 10 of the room or, where
        its share rose over 0.3, of the strongest blend shown. 0 where nothing is claimed.
    confident_precision
        The same of pixels with a confidence over 0.5; NaN where there is none.
    coverage, confident_coverage
        Share of all pixels that are claimed, and claimed with a confidence over 0.5.
    strong_share
        Share of all pixels that are strongly leaked: what the best recovery would cover.
    room
        Metrics of background initialisation of the room, over claimed pixels that are
        strongly leaked.
    background
        The same of the background, over pixels that showed it pure in three frames or more,
        whatever its alpha says there; None where only a room is measured.
    background_error
        Mean error of full-range luma, in levels, of the background over the same pixels.
    calibration
        Right share by tenths of confidence (the room's alpha).
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
        """All fields, ready for JSON: what is not a finite number is None."""
        fields: dict[str, Any] = finite(asdict(self))
        return fields


def score_truth(recovery_path: str | PathLike[str], truth_path: str | PathLike[str]) -> TruthScore:
    """Measure a recovery against the truth of a simulated call.

    Parameters
    ----------
    recovery_path
        The picture of a recovered room, or a folder that holds room.png and, if the
        background is to be measured too, background.png.
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
    """Name the picture of the room: the path itself, or room.png in a folder."""
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
    """Measure pictures of a recovered room and background against the truth.

    Parameters
    ----------
    room
        (h, w, 4) uint8: alpha is the confidence, 0 where nothing is claimed. Of (h, w, 3)
        every pixel is claimed, with a confidence of 1, that is farther than CIEDE2000 5 from
        the background: such a picture fills the rest with it.
    truth
        What is true of the call.
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
    # Unclaimed pixels are in no sum below; black spares them the way through the colour space.
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
    """Give the virtual background as a room claimed everywhere, (h, w, 4): knowing nothing."""
    opaque = np.full((truth.height, truth.width, 1), 255, np.uint8)
    return np.concatenate([truth.background, opaque], axis=2)


def _confidence(room: U8, truth: Truth) -> F64:
    if room.shape[2] == 4:
        return room[..., 3] / 255.0
    return (compare_colours(room, truth.background) > CLOSE_DISTANCE).astype(np.float64)


def _leak_weight(truth: Truth, matched: Bool) -> float:
    """Share of all leaks' weight that lies on the matched pixels."""
    return _share(truth.leak[matched].sum(), truth.leak.sum())


def _harmonic_mean(recall: float, precision: float) -> float:
    both = recall + precision
    return 2 * recall * precision / both if both else 0.0


def _luma_error(background: U8, truth: U8, pure: Bool) -> float:
    """Mean absolute difference of BT.601 luma of 0 to 255 over the pure pixels."""
    if not pure.any():
        return math.nan
    weights = np.array([0.299, 0.587, 0.114])
    luma, true_luma = (np.rint(picture[pure][:, :3] @ weights) for picture in (background, truth))
    return float(np.abs(luma - true_luma).mean())


def _calibration(confidence: F64, right: Bool) -> tuple[ConfidenceBin, ...]:
    """Right share of the claimed pixels by tenths of their confidence."""
    levels = np.rint(confidence * 255).astype(np.int64)
    # In whole levels of alpha, so that a tenth's upper bound belongs to it exactly.
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
