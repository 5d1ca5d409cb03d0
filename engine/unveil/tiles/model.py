"""A tile of a recorded meeting, as `find_tiles` returns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from unveil.tiles.evidence import Box
from unveil.tiles.reference import Reference
from unveil.video.chunk import Layout
from unveil.video.crop import Rectangle


@dataclass(frozen=True, slots=True)
class Showing:
    """A stretch of the recording in which a tile is shown.

    Attributes
    ----------
    layout, stored
        Layout of the decoded frames, and the tile's rectangle in them, on whole chroma samples.
    after_seconds, before_seconds
        The tile is not looked for outside these times: there the sample frames show another
        layout.
    reference
        What the tile shows where it does not change; None: all frames of the stretch show it.
    """

    layout: Layout
    stored: Rectangle
    after_seconds: float
    before_seconds: float
    reference: Reference | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the displayed picture that shows one caller, or none.

    Attributes
    ----------
    rectangle
        The tile in the displayed picture, as `recover` takes it for `crop`.
    start_seconds, end_seconds
        First and last sample frame that show it; `end_seconds` is None for a tile that is there at
        the end.
    person
        Whether it shows a person who moves; None where that was not looked for.
    reason
        Why nothing is recovered from it; None where it is.
    showings
        How its frames are told.
    """

    rectangle: Rectangle
    start_seconds: float = 0.0
    end_seconds: float | None = None
    person: bool | None = None
    reason: str | None = None
    showings: tuple[Showing, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of a tile in a report."""
        return {
            "rectangle": self.rectangle.as_list(),
            "start_seconds": self.start_seconds,
            "end_seconds": self.end_seconds,
            "person": self.person,
            "reason": self.reason,
        }


def whole_samples(box: Box, layout: Layout) -> Rectangle:
    """Return the largest rectangle of whole chroma samples within a box; it may be empty."""
    top, left, bottom, right = box
    step_y, step_x = 1 << layout.chroma_shift_y, 1 << layout.chroma_shift_x
    top, left = -(-top // step_y) * step_y, -(-left // step_x) * step_x
    return Rectangle(
        max(0, (right - left) // step_x * step_x),
        max(0, (bottom - top) // step_y * step_y),
        left,
        top,
    )
