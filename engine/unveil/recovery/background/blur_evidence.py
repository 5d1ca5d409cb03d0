"""Whether the background changes beside the person as a blur of the room must.

Where the person stands, a blur takes no colours from the room: it spreads theirs instead (the
halo), or takes more of what is left free. Both follow from the person's blocks, from the frame and
from the background far from the person, for each frame. A still picture changes beside the person,
too, where the mask is late, soft or wrong, but not like this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F32, I64, Bool
from unveil.dilation import dilated
from unveil.recovery.background.gaussian import filtered
from unveil.recovery.background.inpaint import inpaint_pull_push

MAX_DISTANCE: Final = 24
"""Blocks from the person up to which distances are told apart: 0.27 of the picture's height."""

NEAREST: Final = 2
"""Blocks from the person from which on a change is none of the mask's edge."""

REACH: Final = 2.0
"""Standard deviations of the blur from the person up to which changes are compared."""

MIN_REACH: Final = 4
"""The same in blocks, at least."""

FAR: Final = 2.5
"""Standard deviations of the blur from the person from which on they change nothing."""

MIN_FAR: Final = 3
"""The same in blocks, at least."""

MIN_FRAMES: Final = 3
"""Fewest far frames of a block that is known."""

MAX_CHANGE: Final = 3.0
"""Levels at which changes and predictions are cut, so that a few large ones do not decide."""

MISTAKE: Final = 2.0, 2.0
"""Changes above so many levels, and so many times the prediction more, are mistakes of a mask."""

MIN_FREE: Final = 0.05
"""Smallest share of a blur's weight that the person leaves free, for a prediction."""

MIN_CORRELATIONS: Final = 0.25, 0.15
"""Smallest correlations with a blur without the person's halo: of the changes, and of what varies
of them in each block."""

MIN_HALO: Final = 0.45, 0.5
"""The same for a blur with the halo, which the edge of a mask resembles."""

MIN_FARTHER_HALO: Final = 0.25
"""Smallest correlation with the halo without the nearest blocks: the edge of a mask ends there."""

MIN_GUESS: Final = 0.05, 0.2
"""Smallest correlations, without the halo and with it, that are worth a closer look."""

HALO_SLOPES: Final = 0.55, 2.0
"""Limits of the change as a multiple of what a halo makes of it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the changes beside the person agree with those that a blur predicts.

    Attributes
    ----------
    correlation
        Of the changes from the usual background.
    varying
        The same after the mean of each block's changes was taken away: what stays there all the
        time, because it is no background, does not count.
    slope
        Change as a multiple of the prediction.
    """

    correlation: float
    varying: float
    slope: float

    def reaches(self, least: tuple[float, float]) -> bool:
        """Whether both correlations are at least these."""
        return self.correlation >= least[0] and self.varying >= least[1]


@dataclass(frozen=True, slots=True)
class BlurEvidence:
    """How the background changes beside the person, compared with what a blur must do.

    Attributes
    ----------
    free
        Agreement with a blur of what the person leaves free.
    halo, farther_halo
        The same with a blur of the whole picture, from `NEAREST` blocks on and from the next.
    change, change_far
        Median change of a block's luma beside the person and far from them, in levels.
    """

    free: Agreement
    halo: Agreement
    farther_halo: Agreement
    change: float
    change_far: float

    @property
    def may_be_blur(self) -> bool:
        """Whether it is worth while to look closer, if the standard deviation was a guess."""
        return self.free.correlation >= MIN_GUESS[0] or self.halo.correlation >= MIN_GUESS[1]

    @property
    def is_blur(self) -> bool:
        """Whether the background is a blur of the room."""
        if self.free.reaches(MIN_CORRELATIONS):
            return True
        return (
            self.halo.reaches(MIN_HALO)
            and self.farther_halo.correlation >= MIN_FARTHER_HALO
            and HALO_SLOPES[0] <= self.halo.slope <= HALO_SLOPES[1]
        )


