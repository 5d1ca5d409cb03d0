"""Which arrays a state consists of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from unveil.arrays import Array
from unveil_kernels.counting.slots import CACHE_LINE


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """Shape and type of an array.

    Attributes
    ----------
    shape
        Lengths of the axes; the largest that are allowed where `variable` is True.
    dtype
        Type of the elements.
    variable
        Whether the lengths may differ.
    """

    shape: tuple[int, ...]
    dtype: npt.DTypeLike
    variable: bool = False

    def allows(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> bool:
        """Return whether an array of this shape and type is as specified."""
        if dtype != self.dtype:
            return False
        if not self.variable:
            return shape == self.shape
        return len(shape) == len(self.shape) and all(
            0 <= length <= largest for length, largest in zip(shape, self.shape, strict=True)
        )


Specification: TypeAlias = Mapping[str, ArraySpec]
"""The arrays of a state by name."""


def aligned_zeros(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Make zeros that begin on a cache line, so that a pixel's slots share as few as possible.

    The system hands their memory out page by page as it is touched.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + n_bytes].view(dtype).reshape(shape)
