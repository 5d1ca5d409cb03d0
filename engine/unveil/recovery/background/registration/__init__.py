"""A picture laid over what a call shows of it: place, size, mirroring and colours.

A service scales the picture of a virtual background, cuts what does not fit and encodes it.
Here the picture is brought to the same place. It may be scaled in each direction by itself
and shifted, but not turned: no service does that.
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
"""Share of the call's pixels that must show the background for certain."""

MAX_ERROR: Final = 6.0
"""Median CIEDE2000 over which a picture is not the call's. On two open calls the right ones, scaled
and recoloured, had 0.6 to 1.8, wrong ones 8 to 20."""

SEARCH_SIDE: Final = 64
"""Longer side in pixels of the frame in which places are searched."""

FINEST_SIDE: Final = 640
"""Longer side at which places are refined at last: to hundredths of a pixel, which is enough."""

MIN_EXPLAINED: Final = 0.5
"""Share of the details that the picture must show, too. Half of them may have gone wrong; of a
wrong picture, which plain areas alone would let through, a fifth is right by chance."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A picture as a call shows it.

    Attributes
    ----------
    picture
        (h, w, 3) float32 RGB in the size of the frames.
    covered
        (h, w) bool, False beside a picture that does not fill the frame.
    placement
        Where it lies.
    gains, offsets
        What its red, green and blue, 0 to 255, are multiplied by, and what is added then.
    error
        Median CIEDE2000 from what the call shows, over the pixels that it is known of.
    explained
        Share of the details that the picture shows, too: of the pixels that stand out from
        the median colour. 1 where there are none.
    """

    picture: F32
    covered: Bool
    placement: Placement
    gains: tuple[float, float, float]
    offsets: tuple[float, float, float]
    error: float
    explained: float

    def as_dict(self) -> dict[str, Any]:
        """All but the pixels, ready for JSON."""
        placed = self.placement
        return {
            "error": self.error,
            "explained": self.explained,
            "scale": [placed.scale_x, placed.scale_y],
            "shift": [placed.left, placed.top],
            "mirrored": placed.mirrored,
            "gains": list(self.gains),
            "offsets": list(self.offsets),
            "covered": float(self.covered.mean()),
        }


def register(picture: Array, shown: F32, known: Bool) -> Registered:
    """Lay a picture over what a call shows of it.

    Sizes from the one that fits into the frame to LARGEST, and the one stretched to it, are
    searched at a small size by normalised correlation, mirrored, too (masked: D. Padfield,
    Masked object registration in the Fourier domain, 2012). The likeliest places are refined
    by Gauss-Newton steps over place and colour, coarse to fine, without what fits worst.

    Parameters
    ----------
    picture
        (m, n, 3) RGB of 0 to 255, any size.
    shown
        (h, w, 3) float32 RGB of 0 to 255, the frame's background.
    known
        (h, w) bool, where `shown` is the background, a few wrong pixels aside.

    Raises
    ------
    BackgroundMismatch
        The picture is nowhere like what is shown, or too little is known to tell.
    """
    share = float(known.mean())
    if share < MIN_KNOWN_SHARE:
        raise BackgroundMismatch(
            f"background: only {share:.1%} of the call's pixels show the background for certain, "
            f"{MIN_KNOWN_SHARE:.0%} are needed to compare it; use more of the call, "
            "or leave the picture out"
        )
    pictures = _sides(np.asarray(picture, np.float32))
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
            "background: the picture lies nowhere like what the call shows; choose another "
            "picture, or leave it out"
        )
    places = places[:: 1 + len(places) // 200_000]
    seen, here = mapped.reshape(-1, 3)[places], shown.reshape(-1, 3)[places]
    fitted = fit_colours(seen, here)
    fit = replace(fit, gains=fitted[0], offsets=fitted[1])
    mapped = np.clip(mapped * fit.gains + fit.offsets, 0, 255).astype(np.float32)
    seen = mapped.reshape(-1, 3)[places]
    error = float(np.median(ciede2000(to_lab(seen.astype(float)), to_lab(here.astype(float)))))
    explained = detail_inlier_ratio(seen, here)
    if not (error <= MAX_ERROR and explained >= MIN_EXPLAINED):
        raise BackgroundMismatch(
            f"background: the picture is not what the call shows; where it fits best it differs "
            f"by CIEDE2000 {error:.1f} ({MAX_ERROR:g} at most) and shows {explained:.0%} of the "
            f"details ({MIN_EXPLAINED:.0%} at least); choose another picture, or leave it out"
        )
    gains, offsets = ((float(v[0]), float(v[1]), float(v[2])) for v in (fit.gains, fit.offsets))
    return Registered(mapped, covered, fit.placement, gains, offsets, error, explained)


def _sides(picture: F32) -> dict[bool, F32]:
    """Give a picture as it is and mirrored."""
    return {False: picture, True: np.ascontiguousarray(picture[:, ::-1])}
