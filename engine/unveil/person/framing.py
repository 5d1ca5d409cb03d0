"""How closely a person is framed, from the landmarks of a pose model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unveil.person.mask import Mask

_SHOULDERS, _HIPS = [11, 12], [23, 24]


@dataclass(frozen=True, slots=True)
class Framing:
    """Position of a person's body in frame heights, from landmarks that may lie outside the frame.

    Attributes
    ----------
    hips_y
        Distance of the hips from the top of the frame.
    torso
        Distance from the shoulders to the hips.
    """

    hips_y: float
    torso: float


def framing_of(mask: Mask) -> Framing | None:
    """Compute the framing from a pose model's landmarks; None if no person was found."""
    if mask.landmarks is None or not mask.presence > 0:
        return None
    points = mask.landmarks[:, :2].astype(np.float64)
    shoulders, hips = points[_SHOULDERS].mean(axis=0), points[_HIPS].mean(axis=0)
    if not np.isfinite([shoulders, hips]).all():
        return None
    # The Euclidean distance, because a person may lean.
    torso = float(np.hypot(*(hips - shoulders))) / mask.height
    return Framing(hips_y=float(hips[1]) / mask.height, torso=torso)
