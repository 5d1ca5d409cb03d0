"""The shield `decoys`: patches of an invented room, which come and go as leaks of the real one do.

A recovery takes for the room what a pixel shows now and then beside its background. Everywhere in
the picture this is an invented colour, far from the background's: the one that a method chooses as
the rarest, the farthest or the most often returning one. Noise has other colours each time, and is
dropped by how seldom each of them is seen; an invented colour returns.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

import numpy as np

from unveil.arrays import I64, U8
from unveil.video.colour import ciede2000, to_lab

SHARE: Final = 0.02
"""Share of the frame that shows decoys at strength 1."""

HOLD_FRAMES: Final = 3
"""Frames for which a patch shows: a codec needs more than one to draw it."""

_SIDE_SHARE: Final = 1 / 10
"""Side of a patch as a share of the frame's height. Small patches have much edge, which costs
likeness to the background; neighbours of a pixel must agree with it to be taken for a room."""


class Decoys:
    """Shows patches of an invented room.

    All patches are shown equally often: in rounds, in a new random order each.

    Parameters
    ----------
    picture
        The background, (h, w, 3) uint8, from which the invented room differs.
    """

    def __init__(
        self, picture: U8, *, strength: float, n_frames: int, rng: np.random.Generator
    ) -> None:
        height, width, _ = picture.shape
        self.side = max(2, round(_SIDE_SHARE * height))
        rows, columns = math.ceil(height / self.side), math.ceil(width / self.side)
        self._columns = columns
        self.room = _invented(picture, self.side, rng)
        n_cells = rows * columns
        self._n_shown = min(n_cells, max(1, round(SHARE * strength * n_cells)))
        n_steps = math.ceil(n_frames / HOLD_FRAMES)
        n_rounds = math.ceil(n_steps * self._n_shown / n_cells)
        self._order: I64 = np.concatenate([rng.permutation(n_cells) for _ in range(n_rounds)])

    def shown(self, frame: int) -> I64:
        """Return the numbers of the patches that a frame shows, row by row from the upper left."""
        first = frame // HOLD_FRAMES * self._n_shown
        return self._order[first : first + self._n_shown]

    def applied(self, picture: U8, frame: int) -> U8:
        """Return a frame's background with decoys, (h, w, 3) uint8."""
        changed = picture.copy()
        for number in self.shown(frame):
            row, column = divmod(int(number), self._columns)
            patch = np.s_[
                row * self.side : (row + 1) * self.side,
                column * self.side : (column + 1) * self.side,
            ]
            changed[patch] = self.room[patch]
        return changed


def _invented(picture: U8, side: int, rng: np.random.Generator) -> U8:
    """Draw a room whose patches have colours as far as possible from the picture's, (h, w, 3).

    A farthest colour is one of the corners of the RGB cube. Of a patch it is the farthest or the
    second farthest by CIEDE2000, at random, slightly changed.
    """
    height, width, _ = picture.shape
    corners = np.array(list(itertools.product((0.0, 255.0), repeat=3)))
    corners_lab = to_lab(corners)
    invented = np.empty_like(picture)
    for top in range(0, height, side):
        for left in range(0, width, side):
            patch = np.s_[top : top + side, left : left + side]
            mean = picture[patch].reshape(-1, 3).mean(axis=0)
            distance = ciede2000(np.tile(to_lab(mean[None]), (8, 1)), corners_lab)
            chosen = corners[np.argsort(distance)[-1 - rng.integers(0, 2)]]
            changed = 128 + 0.9 * (chosen - 128) + rng.uniform(-10, 10, 3)
            invented[patch] = np.clip(np.rint(changed), 0, 255)
    return invented
