"""A virtual camera."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import av

from unveil.errors import InvalidParameter, OutputUnwritable, explain
from unveil.protection.frames import Converter
from unveil.protection.sinks.output import Output
from unveil.protection.sinks.sink import Footage

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet


class CameraSink:
    """A virtual camera that other programs see; it goes on showing the last frame."""

    notes = ()

    def __init__(self, output: Output, footage: Footage) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise OutputUnwritable(
                "virtual camera: needs pyvirtualcam; pip install 'unveil[camera]'"
            ) from error
        layout = footage.layout
        if layout.height % 2 or layout.width % 2:
            raise InvalidParameter(
                f"output: a virtual camera takes no odd size such as {layout.width}x{layout.height}"
            )
        self._camera: Any
        try:
            self._camera = pyvirtualcam.Camera(
                width=layout.width,
                height=layout.height,
                fps=footage.frame_rate,
                fmt=pyvirtualcam.PixelFormat.I420,
                device=output.device,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise OutputUnwritable(
                f"virtual camera: does not open ({explain(error)}); is one installed, as "
                "v4l2loopback on Linux or OBS elsewhere?"
            ) from error
        self._paced = not footage.live
        self._converter = Converter()

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Show a frame; those of a file at their own pace."""
        try:
            self._camera.send(self._converter.picture(frame, "yuv420p"))
        except (RuntimeError, OSError) as error:
            raise OutputUnwritable(
                f"virtual camera: takes no more frames ({explain(error)})"
            ) from error
        if self._paced:
            self._camera.sleep_until_next_frame()

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Cameras have no sound."""

    def finish(self, end_pts: int | None = None) -> None:
        """Take the camera away."""
        self._camera.close()

    def discard(self) -> None:
        """Take the camera away."""
        with suppress(RuntimeError, OSError):
            self._camera.close()
