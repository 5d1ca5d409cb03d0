"""The call of demonstrations and evaluations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unveil.files import read_image
from unveil.scoring.truth import Truth
from unveil.simulation.astronaut import ASTRONAUT, HEIGHT, WIDTH, AstronautCall


def test_the_astronaut_is_cut_out() -> None:
    picture = read_image(ASTRONAUT)
    assert picture.shape == (512, 512, 4)
    assert 0.3 < (picture[..., 3] > 127).mean() < 0.6
    assert not picture[:10, :, 3].any()


def test_calls_before_two_backgrounds_leak_the_same(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    call = AstronautCall(8, 1.0, threads=1)
    truths = []
    for name in ("green", "blue"):
        Image.new("RGB", (WIDTH, HEIGHT), name).save(tmp_path / f"{name}.png")
        made = call.simulate(tmp_path / name, tmp_path / f"{name}.png")
        assert (made.n_frames, made.height, made.width) == (8, HEIGHT, WIDTH)
        truths.append(Truth.read(made.truth))
    one, two = truths
    assert (one.leak > 0).mean() > 0.05
    np.testing.assert_array_equal(one.leak, two.leak)
    np.testing.assert_array_equal(one.room, two.room)
    assert (one.background != two.background).any()
