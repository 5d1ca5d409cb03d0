"""Registration of the picture of a virtual background with what a call shows of it.

A service scales the picture, crops it to the frame and encodes it. Registration finds the scale
(one for each axis), shift, mirroring and colour change. It tries no rotation, because no service
rotates the picture. Modules in the order of use: `placement` (what is found), `resampling`,
`search` (coarse), `refinement` (fine).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from unveil.arrays import F32, Array, Bool
from unveil.errors import BackgroundMismatch
from unveil.recovery.background.registration.placement import Fit, Placement
from unveil.recovery.background.registration.refinement import (
    detail_inlier_ratio,
    fit_colours,
    refine,
)
from unveil.recovery.background.registration.resampling import draw_placed, frame_pyramid
from unveil.recovery.background.registration.search import likeliest_placements
from unveil.video.colour import ciede2000, to_lab

MIN_KNOWN_SHARE: Final = 0.01
"""Share of the call's pixels that must be known background."""

MAX_ERROR: Final = 6.0
"""Largest median CIEDE2000 of a match. On two calls of known truth the right pictures, scaled and
recoloured, had 0.6 to 1.8, and wrong ones 8 to 20."""

SEARCH_SIDE: Final = 64
"""Longer side in pixels of the reduced frame in which placements are searched."""

FINEST_SIDE: Final = 640
"""Longer side in pixels of the last refinement, which is accurate to hundredths of a pixel."""

MIN_DETAIL_INLIER_RATIO: Final = 0.5
"""Smallest `detail_inlier_ratio` of a match. A wrong picture that fits in plain areas has about 0.2
by chance."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A picture, transformed as the call shows it.

    Attributes
    ----------
    picture
        (h, w, 3) float32 RGB in the size of the frames.
    covered
        (h, w) bool, True where the picture lies; it may not fill the frame.
    placement
        Scale, shift and mirroring.
    gains, offsets
        Per channel (red, green, blue; levels 0 to 255): level * gain + offset.
    error
        Median CIEDE2000 between the picture and the call, over the known pixels.
    detail_inlier_ratio
        Share of the details that the picture shows, too. Details are the known pixels that
        differ from the median colour. 1 where there are none.
    """

    picture: F32
    covered: Bool
    placement: Placement
    gains: tuple[float, float, float]
    offsets: tuple[float, float, float]
    error: float
    detail_inlier_ratio: float

    def as_dict(self) -> dict[str, Any]:
        """Return everything except the pixels, ready for JSON."""
        placed = self.placement
        return {
            "error": self.error,
            "explained": self.detail_inlier_ratio,
            "scale": [placed.scale_x, placed.scale_y],
            "shift": [placed.left, placed.top],
            "mirrored": placed.mirrored,
            "gains": list(self.gains),
            "offsets": list(self.offsets),
            "covered": float(self.covered.mean()),
        }


def register(picture: Array, shown: F32, known: Bool) -> Registered:
    """Find the placement and the colours of a picture in a call.

    The search runs on a reduced frame. It compares the picture, plain and mirrored, by masked
    normalised cross-correlation (D. Padfield, Masked object registration in the Fourier domain,
    2012), at scales from the one that fits into the frame to `search.LARGEST`, and stretched to
    the frame. Gauss-Newton steps over placement and colours then refine the likeliest
    placements, coarse to fine, on the pixels that are no outliers.

    Parameters
    ----------
    picture
        (m, n, 3) RGB of 0 to 255, any size.
    shown
        (h, w, 3) float32 RGB of 0 to 255, the background as the call shows it.
    known
        (h, w) bool, where `shown` is the background; a few wrong pixels are tolerated.

    Raises
    ------
    BackgroundMismatch
        The picture matches at no placement, or too few pixels are known.
    """
    share = float(known.mean())
    if share < MIN_KNOWN_SHARE:
        raise BackgroundMismatch(
            f"background: only {share:.1%} of the call's pixels show the background for certain, "
            f"{MIN_KNOWN_SHARE:.0%} are needed to compare it; use more of the call, "
            "or leave the picture out"
        )
    pictures = _with_mirrored(np.asarray(picture, np.float32))
    longest = max(known.shape)
    factor = -(-longest // SEARCH_SIDE)
    levels = frame_pyramid(shown, known, factor, -(-longest // FINEST_SIDE))
    frame = next(levels)
    fits = [
        refine(pictures[placement.mirrored], frame, Fit(placement))
        for placement in likeliest_placements(pictures, frame, known.shape)
    ]
    fit = min(fits, key=lambda one: one.cost)
    for frame in levels:
        fit = refine(pictures[fit.placement.mirrored], frame, fit)

    mapped, covered = draw_placed(pictures[fit.placement.mirrored], known.shape, fit.placement)
    places = np.flatnonzero(known & covered)
    if not len(places):
        raise BackgroundMismatch(
            "background: the picture matches the call at no position; choose another picture, or "
            "leave it out"
        )
    places = places[:: 1 + len(places) // 200_000]
    seen, here = mapped.reshape(-1, 3)[places], shown.reshape(-1, 3)[places]
    fitted = fit_colours(seen, here)
    fit = replace(fit, gains=fitted[0], offsets=fitted[1])
    mapped = np.clip(mapped * fit.gains + fit.offsets, 0, 255).astype(np.float32)
    seen = mapped.reshape(-1, 3)[places]
    error = float(np.median(ciede2000(to_lab(seen.astype(float)), to_lab(here.astype(float)))))
    inlier_ratio = detail_inlier_ratio(seen, here)
    if not (error <= MAX_ERROR and inlier_ratio >= MIN_DETAIL_INLIER_RATIO):
        raise BackgroundMismatch(
            f"background: the picture does not match the call; the best fit has a median "
            f"CIEDE2000 {error:.1f} ({MAX_ERROR:g} at most) and shows {inlier_ratio:.0%} of "
            f"the details ({MIN_DETAIL_INLIER_RATIO:.0%} at least); choose another picture, or "
            "leave it out"
        )
    gains, offsets = ((float(v[0]), float(v[1]), float(v[2])) for v in (fit.gains, fit.offsets))
    return Registered(mapped, covered, fit.placement, gains, offsets, error, inlier_ratio)


def _with_mirrored(picture: F32) -> dict[bool, F32]:
    """Return a picture and its mirror image, by whether it is mirrored."""
    return {False: picture, True: np.ascontiguousarray(picture[:, ::-1])}
