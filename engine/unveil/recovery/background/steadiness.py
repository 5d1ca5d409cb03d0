"""Detection of a virtual background that moves: its pixels have no colour of their own."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np

from unveil.arrays import Bool
from unveil.counting.outside import OutsideTable

BackgroundMotion: TypeAlias = Literal["still", "moves"]

MIN_SURVEYS: Final = 12
"""Fewest surveys that distinguish a slow background from a still one."""

MIN_OUTSIDE_SHARE: Final = 0.05
"""Smallest share of pixels that are mostly outside the person for which an answer is given."""

SEEN_SHARE: Final = 0.5
"""A pixel is mostly outside the person if it is so in this share of the surveys."""

STEADY_SHARE: Final = 0.95
"""A pixel is steady if its leading colour shows in this share of its surveys outside the person."""

STILL_SHARE: Final = 0.2
"""Share of steady pixels from which the background counts as still. It was 0.43 to 0.98 on most
calls with a still background, and 0.00 to 0.12 on calls whose background pans or loops."""

USUAL_SHARE: Final = 0.8
"""A pixel is usually of one colour if its leading colour shows in this share of its surveys."""

STILL_USUAL_SHARE: Final = 0.25
"""Share of such pixels from which the background counts as still, too. On two of 45 calls most of
the room leaks so often that 0.15 and 0.19 of the pixels were steady, but 0.45 were usually of one
colour. On three calls with a background that moves it was 0.00."""


def background_motion(table: OutsideTable) -> BackgroundMotion | None:
    """Decide from a table whether the background is still or moves.

    A still background shows one colour in almost every survey of most pixels outside the person.

    Parameters
    ----------
    table
        A table of any number of frames.

    Returns
    -------
    "still" or "moves"; None if there are too few surveys or if the person covers nearly the whole
    background.

    Notes
    -----
    A moving background that is plain over large areas counts as still: most colours do not change.
    `unveil.recovery.background.shifts` finds it by its edges.
    A still one that is exchanged during the call, or that is covered by strong noise, counts as
    moving: there, too, a pixel has no background colour that is certain.
    """
    if table.n_surveys < MIN_SURVEYS:
        return None
    outside = _mostly_outside(table)
    if np.count_nonzero(outside) < max(1.0, MIN_OUTSIDE_SHARE * outside.size):
        return None
    is_still = is_steady(table) or _share_with(table, USUAL_SHARE) >= STILL_USUAL_SHARE
    return "still" if is_still else "moves"


def is_steady(table: OutsideTable) -> bool:
    """Whether many pixels that are mostly outside the person show one colour nearly always."""
    return _share_with(table, STEADY_SHARE) >= STILL_SHARE


def _mostly_outside(table: OutsideTable) -> Bool:
    """Mark the pixels that are mostly outside the person, (h, w) bool."""
    outside: Bool = table.outside_surveys >= SEEN_SHARE * table.n_surveys
    return outside


def _share_with(table: OutsideTable, share: float) -> float:
    """Return how many of them show their leading colour in such a share of their surveys."""
    seen = _mostly_outside(table)
    shown = table.leader_surveys[seen] >= share * table.outside_surveys[seen]
    return float(np.mean(shown)) if shown.size else 0.0
