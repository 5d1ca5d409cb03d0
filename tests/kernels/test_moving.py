"""Limits of what is learned of a moving background; its picture is compared in `test_lines`."""

from __future__ import annotations

import numpy as np
import pytest

from unveil_kernels.moving import MaskedFrame, RingPicture, learn_background

pytestmark = pytest.mark.kernels


def test_votes_stop_at_the_largest() -> None:
    plane = np.full((2, 2), 70, np.uint8)
    picture, votes = np.full((3, 2, 2), 70, np.uint8), np.full((2, 2), 255, np.uint8)
    nobody = np.zeros((1, 1), np.uint8)
    frame = MaskedFrame(plane, plane, plane, nobody, 2, 0, 0)
    learn_background(frame, 0, 2, RingPicture(picture, votes, 0, 0), 6)
    assert np.all(votes == 255)
    assert np.all(picture == 70)
