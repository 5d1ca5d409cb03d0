"""`AgreeingSegmenter`: the person is what several networks take for it.

Networks take different things of a room for the person: on one simulated call a cup, on another a
part of a motorcycle, each by one network alone. What both mark is the person; at its edge both
agree, so that little more of it is cut off. bench/countermeasures measures both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from unveil.arrays import F32
from unveil.protection.compose import cell_side
from unveil.video.chunk import Layout, Planes
from unveil_kernels import warp

if TYPE_CHECKING:
    from unveil.person import Mask, ModelName
    from unveil.protection.auto import NetworkSegmenter


AGREEING_MODELS: Final[tuple[ModelName, ...]] = ("selfie", "selfie-landscape")
"""The networks of model "agreeing"."""


class AgreeingSegmenter:
    """Gives each pixel the smallest of the probabilities of several networks.

    For the parameter `segmenter` of `protect` and `Protector`. If one network finds nobody, nobody
    is shown. Not thread-safe.

    Parameters
    ----------
    segmenters
        The networks, at least one, such as `Segmenter("selfie")`. Each runs on every frame.

    Raises
    ------
    ValueError
        There is none.
    """

    def __init__(self, segmenters: Sequence[NetworkSegmenter]) -> None:
        if not segmenters:
            raise ValueError("segmenters: none is given; at least one has to find the person")
        self._segmenters = tuple(segmenters)

    def reset(self) -> None:
        """Forget earlier frames."""
        for segmenter in self._segmenters:
            segmenter.reset()

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Segment the person in planes (h, w), (ch, cw), (ch, cw) uint8.

        Returns
        -------
        A mask on the grid of the opacity, without landmarks.
        """
        from unveil.person import Mask

        masks = [segmenter.mask_planes(planes, layout) for segmenter in self._segmenters]
        step = cell_side(layout)
        shown = np.minimum.reduce([drawn(mask, step) for mask in masks])
        return Mask(
            shown,
            np.array([[1 / step, 0.0, 0.0], [0.0, 1 / step, 0.0]]),
            layout.height,
            layout.width,
            presence=min(mask.presence for mask in masks),
            landmarks=None,
        )


def drawn(mask: Mask, step: int) -> F32:
    """Resample a mask to cells of `step` x `step` pixels: (rows, columns) float32."""
    picture = np.empty((-(-mask.height // step), -(-mask.width // step)), np.float32)
    warp.warp_mask(mask.probability, mask.to_mask * np.array([step, step, 1.0]), picture)
    return picture
