"""The section of a recording that a recovery is about: whole frames, or a part of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from unveil.video.chunk import Chunk
from unveil.video.container import VideoProperties
from unveil.video.crop import Crop, CropArgument, Rectangle, displayed_rectangle


class Section(Protocol):
    """Takes the frames, and the part of each frame, that one recovery counts.

    Every pass passes all chunks of the recording in their order, so that it sees the same frames.
    """

    def of(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield consecutive chunks of what belongs to the section."""
        ...


class WholeFrames:
    """All of each frame."""

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

    Attributes
    ----------
    displayed
        The rectangle as displayed, rounded to chroma samples; None before the first chunk.
    """

    def __init__(self, crop: Crop, properties: VideoProperties) -> None:
        self._crop = crop
        self._properties = properties
        self._size: tuple[int, int] | None = None
        self.displayed: Rectangle | None = None

    def of(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield the crop of a chunk, nothing where its frames have another size.

        Raises
        ------
        InvalidParameter
            The crop lies outside the first frame.
        """
        size = chunk.layout.height, chunk.layout.width
        if self._size is None:
            self._size = size
        if size != self._size:
            return
        stored = self._crop.placed(chunk.layout, self._properties)
        if self.displayed is None:
            self.displayed = displayed_rectangle(stored, size, self._properties)
        yield chunk.crop(stored)


def section_of(crop: CropArgument | None, properties: VideoProperties) -> Section:
    """Return the section of a recording that a crop takes; None: all of it."""
    return WholeFrames() if crop is None else CroppedFrames(Crop.of(crop), properties)
