"""The mask of `careful`: where two consecutive masks disagree, the background wins.

A network is late, or guesses, where the person moves fast; there one of two masks shows the room.
Elsewhere the newest mask counts alone: the smaller of two masks would cut off more of the person at
the edge, which trembles, than it hides of the room. Moving the whole edge inwards by some pixels,
too, was worse than a higher probability: at 2 % of the person cut off it showed two to seven times
as much of the room, on four calls.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import U16

DISAGREE: Final = 0.5
"""Change of the probability, from one mask to the next, by which they disagree."""


class Agreement:
    """Reduces each mask to the one before where they disagree. Not thread-safe.

    Parameters
    ----------
    full
        Level of the probability 1.
    """

    def __init__(self, full: int) -> None:
        self._disagree = round(DISAGREE * full)
        self._before: U16 | None = None

    def reset(self) -> None:
        """Forget the mask before."""
        self._before = None

    @property
    def is_first(self) -> bool:
        """Whether there is no mask before the next one."""
        return self._before is None

    def agreed(self, levels: U16) -> U16:
        """Return the levels to show for a mask, (rows, columns) uint16, none above its own.

        Masks must come in the order of time.
        """
        before = levels if self._before is None else self._before
        self._before = levels.copy()
        risen = levels >= before.astype(np.int32) + self._disagree
        return np.where(risen, before, levels)
