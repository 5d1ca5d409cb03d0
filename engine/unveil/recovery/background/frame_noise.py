"""Signs of a frame of noise: differences from the background everywhere, and fine detail."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from unveil.arrays import F64, I16, I64, U8, Array, Bool
from unveil.recovery.background.median import RADIUS, median_filtered

NOISE_LEVELS: Final = 6
"""Luma that differs from what the background usually shows by more levels is changed."""

SPREAD_SHARE: Final = 0.2
"""Share of changed pixels, in the median part of the picture, from which a frame may be noise. It
was at most 0.04 in four calls without noise, and 0.34 to 1 in their frames of noise; leaks are in a
few parts of the picture."""

MIN_MORE: Final = 3.0
MIN_MORE_SHARE: Final = 0.35
"""A frame of noise has at least so many levels, and this share, more of detail than frames usually
have. Weak noise had 2.9 to 7 levels more in five calls, strong noise 15 to 47. Where the room
leaked in most of the picture, it was up to 2.1 in two of 70 calls, and 3.8 in another."""

MAX_LASTING: Final = 0.45
"""Largest share of the additional detail that a median filter leaves, if it is noise. It was 0.12
to 0.40 in the frames of noise of six calls, 0.39 to 0.48 in those two calls, and 0.53 to 0.58 in
the other."""

_PARTS: Final = (6, 8)
"""Rows and columns of parts of the picture."""

_MIN_PARTS: Final = 4
_MAX_DETAIL: Final = 255
_MIN_WIDTH: Final = 16
_STEP: Final = 0.25


def changed_spread(levels: I16, usual: I16, both: Bool) -> float:
    """Return the share of changed pixels in the median part of a picture.

    Parameters
    ----------
    levels, usual
        (rows, columns) luma of a frame at one pixel of each block, and what it usually is there.
    both
        (rows, columns), where the frame is outside the person and the usual luma is known.

    Returns
    -------
    0 if too few parts are known.
    """
    rows, columns = (
        np.linspace(0, length, min(n, length), endpoint=False, dtype=np.int64)
        for length, n in zip(both.shape, _PARTS, strict=True)
    )
    known = sum_parts(both, rows, columns)
    is_known = known >= max(1.0, 0.5 * known.max())
    if np.count_nonzero(is_known) < _MIN_PARTS:
        return 0.0
    changed = sum_parts(both & (np.abs(levels - usual) > NOISE_LEVELS), rows, columns)
    return float(np.median(changed[is_known] / known[is_known]))


def sum_parts(flags: Bool, rows: I64, columns: I64) -> F64:
    """Count the flags in the parts of a picture that begin at `rows` and `columns`: (n, m)."""
    sums: F64 = np.add.reduceat(np.add.reduceat(flags, rows, 0, np.float64), columns, 1, np.float64)
    return sums


class Detail(NamedTuple):
    """Mean second difference along rows, in levels: of a frame, and with a median filter."""

    plain: float
    filtered: float

    def is_noise(self, usual: Detail) -> bool:
        """Whether the detail is that of noise, given what frames usually have."""
        more = self.plain - usual.plain
        return (
            more >= max(MIN_MORE, MIN_MORE_SHARE * usual.plain)
            and self.filtered - usual.filtered <= MAX_LASTING * more
        )

    def followed_by(self, newer: Detail) -> Detail:
        """Return this moved towards a newer frame's detail, by a limited share of it."""
        limits = (_STEP * max(value, 1.0) for value in self)
        return Detail(
            *(
                value + min(max(new - value, -limit), limit)
                for value, new, limit in zip(self, newer, limits, strict=True)
            )
        )


def detail_of(luma: U8, block_size: int) -> Detail:
    """Measure the detail along every second row of blocks.

    Parameters
    ----------
    luma
        (h, w) levels of a frame.
    block_size
        Side of a block in pixels.
    """
    rows = np.arange(block_size // 2, len(luma), 2 * block_size)
    if len(rows) == 0 or luma.shape[1] < _MIN_WIDTH:
        return Detail(0.0, 0.0)
    around = np.clip(rows[:, None] + np.arange(-RADIUS, RADIUS + 1), 0, len(luma) - 1)
    strips = luma[around]
    return Detail(_mean_bend(strips[:, RADIUS]), _mean_bend(median_filtered(strips)[:, RADIUS]))


def _mean_bend(rows: U8) -> float:
    levels = rows.astype(np.int16)
    bends: Array = np.abs(2 * levels[:, 1:-1] - levels[:, :-2] - levels[:, 2:])
    return float(np.minimum(bends, _MAX_DETAIL).mean())
