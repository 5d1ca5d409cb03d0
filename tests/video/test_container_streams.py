"""Containers with several video streams: which one is read, and how it is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests.footage import numbered_frames, numbers_of
from tests.sitter import Watcher, decoded
from unveil.errors import InvalidParameter
from unveil.protection import protect
from unveil.recovery.recover import recover
from unveil.timeline.timeline import draw_timeline
from unveil.video.reader import open_video

SIZES = ((48, 64), (32, 48), (64, 80))


def write_streams(path: Path, default: int | None = None, cover: bool = False) -> Path:
    """Write three streams of 10, 11 and 12 frames, numbered from 0, 100 and 200."""
    with av.open(str(path), "w") as output:
        streams: list[Any] = []
        for number, (height, width) in enumerate(SIZES):
            stream: Any = output.add_stream("libx264", rate=10, options={"qp": "0"})
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            if default is not None:
                stream.disposition = Disposition.default if number == default else Disposition(0)
            streams.append(stream)
        if cover:
            picture: Any = output.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            streams.append(picture)
        for number, (stream, (height, width)) in enumerate(zip(streams, SIZES, strict=False)):
            for frame in numbered_frames(10 + number, height, width, first=100 * number):
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        if cover:
            output.mux(streams[-1].encode(av.VideoFrame(32, 32, "yuvj420p")))
            output.mux(streams[-1].encode(None))
    return path


def numbers(path: Path, stream: int | None = None) -> tuple[list[int], list[str], int]:
    with open_video(path, stream=stream) as video:
        read = [n for chunk in video.chunks() for n in numbers_of(chunk.planes)]
        assert video.properties.video_streams == 3
    return read, video.tally.warnings, video.properties.stream


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("name", ["call.mkv", "call.mp4", "call.ts", "call.nut", "cover.mp4"])
def test_a_stream_is_chosen_by_its_number(tmp_path: Path, name: str, number: int) -> None:
    path = write_streams(tmp_path / name, cover=name.startswith("cover"))
    read, warnings, stream = numbers(path, number)
    assert read == list(range(100 * number, 100 * number + 10 + number))
    assert (warnings, stream) == ([], number)


@pytest.mark.parametrize("default", range(3))
@pytest.mark.parametrize("name", ["call.mkv", "call.mp4"])
def test_the_default_stream_is_read_and_named(tmp_path: Path, name: str, default: int) -> None:
    path = write_streams(tmp_path / name, default)
    read, (warning,), stream = numbers(path)
    assert read[0] == 100 * default
    assert stream == default
    assert warning == (
        "holds 3 video streams: 0 (h264, 64x48), 1 (h264, 48x32), 2 (h264, 80x64); "
        f"number {default} is read, --stream chooses another one"
    )


def test_every_command_reads_the_chosen_stream(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "call.mkv")
    for number, (height, width) in enumerate(SIZES):
        recovery = recover(path, stream=number, method="rarest")
        assert recovery.background.shape[:2] == (height, width)
        assert recovery.report["input"]["stream"] == number
        protect(
            path,
            tmp_path / "out.mkv",
            stream=number,
            background="white",
            threads=2,
            smooth=1,
            force=True,
            segmenter=Watcher(),
        )
        shown = decoded(tmp_path / "out.mkv")
        assert (len(shown), shown[0].height, shown[0].width) == (10 + number, height, width)
        place = (width - 1, height - 1)  # outside of the smaller streams
        drawn = draw_timeline(
            path, [place], tmp_path / "strip.png", stream=number, method="rarest", force=True
        )
        assert drawn.n_frames == 10 + number
        assert np.ptp(drawn.colours) > 0


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (3, "stream: call.mkv has 3 video streams, no number 3; they count from 0"),
        (-1, "stream: -1 is no number of a stream; they count from 0"),
    ],
)
def test_a_number_without_a_stream_is_refused(tmp_path: Path, number: int, said: str) -> None:
    path = write_streams(tmp_path / "call.mkv")
    with pytest.raises(InvalidParameter) as caught, open_video(path, stream=number):
        pass
    assert str(caught.value) == said
