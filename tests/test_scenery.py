"""The built-in backgrounds: always the same, without bands, and calm."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.scenery import SCENES


@pytest.mark.parametrize("id_", SCENES)
def test_a_scene_is_always_the_same(id_: str) -> None:
    scene = SCENES[id_].draw()
    assert scene.shape == (720, 1280, 3)
    assert scene.dtype == np.uint8
    np.testing.assert_array_equal(scene, SCENES[id_].draw())
    assert scene.std() > 5  # it shows something


@pytest.mark.parametrize("id_", ["wall", "slate"])
def test_gradients_show_no_bands(id_: str) -> None:
    """Without dithering, a row has long runs of one level with a jump at the end."""
    luma = SCENES[id_].draw()[360].sum(axis=1).astype(int)
    changes = np.flatnonzero(np.diff(luma))
    assert np.diff(changes).max() < 40
