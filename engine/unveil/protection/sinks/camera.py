"""A virtual camera."""

from __future__ import annotations

import platform
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import av

from unveil.errors import InvalidParameter, OutputUnwritable, explain
from unveil.protection.frames import Converter
from unveil.protection.sinks.output import Output
from unveil.protection.sinks.sink import Footage

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet


_DRIVERS: Final = {
    "Linux": (
        "install the driver v4l2loopback (Debian: apt install v4l2loopback-dkms), then: sudo "
        "modprobe v4l2loopback devices=1 exclusive_caps=1 card_label=unveil"
    ),
    "Darwin": (
        "install OBS 30 or later (obsproject.com), click Start and then Stop Virtual Camera in it "
        "once, and close it"
    ),
    "Windows": "install OBS (obsproject.com), which has one, and close it",
}
"""What pyvirtualcam's documentation says; `exclusive_caps` is for browsers to list the device."""


def driver_instruction(system: str | None = None) -> str:
    """Say how a virtual camera's driver is installed.

    Parameters
    ----------
    system
        As `platform.system` names it; None: the one that runs.
    """
    known = _DRIVERS.get(system or platform.system())
    return known or "there is no driver for this system; use another output"


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
        height, width = self._size = footage.square_size
        if height % 2 or width % 2:
            raise InvalidParameter(
                f"output: a virtual camera takes no odd size such as {width}x{height}"
            )
        self._camera: Any
        try:
            self._camera = pyvirtualcam.Camera(
                width=width,
                height=height,
                fps=footage.frame_rate,
                fmt=pyvirtualcam.PixelFormat.I420,
                device=output.device,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise OutputUnwritable(
                f"virtual camera: does not open ({explain(error)}); {driver_instruction()}"
            ) from error
        self._paced = not footage.live
        self._converter = Converter()

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Show a frame; those of a file at their own pace."""
        try:
            self._camera.send(self._converter.picture(frame, "yuv420p", self._size))
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
