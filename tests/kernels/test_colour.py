"""Colour spaces and distances against published values and formulas written down anew."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from tests.recovery.decide import naive_finalise as naive
from unveil.arrays import F64
from unveil.video.chunk import Colour, Matrix
from unveil.video.colour import LUMA_WEIGHTS, ciede2000, cosine_similarity, to_lab, to_rgb

pytestmark = pytest.mark.kernels

# Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula: implementation notes,
# supplementary test data, and mathematical observations", Color Research and Application
# 30 (2005), table 1: L, a, b of either colour and their distance, rounded to four decimals.
SHARMA_PAIRS = [
    (50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425),
    (50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615),
    (50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412),
    (50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669),
    (50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461),
    (50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065),
    (50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492),
    (50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977),
    (50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030),
    (50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
    (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
]

LEVELS = st.integers(0, 255 * 256).map(lambda level: level / 256)
TRIPLES = st.lists(st.tuples(LEVELS, LEVELS, LEVELS), min_size=1, max_size=8)
LAB = st.tuples(st.floats(0, 100), st.floats(-128, 128), st.floats(-128, 128))


def test_the_published_pairs() -> None:
    pairs = np.array(SHARMA_PAIRS)
    assert len(pairs) == 34
    for a, b in ((pairs[:, :3], pairs[:, 3:6]), (pairs[:, 3:6], pairs[:, :3])):
        np.testing.assert_allclose(ciede2000(a, b), pairs[:, 6], atol=0.5001e-4, rtol=0)


def test_the_reference_gives_the_published_pairs() -> None:
    for *colours, distance in SHARMA_PAIRS:
        a, b = (colours[0], colours[1], colours[2]), (colours[3], colours[4], colours[5])
        assert naive.ciede2000(a, b) == pytest.approx(distance, abs=0.5001e-4)


@PROPERTY
@given(st.lists(st.tuples(LAB, LAB), min_size=1, max_size=8))
def test_ciede2000(pairs: list[tuple[naive.Triple, naive.Triple]]) -> None:
    a, b = np.array([p for p, _ in pairs]), np.array([q for _, q in pairs])
    expected = [naive.ciede2000(p, q) for p, q in pairs]
    np.testing.assert_allclose(ciede2000(a, b), expected, rtol=1e-7, atol=1e-7)
    assert not ciede2000(a, a).any()


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # sRGB primaries as L*a*b* for D65, from B. Lindbloom's colour calculator.
        ((255, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 255, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 255), (32.2970, 79.1875, -107.8602)),
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((119, 119, 119), (50.0344, 0, 0)),
    ],
)
def test_lab_of_known_colours(rgb: naive.Triple, lab: naive.Triple) -> None:
    np.testing.assert_allclose(to_lab(np.array(rgb, np.float64)), lab, atol=0.02)


@PROPERTY
@given(TRIPLES)
def test_lab(colours: list[naive.Triple]) -> None:
    """To what a table of linear light, exact to 3e-8, lets through next to black."""
    expected = [naive.to_lab(colour) for colour in colours]
    np.testing.assert_allclose(to_lab(np.array(colours)), expected, rtol=0, atol=2e-4)


@PROPERTY
@given(TRIPLES)
def test_cosine(colours: list[naive.Triple]) -> None:
    others = colours[::-1]
    expected = [naive.cosine(a, b) for a, b in zip(colours, others, strict=True)]
    np.testing.assert_allclose(
        cosine_similarity(np.array(colours), np.array(others)), expected, atol=1e-12
    )


def test_cosine_with_black_is_one() -> None:
    black, grey = np.zeros((1, 3)), np.full((1, 3), 7.0)
    assert cosine_similarity(black, grey) == cosine_similarity(grey, black) == 1
    assert cosine_similarity(black, black) == 1


MATRICES = [matrix for matrix in get_args(Matrix) if matrix != "rgb"]


def test_every_matrix_has_the_weights_of_its_standard() -> None:
    assert set(LUMA_WEIGHTS) == set(MATRICES) == set(naive.LUMA_WEIGHTS)
    for matrix, (red, green, blue) in naive.LUMA_WEIGHTS.items():
        assert LUMA_WEIGHTS[matrix] == (red, blue)
        assert red + green + blue == pytest.approx(1)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full_range", [False, True])
def test_ycbcr_round_trip(matrix: Matrix, full_range: bool) -> None:
    grid = [tuple(map(float, rgb)) for rgb in itertools.product((0, 31, 128, 200, 255), repeat=3)]
    levels = [naive.encode_ycbcr(rgb, matrix, full_range=full_range) for rgb in grid]
    np.testing.assert_allclose(
        to_rgb(np.array(levels), Colour(matrix, full_range)), grid, atol=1e-9
    )


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_outside_rgb_are_clipped(matrix: Matrix, full_range: bool) -> None:
    colour = Colour(matrix, full_range)
    levels = [tuple(map(float, triple)) for triple in itertools.product((0, 90, 255), repeat=3)]
    expected = [naive.to_rgb(triple, colour) for triple in levels]
    np.testing.assert_allclose(to_rgb(np.array(levels), colour), expected, atol=1e-9)


def test_studio_black_and_white() -> None:
    levels = np.array([[16.0, 128, 128], [235, 128, 128], [126, 128, 128]])
    np.testing.assert_allclose(
        to_rgb(levels, Colour("bt709")),
        [[0, 0, 0], [255, 255, 255], [110 / 219 * 255] * 3],
        atol=1e-9,
    )


def test_rgb_planes_stand_as_green_blue_red() -> None:
    levels = np.array([[1.0, 2.0, 3.0]])
    assert to_rgb(levels, Colour("rgb", full_range=True)).tolist() == [[3, 1, 2]]


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 4, 3), (0, 3)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    colours = np.full(shape, 100.0)
    assert to_lab(colours).shape == to_rgb(colours, Colour()).shape == shape
    assert ciede2000(colours, colours).shape == shape[:-1]
    assert cosine_similarity(colours, colours).shape == shape[:-1]


def test_strided_colours() -> None:
    colours = np.random.default_rng(0).uniform(0, 255, (6, 5, 3))
    np.testing.assert_array_equal(to_lab(colours[::2, ::-1]), to_lab(colours)[::2, ::-1])


@pytest.mark.parametrize("compare", [ciede2000, cosine_similarity])
@pytest.mark.parametrize("shapes", [((4, 3), (1, 3)), ((3,), (4, 3)), ((4, 2), (4, 2))])
def test_colours_of_unequal_shapes_are_refused(
    compare: Callable[[F64, F64], F64], shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(*(np.zeros(shape) for shape in shapes))
