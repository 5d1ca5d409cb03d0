"""The fixed order in which the states of segments are merged.

Groups of consecutive segments are folded from left to right, and then the groups. So the result
depends on the number of segments alone, and no more than the total and one group are held.
"""

from __future__ import annotations

from typing import Final

from unveil.recovery.segments.state import SegmentState

GROUP_SEGMENTS: Final = 16
"""Most segments of a group."""


class Fold:
    """Merges the states of segments in their order.

    Parameters
    ----------
    total, group
        What was merged before, to go on with; None: nothing.

    Attributes
    ----------
    total
        All complete groups; None if there is none.
    group
        The segments after them; None if there is none.
    """

    def __init__(
        self, total: SegmentState | None = None, group: SegmentState | None = None
    ) -> None:
        self.total = total
        self.group = group

    @property
    def n_segments(self) -> int:
        """Number of segments merged so far."""
        return sum(part.n_segments for part in (self.total, self.group) if part is not None)

    def add(self, state: SegmentState) -> None:
        """Add the next segment, whose counts belong to the fold from then on."""
        if self.group is None:
            self.group = state
        else:
            self.group.merge(state)
        if self.group.n_segments == GROUP_SEGMENTS:
            self._close_group()

    def result(self) -> SegmentState:
        """Merge all; no segment may be added afterwards."""
        self._close_group()
        assert self.total is not None  # there is at least one segment
        return self.total

    def _close_group(self) -> None:
        group, self.group = self.group, None
        if group is None:
            return
        if self.total is None:
            self.total = group
        else:
            self.total.merge(group)
