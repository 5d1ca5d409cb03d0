"""Masks that are computed once, for simulations that differ in nothing but the background."""

from __future__ import annotations

from collections.abc import Callable

from unveil.arrays import U8
from unveil.simulation.subject import Mask


class RememberedMasks:
    """A `Segmenter` that computes masks for the first call and repeats them for the next ones.

    Person, room and masks do not depend on the background. Memory grows with the number of frames.

    Parameters
    ----------
    segment
        Returns the mask of a picture, (h, w, 3) uint8 RGB.
    """

    def __init__(self, segment: Callable[[U8], Mask]) -> None:
        self._segment = segment
        self._masks: list[Mask] = []
        self._next = 0

    def rewind(self) -> None:
        """Begin with the first frame again."""
        self._next = 0

    def mask(self, picture: U8, /) -> Mask:
        """Return the mask of the next frame."""
        if self._next == len(self._masks):
            self._masks.append(self._segment(picture))
        self._next += 1
        return self._masks[self._next - 1]
