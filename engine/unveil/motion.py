"""Whether the virtual background moves: then no colour of a pixel is the background's."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np

from unveil.table import OutsideTable

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
"""Share of steady pixels from which the background stands still. After 192 frames it was 0.49 to
0.96 on calls with a still background, and 0.00 to 0.04 on calls whose background pans or loops."""

BLOCK: Final = 8
"""Side in pixels of the blocks over which the leaders' shares are averaged."""

UNIFORM_SHARE: Final = 0.4
"""Share of blocks like the steadiest ones from which the background stands still behind noise.
It was 0.62 on a still call with noise in every fourth sample, 0.13 to 0.32 on moving ones."""

NOISY_SHARE: Final = 0.5
"""Share of their surveys that the steadiest blocks must show their leaders even behind noise: a
picture that never comes back is as uniform as noise."""


def background_motion(table: OutsideTable) -> BackgroundMotion | None:
    """Tell whether the background stood still while a table was counted.

    A still picture shows one colour in almost every survey of almost every pixel outside the
    person. Noise on it takes the same share of surveys from all blocks of pixels, whereas a
    picture that moves leaves plain regions steadier than detailed ones.

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
    colours go. Strong noise before a person who moves much can count as motion.
    """
    if table.n_surveys < MIN_SURVEYS:
        return None
    outside = table.outside_surveys
    seen = outside >= SEEN_SHARE * table.n_surveys
    if np.count_nonzero(seen) < max(1.0, MIN_OUTSIDE_SHARE * seen.size):
        return None
    share = table.leader_surveys / np.maximum(outside, np.uint16(1))
    if np.mean(share[seen] >= STEADY_SHARE) >= STILL_SHARE:
        return "still"
    height, width = (BLOCK * (length // BLOCK) for length in seen.shape)
    blocks = (height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    whole = seen[:height, :width].reshape(blocks).all((1, 3))
    means = share[:height, :width].reshape(blocks).mean((1, 3))[whole]
    if not len(means):
        return None
    steadiest = np.quantile(means, 0.9)
    uniform = np.mean(means >= STEADY_SHARE * steadiest)
    return "still" if steadiest >= NOISY_SHARE and uniform >= UNIFORM_SHARE else "moves"
