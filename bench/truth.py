"""Scores of a recovery against a call whose truth is known exactly.

The truth is an .npz of: `room` and `vb` (h, w, 3 uint8 RGB), the real and the virtual
background; `leak` (h, w uint8), the room's largest share in a pixel over time, x255; `hits`,
frames in which that share was over 0.9; `seen`, frames in which the background shows pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

Image: TypeAlias = NDArray[np.uint8]

LEAK_TOLERANCE = 4.0
ROOM_TOLERANCE = 10.0
CLOSE_TOLERANCE = 5.0
STRONG_HITS = 2
BLEND_LEAK = 0.3
PURE_FRAMES = 3
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Truth:
    """What a call hides: see the module's description for the arrays."""

    room: Image
    background: Image
    leak: NDArray[np.float64]
    hits: NDArray[np.uint16]
    seen: NDArray[np.uint16]

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read the truth that belongs to a call."""
        with np.load(path) as arrays:
            return cls(
                arrays["room"],
                arrays["vb"],
                arrays["leak"] / 255.0,
                arrays["hits"],
                arrays["seen"],
            )


@dataclass(frozen=True, slots=True)
class Score:
    """How well a room was recovered; all but `background_error` lie between 0 and 1.

    `leak_score` is VADER's: the leaks' weight where the estimate is within CIEDE2000 4 of the
    strongest blend shown. `recall` and `close_recall` are the shares of strongly leaked pixels
    within 10 and 5 of the room. `precision` is the share of claimed pixels that are right, `f`
    its harmonic mean with `recall`, `coverage` the share of all pixels claimed.
    `background_error` is the mean luma error where the background was seen pure.
    """

    leak_score: float
    f: float
    recall: float
    close_recall: float
    precision: float
    coverage: float
    background_error: float


def score(room: Image, background: Image, truth: Truth) -> Score:
    """Score a recovered room (h, w, 4; alpha 0 = nothing claimed) and background (h, w, 3+)."""
    claimed = room[..., 3] > 0
    estimate = np.where(claimed[..., None], room[..., :3], np.uint8(0))
    share = truth.leak[..., None]
    blend = (truth.background * (1 - share) + truth.room * share).astype(np.uint8)
    lab = rgb2lab(estimate)
    to_room = _distance(lab, rgb2lab(truth.room))
    to_blend = _distance(lab, rgb2lab(blend))

    strong = truth.hits >= STRONG_HITS
    is_room = claimed & (to_room < ROOM_TOLERANCE)
    is_blend = claimed & (truth.leak > BLEND_LEAK) & (to_blend < ROOM_TOLERANCE)
    matched_leak = truth.leak[claimed & (to_blend < LEAK_TOLERANCE)].sum()
    recall = _share((is_room & strong).sum(), strong.sum())
    precision = _share((is_room | is_blend).sum(), claimed.sum())
    pure = truth.seen >= PURE_FRAMES
    luma_error = np.abs(_luma(background[..., :3]) - _luma(truth.background))[pure]
    return Score(
        leak_score=_share(matched_leak, truth.leak.sum()),
        f=_share(2 * recall * precision, recall + precision),
        recall=recall,
        close_recall=_share((claimed & strong & (to_room < CLOSE_TOLERANCE)).sum(), strong.sum()),
        precision=precision,
        coverage=float(claimed.mean()),
        background_error=float(luma_error.mean()) if luma_error.size else float("nan"),
    )


def floor(truth: Truth) -> Score:
    """Score the virtual background itself as the room: what knowing nothing earns."""
    opaque = np.full((*truth.background.shape[:2], 1), 255, np.uint8)
    return score(np.concatenate([truth.background, opaque], axis=-1), truth.background, truth)


def _distance(lab: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = deltaE_ciede2000(lab, other)  # type: ignore[no-untyped-call]
    return distance


def _luma(rgb: Image) -> NDArray[np.float64]:
    luma: NDArray[np.float64] = np.rint(rgb @ LUMA)
    return luma


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
