"""The decision behind a background that is a blur of the room: that is the room, too."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import F32, Bool
from unveil.counting.colour_times import ColourTimes
from unveil.recovery.background.blurred_room import BlurSurvey, RoomBlur
from unveil.recovery.background.deblurring import deblurred
from unveil.recovery.background.gaussian import filtered, filtered_inside
from unveil.recovery.background.inpaint import inpaint_pull_push
from unveil.recovery.decide.claims import Claims
from unveil.video.colour import ciede2000, to_lab

BLURRED_CONFIDENCE: Final = 0.25
"""Confidence of a pixel of the blurred room: below that of what leaked sharply for certain."""

MAX_DETAIL: Final = 30.0
"""Largest CIEDE2000 distance of a sharp leak from the blurred room; the person's are larger."""

MAX_OFFSET: Final = 20.0
"""Largest mean difference of sharp leaks from the blurred room around them, in levels: detail is
lighter and darker by turns, and a person's edge is not."""

OFFSET_SIGMA: Final = 0.5
"""Standard deviation of that mean's weights, in those of the blur; at least two pixels."""

MIN_REACH: Final = 0.02
"""Smallest share of known pixels in a claim of the blurred room, weighted by the blur: what the
frames never showed is claimed within two standard deviations of what they showed."""


def show_blurred_room(claims: Claims, survey: BlurSurvey, blur: RoomBlur) -> None:
    """Claim the blurred room, sharpened, wherever no sharp leak agrees with it.

    Nothing is claimed where all that the frames showed is the person, farther than the blur carries
    the room's colours.

    Parameters
    ----------
    claims
        What leaked sharply; claims that are not the room's by the blurred room are taken back.
    survey, blur
        What the frames showed, and the blur found in it.
    """
    mean, certainty = survey.background()
    known = certainty > 0
    behind = inpaint_pull_push(mean, known)
    room = deblurred(behind, certainty, blur.sigma)
    leaked = claims.room[..., 3] > 0
    sharp = leaked & _agrees(claims.room[..., :3].astype(np.float32), leaked, room, blur.sigma)
    reached = filtered(known.astype(np.float32), blur.sigma) > MIN_REACH
    blurred = reached & ~sharp
    claims.drop(~sharp)
    claims.set_background(behind, reached)
    claims.room[blurred, :3] = np.rint(room[blurred])
    claims.counts.blurred[...] = blurred
    lab, behind_lab = (to_lab(rgb.astype(np.float64)) for rgb in (room, behind))
    claims.counts.ciede2000[blurred] = ciede2000(lab, behind_lab)[blurred]
    confidence = np.where(blurred, BLURRED_CONFIDENCE, claims.confidence)
    claims.claim(confidence, sharp | blurred)


def forget_times(claims: Claims, times: ColourTimes) -> None:
    """Leave the blurred room out of the times of leaks: it shows in every frame."""
    claims.seen[:, times.grid.of_picture(claims.counts.blurred)] = 0


def _agrees(rgb: F32, leaked: Bool, room: F32, sigma: float) -> Bool:
    """Mark the leaks, (h, w) bool, that may be detail of the blurred room."""
    width = max(2.0, OFFSET_SIGMA * sigma)
    offset = np.abs(filtered_inside(rgb - room, leaked, width)).max(-1)
    distance = ciede2000(to_lab(rgb.astype(np.float64)), to_lab(room.astype(np.float64)))
    agrees: Bool = (offset < MAX_OFFSET) & (distance < MAX_DETAIL)
    return agrees
