"""Measures of how closely a caller is framed, and of whether a selfie model marks only that caller.

Each limit is a pair (hysteresis): a strict one to start using the selfie model, and a loose one to
keep using it. They were measured on footage with a chroma key, scaled into larger frames, and on a
still at several scales: `bench/matte.py`, docs/methods.md.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from unveil.arrays import F32, I64
from unveil.dilation import dilated
from unveil.person import Mask
from unveil.person.framing import Framing, framing_of
from unveil_kernels import matte

MIN_VISIBILITY: Final = 0.5
"""Landmarks with a lower visibility are hidden or outside the frame; their places are guesses."""

MIN_HIPS: Final = (1.5, 1.35)
"""Smallest distance from the top of the frame to the hips, in frame heights: to start, to keep. A
webcam close-up has 1.7 to 2.6; at 1.25 and below the pose model is at least as good."""

MIN_TORSO: Final = (0.5, 0.4)
"""Smallest distance from the shoulders to the hips, in frame heights: to start, to keep. The selfie
model misses most of a small, distant person."""

MAX_STRAY: Final = (0.05, 0.07)
"""Largest `stray_share`: to start, to keep. With one person it is mostly 0, and up to 0.04 with
much hair in a very close picture; with a second person who touches the caller it is above 0.06 in
four of five pictures."""

RIM: Final = 0.04
"""Width of the rim around the head that does not count, in torso lengths: the pose model misses
hair."""

_MARKED, _NOT_MARKED, _JOINING = 0.6, 0.3, 0.45
"""Probabilities above which a pixel is marked, up to which it is certainly not marked, and above
which it connects its neighbours."""

_MOUTH = [9, 10]


def is_close_up(framing: Framing, *, already: bool) -> bool:
    """Whether the selfie model is suitable; `already`: whether it is in use."""
    return framing.hips_y >= MIN_HIPS[already] and framing.torso >= MIN_TORSO[already]


def is_alone(selfie: Mask, pose: Mask, *, already: bool) -> bool:
    """Whether the selfie model marks little besides the person whom the pose model tracks.

    `already`: whether the selfie model is in use.
    """
    return stray_share(selfie, pose) <= MAX_STRAY[already]


def stray_share(selfie: Mask, pose: Mask) -> float:
    """Measure how much a selfie model marks besides the head that a pose model tracks.

    Only rows above the mouth count, because below it the pose model misses shoulders in close-ups.
    The rim around the head does not count, because the pose model misses hair there. Regions that
    are not connected to the caller's landmarks do not count, because they are hidden anyway.

    Returns
    -------
    Number of pixels that only the selfie model marks, divided by the number that the pose model
    marks; infinite if the pose model marks none or tracks nobody.
    """
    framing = framing_of(pose)
    if framing is None or pose.landmarks is None:
        return math.inf
    rows, columns = selfie.probability.shape
    connected = joined_to_landmarks(
        selfie.probability, pose.landmarks, rows / pose.height, columns / pose.width, _JOINING
    )
    mouth_y = float(pose.landmarks[_MOUTH, 1].mean()) / pose.height * rows
    above = slice(0, int(np.clip(mouth_y, 0, rows)))
    drawn = pose.at(rows, columns)[above]
    head = int((drawn > _MARKED).sum())
    rim = RIM * framing.torso * pose.height
    around = dilated(
        drawn > _NOT_MARKED, round(rim * rows / pose.height), round(rim * columns / pose.width)
    )
    stray = int(((connected[above] > _MARKED) & ~around).sum())
    return stray / head if head else math.inf


def joined_to_landmarks(
    probability: F32, landmarks: F32 | None, scale_y: float, scale_x: float, clear: float
) -> F32:
    """Set regions to 0 that are not connected to a visible landmark; without landmarks, all.

    Parameters
    ----------
    probability
        (n, m) float32, 0 to 1, of the whole frame at another size.
    landmarks
        As in `unveil.person.Mask`.
    scale_y, scale_x
        Pixels of `probability` per pixel of the frame.
    clear
        Probability up to which a pixel connects nothing and is kept.

    Returns
    -------
    (n, m) float32, 0 where it was above `clear` and not connected to a landmark.
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
    """Return rows and columns of the visible landmarks in a grid, (n, 2); some may lie outside."""
    if landmarks is None:
        return np.zeros((0, 2), np.int64)
    visible = landmarks[landmarks[:, 2] >= MIN_VISIBILITY]
    # Clipped, because a landmark far outside the frame may overflow an integer.
    places = np.clip(visible[:, 1::-1] * np.array([scale_y, scale_x]), -1, 2**31)
    cells: I64 = np.floor(places).astype(np.int64)
    return cells
