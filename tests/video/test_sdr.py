"""HDR, wide gamuts and odd encodings against FFmpeg's own conversion and plain formulas."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.footage import write_video
from unveil.errors import UnreadableVideo
from unveil.video.chunk import Colour, Layout
from unveil.video.pixel_format import (
    ColourTags,
    PictureReader,
    PlaneReader,
    colour_conversion,
)
from unveil.video.reader import open_video
from unveil.video.rgb_reader import VideoPictures
from unveil.video.sdr import HLG, PQ, pq_light, pq_signal, sdr_curves

pytestmark = pytest.mark.kernels

BT709, SRGB, BT2020, P3 = 1, 13, 9, 12


U8 = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def colours(seed: int, low: int, high: int) -> U8:
    """Choose 8 x 8 random colours."""
    return np.random.default_rng(seed).integers(low, high, (8, 8, 3), np.uint8)


def patches(chosen: U8) -> U8:
    """Make a patch of 8 x 8 pixels of each colour (n, m, 3)."""
    return np.kron(chosen, np.ones((8, 8, 1), np.uint8))


GREYS = np.arange(30, 190, 20, dtype=np.uint8)
PICTURE = patches(np.vstack([colours(3, 20, 170), np.tile(GREYS[:, None], (8, 1, 3))]))
"""Colours above, the greys below."""


@cache
def converted(transfer: str) -> av.VideoFrame:
    """Let FFmpeg convert `PICTURE` to the primaries of BT.2020 and another curve, in 16 bits.

    FFmpeg makes a table for that, which takes seconds whatever the size of the picture.
    """
    frame = av.VideoFrame.from_ndarray(PICTURE, "rgb24")
    frame.color_primaries, frame.color_trc, frame.color_range = BT709, BT709, 2
    return filtered(frame, "gbrp16le", f"out_transfer={transfer}:out_primaries=bt2020")


def encoded(transfer: str, name: str) -> av.VideoFrame:
    """Give `converted` in a format of Y'CbCr, in studio range."""
    return filtered(converted(transfer), name, "out_color_matrix=bt2020:out_range=tv")


