"""Dilation of masks: of pixels, of blocks, or of a network's cells."""

from __future__ import annotations

import numpy as np

from unveil.arrays import Bool


def dilated(marked: Bool, rows: int, columns: int) -> Bool:
    """Dilate a mask (h, w) by a rectangle of `2 * rows + 1` by `2 * columns + 1`, as a new one."""
    for axis, reach in enumerate((rows, columns)):
        marked = marked.copy()
        lines = np.moveaxis(marked, axis, 0)
        done = 0
        while done < reach:
            # What is dilated already doubles the reach of a step.
            step = min(1 + done, reach - done)
            source = lines.copy()
            lines[step:] |= source[:-step]
            lines[:-step] |= source[step:]
            done += step
    return marked


def dilated_by_steps(marked: Bool, steps: int) -> Bool:
    """Dilate a mask (h, w) by so many steps to the four neighbours of each place, as a new one."""
    dilated_mask = marked.copy()
    for _ in range(steps):
        before = dilated_mask.copy()
        dilated_mask[1:] |= before[:-1]
        dilated_mask[:-1] |= before[1:]
        dilated_mask[:, 1:] |= before[:, :-1]
        dilated_mask[:, :-1] |= before[:, 1:]
    return dilated_mask
