"""The virtual camera's thread: the newest frame, opened anew for another size, retried."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

import av
import numpy as np
import pytest

from unveil.live import virtual_camera
from unveil.live.virtual_camera import VirtualCamera
from unveil.protection.sinks.sink import Sink
from unveil.video.chunk import Layout, Planes

SMALL, LARGE = Layout(48, 64, 1, 1), Layout(96, 128, 1, 1)


def planes_of(layout: Layout, level: int) -> Planes:
    luma, cb, cr = layout.empty(1)
    for plane in (luma, cb, cr):
        plane[:] = level
    return luma[0], cb[0], cr[0]


class Cameras:
    """Opens cameras that keep what happens to them."""

    def __init__(self) -> None:
        self.events: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self.fails_to_open = self.fails_to_write = 0

    def open(self, layout: Layout) -> Sink:
        """Open, or fail."""
        if self.fails_to_open:
            self.fails_to_open -= 1
            self.events.put(("refused",))
            raise RuntimeError("no camera")
        self.events.put(("open", layout.width))
        return self

    notes = ()

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Keep size and level, or fail."""
        if self.fails_to_write:
            self.fails_to_write -= 1
            raise OSError("unplugged")
        level = int(np.frombuffer(memoryview(frame.planes[0]), np.uint8)[0])
        self.events.put(("write", frame.width, level))

    def finish(self, end_pts: int | None = None) -> None:
        """Note it."""
        self.events.put(("finish",))

    def discard(self) -> None:
        """Note it."""
        self.events.put(("discard",))

    def next(self) -> tuple[Any, ...]:
        """Wait for the next event."""
        return self.events.get(timeout=20)


def test_another_size_opens_the_camera_anew() -> None:
    cameras = Cameras()
    camera = VirtualCamera(None, open_camera=cameras.open)
    camera.push(planes_of(SMALL, 7), SMALL, 0.0)
    assert [cameras.next(), cameras.next()] == [("open", 64), ("write", 64, 7)]
    camera.push(planes_of(SMALL, 8), SMALL, 0.1)
    assert cameras.next() == ("write", 64, 8)
    camera.push(planes_of(LARGE, 9), LARGE, 0.2)
    expected = [("finish",), ("open", 128), ("write", 128, 9)]
    assert [cameras.next() for _ in expected] == expected
    camera.close()
    assert cameras.next() == ("discard",)


def test_a_camera_that_fails_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_camera, "RETRY_SECONDS", 0.01)
    cameras = Cameras()
    cameras.fails_to_open = cameras.fails_to_write = 1
    camera = VirtualCamera("Unveil", open_camera=cameras.open)
    camera.push(planes_of(SMALL, 1), SMALL, 0.0)
    assert cameras.next() == ("refused",)
    camera.push(planes_of(SMALL, 2), SMALL, 0.1)
    assert [cameras.next(), cameras.next()] == [("open", 64), ("discard",)]
    assert camera.state()["on"] is False
    camera.push(planes_of(SMALL, 3), SMALL, 0.2)
    assert [cameras.next(), cameras.next()] == [("open", 64), ("write", 64, 3)]
    camera.close()


def test_closing_a_camera_that_waits() -> None:
    camera = VirtualCamera(None, open_camera=Cameras().open)
    assert camera.state()["message"] == "the virtual camera waits for the first frame"
    camera.close()
    assert "unveil-camera" not in {thread.name for thread in threading.enumerate()}


def test_without_a_driver_the_message_names_it() -> None:
    pytest.importorskip("pyvirtualcam", reason="pyvirtualcam is in the extra camera")
    camera = VirtualCamera("/dev/video-none")
    camera.push(planes_of(SMALL, 1), SMALL, 0.0)
    for _ in range(2000):
        if "waits" not in camera.state()["message"]:
            break
        threading.Event().wait(0.01)
    assert "v4l2loopback" in camera.state()["message"]
    camera.close()
