"""A disc stays a disc, whatever the shapes of picture, frame and pixels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.footage import U8
from unveil.video.container import VideoProperties
from unveil.video.geometry import (
    Shape,
    as_decoded,
    cover,
    covering_part,
    fitting_part,
    with_square_pixels,
)

sides = st.integers(1, 3000)
aspects = st.sampled_from([Fraction(1), Fraction(16, 11), Fraction(3, 4), Fraction(64, 45)])
shapes = st.builds(Shape, sides, sides, aspects)


def disc(height: int, width: int, radius: float, pixel_aspect: Fraction = Fraction(1)) -> U8:
    """Draw a disc of this many rows in the middle; round where pixels have this aspect."""
    y, x = np.mgrid[:height, :width]
    across = (x - (width - 1) / 2) * float(pixel_aspect)
    inside = np.hypot(y - (height - 1) / 2, across) < radius
    return np.dstack([np.where(inside, 255, 0)] * 3).astype(np.uint8)


def roundness(picture: U8, pixel_aspect: Fraction = Fraction(1)) -> float:
    """Return the displayed width of a disc divided by its height."""
    lit = picture[..., 0] > 127
    return float(lit.any(axis=0).sum() * pixel_aspect / lit.any(axis=1).sum())


@given(source=shapes, target=shapes)
@settings(max_examples=200)
def test_the_covering_part_has_the_targets_proportions(source: Shape, target: Shape) -> None:
    rows, columns = covering_part(source, target)
    assert 0 < rows <= source.height
    assert 0 < columns <= source.width
    assert rows == source.height or columns == pytest.approx(source.width), "it is the largest"
    shown = columns * source.pixel_aspect / rows
    assert shown == pytest.approx(float(target.width * target.pixel_aspect / target.height))


@given(source=shapes, target=shapes)
@settings(max_examples=200)
def test_what_fits_is_whole(source: Shape, target: Shape) -> None:
    rows, columns = fitting_part(source, target)
    assert 1 <= rows <= target.height
    assert 1 <= columns <= target.width
    assert rows == target.height or columns == target.width


@pytest.mark.parametrize("own", [Fraction(1), Fraction(16, 11), Fraction(1, 2)])
@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(16, 11), Fraction(8, 9)])
@pytest.mark.parametrize(("height", "width"), [(200, 300), (300, 120)])
def test_a_disc_stays_round(own: Fraction, aspect: Fraction, height: int, width: int) -> None:
    target = Shape(height, width, aspect)
    shown = cover(disc(240, 320, 30, own), target, Image.Resampling.BICUBIC, own)
    assert shown.shape == (height, width, 3)
    assert roundness(shown, aspect) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(3, 4)])
def test_square_pixels_lose_no_row(aspect: Fraction) -> None:
    squared = with_square_pixels(disc(120, 160, 40, aspect), aspect)
    assert squared.shape[0] >= 120
    assert squared.shape[1] >= 160
    assert roundness(squared) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("aspect", [None, Fraction(16, 11), Fraction(1, 2)])
def test_a_displayed_picture_is_squeezed_as_the_frames_are(
    rotation: int, aspect: Fraction | None
) -> None:
    properties = VideoProperties(
        "", "", "", 64, 48, "", "bt601", False, None, None, None, rotation, mirrored=True
    )
    made = as_decoded(disc(240, 320, 80), properties, aspect)
    assert roundness(made, aspect or Fraction(1)) == pytest.approx(1, abs=0.05)
    assert made.shape[0] <= 320
    if aspect is None:
        assert made.shape[:2] == ((320, 240) if rotation % 180 else (240, 320))
