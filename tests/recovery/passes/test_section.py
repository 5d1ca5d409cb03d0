"""`recover` and `draw_timeline` of a crop equal those of a recording that was cropped before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

import unveil
from tests.footage import U8, write_video
from unveil.cli import app
from unveil.errors import InvalidParameter

HEIGHT, WIDTH, N_FRAMES = 48, 64, 40


def planes_of(number: int) -> list[U8]:
    """Draw a background of noise, and a bar that moves over it and leaves a trace."""
    rng = np.random.default_rng(5)
    planes = [rng.integers(40, 200, size, np.uint8) for size in ((48, 64), (24, 32), (24, 32))]
    left = 2 * (number % 24)
    planes[0][:, left : left + 12] = 230
    planes[0][:, left + 12 : left + 16] = 20
    return planes


def frame_of(planes: list[U8]) -> av.VideoFrame:
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, content in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
        rows[:, : plane.width] = content
    return frame


def cropped(planes: list[U8], w: int, h: int, x: int, y: int) -> list[U8]:
    luma, *chroma = planes
    halves = [plane[y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] for plane in chroma]
    return [luma[y : y + h, x : x + w], *halves]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write a recording, and its crop 32:24:16:8; both lossless."""
    folder = tmp_path_factory.mktemp("crop")
    whole = [planes_of(number) for number in range(N_FRAMES)]
    part = [cropped(planes, 32, 24, 16, 8) for planes in whole]
    return (
        write_video(folder / "whole.mp4", map(frame_of, whole)),
        write_video(folder / "part.mp4", map(frame_of, part)),
    )


@pytest.mark.parametrize("method", ["transitions", "rarest"])
@pytest.mark.parametrize("crop", ["32:24:16:8", (32, 24, 16, 8), "33:25:17:9", "32:24:16"])
def test_a_crop_is_recovered_as_a_recording_of_its_own(
    videos: tuple[Path, Path], method: Any, crop: Any
) -> None:
    whole, part = videos
    ours = unveil.recover(whole, method=method, crop=crop)
    theirs = unveil.recover(part, method=method)
    if crop == "32:24:16":  # in the middle of the rows
        assert ours.report["selection"]["crop"] == [32, 24, 16, 12]
        return
    assert ours.recovered > 0
    for name in ("room", "background", "confidence"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.stats.equals(theirs.stats)
    assert ours.report["selection"]["crop"] == [32, 24, 16, 8]
    assert "crop" not in theirs.report["selection"]


def test_the_timeline_of_a_crop(videos: tuple[Path, Path], tmp_path: Path) -> None:
    whole, part = videos
    ours = unveil.draw_timeline(
        whole, [(3, 5)], tmp_path / "a.png", crop="32:24:16:8", method="rarest"
    )
    theirs = unveil.draw_timeline(part, [(3, 5)], tmp_path / "b.png", method="rarest")
    np.testing.assert_array_equal(ours.colours, theirs.colours)
    np.testing.assert_array_equal(ours.room, theirs.room)
    with pytest.raises(InvalidParameter, match=r"^at: 40,5 lies outside the picture of 32x24"):
        unveil.draw_timeline(whole, [(40, 5)], tmp_path / "c.png", crop="32:24:16:8")


def test_frames_of_another_size_are_left_out(tmp_path: Path) -> None:
    data = b""
    for number, (w, h, n_frames) in enumerate([(64, 48, 12), (32, 24, 5), (64, 48, 9)]):
        frames = (frame_of(cropped(planes_of(n), w, h, 0, 0)) for n in range(n_frames))
        data += write_video(tmp_path / f"{number}.h264", frames).read_bytes()
    (tmp_path / "call.h264").write_bytes(data)
    recovery = unveil.recover(tmp_path / "call.h264", method="transitions", crop="16:16:0:0")
    assert recovery.report["frames_used"] == 21
    (warning,) = [text for text in recovery.report["warnings"] if "another size" in text]
    assert warning.startswith("5 of 26 frames")


@pytest.mark.parametrize("crop", ["65:48:0:0", "32:24:40:0", "1:24:0:0", "x"])
def test_the_command_refuses_a_crop_outside_the_picture(
    videos: tuple[Path, Path], tmp_path: Path, crop: str
) -> None:
    arguments = ["recover", str(videos[0]), "-o", str(tmp_path / "out"), "--crop", crop]
    done = CliRunner().invoke(app, [*arguments, "--method", "transitions", "--quiet"])
    assert done.exit_code == 2
    assert done.stderr.startswith("unveil: --crop: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "whole").exists()


def test_the_command_writes_the_crop_into_the_report(
    videos: tuple[Path, Path], tmp_path: Path
) -> None:
    arguments = ["recover", str(videos[0]), "-o", str(tmp_path), "--crop", "32:24"]
    done = CliRunner().invoke(app, [*arguments, "--method", "transitions", "--quiet"])
    assert done.exit_code == 0
    report = json.loads((tmp_path / "whole" / "report.json").read_text())
    assert report["selection"]["crop"] == [32, 24, 16, 12]
