"""`VirtualCamera`: shows the protected frames to other programs, as a camera."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from unveil.errors import explain
from unveil.live.newest import Newest
from unveil.protection.frames import frame_of
from unveil.protection.sinks.camera import CameraSink
from unveil.protection.sinks.output import Output
from unveil.protection.sinks.sink import Footage, Sink
from unveil.video.chunk import Layout, Planes
from unveil.video.pixel_format import ColourTags

logger = logging.getLogger(__name__)

FRAME_RATE: Final = 30.0
"""What the camera announces; frames are shown as they come."""

RETRY_SECONDS: Final = 3.0

OpenCamera = Callable[[Layout], Sink]


class VirtualCamera:
    """Writes the newest protected frame to a virtual camera, in a thread of its own.

    The camera opens with the first frame, and anew where the size changes. Where it does not open
    or takes no more frames, `state` says why, and it is tried again.

    Parameters
    ----------
    device
        Its name, None for the first one.
    open_camera
        Opens the camera for frames of a layout.
    """

    def __init__(self, device: str | None, *, open_camera: OpenCamera | None = None) -> None:
        self._open = open_camera or (lambda layout: _camera(device, layout))
        self._device = device
        self._frames: Newest[tuple[Planes, Layout]] = Newest()
        self._message = "the virtual camera waits for the first frame"
        self._shows = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="unveil-camera", daemon=True)
        self._thread.start()

    def push(self, planes: Planes, layout: Layout, timestamp: float) -> None:
        """Offer a protected frame; it must not be changed any more."""
        self._frames.put((planes, layout))

    def state(self) -> dict[str, Any]:
        """Return what the page shows: whether frames are taken, the device, and a message."""
        return {"on": self._shows, "device": self._device or "", "message": self._message}

    def close(self) -> None:
        """Take the camera away."""
        self._frames.close()
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        sink: Sink | None = None
        shown: Layout | None = None
        pts = 0
        while not self._frames.closed:
            taken = self._frames.take()
            if taken is None:
                continue
            planes, layout = taken
            try:
                if sink is not None and layout != shown:
                    sink.finish()
                    sink = None
                if sink is None:
                    sink, shown = self._open(layout), layout
                sink.write(frame_of(planes, layout), pts)
                pts += 1
                self._shows, self._message = True, ""
            except Exception as error:
                logger.debug("the virtual camera failed", exc_info=True)
                self._shows, self._message = False, explain(error)
                if sink is not None:
                    sink.discard()
                    sink = None
                self._stopped.wait(RETRY_SECONDS)
        if sink is not None:
            sink.discard()


def _camera(device: str | None, layout: Layout) -> Sink:
    footage = Footage(layout, False, FRAME_RATE, Fraction(1, 90000), ColourTags(), live=True)
    return CameraSink(Output("camera", device=device), footage)
