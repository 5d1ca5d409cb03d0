"""Frames are assigned to one of several backgrounds, or to none."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unveil.recovery.background.changes import (
    CONFIRMED_FRAMES,
    MAX_BACKGROUNDS,
    NONE,
    Backgrounds,
    Stretch,
)
from unveil.video.chunk import Chunk, Layout

U8 = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 96, 128


@cache
def noise(seed: int) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def assigned(frames: list[U8], chunk_frames: int = 16) -> Backgrounds:
    """Assign grey frames without a person."""
    layout = Layout(HEIGHT, WIDTH, 0, 0)
    backgrounds = Backgrounds()
    for first in range(0, len(frames), chunk_frames):
        luma = np.stack([frame[..., 0] for frame in frames[first : first + chunk_frames]])
        nobody = np.zeros((len(luma), *layout.block_grid), np.uint8)
        backgrounds.add(Chunk((luma, luma, luma), np.zeros(len(luma)), layout, nobody))
    return backgrounds


def test_a_background_that_comes_back_is_the_same() -> None:
    first, second = noise(1), noise(2)
    backgrounds = assigned([first] * 20 + [second] * 20 + [first] * 5)
    assert backgrounds.stretches == (Stretch(0, 0, 20), Stretch(1, 20, 40), Stretch(0, 40, 45))


@pytest.mark.parametrize("chunk_frames", [1, 7, 64])
def test_chunks_change_nothing(chunk_frames: int) -> None:
    frames = [noise(n // 25) if n % 13 else noise(100 + n) for n in range(1, 120)]
    assert assigned(frames, chunk_frames).stretches == assigned(frames).stretches


def test_a_short_picture_is_none() -> None:
    frames = [noise(1)] * 200 + [noise(2)] * (CONFIRMED_FRAMES - 1) + [noise(1)]
    assert assigned(frames).stretches[1] == Stretch(NONE, 200, 200 + CONFIRMED_FRAMES - 1)


def test_one_background_is_not_several() -> None:
    assert len(assigned([noise(1)] * 30).stretches) == 1


def test_a_picture_that_moves_is_not_several() -> None:
    patches = np.kron(noise(1)[::8, ::8], np.ones((8, 8, 1), np.uint8))
    assert assigned([np.roll(patches, n, 1) for n in range(100)]).stretches == ()


def test_what_never_stands_still_is_not_told_apart() -> None:
    assert assigned([noise(n) for n in range(60)]).stretches == ()
    many = [noise(n // CONFIRMED_FRAMES) for n in range(2 * MAX_BACKGROUNDS * CONFIRMED_FRAMES)]
    assert assigned(many).stretches == ()


def split(frames: list[U8], cuts: list[int]) -> Backgrounds:
    """Assign parts of the frames by themselves, save and restore them, and merge them."""
    layout = Layout(HEIGHT, WIDTH, 0, 0)
    ends = [*sorted(cuts), len(frames)]
    merged = Backgrounds()
    for first, end in zip([0, *ends[:-1]], ends, strict=True):
        part, restored = assigned(frames[first:end]), Backgrounds()
        arrays = part.as_arrays()
        for name, spec in Backgrounds.specification(layout).items():
            assert spec.allows(arrays[name].shape, arrays[name].dtype), name
        restored.restore(arrays)
        merged.merge(restored)
    return merged


@settings(max_examples=40)
@given(
    runs=st.lists(
        st.one_of(
            st.tuples(st.integers(1, 4), st.integers(CONFIRMED_FRAMES, 40)),
            st.tuples(st.integers(10, 99), st.just(1)),
        ),
        min_size=1,
        max_size=6,
    ),
    cuts=st.lists(st.integers(0, 200), max_size=4),
)
@example(runs=[(1, CONFIRMED_FRAMES)], cuts=[60, 61])  # a part of one frame
@example(runs=[(1, CONFIRMED_FRAMES)], cuts=[61, 61])  # a part without frames
def test_merged_parts_are_assigned_as_in_one_pass(
    runs: list[tuple[int, int]], cuts: list[int]
) -> None:
    frames = [noise(0)] * 60 + [noise(seed) for seed, n in runs for _ in range(n)]
    cuts = [min(cut, len(frames)) for cut in cuts]
    assert split(frames, cuts).stretches == assigned(frames).stretches


@pytest.mark.parametrize("pixels", [0.25, 1])
def test_a_picture_that_moves_slowly_over_parts_is_not_several(pixels: float) -> None:
    patches = np.kron(noise(1)[::8, ::8], np.ones((8, 8, 1), np.uint8))
    frames = [np.roll(patches, round(pixels * n), 1) for n in range(160)]
    assert assigned(frames).stretches == ()
    assert split(frames, [40, 80, 120]).stretches == ()
    assert split(frames, list(range(8, 160, 8))).stretches == ()


def test_restoring_refuses_what_does_not_fit_together() -> None:
    arrays = assigned([noise(1)] * 20 + [noise(2)] * 20).as_arrays()
    wrong = {
        "background_known": arrays["background_known"][1:],
        "background_stretches": np.array([[0, 5, 3]]),
        "background_frames": np.array([40, 7, 0, 0, 0, 1, 1]),
    }
    Backgrounds().restore(arrays)
    for name, array in wrong.items():
        with pytest.raises(ValueError, match="backgrounds"):
            Backgrounds().restore({**arrays, name: array})