def filtered(frame: av.VideoFrame, name: str, options: str) -> av.VideoFrame:
    """Let FFmpeg's filter `scale` make another format."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=1
    )
    nodes = [
        source,
        graph.add("scale", f"{options}:flags=accurate_rnd+full_chroma_int+bitexact"),
        graph.add("format", name),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    graph.push(frame)
    made = graph.pull()
    assert isinstance(made, av.VideoFrame)
    return made


@pytest.mark.parametrize("name", ["yuv444p10le", "yuv420p10le", "p010le", "yuv422p12le"])
@pytest.mark.parametrize("curve", ["smpte2084", "arib-std-b67", "bt2020-10"])
def test_what_ffmpeg_made_wide_is_read_back(name: str, curve: str) -> None:
    """Below the roll-off of the highlights every colour of BT.709 comes back."""
    frame = encoded(curve, name)
    assert int(frame.color_primaries) == BT2020
    shown = PictureReader().rgb(frame)
    middle = np.s_[3::8, 3::8]  # chroma of neighbours mixes at the patches' edges
    error = np.abs(shown[middle].astype(int) - PICTURE[middle])
    assert error.mean() < 1.5
    if "444" in name:
        assert error.max() <= 5
    if curve != "bt2020-10":
        plain = av.VideoFrame.from_ndarray(frame.reformat(format="rgb24").to_ndarray(), "rgb24")
        assert np.abs(plain.to_ndarray().astype(int) - PICTURE).max() > 40, "it does differ"


@pytest.mark.parametrize("curve", [PQ, HLG])
def test_highlights_are_rolled_off(curve: int) -> None:
    levels = np.linspace(64, 940, 300).astype(np.uint16)
    frame = av.VideoFrame(300, 2, "yuv444p10le")
    for plane, values in zip(frame.planes, (levels, 512, 512), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint16).reshape(2, -1)
        rows[:, :300] = values
    frame.color_trc, frame.color_primaries, frame.colorspace = curve, BT2020, 9
    frame.color_range = 1
    grey = PictureReader().rgb(frame)[0].astype(int)
    assert np.ptp(grey, axis=1).max() <= 1, "grey stays grey"
    assert (np.diff(grey[:, 0]) >= 0).all()
    assert grey[0, 0] == 0
    assert grey[-1, 0] == 255
    signal = (levels - 64) / 876
    if curve == PQ:
        nits = pq_light(signal)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal < 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        nits = 1000 * scene**1.2
    wanted = [255 * reference_eetf(float(light)) ** (1 / 2.4) for light in nits]
    assert np.abs(grey[:, 0] - wanted).max() <= 2
    assert abs(float(np.interp(203, nits, grey[:, 0])) - 255 * 0.9) < 3  # BT.2408's white


def reference_eetf(nits: float) -> float:
    """Follow Report ITU-R BT.2390-8, 5.4.1, step by step, for a display of 203 cd/m2."""

    def pq(light: float) -> float:
        y = (light / 10000) ** 0.1593017578125
        return float(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)

    e1 = min(1.0, pq(nits) / pq(1000))
    max_lum = pq(203) / pq(1000)
    ks = 1.5 * max_lum - 0.5
    e2 = e1
    if e1 >= ks:
        t = (e1 - ks) / (1 - ks)
        e2 = (
            (2 * t**3 - 3 * t**2 + 1) * ks
            + (t**3 - 2 * t**2 + t) * (1 - ks)
            + (-2 * t**3 + 3 * t**2) * max_lum
        )
    root = (e2 * pq(1000)) ** (1 / 78.84375)
    light = max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return float(10000 * light ** (1 / 0.1593017578125)) / 203


@settings(max_examples=60)
@given(
    curve=st.sampled_from([PQ, HLG, BT709, SRGB, 8, 4]),
    primaries=st.sampled_from([BT709, BT2020, P3, 11]),
    levels=st.lists(st.integers(0, 4095), min_size=3, max_size=3),
    lighter=st.integers(0, 600),
)
def test_more_light_is_never_darker(
    curve: int, primaries: int, levels: list[int], lighter: int
) -> None:
    curves = sdr_curves(curve, primaries, full_range=True)

    def mapped(grey: int) -> int:
        out = np.zeros((3, 1, 1), np.uint8)
        curves.apply(np.full((3, 1, 1), grey, np.uint16), (out[0], out[1], out[2]))
        assert np.ptp(out) <= 1
        return int(out[0, 0, 0])

    assert mapped(levels[0]) <= mapped(min(4095, levels[0] + lighter))
    assert (mapped(0), mapped(4095)) == (0, 255)


def test_pq_is_its_own_inverse() -> None:
    signal = np.linspace(0.01, 1, 100)
    assert np.abs(pq_signal(pq_light(signal)) - signal).max() < 1e-9
    assert math.isclose(float(pq_light(np.array(1.0))), 10_000)


def test_a_wide_gamut_of_sdr_only_changes_its_primaries() -> None:
    """A grey stays as it is; BT.709's own red comes back from Display P3."""
    picture = np.full((4, 4, 3), 137, np.uint8)
    picture[2:] = (234, 51, 35)  # sRGB's red as Display P3 has it
    frame = av.VideoFrame.from_ndarray(picture, "rgb24")
    frame.color_primaries, frame.color_trc = P3, SRGB
    shown = PictureReader().rgb(frame).astype(int)
    assert np.abs(shown[:2] - 137).max() <= 1
    assert np.abs(shown[2:] - (255, 0, 0)).max() <= 3


def test_linear_light_is_encoded() -> None:
    frame = av.VideoFrame(4, 4, "gbrpf32le")
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.float32)[:] = 0.2140
    frame.color_trc = 8
    assert np.abs(PictureReader().rgb(frame).astype(int) - 127.5).max() <= 1


def test_the_tags_are_those_of_what_is_read() -> None:
    frame = av.VideoFrame(8, 8, "yuv420p10le")
    frame.color_trc, frame.color_primaries, frame.colorspace = PQ, BT2020, 9
    assert ColourTags.of(frame) == ColourTags(0, 2, 1, 1)
    assert PlaneReader().layout_of(frame) == Layout(8, 8, colour=Colour("rgb", True))
    assert colour_conversion(frame) == "HDR (PQ) was converted to SDR of BT.709"
    plain = av.VideoFrame(8, 8, "yuv420p")
    plain.colorspace = 11
    assert ColourTags.of(plain).matrix == 6
    plain.colorspace = 0  # RGB is no matrix of Y'CbCr
    assert ColourTags.of(plain).matrix == 6


