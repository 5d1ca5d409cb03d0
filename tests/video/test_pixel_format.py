"""Planes against FFmpeg's own conversions and against plain slicing."""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
import pytest
from av.video.format import names as all_format_names

from tests.footage import U8, noise_frames, rows_of
from unveil.video.chunk import Colour, Layout, Planes
from unveil.video.pixel_format import PlaneReader

NATIVE = {
    "yuv420p": (1, 1),
    "yuv422p": (0, 1),
    "yuv444p": (0, 0),
    "yuvj420p": (1, 1),
    "yuvj422p": (0, 1),
    "yuvj444p": (0, 0),
    "gbrp": (0, 0),
}
SIZES = [(1, 1), (3, 5), (2, 2), (17, 33), (16, 64), (5, 16384)]


def read(frame: av.VideoFrame) -> tuple[Layout, Planes]:
    reader = PlaneReader()
    layout = reader.layout_of(frame)
    planes = layout.empty(3)
    for plane in planes:
        plane[:] = 99
    reader.copy_into(frame, planes, 1)
    assert all((plane[::2] == 99).all() for plane in planes), "only one frame is written"
    luma, cb, cr = planes
    return layout, (luma[1], cb[1], cr[1])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NATIVE)
def test_native_planes_are_copied_without_padding(name: str, size: tuple[int, int]) -> None:
    height, width = size
    (frame,) = noise_frames(1, height, width, name)
    shift_y, shift_x = NATIVE[name]
    layout, planes = read(frame)
    colour = Colour("rgb", True) if name == "gbrp" else Colour("bt601", name.startswith("yuvj"))
    assert layout == Layout(height, width, shift_y, shift_x, colour)
    chroma = (-(-height >> shift_y), -(-width >> shift_x))
    for plane, source, shape in zip(planes, frame.planes, (size, chroma, chroma), strict=True):
        assert plane.shape == shape
        assert (plane == rows_of(source)[: shape[0], : shape[1]]).all()


def test_line_sizes_may_exceed_the_width() -> None:
    (frame,) = noise_frames(1, 4, 5, "yuv420p")
    assert frame.planes[0].line_size > 5


def test_bottom_up_frames_are_read_from_the_top() -> None:
    # A vertical flip gives lines in descending order of memory, without a copy.
    graph = av.filter.Graph()
    source = graph.add_buffer(width=6, height=4, format="yuv420p", time_base=1)
    flip, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flip)
    flip.link_to(sink)
    graph.configure()
    (frame,) = noise_frames(1, 4, 6, "yuv420p")
    expected = [plane[::-1] for plane in read(frame)[1]]
    graph.push(frame)
    flipped = graph.pull()
    assert flipped.planes[0].line_size < 0
    for plane, wanted in zip(read(flipped)[1], expected, strict=True):
        assert (plane == wanted).all()


def nv12(frame: av.VideoFrame) -> list[U8]:
    luma, chroma = (rows_of(plane) for plane in frame.planes)
    return [luma[:6, :8], chroma[:3, 0:8:2], chroma[:3, 1:8:2]]


def yuyv422(frame: av.VideoFrame) -> list[U8]:
    rows = rows_of(frame.planes[0])[:6]
    return [rows[:, 0:16:2], rows[:, 1:16:4], rows[:, 3:16:4]]


def yuva420p(frame: av.VideoFrame) -> list[U8]:
    luma, cb, cr, _ = (rows_of(plane) for plane in frame.planes)
    return [luma[:6, :8], cb[:3, :4], cr[:3, :4]]


def rgb24(frame: av.VideoFrame) -> list[U8]:
    picture = frame.to_ndarray()
    return [picture[..., 1], picture[..., 2], picture[..., 0]]


def bgra(frame: av.VideoFrame) -> list[U8]:
    picture = frame.to_ndarray()
    return [picture[..., 1], picture[..., 0], picture[..., 2]]


def gray(frame: av.VideoFrame) -> list[U8]:
    return [frame.to_ndarray()] * 3


@pytest.mark.parametrize("colour_range", [0, 1, 2])
@pytest.mark.parametrize("reference", [nv12, yuyv422, yuva420p, rgb24, bgra, gray])
def test_repacking_changes_no_value(
    reference: Callable[[av.VideoFrame], list[U8]], colour_range: int
) -> None:
    (frame,) = noise_frames(1, 6, 8, reference.__name__)
    frame.color_range = colour_range
    layout, planes = read(frame)
    for plane, wanted in zip(planes, reference(frame), strict=True):
        if reference is gray and colour_range == 1:
            # Studio range of grey becomes full range, for RGB has no other.
            full = (wanted.astype(float) - 16) / 219 * 255
            assert np.abs(plane - np.clip(full, 0, 255)).max() <= 0.51
        else:
            assert (plane == wanted).all()
    if layout.colour.matrix == "rgb":
        assert layout.colour.full_range
    else:
        assert layout.colour.full_range == (colour_range == 2)


