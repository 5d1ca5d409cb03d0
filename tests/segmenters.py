"""Segmenters for tests, which segment by colour instead of with a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]


@dataclass
class FixedMask:
    """A mask that is what it was made of, scaled to the nearest pixels."""

    probability: F32

    def at(self, height: int, width: int) -> F32:
        """Scale it."""
        image = Image.fromarray(self.probability)
        return np.array(image.resize((width, height), Image.Resampling.NEAREST))


class Redness:
    """Sees a person wherever red prevails, and `wider` columns to the right of it."""

    def __init__(self, wider: int = 0) -> None:
        self.wider = wider
        self.calls = 0

    def mask(self, picture: U8) -> FixedMask:
        """Find what is red."""
        self.calls += 1
        red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
        person = red - np.maximum(green, blue) > 60
        seen = person.copy()
        for n in range(1, self.wider + 1):
            seen[:, n:] |= person[:, :-n]
        return FixedMask(seen.astype(np.float32))


class Script:
    """Gives the probabilities of a script, one after the other, whatever it sees."""

    def __init__(self, *probabilities: F32) -> None:
        self.probabilities = list(probabilities)

    def mask(self, picture: U8) -> FixedMask:
        """Give the next one."""
        return FixedMask(np.asarray(self.probabilities.pop(0), np.float32))
