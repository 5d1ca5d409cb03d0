"""The section of a recording that a recovery is about: whole frames, or a part of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from unveil.video.chunk import Chunk, Layout
from unveil.video.container import VideoProperties
from unveil.video.crop import Crop, CropArgument, Rectangle, displayed_rectangle

if TYPE_CHECKING:
    from unveil.tiles.model import Showing


class Section(Protocol):
    """Takes the frames, and the part of each frame, that one recovery counts.

    Every pass passes all chunks of the recording in their order, so that it sees the same frames.

    Attributes
    ----------
    times
        First and last second of each place at which it was shown, NaN where it was not; empty
        where places are not told apart.
    """

    times: list[tuple[float, float]]

    def of(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield consecutive chunks of what belongs to the section."""
        ...


class WholeFrames:
    """All of each frame."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def of(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield the chunk."""
        yield chunk


class CroppedFrames:
    """A crop of all frames that have the size of the first one.

    A rectangle of pixels shows something else in a frame of another size, so those are left out.

    Parameters
    ----------
    crop
        The part of the displayed picture.
    properties
        Of the recording: the orientation of its frames.
    first
        Layout of the first frame; None: of the first one that is passed.

    Attributes
    ----------
    displayed
        The rectangle as displayed, rounded to chroma samples; None before the first chunk.
    """

    def __init__(
        self, crop: Crop, properties: VideoProperties, first: Layout | None = None
    ) -> None:
        self._crop = crop
        self._properties = properties
        self._size: tuple[int, int] | None = None
        self.times: list[tuple[float, float]] = []
        self.displayed: Rectangle | None = None
        if first is not None:
            self._begin(first)

    def _begin(self, first: Layout) -> None:
        """Place the crop in the first frame."""
        self._size = first.height, first.width
        stored = self._crop.placed(first, self._properties)
        self.displayed = displayed_rectangle(stored, self._size, self._properties)

    def of(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield the crop of a chunk, nothing where its frames have another size.

        Raises
        ------
        InvalidParameter
            The crop lies outside the first frame.
        """
        if self._size is None:
            self._begin(chunk.layout)
        if self._size == (chunk.layout.height, chunk.layout.width):
            yield chunk.crop(self._crop.placed(chunk.layout, self._properties))


class TileFrames:
    """The frames that show a tile, cut to it; the tile may be shown at several places in turn.

    Parameters
    ----------
    showings
        Where and when the tile is shown; all of one colour encoding.
    properties
        Of the recording: the orientation of its frames.

    Attributes
    ----------
    times
        First and last second of each showing in which frames were taken; NaN if none were.
    """

    def __init__(self, showings: Sequence[Showing], properties: VideoProperties) -> None:
        width = min(showing.stored.width for showing in showings)
        height = min(showing.stored.height for showing in showings)
        # Where tiles differ by a pixel, their upper left corners are taken for the same.
        self._showings = [
            (showing, replace(showing.stored, width=width, height=height)) for showing in showings
        ]
        self._properties = properties
        self.times = [(math.nan, math.nan) for _ in showings]

    def of(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield the tile in the frames of a chunk that show it."""
        shown = [self._showing(chunk, index) for index in range(len(chunk))]
        for number, run in groupby(range(len(chunk)), key=shown.__getitem__):
            if number is None:
                continue
            indices = list(run)
            first, last = (float(chunk.pts_seconds[indices[end]]) for end in (0, -1))
            known = self.times[number]
            self.times[number] = float(np.fmin(first, known[0])), float(np.fmax(last, known[1]))
            yield chunk.part(indices[0], indices[-1] + 1).crop(self._showings[number][1])

    def _showing(self, chunk: Chunk, index: int) -> int | None:
        """Return which showing a frame belongs to."""
        seconds, luma = float(chunk.pts_seconds[index]), chunk.planes[0][index]
        for number, (showing, _) in enumerate(self._showings):
            outside = seconds <= showing.after_seconds or seconds >= showing.before_seconds
            if chunk.layout != showing.layout or outside:
                continue
            if showing.reference is None or showing.reference.is_shown_in(luma):
                return number
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return the field `tile` of a report."""
        showings = []
        for (showing, stored), (first, last) in zip(self._showings, self.times, strict=True):
            size = showing.layout.height, showing.layout.width
            showings.append(
                {
                    "rectangle": displayed_rectangle(stored, size, self._properties).as_list(),
                    "start_seconds": None if math.isnan(first) else first,
                    "end_seconds": None if math.isnan(last) else last,
                }
            )
        return {"rectangle": showings[0]["rectangle"], "showings": showings}


def section_of(
    crop: CropArgument | None,
    properties: VideoProperties,
    first: Layout | None = None,
) -> Section:
    """Return the section of a recording that a crop takes; None: all of it.

    `first` is the layout of the first frame, None for that of the first one that is passed.
    """
    return WholeFrames() if crop is None else CroppedFrames(Crop.of(crop), properties, first)