@pytest.mark.parametrize("colour_range", [0, 1, 2])
@pytest.mark.parametrize(
    ("name", "shifts", "bits"),
    [
        ("yuv420p10le", (1, 1), 10),
        ("yuv422p12le", (0, 1), 12),
        ("yuv444p10le", (0, 0), 10),
        ("yuv444p16le", (0, 0), 16),
    ],
)
def test_more_than_eight_bits_are_reduced(
    name: str, shifts: tuple[int, int], bits: int, colour_range: int
) -> None:
    frame = av.VideoFrame(32, 16, name)
    frame.color_range = colour_range
    rng = np.random.default_rng(0)
    wanted = []
    for plane in frame.planes:
        values = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)
        values[:] = rng.integers(0, 2**bits, values.shape)
        # Full range maps the top value to 255, studio range 235 * 4 to 235.
        scale = 255 / (2**bits - 1) if colour_range == 2 else 2 ** (8 - bits)
        wanted.append(values[:, : plane.width] * scale)
    layout, planes = read(frame)
    assert (layout.chroma_shift_y, layout.chroma_shift_x) == shifts
    for plane, exact in zip(planes, wanted, strict=True):
        # swscale dithers; in full range it scales luma by 255/1023 but chroma by 1/4.
        assert np.abs(plane - np.minimum(exact, 255)).max() <= (2 if colour_range == 2 else 1.01)


@pytest.mark.parametrize(
    ("name", "shifts"),
    [
        ("nv12", (1, 1)),
        ("p010le", (1, 1)),
        ("nv16", (0, 1)),
        ("uyvy422", (0, 1)),
        ("nv24", (0, 0)),
        ("yuv411p", (0, 1)),
        ("yuv410p", (1, 1)),
        ("yuv440p", (0, 0)),
        ("yuvj440p", (0, 0)),
        ("yuva444p", (0, 0)),
    ],
)
def test_the_nearest_layout_keeps_the_chroma_resolution(name: str, shifts: tuple[int, int]) -> None:
    layout = PlaneReader().layout_of(av.VideoFrame(64, 64, name))
    assert (layout.chroma_shift_y, layout.chroma_shift_x) == shifts
    assert layout.colour == Colour("bt601", full_range=name.startswith("yuvj"))


@pytest.mark.parametrize("colour_range", [1, 2])
@pytest.mark.parametrize("name", ["yuv411p", "yuv410p", "yuv440p", "yuvj440p", "yuvj411p"])
def test_odd_subsampling_keeps_luma_and_flat_chroma(name: str, colour_range: int) -> None:
    (frame,) = noise_frames(1, 16, 32, name)
    frame.color_range = colour_range
    rows_of(frame.planes[1])[:] = 40
    rows_of(frame.planes[2])[:] = 200
    _, (luma, cb, cr) = read(frame)
    assert (luma == rows_of(frame.planes[0])[:, :32]).all()
    assert (cb == 40).all()
    assert (cr == 200).all()


@pytest.mark.parametrize("name", sorted({*all_format_names} - {"none"}))
def test_every_format_shows_the_same_picture(name: str) -> None:
    """Whatever swscale reads is turned into planes of the same colours."""
    y, x = np.mgrid[:16, :32]
    picture = np.stack([y * 8 + 60, x * 4 + 60, 200 - y * 4 - x * 2], 2).astype(np.uint8)
    try:
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=name)
        wanted = frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, ValueError):
        pytest.skip("swscale cannot write or read it")
    layout, planes = read(frame)
    if layout.colour.matrix == "rgb":
        target = "gbrp"
    else:
        shifts = (layout.chroma_shift_y, layout.chroma_shift_x)
        target = {(1, 1): "yuv420p", (0, 1): "yuv422p", (0, 0): "yuv444p"}[shifts]
    again = av.VideoFrame(32, 16, target)
    again.color_range = 2 if layout.colour.full_range else 1
    for plane, target_plane in zip(planes, again.planes, strict=True):
        rows_of(target_plane)[:, : plane.shape[1]] = plane
    shown = again.to_ndarray(format="rgb24").astype(int)
    # swscale itself reads some big-endian formats wrongly into rgb24: the picture decides there.
    assert min(np.abs(shown - wanted).mean(), np.abs(shown - picture).mean()) < 4


def test_the_matrix_comes_from_the_tag() -> None:
    reader = PlaneReader()
    matrices = {}
    for tag in range(15):
        frame = av.VideoFrame(2, 2, "yuv420p")
        frame.colorspace = tag
        matrices[tag] = reader.layout_of(frame).colour.matrix
    named = {1: "bt709", 4: "fcc", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
    named[8] = "rgb"  # Y'CgCo is converted
    assert matrices == {tag: named.get(tag, "bt601") for tag in range(15)}


def test_the_range_comes_from_the_tag_or_the_format() -> None:
    reader = PlaneReader()
    full = {}
    for name in ("yuv420p", "yuvj420p"):
        for tag in (0, 1, 2):
            frame = av.VideoFrame(2, 2, name)
            frame.color_range = tag
            full[name, tag] = reader.layout_of(frame).colour.full_range
    assert [full["yuv420p", tag] for tag in (0, 1, 2)] == [False, False, True]
    assert all(full["yuvj420p", tag] for tag in (0, 1, 2))


def test_one_reader_serves_changing_frames() -> None:
    reader = PlaneReader()
    for _ in range(2):
        for name, size in (("nv12", (4, 6)), ("rgb24", (5, 3)), ("yuv444p", (4, 6))):
            (frame,) = noise_frames(1, *size, name)
            layout = reader.layout_of(frame)
            planes = layout.empty(1)
            reader.copy_into(frame, planes, 0)
            for plane, wanted in zip(planes, read(frame)[1], strict=True):
                assert (plane[0] == wanted).all()


def test_wrong_arrays_are_refused() -> None:
    (frame,) = noise_frames(1, 4, 6, "yuv420p")
    with pytest.raises(ValueError, match="broadcast"):
        PlaneReader().copy_into(frame, Layout(5, 6, 1, 1).empty(1), 0)
