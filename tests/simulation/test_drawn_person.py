"""The drawn person as a still."""

from __future__ import annotations

import numpy as np

from unveil.simulation.ideal import drawn_person


def test_the_drawn_person_is_opaque_in_the_middle_and_transparent_around() -> None:
    still = drawn_person(120, seed=2)
    assert still.shape == (120, 120, 4)
    assert still.dtype == np.uint8
    alpha = still[..., 3]
    assert (alpha[110:, 55:65] == 255).all()
    assert not alpha[:20].any()
    assert not alpha[:60, :20].any()
    assert np.array_equal(still, drawn_person(120, seed=2))
