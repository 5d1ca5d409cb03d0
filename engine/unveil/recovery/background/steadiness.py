"""Whether the virtual background moves: then no colour of a pixel is the background's."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np

from unveil.counting.table import OutsideTable

BackgroundMotion: TypeAlias = Literal["still", "moves"]

MIN_SURVEYS: Final = 12
"""Surveys from which a picture that moves slowly is told from one that stands still."""

MIN_OUTSIDE_SHARE: Final = 0.05
"""Share of the pixels that must mostly be outside the person for anything to be told."""

SEEN_SHARE: Final = 0.5
"""Share of the surveys in which such a pixel is outside the person."""

STEADY_SHARE: Final = 0.95
"""Share of its surveys outside the person that show a steady pixel's leader."""

STILL_SHARE: Final = 0.2
"""Share of steady pixels from which the background stands still. It was 0.43 to 0.98 on calls with
a still background, and 0.00 to 0.12 on calls whose background pans or loops."""


def background_motion(table: OutsideTable) -> BackgroundMotion | None:
    """Tell whether the background stood still while a table was counted.

    A still picture shows one colour in almost every survey of most pixels outside the person.

    Parameters
    ----------
    table
        Of any number of frames.

    Returns
    -------
    None where too little was seen of the background: too few surveys, or a person in front of
    nearly all of it.

    Notes
    -----
    A moving picture that is plain nearly everywhere counts as still, and is one as far as
    colours go. A still one that is exchanged during the call, or that strong noise covers, counts
    as moving: there, too, no colour of a pixel is surely the background's.
    """
    if table.n_surveys < MIN_SURVEYS:
        return None
    outside = table.outside_surveys
    seen = outside >= SEEN_SHARE * table.n_surveys
    if np.count_nonzero(seen) < max(1.0, MIN_OUTSIDE_SHARE * seen.size):
        return None
    steady = table.leader_surveys[seen] >= STEADY_SHARE * outside[seen]
    return "still" if np.mean(steady) >= STILL_SHARE else "moves"
