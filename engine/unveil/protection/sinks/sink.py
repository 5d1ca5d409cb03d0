"""What takes protected frames, and what it is told of them beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import av

from unveil.video.chunk import Layout
from unveil.video.pixel_format import ColourTags

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet


class Sink(Protocol):
    """Takes protected frames in their order; used by one thread."""

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know of how it is stored."""

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Take a frame that is shown at `pts`."""

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Take a packet of sound."""

    def finish(self, end_pts: int | None = None) -> None:
        """Complete what was written; the last frame is shown until `end_pts` if it is known."""

    def discard(self) -> None:
        """Leave nothing behind, as far as that can be."""


@dataclass(frozen=True, slots=True)
class Footage:
    """What a sink is to take: frames of one layout, with opacity or without, and sound."""

    layout: Layout
    alpha: bool
    frame_rate: float
    time_base: Fraction | None
    tags: ColourTags
    pixel_aspect: Fraction | None = None
    sound: Sequence[AudioStream] = ()
    live: bool = False
