"""The kernels that look through affine maps, against references written pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from tests.kernels import naive_warp as naive
from unveil.person import sampling
from unveil.video.chunk import Colour, Layout, Planes
from unveil_kernels import warp

pytestmark = pytest.mark.kernels

F64 = npt.NDArray[np.float64]

LAYOUTS = {
    "4:2:0": Layout(23, 31, 1, 1),
    "4:2:0, even": Layout(24, 32, 1, 1, Colour("bt709")),
    "4:2:2, full range": Layout(23, 31, 0, 1, Colour("bt709", True)),
    "4:4:4": Layout(23, 31, 0, 0, Colour("bt2020")),
    "4:1:0": Layout(23, 31, 2, 2),
    "gbrp": Layout(23, 31, 0, 0, Colour("rgb", True)),
    "gbrp, studio range": Layout(23, 31, 0, 0, Colour("rgb", False)),
    "one pixel": Layout(1, 1, 1, 1),
    "a row": Layout(1, 31, 1, 1),
}


def turned(side: float, angle: float, centre: tuple[float, float], n_pixels: int) -> F64:
    """Map a square picture to a turned square of a frame."""
    c, s = side / n_pixels * math.cos(angle), side / n_pixels * math.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear, centre - linear @ [n_pixels / 2, n_pixels / 2]])


MAPS = {
    "as it is": np.array([[1.0, 0, 0], [0, 1.0, 0]]),
    "enlarged": turned(7.3, 0.0, (15.2, 11.1), 12),
    "turned": turned(14.1, 0.4, (15.2, 11.1), 12),
    "reduced": turned(23.0, 0.0, (15.5, 11.5), 4),
    "reduced and turned": turned(29.7, -2.5, (14.1, 12.3), 5),
    "mostly outside": turned(70.3, 0.9, (28.1, 2.3), 9),
    "outside": turned(9.0, 0.3, (-60.0, 11.0), 6),
    "far outside": turned(9.0, 0.3, (-6e7, 1e9), 6),
    "unequal": np.array([[5.3, 0, 0.3], [0, 1.9, -2.2]]),
}


def noise(layout: Layout, seed: int = 0) -> Planes:
    rng = np.random.default_rng(seed)
    luma, cb, cr = (rng.integers(0, 256, plane.shape[1:], np.uint8) for plane in layout.empty(1))
    return luma, cb, cr


@pytest.mark.parametrize("to_frame", MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_planes_are_sampled_and_converted(layout: Layout, to_frame: F64) -> None:
    planes = noise(layout)
    tensor = np.full((6, 5, 3), np.nan, np.float32)
    sampling.fill(tensor, planes, layout, to_frame, black=-1.0, white=1.0)
    shifts = layout.chroma_shift_y, layout.chroma_shift_x
    shrink = np.array([[0.5 ** shifts[1]], [0.5 ** shifts[0]]])
    seen = naive.warp_planes(
        planes,
        shifts,
        to_frame,
        sampling.grid(to_frame[:, :2]).reshape(-1, 2),
        sampling.grid(to_frame[:, :2] * shrink).reshape(-1, 2),
        layout.colour,
        (6, 5),
    )
    assert np.abs(tensor - (2 * seen - 1)).max() < 2e-4


@pytest.mark.parametrize("size", [(6, 5), (9, 16), (40, 50)])
@pytest.mark.parametrize("part", [(0.0, 0.0, 1.0, 1.0), (0.1, 0.3, 0.8, 0.6)])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_an_upright_part_is_sampled_to_the_same_bits_in_both_ways(
    monkeypatch: pytest.MonkeyPatch,
    layout: Layout,
    part: tuple[float, float, float, float],
    size: tuple[int, int],
) -> None:
    left, top, width, height = np.multiply(part, [layout.width, layout.height] * 2)
    to_frame = np.array([[width / size[1], 0, left], [0, height / size[0], top]])
    seen = np.full((2, *size, 3), np.nan, np.float32)
    for tensor, stretches in zip(seen, (True, False), strict=True):
        assert sampling._stretches(to_frame, tensor, layout)
        with monkeypatch.context() as patch:
            patch.setattr(sampling, "_stretches", lambda *_, stretches=stretches: stretches)
            sampling.fill(tensor, noise(layout), layout, to_frame, black=0.2, white=0.9)
    assert (seen[0] == seen[1]).all()


@pytest.mark.parametrize(
    "to_frame",
    [
        turned(7.3, 0.1, (15.2, 11.1), 6),
        np.array([[31 / 6, 0, -0.1], [0, 23 / 6, 0]]),
        np.array([[31 / 6, 0, 0.1], [0, 23 / 6, 0]]),
        np.array([[31 / 6, 0, 0], [0, 23 / 6, -0.1]]),
        np.array([[-31 / 6, 0, 31], [0, 23 / 6, 0]]),
    ],
    ids=["turned", "left", "right", "above", "mirrored"],
)
def test_a_part_that_is_turned_or_leaves_the_frame_is_not_stretched(to_frame: F64) -> None:
    tensor = np.empty((6, 6, 3), np.float32)
    assert not sampling._stretches(to_frame, tensor, LAYOUTS["4:2:0"])


def test_planes_may_be_strided_or_read_only() -> None:
    layout = LAYOUTS["4:2:0"]
    planes = noise(layout)
    wide = [np.repeat(plane, 2, axis=1)[:, ::2] for plane in planes]
    for plane in wide:
        plane.flags.writeable = False
    seen = np.empty((2, 6, 5, 3), np.float32)
    sampling.fill(seen[0], planes, layout, MAPS["turned"], black=0.0, white=1.0)
    sampling.fill(seen[1], (wide[0], wide[1], wide[2]), layout, MAPS["turned"], 0.0, 1.0)
    assert (seen[0] == seen[1]).all()


@pytest.mark.parametrize("matrix", ["rgb", "bt601", "bt709", "fcc", "smpte240m", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
def test_white_is_white_and_black_is_black(matrix: str, full_range: bool) -> None:
    layout = Layout(4, 4, colour=Colour(matrix, full_range))
    low, high = (0, 255) if full_range else (16, 235)
    for level, wanted in ((low, 0.0), (high, 1.0)):
        planes = noise(layout)
        for plane in planes:
            plane[:] = level if matrix == "rgb" else 128
        planes[0][:] = level
        tensor = np.empty((4, 4, 3), np.float32)
        sampling.fill(tensor, planes, layout, MAPS["as it is"], 0.0, 1.0)
        assert np.abs(tensor - wanted).max() < 1e-6


@pytest.mark.parametrize("scale", [1.0, 2.2, 2.3, 4.2, 7.5, 20.0])
@pytest.mark.parametrize("angle", [0.0, 0.5, 3.0])
def test_samples_cover_a_pixel_evenly(scale: float, angle: float) -> None:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    steps = sampling.grid(np.array([[c, -s], [s, c]])).reshape(-1, 2)
    side = math.ceil(scale / sampling.SPACING)
    assert len(steps) == side * side
    assert (steps.sum(axis=0) == 0).all()
    assert len(np.unique(steps, axis=0)) == len(steps)
    reach = (scale - scale / side) / 2 * (abs(math.cos(angle)) + abs(math.sin(angle)))
    assert np.abs(steps).max() <= reach + 0.5


def test_fine_patterns_become_their_mean() -> None:
    layout = Layout(96, 96, colour=Colour("rgb", True))
    y, x = np.ogrid[0:96, 0:96]
    for pattern in ((y + x) % 2, y % 2 + 0 * x, x % 2 + 0 * y):
        planes = noise(layout)
        for plane in planes:
            plane[:] = 255 * pattern
        tensor = np.empty((12, 12, 3), np.float32)
        sampling.fill(tensor, planes, layout, np.array([[8.0, 0, 0], [0, 8.0, 0]]), 0.0, 1.0)
        assert np.abs(tensor - 0.5).max() < 0.01


@pytest.mark.parametrize("to_mask", MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 12)])
def test_masks_are_drawn_between_their_pixels(size: tuple[int, int], to_mask: F64) -> None:
    mask = np.random.default_rng(3).random(size, np.float32)
    picture = np.full((13, 17), np.nan, np.float32)
    warp.warp_mask(mask, to_mask, picture)
    assert np.abs(picture - naive.warp_mask(mask, to_mask, picture.shape)).max() < 1e-4
