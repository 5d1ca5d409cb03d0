"""Numbered pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import av

from unveil.errors import OutputUnwritable
from unveil.files import write_png
from unveil.protection.frames import Converter
from unveil.protection.sinks.output import NUMBER, Output
from unveil.protection.sinks.sink import Footage

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet


class PictureSink:
    """Numbered PNG files, counted from 1; each is whole or not there."""

    def __init__(self, output: Output, footage: Footage) -> None:
        if not output.path.parent.is_dir():
            raise OutputUnwritable(
                f"{output.path}: {output.path.parent} is not a folder; make it first"
            )
        output.remove_pictures()
        self._pattern = str(output.path)
        self._format = "rgba" if footage.alpha else "rgb24"
        self._converter = Converter()
        self._n_written = 0

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Write the next picture."""
        self._n_written += 1
        picture = self._converter.picture(frame, self._format)
        name = NUMBER.sub(lambda place: place[0] % self._n_written, self._pattern)
        write_png(Path(name), picture)

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Pictures have no sound."""

    def finish(self) -> None:
        """Nothing more to write."""

    def discard(self) -> None:
        """Keep what is there: each picture is whole."""
