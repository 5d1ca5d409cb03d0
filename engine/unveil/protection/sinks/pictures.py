"""Numbered pictures, which appear together when the last one is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av

from unveil.errors import OutputUnwritable
from unveil.files import Staging, save_png, unwritable
from unveil.protection.frames import Converter
from unveil.protection.sinks.output import Output
from unveil.protection.sinks.sink import Footage

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet


class PictureSink:
    """PNG files, counted from 1; an earlier sequence stays until all are written."""

    notes = ()

    def __init__(self, output: Output, footage: Footage) -> None:
        folder = output.path.parent
        if not folder.is_dir():
            raise OutputUnwritable(f"{output.path}: {folder} is not a folder; make it first")
        self._output = output
        self._format = "rgba" if footage.alpha else "rgb24"
        self._converter = Converter()
        self._staging = Staging(folder, output.label)
        self._n_written = 0

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Write the next picture."""
        path = self._output.picture(self._n_written + 1)
        try:
            save_png(self._staging.path(path.name), self._converter.picture(frame, self._format))
        except OSError as error:
            raise unwritable(path, error) from error
        self._n_written += 1

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Pictures have no sound."""

    def finish(self, end_pts: int | None = None) -> None:
        """Put the pictures in place, and remove those by which an earlier sequence is longer."""
        self._staging.commit()
        number = self._n_written + 1
        while (surplus := self._output.picture(number)).exists():
            surplus.unlink()
            number += 1

    def discard(self) -> None:
        """Remove the pictures that are not in place."""
        self._staging.discard()
