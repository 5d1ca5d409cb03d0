"""What `protect` writes, as FFmpeg itself reads it: size, rate, length, colours, sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.footage import rows_of
from tests.sitter import Watcher, seated
from unveil.protection import protect

N_FRAMES, RATE = 12, 25
GREEN, SKIN = (40, 150, 60), (200, 140, 110)
"""Of the background that is shown, and of the person."""


@dataclass(frozen=True)
class Made:
    """How an input is made, and which tags its output must have.

    `tags` are matrix, range, primaries and transfer; a None is not compared.
    """

    name: str
    codec: str
    pixel_format: str
    tags: tuple[int | None, int | None, int | None, int | None]
    height: int = 64
    width: int = 96
    options: tuple[tuple[str, str], ...] = ()
    sound: str | None = None
    aspect: Fraction | None = None
    rotation: int = 0
    value_range: int | None = None


X264 = (("qp", "1"), ("preset", "ultrafast"))


def tagged(**names: str) -> tuple[tuple[str, str], ...]:
    return (*X264, ("x264-params", ":".join(f"{key}={value}" for key, value in names.items())))


BT709 = tagged(colormatrix="bt709", colorprim="bt709", transfer="bt709")
P170 = tagged(colormatrix="smpte170m", colorprim="smpte170m", transfer="smpte170m")
YCGCO = tagged(colormatrix="ycgco")
PQ = tagged(colormatrix="bt2020nc", colorprim="bt2020", transfer="smpte2084")
HLG = tagged(colormatrix="bt2020nc", colorprim="bt2020", transfer="arib-std-b67")

INPUTS = [
    Made("plain.mp4", "libx264", "yuv420p", (2, None, 2, 2), options=X264, sound="aac"),
    Made("bt709.mkv", "libx264", "yuv420p", (1, None, 1, 1), options=BT709, sound="libopus"),
    Made("bt601.mkv", "libx264", "yuv422p", (6, None, 6, 6), options=P170),
    Made("full.mkv", "libx264", "yuv444p", (2, 2, 2, 2), options=X264, value_range=2),
    Made("rgb.mkv", "libx264rgb", "rgb24", (6, 1, 2, 2), options=X264, sound="libopus"),
    Made("rgb-hd.mkv", "libx264rgb", "bgr24", (1, 1, 2, 2), 720, 96, X264),
    Made("bgr0.mkv", "ffv1", "bgr0", (6, 1, None, None)),
    Made("lossless.mov", "png", "rgba", (6, 1, None, None)),
    Made("still.apng", "apng", "rgb24", (6, 1, None, None)),
    Made("grey.mkv", "ffv1", "gray", (6, 1, 2, 2)),
    Made("ycgco.mkv", "libx264", "yuv444p", (6, 1, 2, 2), options=YCGCO),
    Made("pq.mkv", "libx264", "yuv420p10le", (6, 1, 1, 1), options=PQ),
    Made("hlg.mkv", "libx264", "yuv420p10le", (6, 1, 1, 1), options=HLG),
    Made("wide.mp4", "libx264", "yuv420p", (2, None, 2, 2), options=X264, aspect=Fraction(16, 11)),
    Made("turned.mp4", "libx264", "yuv422p", (2, None, 2, 2), 96, 64, X264, rotation=90),
    Made("jpeg.avi", "mjpeg", "yuvj422p", (5, 2, None, None)),
]
OUTPUTS = ["mp4", "mkv", "webm", "mov"]


def picture_of(made: Made) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw the stored picture: the person in a room of another colour."""
    height, width = made.height, made.width
    if made.rotation % 180:
        height, width = width, height
    picture = np.full((height, width, 3), (30, 60, 170), np.uint8)
    picture[height // 4 :, width // 3 : 2 * width // 3] = SKIN
    return np.ascontiguousarray(np.rot90(picture, made.rotation // 90))


def write_input(folder: Path, made: Made) -> Path:
    path = folder / made.name
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(made.codec, rate=RATE, options=dict(made.options))
        stream.height, stream.width, stream.pix_fmt = made.height, made.width, made.pixel_format
        if made.aspect is not None:
            stream.codec_context.sample_aspect_ratio = made.aspect
        if made.rotation:
            stream.set_display_rotation(-made.rotation)
        if made.value_range is not None:
            stream.codec_context.color_range = made.value_range
        sound: Any = None
        if made.sound is not None:
            sound = output.add_stream(made.sound, rate=48000, layout="mono")
        whole = made.value_range or (2 if made.pixel_format.startswith(("yuvj", "gray")) else 1)
        frame = av.VideoFrame.from_ndarray(picture_of(made), "rgb24").reformat(
            format=made.pixel_format, dst_color_range=whole
        )
        for number in range(N_FRAMES):
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        for packet in silence(sound) if sound is not None else ():
            output.mux(packet)
    return path


def silence(stream: Any) -> Iterator[Any]:
    """Encode as much silence as there are frames."""
    size = stream.codec_context.frame_size or 960
    name = stream.codec_context.format.name
    kind = np.float32 if name.startswith("fl") else np.int16
    for first in range(0, N_FRAMES * 48000 // RATE, size):
        heard = av.AudioFrame.from_ndarray(np.zeros((1, size), kind), name, "mono")
        heard.sample_rate, heard.pts, heard.time_base = 48000, first, Fraction(1, 48000)
        yield from stream.encode(heard)
    yield from stream.encode(None)


@dataclass(frozen=True)
class Seen:
    """What FFmpeg says of a file."""

    frame: av.VideoFrame
    times: list[float]
    aspect: Fraction
    rate: Fraction | None
    sound_begin: float | None
    duration: float

    @property
    def rgb(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The first frame as FFmpeg converts it by its tags."""
        picture = self.frame.reformat(format="rgb24").to_ndarray()
        return np.asarray(picture, np.uint8)


def read(path: Path) -> Seen:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        begin = None
        duration = (container.duration or 0) / 1e6
        aspect, rate = stream.sample_aspect_ratio or Fraction(1), stream.average_rate
    with av.open(str(path)) as container:
        if container.streams.audio:
            packets = [packet for packet in container.demux(audio=0) if packet.size]
            begin = float(packets[0].pts * packets[0].time_base)
    times = [float(frame.pts * frame.time_base) for frame in frames]
    return Seen(frames[0], times, aspect, rate, begin, duration)


def displayed(frame: av.VideoFrame, made: Made) -> tuple[int, int]:
    """Return rows and columns of an input's frame after its rotation."""
    size = frame.height, frame.width
    return size[::-1] if made.rotation % 180 else size


@pytest.mark.parametrize("suffix", OUTPUTS)
@pytest.mark.parametrize("made", INPUTS, ids=lambda made: made.name)
def test_ffmpeg_reads_what_it_should(tmp_path: Path, made: Made, suffix: str) -> None:
    source = write_input(tmp_path, made)
    given = read(source)
    height, width = displayed(given.frame, made)
    output = tmp_path / f"out.{suffix}"
    mask = seated(height, width)
    watcher = Watcher(lambda number: mask)
    done = protect(
        source,
        output,
        background="#{:02x}{:02x}{:02x}".format(*GREEN),
        segmenter=watcher,
        smooth=1,
        crf=4,
        threads=2,
        # WebM holds Opus; that the others refuse or take a codec is tested elsewhere.
        sound=not (suffix == "webm" and made.sound == "aac")
        and not (suffix == "mov" and made.sound == "libopus"),
    )
    seen = read(output)
    if made.aspect is not None and suffix == "webm":  # which holds no aspect that FFmpeg writes
        assert (seen.frame.height, seen.frame.width) == (height, 140)
        width = 140
    else:
        assert (seen.frame.height, seen.frame.width) == (height, width)
        assert seen.aspect == (1 / given.aspect if made.rotation % 180 else given.aspect)
    assert len(seen.times) == len(given.times) == N_FRAMES
    assert np.diff(seen.times) == pytest.approx(np.diff(given.times), abs=0.002)
    assert abs(seen.duration - N_FRAMES / RATE) < 0.06
    if seen.rate is not None:
        assert float(seen.rate) == pytest.approx(RATE, rel=0.02)
    if done.report["output"]["sound_streams"]:
        assert given.sound_begin is not None
        assert seen.sound_begin is not None
        offset = (seen.sound_begin - seen.times[0]) - (given.sound_begin - given.times[0])
        assert abs(offset) < 0.03

    frame = seen.frame
    tags = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
    assert [
        None if wanted is None else int(tag) for tag, wanted in zip(tags, made.tags, strict=True)
    ] == list(made.tags)
    assert frame.format.name.startswith("yuv")
    assert not frame.interlaced_frame

    # The background has its colour, and the person that of the input, for whoever reads the tags.
    corner = seen.rgb[4:12, 4:12].astype(int)
    assert np.abs(corner - GREEN).max() <= 8
    if made.name in ("pq.mkv", "hlg.mkv", "ycgco.mkv"):
        return  # FFmpeg's plain conversion reads neither; tests/video/test_sdr.py compares these
    person = seen.rgb[height // 2 : height - 6, width // 2 - 4 : width // 2 + 4].astype(int)
    if made.pixel_format == "gray":
        assert np.ptp(person, axis=2).max() <= 4
        return
    assert np.abs(person - SKIN).max() <= 10


def test_pictures_of_anamorphic_footage_have_square_pixels(tmp_path: Path) -> None:
    made = Made("wide.mkv", "libx264", "yuv420p", (2, 0, 2, 2), options=X264, aspect=Fraction(2))
    source = write_input(tmp_path, made)
    protect(source, tmp_path / "f%02d.png", background="white", segmenter=Watcher(), smooth=1)
    with Image.open(tmp_path / "f01.png") as picture:
        assert picture.size == (192, 64)
        shown = np.asarray(picture)
    assert np.abs(shown[40, 70:122].astype(int) - SKIN).max() < 12
    assert shown[:, :40].min() > 250


def test_interlaced_footage_comes_out_progressive(tmp_path: Path) -> None:
    from tests.video.test_deinterlace import combing, interlaced_frames

    path = tmp_path / "tape.mkv"
    with av.open(str(path), "w") as output:
        options = {"flags": "+ildct+ilme", "qscale": "2"}
        stream = output.add_stream("mpeg2video", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in interlaced_frames(8):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    done = protect(path, tmp_path / "out.mkv", blur=4, segmenter=Watcher(), smooth=1, crf=1)
    assert "interlaced frames: deinterlaced" in done.notes
    with av.open(str(tmp_path / "out.mkv")) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 8
    assert not any(frame.interlaced_frame for frame in frames)
    assert combing(rows_of(frames[4].planes[0])[20:60, 36:60]) < 5


def test_turned_422_keeps_its_transparency(tmp_path: Path) -> None:
    made = Made("turned.mkv", "libx264", "yuv422p", (2, 0, 2, 2), 96, 64, X264, rotation=90)
    source = write_input(tmp_path, made)
    for name, codec in (("a.webm", None), ("b.mkv", "ffv1"), ("c.mov", "qtrle")):
        done = protect(
            source, tmp_path / name, mode="remove", codec=codec, segmenter=Watcher(), smooth=1
        )
        assert done.report["output"]["transparent"]
        assert not done.report["frames_failed_closed"]
        assert done.notes == ()
    (frame, *_) = decoded_with_alpha(tmp_path / "a.webm")
    assert (frame.height, frame.width) == (64, 96)
    alpha = rows_of(frame.planes[3])[:, :96]
    assert alpha[40, 48] > 250
    assert alpha[:, :24].max() < 5


def decoded_with_alpha(path: Path) -> list[av.VideoFrame]:
    from tests.sitter import decoded

    return decoded(path, "libvpx-vp9")


def test_no_detail_of_a_recording_that_grows_is_lost(tmp_path: Path) -> None:
    """The largest size is that of the output; a small or turned frame is shown whole."""
    parts = []
    for n, (height, width) in enumerate([(32, 48), (64, 96), (64, 32)]):
        made = Made(f"{n}.h264", "libx264", "yuv420p", (2, 0, 2, 2), height, width, X264)
        parts.append(write_input(tmp_path, made).read_bytes())
    (tmp_path / "call.h264").write_bytes(b"".join(parts))
    done = protect(
        tmp_path / "call.h264",
        tmp_path / "out.mkv",
        background="white",
        segmenter=Watcher(lambda number: everybody()),
        smooth=1,
        crf=1,
    )
    assert any("24 frames of another size" in note for note in done.notes)
    with av.open(str(tmp_path / "out.mkv")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert {frame.shape for frame in frames} == {(64, 96, 3)}
    assert len(frames) == 3 * N_FRAMES
    for frame in frames[: 2 * N_FRAMES]:
        assert np.abs(frame[40, 40:56].astype(int) - SKIN).max() < 12
    for frame in frames[2 * N_FRAMES :]:  # 32 columns in the middle, black beside them
        assert frame[:, :28].max() < 12
        assert np.abs(frame[40, 44:52].astype(int) - SKIN).max() < 12
        assert np.abs(frame[8, 34:60].astype(int) - (30, 60, 170)).max() < 14


def everybody() -> Any:
    mask = seated()
    mask.probability[:] = 1
    return mask
