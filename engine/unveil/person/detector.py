"""BlazePose's detector: where in a frame a person is, without knowing anything yet."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from unveil.arrays import F32, F64
from unveil.chunk import Layout, Planes
from unveil.person import sampling
from unveil.person.models import DETECTOR
from unveil.person.network import Network
from unveil.person.region import Region, moved

SIDE: Final = DETECTOR.width
STRIDES: Final = (8, 16, 32, 32, 32)
"""Pixels of the input per cell, by the layers of the network's output."""
ANCHORS_PER_CELL: Final = 2
"""Each layer predicts two boxes a cell, from the same anchor."""

MIN_SCORE: Final = 0.5
MIN_OVERLAP: Final = 0.3
"""Intersection over union from which two boxes are one person."""


class Detector:
    """Finds the person of whom it is surest. Not thread-safe: use one per thread."""

    def __init__(self, threads: int) -> None:
        self._network = Network(DETECTOR, threads)

    def find(self, planes: Planes, layout: Layout) -> Region | None:
        """Give the region of the surest person; None where nobody scores `MIN_SCORE`."""
        to_frame = letterbox(layout.height, layout.width)
        sampling.fill(self._network.tensor, planes, layout, to_frame, black=-1.0, white=1.0)
        self._network.run()
        found = surest(self._network.output(0), self._network.output(1)[:, 0])
        if found is None:
            return None
        centre, top = moved(to_frame, found)
        return Region.around(centre, top)


def letterbox(height: int, width: int) -> F64:
    """Map the detector's input to a frame that fits into it, in its middle: (2, 3)."""
    scale = max(height, width) / SIDE
    margin_x, margin_y = (width - SIDE * scale) / 2, (height - SIDE * scale) / 2
    return np.array([[scale, 0.0, margin_x], [0.0, scale, margin_y]])


@cache
def anchors() -> F64:
    """Centres (x, y) of the cells that the outputs belong to, in pixels of the input: (2254, 2)."""
    layers = []
    for stride in STRIDES:
        n_cells = SIDE // stride
        y, x = np.mgrid[0:n_cells, 0:n_cells]
        centres = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * (SIDE / n_cells)
        layers.append(np.repeat(centres, ANCHORS_PER_CELL, axis=0))
    return np.concatenate(layers)


def surest(boxes: F32, logits: F32) -> F64 | None:
    """Choose the person with the highest score.

    Parameters
    ----------
    boxes
        (2254, 12): box centre, width and height, then four points (x, y), in pixels relative
        to the anchor. The first two points are the middle of the hips and the top of the
        circle around the whole person.
    logits
        (2254,)

    Returns
    -------
    (2, 2) float64, these two points (x, y) in pixels of the input: the mean over all boxes
    that overlap the best one, weighted by score. None where no score is `MIN_SCORE`.
    """
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -100.0, 100.0)))
    sure = np.flatnonzero(scores >= MIN_SCORE)
    if len(sure) == 0:
        return None
    scores = scores[sure]
    values = boxes[sure].astype(np.float64)
    origins = anchors()[sure]
    centres, half_sizes = values[:, 0:2] + origins, values[:, 2:4] / 2
    low, high = centres - half_sizes, centres + half_sizes
    best = int(np.argmax(scores))
    common = np.minimum(high, high[best]) - np.maximum(low, low[best])
    common_area = np.prod(np.maximum(common, 0.0), axis=1)
    areas = np.prod(np.maximum(high - low, 0.0), axis=1)
    together = areas + areas[best] - common_area
    same = common_area > MIN_OVERLAP * together
    same[best] = True  # also where it has no area
    points = values[:, 4:8].reshape(-1, 2, 2) + origins[:, None, :]
    mean: F64 = np.average(points[same], axis=0, weights=scores[same])
    return mean
