"""The sampled frames are as many as allowed, and the same however the frames are divided."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from unveil.arrays import U8
from unveil.recovery.background import frame_samples
from unveil.recovery.background.frame_samples import LEVEL, FrameSamples
from unveil.video.chunk import Chunk, Layout

LAYOUT = Layout(90, 121, 1, 1)
FRAMES = 20


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_samples, "MAX_FRAMES", 6)


def frames() -> Chunk:
    """Make frames of noise with a person in all but the first."""
    rng = np.random.default_rng(3)
    luma: U8 = rng.integers(0, 256, (FRAMES, LAYOUT.height, LAYOUT.width), np.uint8)
    chroma = np.zeros((FRAMES, LAYOUT.chroma_height, LAYOUT.chroma_width), np.uint8)
    mask = rng.integers(0, 3, (FRAMES, *LAYOUT.block_grid), np.uint8)
    mask[0] = 1
    return Chunk((luma, chroma, chroma), np.zeros(FRAMES), LAYOUT, mask)


def sample_of(chunk: Chunk, numbers: range) -> FrameSamples:
    sample = FrameSamples(LAYOUT)
    for i in numbers:
        sample.add(chunk, i)
    return sample


def saved(sample: FrameSamples) -> list[bytes]:
    return [array.tobytes() for array in sample.as_arrays().values()]


def test_a_sample_holds_the_means_of_blocks_and_the_person() -> None:
    chunk = frames()
    sample = sample_of(chunk, range(FRAMES))
    assert len(list(sample)) == frame_samples.MAX_FRAMES
    assert chunk.person is not None
    size = LAYOUT.block_size
    rows, columns = LAYOUT.height // size, LAYOUT.width // size
    for levels, person in sample:
        (found,) = [
            i for i in range(FRAMES) if (person == (chunk.person[i, :rows, :columns] == 2)).all()
        ]
        luma = chunk.planes[0][found, : rows * size, : columns * size]
        means = luma.reshape(rows, size, columns, size).mean((1, 3))
        assert np.abs(levels - means).max() <= 1 / LEVEL
        assert found > 0


def test_the_sample_does_not_depend_on_how_the_frames_were_divided() -> None:
    chunk = frames()
    whole = saved(sample_of(chunk, range(FRAMES)))
    for cuts in ((0, 7, FRAMES), (0, 1, 2, 15, FRAMES)):
        parts = [sample_of(chunk, range(*cut)) for cut in pairwise(cuts)]
        for order in (parts, parts[::-1]):
            merged = FrameSamples(LAYOUT)
            for part in order:
                merged.merge(part)
            assert saved(merged) == whole


def test_a_frame_that_is_shown_again_is_kept_once() -> None:
    chunk = frames()
    sample = sample_of(chunk, range(4))
    once = saved(sample)
    sample.merge(sample_of(chunk, range(4)))
    sample.add(chunk, 2)
    assert saved(sample) == once


def test_a_restored_sample_goes_on_as_if_it_had_not_been_saved() -> None:
    chunk = frames()
    restored = FrameSamples(LAYOUT)
    restored.restore(sample_of(chunk, range(9)).as_arrays())
    for i in range(9, FRAMES):
        restored.add(chunk, i)
    assert saved(restored) == saved(sample_of(chunk, range(FRAMES)))


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    arrays = sample_of(frames(), range(FRAMES)).as_arrays()
    for wrong in (
        arrays | {"blur_sample_keys": arrays["blur_sample_keys"][:-1]},
        arrays | {"blur_sample_keys": arrays["blur_sample_keys"][::-1]},
    ):
        with pytest.raises(ValueError, match="sampled frames"):
            FrameSamples(LAYOUT).restore(wrong)
