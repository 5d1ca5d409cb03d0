"""BlazePose's detector: finds a person in a whole frame."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from unveil.arrays import F32, F64, I64, Bool
from unveil.person import sampling
from unveil.person.mask import Mask
from unveil.person.models import DETECTOR
from unveil.person.network import Network
from unveil.person.region import Region, composed, moved
from unveil.video.chunk import Layout, Planes
from unveil_kernels import warp

SIDE: Final = DETECTOR.width
STRIDES: Final = (8, 16, 32, 32, 32)
"""Pixels of the input per cell, by the layers of the network's output."""
ANCHORS_PER_CELL: Final = 2
"""Each layer predicts two boxes a cell, from the same anchor."""

MIN_SCORE: Final = 0.5
MIN_COUNTED_SCORE: Final = 0.2
"""Score from which people are counted. In 60 frames of three calls of one person no second box
scored more than 0.07; where the same portrait stood 2 to 9 times in a frame, the second best
scored 0.46 to 0.90."""
MIN_COVERED: Final = 0.5
"""Probability from which a known person is painted over."""

MIN_OVERLAP: Final = 0.3
"""Two boxes are one person above this intersection over union."""


class Detector:
    """Finds and counts people in a whole frame. Not thread-safe: use one per thread."""

    def __init__(self, threads: int) -> None:
        self._network = Network(DETECTOR, threads)

    def find(
        self,
        planes: Planes,
        layout: Layout,
        to_frame: F64 | None = None,
        known: Mask | None = None,
    ) -> Region | None:
        """Return the region of the highest-scoring person; None if nobody scores `MIN_SCORE`.

        Parameters
        ----------
        planes, layout
            A frame.
        to_frame
            (2, 3) float64, affine map from the network's input to the part that is searched;
            None for the whole frame.
        known
            Mask of a person who is painted over with grey.
        """
        to_frame = self._run(planes, layout, to_frame, known)
        found = surest(self._network.output(0), self._network.output(1)[:, 0])
        if found is None:
            return None
        centre, top = moved(to_frame, found)
        return Region.around(centre, top)

    def count(self, planes: Planes, layout: Layout) -> int:
        """Count the people who score `MIN_COUNTED_SCORE`."""
        self._run(planes, layout)
        return distinct(self._network.output(0), self._network.output(1)[:, 0])

    def _run(
        self,
        planes: Planes,
        layout: Layout,
        to_frame: F64 | None = None,
        known: Mask | None = None,
    ) -> F64:
        """Let the network see a frame; return the map from its input to the frame."""
        if to_frame is None:
            to_frame = letterbox(layout.height, layout.width)
        tensor = self._network.tensor
        sampling.fill(tensor, planes, layout, to_frame, black=-1.0, white=1.0)
        if known is not None:
            covered = np.empty(tensor.shape[:2], np.float32)
            warp.warp_mask(known.probability, composed(known.to_mask, to_frame), covered)
            tensor[covered >= MIN_COVERED] = 0.0
        self._network.run()
        return to_frame


def letterbox(height: int, width: int) -> F64:
    """Return the affine map (2, 3) from the detector's input to a frame letterboxed in it."""
    scale = max(height, width) / SIDE
    margin_x, margin_y = (width - SIDE * scale) / 2, (height - SIDE * scale) / 2
    return np.array([[scale, 0.0, margin_x], [0.0, scale, margin_y]])


@cache
def anchors() -> F64:
    """Return the anchors of the outputs, cell centres (x, y) in pixels of the input: (2254, 2)."""
    layers = []
    for stride in STRIDES:
        n_cells = SIDE // stride
        y, x = np.mgrid[0:n_cells, 0:n_cells]
        centres = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * (SIDE / n_cells)
        layers.append(np.repeat(centres, ANCHORS_PER_CELL, axis=0))
    return np.concatenate(layers)


def surest(boxes: F32, logits: F32) -> F64 | None:
    """Return the person with the highest score.

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
    sure, scores, low, high = _boxes_from(MIN_SCORE, boxes, logits)
    if len(sure) == 0:
        return None
    same = _same_person(low, high, int(np.argmax(scores)))
    points = boxes[sure, 4:8].astype(np.float64).reshape(-1, 2, 2) + anchors()[sure][:, None, :]
    mean: F64 = np.average(points[same], axis=0, weights=scores[same])
    return mean


def distinct(boxes: F32, logits: F32) -> int:
    """Count the people, by non-maximum suppression.

    The surest box left is a person, and so are all that overlap it, until none is left.
    Parameters as for `surest`.
    """
    _, scores, low, high = _boxes_from(MIN_COUNTED_SCORE, boxes, logits)
    n_people = 0
    while len(scores):
        others = ~_same_person(low, high, int(np.argmax(scores)))
        scores, low, high = scores[others], low[others], high[others]
        n_people += 1
    return n_people


def _boxes_from(min_score: float, boxes: F32, logits: F32) -> tuple[I64, F64, F64, F64]:
    """Boxes of that score at least: their numbers (n,), scores (n,), and corners (n, 2) each."""
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -100.0, 100.0)))
    sure = np.flatnonzero(scores >= min_score)
    values = boxes[sure].astype(np.float64)
    centres, half_sizes = values[:, 0:2] + anchors()[sure], values[:, 2:4] / 2
    return sure, scores[sure], centres - half_sizes, centres + half_sizes


def _same_person(low: F64, high: F64, best: int) -> Bool:
    """Which boxes (n,) overlap one of them so far that they are the same person."""
    common = np.minimum(high, high[best]) - np.maximum(low, low[best])
    common_area = np.prod(np.maximum(common, 0.0), axis=1)
    areas = np.prod(np.maximum(high - low, 0.0), axis=1)
    together = areas + areas[best] - common_area
    same: Bool = common_area > MIN_OVERLAP * together
    same[best] = True  # also where it has no area
    return same
