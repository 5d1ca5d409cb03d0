"""Where sampled pixels of a frame show the claimed room, also where the person mask covers them."""

from __future__ import annotations

import numpy as np

from unveil.arrays import Bool
from unveil.auditing.leaking_pixels import colours_at
from unveil.counting.colour_times import SampleGrid
from unveil.recovery.decide.claims import SAME_ROOM
from unveil.recovery.result import Recovery
from unveil.video.chunk import Layout, Planes
from unveil.video.colour import ciede2000, to_lab


class SampledRoom:
    """The claims at the pixels at which leaks over time are measured.

    Parameters
    ----------
    recovery
        Of one still background, of frames of this size.
    layout
        Of the upright frames.

    Attributes
    ----------
    n_samples
        Number of sampled pixels, claimed or not.
    """

    def __init__(self, recovery: Recovery, layout: Layout) -> None:
        grid = SampleGrid.of(layout)
        room = grid.of_picture(recovery.sharp_room)
        behind = grid.of_picture(recovery.background)
        rows, columns = np.nonzero(room[..., 3])
        self.n_samples = grid.size
        self._layout = layout
        self._rows, self._columns = grid.rows[rows], grid.columns[columns]
        self._room_lab = to_lab(room[rows, columns, :3].astype(np.float64))
        self._behind_lab = to_lab(behind[rows, columns, :3].astype(np.float64))

    def find(self, planes: Planes) -> Bool:
        """Mark the sampled claims whose colour a frame shows, by the rule of leaks over time.

        Parameters
        ----------
        planes
            The frame, (h, w), (ch, cw), (ch, cw) uint8.

        Returns
        -------
        (n_claims,), in the same order for each frame.
        """
        lab = to_lab(colours_at(planes, self._layout, self._rows, self._columns))
        from_room = ciede2000(lab, self._room_lab)
        shown: Bool = from_room <= SAME_ROOM
        shown[shown] = from_room[shown] < ciede2000(lab[shown], self._behind_lab[shown])
        return shown
