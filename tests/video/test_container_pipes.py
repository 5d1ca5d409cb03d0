"""Videos that come through a pipe: they are read once, from the beginning."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.footage import numbered_frames, write_video
from unveil.errors import InvalidParameter, NoFrames, UnreadableVideo
from unveil.timeline.timeline import draw_timeline
from unveil.video.reader import open_video
from unveil.video.rgb_reader import VideoPictures

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")

X264 = {"qp": "0", "preset": "veryfast", "g": "10", "bf": "2"}
LONG_GROUP = {"qp": "0", "preset": "veryfast", "g": "1000", "bf": "2"}
FORMATS = {
    "Matroska": ("call.mkv", "libx264", X264),
    "Matroska with one keyframe": ("call.mkv", "libx264", LONG_GROUP),
    "WebM": ("call.webm", "libvpx", {"g": "10"}),
    "transport stream": ("call.ts", "libx264", X264),
    "transport stream with one keyframe": ("call.ts", "libx264", LONG_GROUP),
    "program stream": ("call.mpg", "mpeg2video", {"g": "10", "bf": "2"}),
    "FLV": ("call.flv", "libx264", X264),
    "NUT": ("call.nut", "libx264", X264),
    "AVI": ("call.avi", "mjpeg", {}),
    "ASF": ("call.wmv", "wmv2", {"g": "10"}),
    "GIF": ("call.gif", "gif", {}),
    "IVF": ("call.ivf", "libvpx", {"g": "10"}),
    "YUV4MPEG": ("call.y4m", "wrapped_avframe", {}),
    "fragmented MP4": ("call.mp4", "libx264", X264),
}
"""File names, encoders and their options."""


@contextmanager
def through_a_pipe(path: Path) -> Iterator[Path]:
    """Copy a file into a named pipe as long as it is read."""
    pipe = path.with_name(f"{path.stem}.pipe")
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)

    def write() -> None:
        try:
            with pipe.open("wb") as out:
                out.write(path.read_bytes())
        except BrokenPipeError:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield pipe
    finally:
        # A reader that never came would leave the writer waiting.
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        writer.join(10)
        assert not writer.is_alive()


def seconds_of(path: Path, start: float | None = None) -> list[float]:
    with open_video(path, start_seconds=start) as video:
        return [float(s) for chunk in video.chunks() for s in chunk.pts_seconds]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write 30 frames, 10 a second, in every format."""
    paths = {}
    for kind, (name, codec, options) in FORMATS.items():
        path = tmp_path_factory.mktemp("pipes") / name
        fragments = {"movflags": "frag_keyframe+empty_moov"} if name.endswith("mp4") else {}
        pixels = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
        frames = (frame.reformat(format=pixels) for frame in numbered_frames(30))
        paths[kind] = write_video(
            path, frames, codec=codec, rate=10, options=options, container_options=fragments
        )
    return paths


@pytest.mark.parametrize("start", [None, 0.05, 0.95, 1.55, 2.85])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_start_leaves_out_what_comes_before_it(
    calls: dict[str, Path], kind: str, start: float | None
) -> None:
    """The same frames come from a file and through a pipe."""
    wanted = [i / 10 for i in range(30) if i / 10 >= (start or 0)]
    assert seconds_of(calls[kind], start) == pytest.approx(wanted, abs=1e-3)
    with through_a_pipe(calls[kind]) as pipe:
        assert seconds_of(pipe, start) == pytest.approx(wanted, abs=1e-3)


def test_a_start_behind_the_end_is_said(calls: dict[str, Path]) -> None:
    with (
        through_a_pipe(calls["Matroska"]) as pipe,
        pytest.raises(NoFrames, match="no frame between 5 s and its end"),
    ):
        seconds_of(pipe, 5)


@pytest.mark.parametrize("content", [b"This is no video.\n" * 500, b"\0\0\0\x08free" * 500, b""])
def test_a_pipe_without_a_video_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    """It cannot be opened a second time to find out why: nobody writes to it any more."""
    path = tmp_path / "call.mp4"
    path.write_bytes(content)
    with through_a_pipe(path) as pipe, pytest.raises(UnreadableVideo) as caught:
        seconds_of(pipe)
    assert str(caught.value).startswith("call.pipe: no video that can be read from a pipe")


def test_what_is_read_several_times_cannot_be_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "call.pipe"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableVideo, match="record it to a file"):
        VideoPictures(pipe)
    with pytest.raises(InvalidParameter, match="record it to a file"):
        draw_timeline(pipe, [(0, 0)], tmp_path / "strip.png")
