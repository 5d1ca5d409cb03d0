"""The lines from a moving background to its room, against a reference of one pixel at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from clips import PROPERTY
from hypothesis import given
from hypothesis import strategies as st
from naive_lines import learned, line, sample

from unveil_kernels import lines

pytestmark = pytest.mark.kernels

Array = npt.NDArray[Any]

CELL, TOLERANCE, FAR = 2, 6, 12


@PROPERTY
@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.integers(0, 1),
    rows=st.integers(6, 9),
    columns=st.integers(8, 13),
    n_frames=st.integers(1, 6),
    step=st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    split=st.integers(0, 6),
)
def test_lines_are_gathered_as_by_the_reference(
    seed: int,
    shift: int,
    rows: int,
    columns: int,
    n_frames: int,
    step: tuple[int, int],
    split: int,
) -> None:
    rng = np.random.default_rng(seed)
    height, width = 6, 8
    shape = (3, rows, columns)
    picture, votes = np.zeros(shape, np.uint8), np.zeros(shape[1:], np.uint8)
    sums = np.zeros((height, width, lines.TERMS))
    its_picture, its_votes = picture.astype(float), votes.astype(int)
    its_sums = np.zeros_like(sums)
    for number in range(n_frames):
        planes = [
            rng.choice(np.array([20, 24, 90, 200], np.uint8), (height >> s, width >> s))
            for s in (0, shift, shift)
        ]
        person = (rng.random((height // CELL, width // CELL)) < 0.2).astype(np.uint8)
        down, right = number * step[0] % rows, number * step[1] % columns
        place = (shift, shift)
        for first, last in ((split, height), (0, split)):
            lines.learn_background(
                *planes, person, CELL, first, last, *place, TOLERANCE, down, right, picture, votes
            )
        for first, last in ((0, split), (split, height)):
            lines.gather_lines(
                *planes, person, CELL, first, last, *place, FAR, down, right, picture, votes, sums
            )
        for y, x in np.ndindex(height, width):
            if person[y // CELL, x // CELL]:
                continue
            at = (y + down) % rows, (x + right) % columns
            seen = sample(planes, y, x, *place)
            its_picture[:, *at], its_votes[at] = learned(
                its_picture[:, *at], its_votes[at], seen, TOLERANCE
            )
            if abs(seen - its_picture[:, *at]).max() > FAR:
                its_sums[y, x] += line(its_picture[:, *at], seen)
    assert np.array_equal(picture, its_picture)
    assert np.array_equal(votes, its_votes)
    np.testing.assert_allclose(sums, its_sums, rtol=1e-9, atol=1e-6)


def test_votes_stop_at_the_largest() -> None:
    plane = np.full((2, 2), 70, np.uint8)
    picture, votes = np.full((3, 2, 2), 70, np.uint8), np.full((2, 2), 255, np.uint8)
    nobody = np.zeros((1, 1), np.uint8)
    lines.learn_background(plane, plane, plane, nobody, 2, 0, 2, 0, 0, 6, 0, 0, picture, votes)
    assert np.all(votes == 255)
    assert np.all(picture == 70)
