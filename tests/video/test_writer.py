"""Encoding: colours, sizes, times, and no half-written file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.errors import InvalidParameter, OutputUnwritable
from unveil.video.pixel_format import ColourTags, PictureReader
from unveil.video.writer import VideoWriter


def gradient(height: int, width: int, phase: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth RGB picture of shape (height, width, 3) with every channel in use."""
    y, x = np.mgrid[0:height, 0:width]
    red = x * 255 // max(1, width - 1)
    green = y * 255 // max(1, height - 1)
    return np.stack([red, green, (red + green + phase) // 3 % 256], axis=2).astype(np.uint8)


def write(path: Path, frames: list[npt.NDArray[np.uint8]], **options: object) -> Path:
    height, width, _ = frames[0].shape
    settings = {"height": height, "width": width, "frame_rate": 30} | options
    with VideoWriter(path, **settings) as video:
        for frame in frames:
            video.write(frame)
    return path


def read(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p"])
def test_colours_survive_the_round_trip(tmp_path: Path, pixel_format: str) -> None:
    picture = gradient(96, 128)
    path = write(tmp_path / "a.mp4", [picture] * 3, crf=1, pixel_format=pixel_format)
    decoded = [frame.to_ndarray(format="rgb24") for frame in read(path)]
    assert len(decoded) == 3
    for got in decoded:
        assert np.abs(got.astype(int) - picture).mean() < 1.5


def test_pure_colours_are_encoded_as_bt601_studio_range(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (255, 255, 0), (0, 255, 255), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
    frames = [np.full((32, 32, 3), colour, np.uint8) for colour in colours]
    decoded = read(write(tmp_path / "a.mp4", frames, crf=1))
    assert len(decoded) == len(colours)
    for (red, green, blue), frame in zip(colours, decoded, strict=True):
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        wanted = (
            16 + luma * 219 / 255,
            128 + (blue - luma) / (2 * (1 - 0.114)) * 224 / 255,
            128 + (red - luma) / (2 * (1 - 0.299)) * 224 / 255,
        )
        for plane, value in zip(frame.planes, wanted, strict=True):
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            assert np.abs(rows[:, : plane.width].astype(float) - value).max() <= 2
        assert frame.color_range == 1
        assert frame.colorspace in (5, 6)  # BT.470BG and SMPTE 170M, both BT.601


def test_lossless_returns_the_encoded_samples(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (16, 24, 3), dtype=np.uint8) for _ in range(4)]
    decoded = read(write(tmp_path / "a.mkv", frames, crf=0, pixel_format="yuv444p"))
    for frame, picture in zip(decoded, frames, strict=True):
        got = frame.to_ndarray(format="rgb24").astype(int)
        # Two roundings stand between a colour and its return: to Y'CbCr and back.
        assert np.abs(got - picture).max() <= 4


@pytest.mark.parametrize("width", [160, 100])
def test_rows_that_x264_does_not_fill_give_the_same_bytes(tmp_path: Path, width: int) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (24, 90, width, 3), dtype=np.uint8)
    frames[:, :60] = 90
    for n in range(24):
        frames[n, 20:, 20 + n : 60 + n] = (230, 20, 30)
    contents = set()
    for _ in range(6):
        junk = [rng.bytes(100_000 + 7_777 * n) for n in range(30)]  # what memory may hold
        del junk
        with VideoWriter(
            tmp_path / "a.mp4", height=90, width=width, frame_rate=30, crf=20
        ) as writer:
            for frame in frames:
                writer.write(frame)
        contents.add((tmp_path / "a.mp4").read_bytes())
    assert len(contents) == 1


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(20)]
    first = write(tmp_path / "a.mp4", frames, bit_rate=300_000).read_bytes()
    second = write(tmp_path / "b.mp4", frames, bit_rate=300_000).read_bytes()
    assert first == second


@settings(max_examples=15)
@given(st.integers(1, 35), st.integers(1, 35), st.integers(1, 4))
def test_any_small_size_is_encoded(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, n_frames: int
) -> None:
    frames = [gradient(height, width, phase) for phase in range(n_frames)]
    path = write(tmp_path_factory.mktemp("sizes") / "a.mkv", frames, crf=4)
    decoded = read(path)
    assert [(frame.height, frame.width) for frame in decoded] == [(height, width)] * n_frames


@pytest.mark.parametrize(
    ("height", "width", "wanted", "stored"),
    [
        (4, 4, "yuv420p", "yuv420p"),
        (3, 4, "yuv420p", "yuv444p"),
        (4, 5, "yuv420p", "yuv444p"),
        (5, 4, "yuv422p", "yuv422p"),
        (4, 5, "yuv422p", "yuv444p"),
        (5, 5, "gray", "gray"),
    ],
)
def test_odd_sizes_keep_all_their_chroma(
    tmp_path: Path, height: int, width: int, wanted: str, stored: str
) -> None:
    writer = VideoWriter(
        tmp_path / "a.mp4", height=height, width=width, frame_rate=30, pixel_format=wanted
    )
    assert writer.pixel_format == stored


def test_decoded_frames_are_taken_in_their_own_colours(tmp_path: Path) -> None:
    picture = gradient(48, 64)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="itu709"
    )
    frame.pts = 12345
    with VideoWriter(tmp_path / "a.mp4", height=48, width=64, frame_rate=25, crf=1) as video:
        video.write(frame)
    assert frame.pts == 12345
    (decoded,) = read(tmp_path / "a.mp4")
    got = decoded.to_ndarray(format="rgb24").astype(int)
    assert np.abs(got - picture).mean() < 2.5


