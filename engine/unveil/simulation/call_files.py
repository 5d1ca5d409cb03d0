"""The files of a simulated call: the call and its truth, and with them what the camera saw."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av

from unveil.files import removed_unless_complete
from unveil.scoring.truth import Truth
from unveil.simulation.composition import SimulatedFrame
from unveil.video.pixel_format import ColourTags
from unveil.video.writer import VideoWriter

CALL, TRUTH = "call.mp4", "truth.npz"
CAMERA, MATTE = "camera.mp4", "matte.mkv"

_CAMERA_CRF: Final = 10
"""Nearly lossless: the camera's own noise is larger than what the encoder changes."""

_FULL_RANGE: Final = ColourTags(value_range=2)
"""A matte has levels from 0 to 255."""


class CallFiles:
    """Writes the frames of a call, as a context manager, and then its truth.

    Parameters
    ----------
    folder
        It exists.
    height, width, frame_rate, bit_rate, threads
        Of the call, as for `VideoWriter`.
    with_camera
        Whether the camera's pictures and the mattes are written, too.

    Attributes
    ----------
    call, truth
        Paths of the two files.
    camera, matte
        Paths of the two others, None unless `with_camera`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        height: int,
        width: int,
        frame_rate: float,
        bit_rate: int,
        threads: int,
        with_camera: bool,
    ) -> None:
        self.call, self.truth = folder / CALL, folder / TRUTH
        self.camera = folder / CAMERA if with_camera else None
        self.matte = folder / MATTE if with_camera else None
        self._earlier = [folder / TRUTH, folder / CAMERA, folder / MATTE]
        self._opened = ExitStack()
        self._call = VideoWriter(
            self.call,
            height=height,
            width=width,
            frame_rate=frame_rate,
            bit_rate=bit_rate,
            threads=threads,
        )
        self._camera = self._matte = None
        if self.camera is not None and self.matte is not None:
            self._camera = VideoWriter(
                self.camera,
                height=height,
                width=width,
                frame_rate=frame_rate,
                crf=_CAMERA_CRF,
                threads=threads,
            )
            self._matte = VideoWriter(
                self.matte,
                height=height,
                width=width,
                frame_rate=frame_rate,
                codec="ffv1",
                pixel_format="gray",
                preset=None,
                threads=1,
                tags=_FULL_RANGE,
            )

    @property
    def frames_written(self) -> int:
        """Frames written so far."""
        return self._call.frames_written

    @property
    def frame_rate(self) -> float:
        """Frames per second, as they are stored."""
        return float(self._call.frame_rate)

    def __enter__(self) -> Self:
        """Open the files."""
        with ExitStack() as opened:
            for writer in (self._call, self._camera, self._matte):
                if writer is not None:
                    opened.enter_context(writer)
            self._opened = opened.pop_all()
        return self

    def write(self, frame: SimulatedFrame) -> None:
        """Append a frame to each file.

        Raises
        ------
        OutputUnwritable
            The disk is full.
        """
        self._call.write(frame.call)
        if self._camera is not None and self._matte is not None:
            self._camera.write(frame.camera)
            self._matte.write(av.VideoFrame.from_ndarray(frame.matte, format="gray"))

    def remove_earlier(self) -> None:
        """Remove what belongs to an earlier call, which ends when the new one is put in place."""
        for path in self._earlier:
            with suppress(FileNotFoundError):
                path.unlink()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete the videos, or remove them after an error."""
        try:
            self._opened.__exit__(kind, error, traceback)
        except BaseException:
            if kind is None:  # one of the files could not be completed: the others mean nothing
                self.remove_earlier()
            raise

    def complete(self, truth: Truth) -> None:
        """Write the truth; without it no other file is left.

        Raises
        ------
        OutputUnwritable
            It cannot be written.
        """
        others = [path for path in (self.camera, self.matte) if path is not None]
        with removed_unless_complete(self.call, self.truth, *others):
            truth.write(self.truth)