def test_an_unknown_matrix_loses_no_frame() -> None:
    """FFmpeg refuses to convert frames with such a tag."""
    frame = av.VideoFrame(8, 8, "yuv420p10le")
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint16)[:] = 400
    for matrix in (3, 11, 15):
        frame.colorspace = matrix
        reader = PlaneReader()
        planes = reader.layout_of(frame).empty(1)
        reader.copy_into(frame, planes, 0)
        assert all(np.abs(plane.astype(int) - 100).max() <= 1 for plane in planes)


@pytest.mark.parametrize(
    ("matrix", "transfer", "said"),
    [(14, PQ, r"HDR \(PQ\) with colour matrix 14"), (1, 9, "a logarithmic curve")],
)
def test_colours_that_cannot_be_read_are_refused(matrix: int, transfer: int, said: str) -> None:
    frame = av.VideoFrame(8, 8, "yuv420p10le")
    frame.colorspace, frame.color_trc = matrix, transfer
    with pytest.raises(UnreadableVideo, match=said + ".*; convert it to SDR"):
        PlaneReader().layout_of(frame)


@pytest.mark.parametrize("name", ["yuv444p", "yuv420p", "yuv444p10le"])
@pytest.mark.parametrize("value_range", [1, 2])
def test_ycgco_is_converted(name: str, value_range: int) -> None:
    """Rec. ITU-T H.273's formulas forwards; the reader's backwards."""
    picture = patches(colours(5, 0, 256))
    r, g, b = (picture[..., i] / 255 for i in range(3))
    y, cg, co = 0.25 * r + 0.5 * g + 0.25 * b, -0.25 * r + 0.5 * g - 0.25 * b, 0.5 * (r - b)
    spans = (0, 255, 255) if value_range == 2 else (16, 219, 224)
    planes = [
        np.rint(spans[0] + spans[1] * y),
        np.rint(128 + spans[2] * cg),
        np.rint(128 + spans[2] * co),
    ]
    frame = av.VideoFrame(64, 64, name)
    scale, kind = (4, np.uint16) if "10" in name else (1, np.uint8)
    for plane, level in zip(frame.planes, planes, strict=True):
        step = 64 // plane.width
        rows = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
        rows[:, : plane.width] = np.minimum(level, 255)[::step, ::step] * scale
    frame.colorspace, frame.color_range = 8, value_range
    middle = np.s_[3::8, 3::8]
    shown = PictureReader().rgb(frame)[middle].astype(int)
    assert np.abs(shown - picture[middle]).max() <= (4 if name == "yuv444p" else 10)
    assert ColourTags.of(frame).matrix == 0


@pytest.mark.parametrize(("value_range", "white"), [(0, 235), (1, 255), (2, 235)])
@pytest.mark.parametrize("name", ["gray", "gray10le", "ya8"])
def test_grey_is_read_by_its_range(name: str, value_range: int, white: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((16, 16), 235, np.uint8), "gray")
    frame = frame.reformat(format=name)
    frame.color_range = value_range
    assert np.abs(PictureReader().rgb(frame).astype(int) - white).max() <= 1


@pytest.fixture(scope="module")
def hlg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a lossless video of the patches in HLG."""
    frame = encoded("arib-std-b67", "yuv420p10le")
    path = tmp_path_factory.mktemp("hdr") / "hlg.mkv"
    options = {
        "qp": "0",
        "x264-params": "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc",
    }
    return write_video(path, [frame, frame, frame], options=options)


def test_a_video_says_what_was_converted(hlg: Path) -> None:
    with open_video(hlg) as video:
        (chunk,) = video.chunks()
        assert video.properties.matrix == "bt2020"
        assert video.tally.warnings == ["HDR (HLG) was converted to SDR of BT.709"]
    green = chunk.planes[0][0, 64 + 4, 4::8].astype(int)
    assert np.abs(green - GREYS.astype(int)).max() <= 4
    (first, *_) = VideoPictures(hlg)
    assert (first[..., 1] == chunk.planes[0][0]).all()


def test_an_unreadable_video_is_named(tmp_path: Path) -> None:
    options = {"qp": "0", "x264-params": "transfer=smpte2084:colormatrix=ictcp"}
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))  # its memory may hold no 10-bit levels
    path = write_video(tmp_path / "call.mkv", [frame], options=options)
    for opener in (open_video, VideoPictures):
        with pytest.raises(UnreadableVideo, match=r"call\.mkv: it has HDR \(PQ\) with"):
            opener(path)