@pytest.mark.parametrize(("source_range", "luma"), [(1, 200), (2, 188)])
def test_full_range_frames_are_taken_as_such(tmp_path: Path, source_range: int, luma: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((24, 16), 128, np.uint8), format="yuv420p")
    luma_plane = frame.planes[0]
    luma_plane.update(np.full(luma_plane.buffer_size, 200, np.uint8).tobytes())
    frame.color_range = source_range
    frame.colorspace = 5
    with VideoWriter(tmp_path / "a.mp4", height=16, width=16, frame_rate=25, crf=1) as video:
        video.write(frame)
    (decoded,) = read(tmp_path / "a.mp4")
    plane = decoded.planes[0]
    got = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, :16]
    assert np.abs(got.astype(int) - luma).max() <= 1


def test_a_frame_that_needs_no_conversion_keeps_its_own_time(tmp_path: Path) -> None:
    (source,) = read(write(tmp_path / "a.mp4", [gradient(16, 16)]))
    source.pts, source.time_base = 77, Fraction(1, 1000)
    with VideoWriter(tmp_path / "b.mp4", height=16, width=16, frame_rate=25) as video:
        video.write(source)
    assert (source.pts, source.time_base) == (77, Fraction(1, 1000))


@pytest.mark.parametrize(
    "rate", [30, 29.97, 30000 / 1001, Fraction(30000, 1001), 0.5, 1, 240, 7.123456]
)
def test_times_follow_the_frame_rate(tmp_path: Path, rate: Fraction | float) -> None:
    frames = [gradient(16, 16, phase) for phase in range(9)]
    decoded = read(write(tmp_path / "a.mp4", frames, frame_rate=rate))
    times = [frame.time for frame in decoded]
    assert times == pytest.approx(
        [n / float(rate) for n in range(9)], abs=2e-3 / float(rate) + 1e-4
    )


def test_keyframes_come_as_often_as_asked(tmp_path: Path) -> None:
    frames = [gradient(32, 32, phase * 3) for phase in range(20)]
    decoded = read(write(tmp_path / "a.mp4", frames, keyframe_interval=5))
    assert [n for n, frame in enumerate(decoded) if frame.key_frame][:4] == [0, 5, 10, 15]


def test_a_bit_rate_is_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 256, (96, 96, 3), dtype=np.uint8) for _ in range(60)]
    small = write(tmp_path / "a.mp4", frames, bit_rate=200_000).stat().st_size
    large = write(tmp_path / "b.mp4", frames, bit_rate=800_000).stat().st_size
    assert 2 * small < large
    assert large * 8 / 2 == pytest.approx(800_000, rel=0.5)


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    def frames() -> Iterator[npt.NDArray[np.uint8]]:
        yield gradient(16, 16)
        raise RuntimeError("stop")

    def encode() -> None:
        with VideoWriter(tmp_path / "a.mp4", height=16, width=16, frame_rate=30) as video:
            for frame in frames():
                video.write(frame)

    with pytest.raises(RuntimeError, match="stop"):
        encode()
    assert list(tmp_path.iterdir()) == []


