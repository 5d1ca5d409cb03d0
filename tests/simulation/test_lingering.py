"""The mask of a service that lets go late."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unveil.simulation.lingering import LingeringSegmenter
from unveil.simulation.subject import Mask


class _Given:
    """Gives masks one after the other, whatever the picture."""

    def __init__(self, masks: list[npt.NDArray[np.float32]]) -> None:
        self._masks = iter(masks)

    def mask(self, picture: npt.NDArray[np.uint8], /) -> Mask:
        return _Plain(next(self._masks))


class _Plain:
    def __init__(self, probability: npt.NDArray[np.float32]) -> None:
        self._probability = probability

    def at(self, height: int, width: int, /) -> npt.NDArray[np.float32]:
        assert self._probability.shape == (height, width)
        return self._probability


def test_a_mask_lingers_for_the_given_number_of_masks() -> None:
    masks = [np.zeros((144, 256), np.float32) for _ in range(5)]
    masks[1][:, :128] = 1
    segmenter = LingeringSegmenter(_Given(masks), 3)
    picture = np.zeros((36, 64, 3), np.uint8)
    left = [float(segmenter.mask(picture).at(36, 64)[:, :28].mean()) for _ in masks]
    assert left == [0, 1, 1, 1, 0]
