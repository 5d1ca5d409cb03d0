"""Virtual cameras: every frame is shown, and a missing one is told with what to install."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tests import sitter
from tests.protection.talks import RATE, white
from unveil.errors import OutputUnwritable


class FakeCamera:
    """What pyvirtualcam does, without a device."""

    made: ClassVar[list[FakeCamera]] = []

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.frames: list[Any] = []
        self.naps = 0
        self.closed = False
        FakeCamera.made.append(self)

    def send(self, picture: Any) -> None:
        """Keep it."""
        self.frames.append(picture.copy())

    def sleep_until_next_frame(self) -> None:
        """Count."""
        self.naps += 1

    def close(self) -> None:
        """Remember."""
        self.closed = True


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> list[FakeCamera]:
    FakeCamera.made = []
    module = SimpleNamespace(Camera=FakeCamera, PixelFormat=SimpleNamespace(I420="I420"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return FakeCamera.made


def test_a_virtual_camera_shows_every_frame(video: Path, cameras: list[FakeCamera]) -> None:
    done = white(video, "camera:/dev/video9")
    (camera,) = cameras
    assert done.output is None
    assert camera.options["device"] == "/dev/video9"
    assert camera.options["fps"] == pytest.approx(RATE)
    assert len(camera.frames) == camera.naps == 30
    assert camera.closed
    for shown in camera.frames:
        assert shown.shape == (sitter.HEIGHT * 3 // 2, sitter.WIDTH)
        assert (shown[: sitter.HEIGHT, :24] == 235).all()


def test_a_virtual_camera_that_is_missing(
    video: Path, cameras: list[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: Any) -> None:
        raise RuntimeError("no v4l2loopback device")

    monkeypatch.setattr(sys.modules["pyvirtualcam"], "Camera", refuse)
    for system, said in {
        "Linux": "modprobe v4l2loopback devices=1 exclusive_caps=1",
        "Darwin": "click Start and then Stop Virtual Camera",
        "Windows": r"install OBS \(obsproject",
        "FreeBSD": "there is no driver for this system",
    }.items():
        monkeypatch.setattr("platform.system", lambda system=system: system)
        with pytest.raises(OutputUnwritable, match=f"virtual camera: does not open .*; .*{said}"):
            white(video, "camera")
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputUnwritable, match=r"unveil\[camera\]"):
        white(video, "camera")