def test_the_name_appears_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"earlier")
    with VideoWriter(path, height=16, width=16, frame_rate=30) as video:
        video.write(gradient(16, 16))
        assert path.read_bytes() == b"earlier"
        assert video.frames_written == 1
    assert len(read(path)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": "no-such-codec"}, "no-such-codec"),
        ({"codec": "aac"}, "aac"),
        ({"pixel_format": "no-such-format"}, "no-such-format"),
        ({"pixel_format": "rgb24"}, "rgb24"),
        ({"height": 0}, "16384"),
        ({"width": 20000}, "16384"),
        ({"frame_rate": 0}, "frame_rate"),
        ({"frame_rate": float("nan")}, "frame_rate"),
        ({"frame_rate": float("inf")}, "frame_rate"),
        ({"frame_rate": 1e-9}, "frame_rate"),
        ({"crf": 99}, "crf"),
        ({"crf": 20, "bit_rate": 1000}, "crf, bit_rate"),
        ({"bit_rate": 0}, "bit_rate"),
        ({"keyframe_interval": 0}, "keyframe_interval"),
        ({"threads": 0}, "threads"),
        ({"codec": "mpeg4", "crf": 20}, "crf"),
        ({"preset": "no-such-preset"}, "libx264"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    arguments = {"height": 16, "width": 16, "frame_rate": 30} | options
    with (
        pytest.raises(InvalidParameter, match=message),
        VideoWriter(tmp_path / "a.mp4", **arguments),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.zzz", "a"])
def test_unknown_containers_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidParameter, match="container"):
        write(tmp_path / name, [gradient(16, 16)])


@pytest.mark.parametrize("name", ["a.m3u8", "a.mpd", "a.jpg", "a-%d.jpg"])
def test_containers_of_several_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidParameter, match="more than one file"):
        write(tmp_path / name, [gradient(16, 16)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((16, 17, 3), np.uint8),
        np.zeros((16, 16), np.uint8),
        np.zeros((16, 16, 4), np.uint8),
        np.zeros((16, 16, 3), np.float32),
        av.VideoFrame(32, 16, "yuv420p"),
    ],
)
def test_frames_of_another_shape_are_refused(tmp_path: Path, frame: object) -> None:
    with (
        VideoWriter(tmp_path / "a.mp4", height=16, width=16, frame_rate=30) as video,
        pytest.raises(InvalidParameter, match="write"),
    ):
        video.write(frame)


def test_views_are_taken(tmp_path: Path) -> None:
    picture = gradient(32, 32)
    view = np.ascontiguousarray(picture[:, ::-1])[:, ::-1]
    assert not view.flags.c_contiguous
    one = write(tmp_path / "a.mp4", [picture]).read_bytes()
    assert write(tmp_path / "b.mp4", [view]).read_bytes() == one


def test_writing_outside_the_context_is_refused(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", height=16, width=16, frame_rate=30)
    with pytest.raises(InvalidParameter, match="with statement"):
        writer.write(gradient(16, 16))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="nowhere"):
        write(tmp_path / "nowhere" / "a.mp4", [gradient(16, 16)])


def test_a_folder_in_the_way_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(OutputUnwritable, match=r"a\.mp4"):
        write(tmp_path / "a.mp4", [gradient(16, 16)])
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_an_overfull_disk_is_reported(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    rng = np.random.default_rng(3)
    frames = [rng.integers(0, 256, (128, 128, 3), dtype=np.uint8) for _ in range(30)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OutputUnwritable, match=r"a\.mp4"):
            write(tmp_path / "a.mp4", frames, crf=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_given_times_are_kept(tmp_path: Path) -> None:
    times = [0, 40, 50, 400]
    with VideoWriter(
        tmp_path / "a.mkv", height=16, width=16, frame_rate=25, time_base=Fraction(1, 1000)
    ) as video:
        for pts in times:
            video.write(gradient(16, 16), pts)
    got = [float(frame.pts * frame.time_base) for frame in read(tmp_path / "a.mkv")]
    assert got == pytest.approx([pts / 1000 for pts in times])


def test_tagged_frames_are_encoded_as_they_are(tmp_path: Path) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((24, 16), 250, np.uint8), format="yuv420p")
    tags = ColourTags(matrix=1, value_range=2, primaries=1, transfer=1)
    with VideoWriter(
        tmp_path / "a.mkv", height=16, width=16, frame_rate=25, codec="ffv1", tags=tags
    ) as video:
        video.write(frame)
    (decoded,) = read(tmp_path / "a.mkv")
    assert ColourTags.of(decoded) == tags
    rows = np.frombuffer(decoded.planes[0], np.uint8).reshape(16, -1)
    assert (rows[:, :16] == 250).all()


def test_a_pipe_gets_a_container_that_is_named(tmp_path: Path) -> None:
    pipe = io.BytesIO()
    with VideoWriter(
        "standard output", height=16, width=16, frame_rate=25, file=pipe, container="matroska"
    ) as video:
        for _ in range(5):
            video.write(gradient(16, 16))
    assert not pipe.closed
    (tmp_path / "a.mkv").write_bytes(pipe.getvalue())
    assert len(read(tmp_path / "a.mkv")) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("libx264", ".mp4"),
        ("libx264", ".mkv"),
        ("libvpx-vp9", ".webm"),
        ("libx265", ".mp4"),
        ("mjpeg", ".avi"),
        ("prores_ks", ".mov"),
        ("mpeg4", ".avi"),
    ],
)
@pytest.mark.parametrize("tags", [ColourTags(0, 2, 1, 13), ColourTags(2, 2, 2, 2)])
@pytest.mark.parametrize(("height", "matrix"), [(64, 6), (720, 1)])
def test_rgb_and_full_range_are_shown_right_in_any_file(
    tmp_path: Path, codec: str, suffix: str, tags: ColourTags, height: int, matrix: int
) -> None:
    """RGB is no matrix of Y'CbCr, and some encoders cannot say which range they hold."""
    colours = [(200, 60, 30), (20, 90, 220), (30, 160, 60)]
    picture = np.repeat(np.array([colours], np.uint8), 48, axis=1).repeat(height, axis=0)
    own = "gbrp" if tags.matrix == 0 else "yuvj422p"
    frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
        format=own, dst_color_range=2, dst_colorspace=None if tags.matrix == 0 else 5
    )
    known = [known.name for known in av.Codec(codec, "w").video_formats or []]
    stored = "yuv420p" if "yuv420p" in known else known[0]
    with VideoWriter(
        tmp_path / f"a{suffix}",
        height=height,
        width=144,
        frame_rate=25,
        codec=codec,
        pixel_format=stored,
        tags=tags,
    ) as video:
        for _ in range(3):
            video.write(frame)
    shown = read(tmp_path / f"a{suffix}")[0]
    if tags.matrix == 0 and codec in ("libx264", "libvpx-vp9", "libx265"):
        assert (int(shown.colorspace), int(shown.color_range)) == (matrix, 1)
    assert int(shown.colorspace) != 0
    rgb = PictureReader().rgb(shown).astype(int)
    if codec in ("mpeg4", "mjpeg") and matrix == 1 and tags.matrix == 0:
        return  # AVI holds no matrix: FFmpeg assumes BT.601
    for number, colour in enumerate(colours):
        assert np.abs(rgb[height // 2, 48 * number + 24] - colour).max() <= 12


def test_what_is_stored_as_rgb_is_tagged_so(tmp_path: Path) -> None:
    tags = ColourTags(1, 1, 1, 1)
    frame = av.VideoFrame.from_ndarray(gradient(32, 32), "rgb24").reformat(
        format="yuv444p", dst_colorspace=1
    )
    path = tmp_path / "a.mkv"
    with VideoWriter(
        path,
        height=32,
        width=32,
        frame_rate=25,
        codec="libx264rgb",
        crf=1,
        pixel_format="bgr24",
        tags=tags,
    ) as video:
        video.write(frame)
    (shown,) = read(path)
    assert int(shown.colorspace) == 0
    assert np.abs(PictureReader().rgb(shown).astype(int) - gradient(32, 32)).mean() < 3
