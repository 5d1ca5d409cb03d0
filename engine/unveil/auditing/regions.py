"""Which part of the displayed picture a recovery is about, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unveil.recovery.result import Recovery
from unveil.recovery.tiles import TileRecoveries
from unveil.video.chunk import Layout, Planes
from unveil.video.crop import Rectangle


@dataclass(frozen=True, slots=True)
class Showing:
    """A rectangle of the displayed picture, None for all of it, and the times of its frames."""

    rectangle: Rectangle | None = None
    start_seconds: float = -math.inf
    end_seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Region:
    """A recovery, and where a recording shows what it is about.

    Attributes
    ----------
    recovery
        Of the part.
    showings
        Stretches of the recording; a tile may change its place.
    folder
        Name of the folder of the recovery in that of the recording; empty for that itself.
    """

    recovery: Recovery
    showings: tuple[Showing, ...] = (Showing(),)
    folder: str = ""

    def showing_at(self, seconds: float) -> Showing | None:
        """Return what is shown at a time, None where the region is not shown."""
        for showing in self.showings:
            if not seconds < showing.start_seconds and not seconds > showing.end_seconds:
                return showing
        return None


def regions_of(recovered: Recovery | TileRecoveries) -> tuple[Region, ...]:
    """Return the regions of what was recovered from a recording: one, or one for each tile."""
    if isinstance(recovered, Recovery):
        crop = recovered.report["selection"].get("crop")
        rectangle = None if crop is None else Rectangle(*crop)
        return (Region(recovered, (Showing(rectangle),)),)
    return tuple(
        Region(recovery, _showings(recovery), f"tile-{number}")
        for number, recovery in enumerate(recovered.tiles, 1)
    )


def _showings(recovery: Recovery) -> tuple[Showing, ...]:
    showings = []
    for showing in recovery.report["tile"]["showings"]:
        start, end = showing["start_seconds"], showing["end_seconds"]
        if start is not None and end is not None:
            showings.append(Showing(Rectangle(*showing["rectangle"]), start, end))
    return tuple(showings)


def holds(layout: Layout, showing: Showing) -> bool:
    """Whether frames of a layout hold a rectangle."""
    part = showing.rectangle
    return part is None or (
        part.x + part.width <= layout.width and part.y + part.height <= layout.height
    )


def cut(planes: Planes, layout: Layout, showing: Showing) -> Planes | None:
    """View a rectangle in upright planes; None where it is not within them.

    The rectangle lies on whole chroma samples, up to the picture's edge.
    """
    rectangle = showing.rectangle
    if rectangle is None:
        return planes
    if not holds(layout, showing):
        return None
    right, bottom = rectangle.x + rectangle.width, rectangle.y + rectangle.height
    luma, cb, cr = planes
    down, across = layout.chroma_shift_y, layout.chroma_shift_x
    chroma = (
        slice(rectangle.y >> down, -(-bottom >> down)),
        slice(rectangle.x >> across, -(-right >> across)),
    )
    return luma[rectangle.y : bottom, rectangle.x : right], cb[chroma], cr[chroma]


def part_layout(layout: Layout, showing: Showing) -> Layout:
    """Return the layout of what `cut` returns."""
    if showing.rectangle is None:
        return layout
    return Layout(
        showing.rectangle.height,
        showing.rectangle.width,
        layout.chroma_shift_y,
        layout.chroma_shift_x,
        layout.colour,
    )
