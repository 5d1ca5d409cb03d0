"""Masks that are computed once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unveil.simulation.remembered import RememberedMasks
from unveil.simulation.subject import Mask

U8 = npt.NDArray[np.uint8]


class _Grey:
    """A mask that shows the first level of a picture."""

    def __init__(self, picture: U8) -> None:
        self._level = picture[0, 0, 0] / 255

    def at(self, height: int, width: int, /) -> npt.NDArray[np.float32]:
        return np.full((height, width), self._level, np.float32)


def test_the_masks_of_the_first_call_are_repeated_for_the_next_ones() -> None:
    segmented: list[int] = []

    def segment(picture: U8) -> Mask:
        segmented.append(int(picture[0, 0, 0]))
        return _Grey(picture)

    masks = RememberedMasks(segment)
    levels = []
    for call, length in enumerate((2, 4, 3)):
        masks.rewind()
        for number in range(length):
            picture = np.full((4, 6, 3), 100 * call + number, np.uint8)
            levels.append(round(255 * float(masks.mask(picture).at(2, 3)[0, 0])))
    # What the first call was too short for is computed in the second one.
    assert segmented == [0, 1, 102, 103]
    assert levels == [0, 1, 0, 1, 102, 103, 0, 1, 102]
