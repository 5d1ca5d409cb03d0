"""How closely a caller is framed, and whether a selfie model marks that caller alone.

All limits come in pairs: a stricter one to begin with the selfie model, a looser one to stay with
it. They were measured on footage keyed by colour, scaled into larger frames, and on an astronaut
at several scales: `bench/matte.py`, ARCHITECTURE.md, "Which network protects".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F32, I64, Bool
from unveil.person import Mask
from unveil_kernels import matte

MIN_VISIBILITY: Final = 0.5
"""Landmarks below it are guesses at what is hidden or outside the frame."""

MIN_HIPS: Final = (1.5, 1.35)
"""Heights of the frame from its top to the hips: to begin, and to stay. A webcam's close-up has
1.7 to 2.6; at 1.25 and less the pose model is at least as good."""

MIN_TORSO: Final = (0.5, 0.4)
"""Heights of the frame from the shoulders to the hips. Of a smaller person, cut by the frame far
away, the selfie model loses most."""

MAX_STRAY: Final = (0.05, 0.07)
"""What the selfie model marks beside the caller's head, as a share of the head. Of one person
alone it is mostly 0, and up to 0.04 with much hair in a very close picture; in four of five
pictures with a second person who touches the caller it is more than 0.06."""

RIM: Final = 0.04
"""Lengths of the torso around the head that do not count: the pose model loses hair."""

_MARKED, _NOT_MARKED, _JOINING = 0.6, 0.3, 0.45
"""Probabilities of a pixel that is marked, that surely is not, and that joins others to it."""

_SHOULDERS, _HIPS, _MOUTH = [11, 12], [23, 24], [9, 10]


@dataclass(frozen=True, slots=True)
class Framing:
    """Where a person's body lies, in heights of the frame, by landmarks that may lie outside it."""

    hips_y: float
    torso: float

    def is_close_up(self, *, already: bool) -> bool:
        """Tell whether the selfie model suits it; `already`: whether it is in use."""
        return self.hips_y >= MIN_HIPS[already] and self.torso >= MIN_TORSO[already]


def framing_of(mask: Mask) -> Framing | None:
    """Read the framing from a pose model's landmarks; None where nobody was found."""
    if mask.landmarks is None or not mask.presence > 0:
        return None
    points = mask.landmarks[:, :2].astype(np.float64)
    shoulders, hips = points[_SHOULDERS].mean(axis=0), points[_HIPS].mean(axis=0)
    if not np.isfinite([shoulders, hips]).all():
        return None
    # A length and not a difference of rows: a person may lean.
    torso = float(np.hypot(*(hips - shoulders))) / mask.height
    return Framing(hips_y=float(hips[1]) / mask.height, torso=torso)


def is_alone(selfie: Mask, pose: Mask, *, already: bool) -> bool:
    """Tell whether the selfie model marks the person whom the pose model follows, and little else.

    `already`: whether the selfie model is in use.
    """
    return stray_share(selfie, pose) <= MAX_STRAY[already]


def stray_share(selfie: Mask, pose: Mask) -> float:
    """Measure what a selfie model marks beside the head that a pose model follows.

    Only rows above the mouth count, for below it the pose model loses shoulders in close-ups, and
    only what lies beyond the head's rim, for there it loses hair. What is not joined to the
    caller's landmarks is hidden anyway, and does not count.

    Returns
    -------
    The pixels that the selfie model alone marks, divided by those that the pose model marks;
    infinite where it marks none, or follows nobody.
    """
    framing = framing_of(pose)
    if framing is None or pose.landmarks is None:
        return math.inf
    rows, columns = selfie.probability.shape
    joined = joined_to_landmarks(
        selfie.probability, pose.landmarks, rows / pose.height, columns / pose.width, _JOINING
    )
    mouth_y = float(pose.landmarks[_MOUTH, 1].mean()) / pose.height * rows
    above = slice(0, int(np.clip(mouth_y, 0, rows)))
    drawn = pose.at(rows, columns)[above]
    head = int((drawn > _MARKED).sum())
    rim = RIM * framing.torso * pose.height
    around = grown(
        drawn > _NOT_MARKED, round(rim * rows / pose.height), round(rim * columns / pose.width)
    )
    stray = int(((joined[above] > _MARKED) & ~around).sum())
    return stray / head if head else math.inf


def joined_to_landmarks(
    probability: F32, landmarks: F32 | None, scale_y: float, scale_x: float, clear: float
) -> F32:
    """Drop what is not joined to a visible landmark; without landmarks, everything.

    Parameters
    ----------
    probability
        (n, m) float32, 0 to 1, a picture of the whole frame at another size.
    landmarks
        As in `unveil.person.Mask`.
    scale_y, scale_x
        Pixels of the picture per pixel of the frame.
    clear
        Probability up to which a pixel joins nothing, and is kept.

    Returns
    -------
    (n, m) float32: 0 where it was more than `clear` and is not joined.
    """
    rows, columns = probability.shape
    levels = np.rint(probability * matte.ONE).astype(np.uint16)
    shows = levels > round(clear * matte.ONE)
    matte.keep_joined(
        landmark_cells(landmarks, scale_y, scale_x),
        round(clear * matte.ONE),
        levels,
        np.empty((rows, columns), np.uint8),
        np.empty(rows * columns, np.int32),
    )
    return np.where(shows & (levels == 0), np.float32(0.0), probability)


def landmark_cells(landmarks: F32 | None, scale_y: float, scale_x: float) -> I64:
    """Rows and columns of the visible landmarks in a grid, (n, 2); outside it they may be any."""
    if landmarks is None:
        return np.zeros((0, 2), np.int64)
    visible = landmarks[landmarks[:, 2] >= MIN_VISIBILITY]
    # Far outside the frame a landmark may not even fit an integer.
    places = np.clip(visible[:, 1::-1] * np.array([scale_y, scale_x]), -1, 2**31)
    cells: I64 = np.floor(places).astype(np.int64)
    return cells


def grown(where: Bool, rows: int, columns: int) -> Bool:
    """Mark all that is at most so many rows and columns away from what is marked: (n, m)."""
    for axis, reach in enumerate((rows, columns)):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach + 1, reach)
        counts = np.cumsum(np.pad(where, pad), axis=axis, dtype=np.int64)
        n = where.shape[axis]
        last, before = np.arange(n) + 2 * reach + 1, np.arange(n)
        where = counts.take(last, axis) > counts.take(before, axis)
    return where
