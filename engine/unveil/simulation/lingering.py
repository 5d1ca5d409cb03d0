"""The person mask of a service that lets go late, as a `Segmenter` of a simulated call."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from PIL import Image

from unveil.arrays import F32, U8
from unveil.simulation.subject import Mask, Segmenter

_ROWS, _COLUMNS = 144, 256
"""Size in which masks are joined: that of the network's own mask."""

_CONTRAST = 12.0
"""The edge of the mask is a few pixels wide."""


class LingeringSegmenter:
    """Keeps what was the person in any of the last masks.

    Services do so, for fewer frames, against masks that flicker: nothing of the person is cut off,
    and the room trails behind each movement.

    Parameters
    ----------
    segmenter
        Segments the person.
    n_masks
        Masks that are joined, at least 1.
    """

    def __init__(self, segmenter: Segmenter, n_masks: int) -> None:
        self._segmenter = segmenter
        self._masks: deque[F32] = deque(maxlen=n_masks)

    def mask(self, picture: U8, /) -> Mask:
        """Segment the next picture, (h, w, 3) uint8 RGB."""
        self._masks.append(self._segmenter.mask(picture).at(_ROWS, _COLUMNS))
        return _Joined(tuple(self._masks))


class _Joined:
    """The largest of several probabilities, with a narrow edge."""

    def __init__(self, masks: Sequence[F32]) -> None:
        self._largest = np.maximum.reduce(masks)

    def at(self, height: int, width: int, /) -> F32:
        """Return the probability of the person, 0 to 1, (height, width)."""
        image = Image.fromarray(self._largest)
        wide = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
        narrow: F32 = np.clip(0.5 + np.float32(_CONTRAST) * (wide - np.float32(0.5)), 0, 1)
        return narrow
