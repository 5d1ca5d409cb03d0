"""When the room leaks: shares of the picture by stretches of the call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unveil.arrays import F64

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class LeakMoment:
    """A stretch of the call, and how much of the picture leaks in it."""

    start_seconds: float
    end_seconds: float
    leaked_share: float
    confident_share: float


@dataclass(frozen=True, slots=True)
class LeakTimes:
    """Shares of the picture that leak in consecutive stretches: float64 arrays of equal length."""

    start_seconds: F64
    end_seconds: F64
    leaked_share: F64
    confident_share: F64
    new_share: F64

    @property
    def bin_seconds(self) -> float:
        """Length of a stretch."""
        return float(np.median(self.end_seconds - self.start_seconds))

    def table(self) -> pa.Table:
        """One row per stretch."""
        import pyarrow as pa

        return pa.table({name: getattr(self, name) for name in self.__slots__})

    def worst(self, n: int) -> tuple[LeakMoment, ...]:
        """Return the `n` stretches in which most leaks, the worst first; none without a leak."""
        order = np.argsort(-self.leaked_share, kind="stable")[:n]
        return tuple(
            LeakMoment(*(float(getattr(self, name)[i]) for name in LeakMoment.__slots__))
            for i in order
            if self.leaked_share[i] > 0
        )
