"""What an engine keeps beside its counts is saved, restored and merged with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from unveil.errors import IncompatibleTable
from unveil.recovery.background.changes import Stretch
from unveil.recovery.engine import Engine
from unveil.video.chunk import Chunk, Layout

LAYOUT = Layout(72, 96, 1, 1)
N_FRAMES = 80


def frames(first: int, end: int) -> Chunk:
    """Make frames with a person mask: one noise picture, from frame 40 on another one."""
    n = end - first
    planes = LAYOUT.empty(n)
    for index, number in enumerate(range(first, end)):
        rng = np.random.default_rng(number // 40)
        for plane in planes:
            plane[index] = rng.integers(0, 256, plane.shape[1:], np.uint8)
    person = np.zeros((n, *LAYOUT.block_grid), np.uint8)
    for index, number in enumerate(range(first, end)):
        left = 20 + number % 7
        person[index, 30:, left : left + 30] = 2
    return Chunk(planes, np.arange(first, end) / 25, LAYOUT, person)


def engine_of(first: int, end: int, method: Literal["auto", "farend"]) -> Engine:
    engine = Engine(LAYOUT.height, LAYOUT.width, method=method, threads=1)
    for begin in range(first, end, 8):
        engine.update(frames(begin, min(end, begin + 8)))
    return engine


def kept(engine: Engine) -> dict[str, npt.NDArray[Any]]:
    surveys = engine.state.surveys
    assert surveys is not None
    return surveys.as_arrays()


@pytest.mark.parametrize("method", ["auto", "farend"])
@pytest.mark.parametrize("cut", [8, 40, 64])
def test_a_loaded_engine_goes_on_with_all_it_kept(
    tmp_path: Path, method: Literal["auto", "farend"], cut: int
) -> None:
    whole = engine_of(0, N_FRAMES, method)
    engine_of(0, cut, method).save(tmp_path / "state.npz")
    loaded = Engine.load(tmp_path / "state.npz", threads=1)
    for begin in range(cut, N_FRAMES, 8):
        loaded.update(frames(begin, begin + 8))
    assert whole.stretches == (Stretch(0, 0, 40), Stretch(1, 40, N_FRAMES))
    assert loaded.stretches == whole.stretches
    for name, array in kept(whole).items():
        np.testing.assert_array_equal(kept(loaded)[name], array, err_msg=name)


@pytest.mark.parametrize("cut", [8, 36, 40, 44, 64])
def test_merged_engines_have_the_backgrounds_of_both(cut: int) -> None:
    first, later = engine_of(0, cut, "farend"), engine_of(cut, N_FRAMES, "farend")
    first.merge(later)
    assert first.stretches == engine_of(0, N_FRAMES, "farend").stretches
    assert kept(first)["blur_frames"][0] == N_FRAMES


def test_a_state_whose_surveys_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    engine_of(0, 16, "farend").save(path)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name in ("background_frames", "blur_frames"):
        with path.open("wb") as file:
            np.savez(file, **{**arrays, name: arrays[name] - 9})
        with pytest.raises(IncompatibleTable, match="do not fit together"):
            Engine.load(path)