def blur_evidence(
    frames: Iterable[tuple[F32, Bool]], compared: Bool, sigma: float
) -> BlurEvidence | None:
    """Compare frames with what a blur of the room must show beside the person.

    Parameters
    ----------
    frames
        Of each frame, the mean luma of its blocks, (rows, columns) float32, and which are the
        person's, bool.
    compared
        (rows, columns) bool, blocks that are compared, as far as the background is known there.
    sigma
        Standard deviation of the blur in blocks, above 0.

    Returns
    -------
    None if there is nothing to compare.
    """
    shown = [(levels, person, distance_from_person(person)) for levels, person in frames]
    if not shown:
        return None
    far_from = max(MIN_FAR, FAR * sigma)
    far = [distance >= far_from for _, _, distance in shown]
    n_far = np.sum(far, axis=0)
    known = n_far >= MIN_FRAMES
    sums = np.sum([np.where(f, one[0], 0) for f, one in zip(far, shown, strict=True)], axis=0)
    usual = np.where(known, sums / np.maximum(n_far, 1), 0).astype(np.float32)
    filled = inpaint_pull_push(usual[..., None], known)[..., 0]
    without_person = filtered(filled, sigma)

    changes, distances = [], []
    predicted: tuple[list[F32], list[F32]] = [], []
    inside = known & compared
    for levels, person, distance in shown:
        free = _free_change(filled, without_person, distance, sigma)
        halo = filtered(np.where(person, levels - filled, np.float32(0)), sigma)
        changes.append((levels - usual)[inside])
        distances.append(distance[inside])
        predicted[0].append(free[inside])
        predicted[1].append(halo[inside])
    change, distance = np.array(changes), np.array(distances)
    zone = (distance >= NEAREST) & (distance <= max(MIN_REACH, REACH * sigma))
    rest = distance >= far_from
    if not zone.any() or not rest.any():
        return None
    of_free, of_halo = np.array(predicted[0]), np.array(predicted[1])
    return BlurEvidence(
        _agreement(change, of_free, zone),
        _agreement(change, of_halo, zone),
        _agreement(change, of_halo, zone & (distance > NEAREST)),
        float(np.median(np.abs(change[zone]))),
        float(np.median(np.abs(change[rest]))),
    )


def _agreement(change: F32, predicted: F32, zone: Bool) -> Agreement:
    """Compare (frames, blocks) changes with predicted ones where they are in the zone."""
    limit = MISTAKE[0] + MISTAKE[1] * np.abs(predicted)
    counted = zone & (np.abs(change) <= limit)
    both = [np.where(counted, values, np.float32(0)) for values in (change, predicted)]
    n = np.maximum(counted.sum(0), 1).astype(np.float32)
    varying = [
        _cut(np.where(counted, values - values.sum(0) / n, np.float32(0))) for values in both
    ]
    both = [_cut(values) for values in both]
    energy = _product(both[1], both[1])
    slope = _product(*both) / energy if energy > 0 else 0.0
    return Agreement(_correlation(*both), _correlation(*varying), slope)


def _cut(values: F32) -> F32:
    return np.clip(values, np.float32(-MAX_CHANGE), np.float32(MAX_CHANGE))


def _correlation(a: F32, b: F32) -> float:
    energy = math.sqrt(_product(a, a) * _product(b, b))
    return _product(a, b) / energy if energy > 0 else 0.0


def _product(a: F32, b: F32) -> float:
    return float((a * b).sum(dtype=np.float64))


def _free_change(filled: F32, without_person: F32, distance: I64, sigma: float) -> F32:
    """Return how a blur of what is left free differs from `without_person`, one of everything.

    The person and the blocks next to them are not free, as a service's mask is wider than they. It
    does not differ where the blur's weight is hardly free.
    """
    free = np.where(distance > 1, np.float32(1), np.float32(0))
    weight = filtered(free, sigma)
    blurred = filtered(free * filled, sigma) / np.maximum(weight, np.float32(MIN_FREE))
    return np.where(weight > MIN_FREE, blurred - without_person, np.float32(0))


def distance_from_person(person: Bool) -> I64:
    """Return the distance of each block from the nearest one of the person, in blocks.

    A step to any of the eight neighbours counts as one. At most `MAX_DISTANCE`, as everywhere
    where there is no person.
    """
    distance = np.full(person.shape, MAX_DISTANCE)
    reached = person
    distance[reached] = 0
    for steps in range(1, MAX_DISTANCE):
        wide = dilated(reached, 1, 1)
        distance[wide & ~reached] = steps
        reached = wide
    return distance
