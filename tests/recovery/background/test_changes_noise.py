"""Frames of noise between the frames of a call are assigned to no background."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.arrays import U8
from unveil.recovery.background.changes import CONFIRMED_FRAMES, NONE, Backgrounds
from unveil.video.chunk import Chunk, Layout

LAYOUT = Layout(96, 160)
N_FRAMES = 60


def background() -> U8:
    y, x = np.mgrid[: LAYOUT.height, : LAYOUT.width]
    return (120 + 40 * np.sin(x / 19) + 30 * np.cos(y / 13)).astype(np.uint8)


def noise(amplitude: int, seed: int) -> U8:
    change = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, background().shape)
    return np.clip(background() + change, 0, 255).astype(np.uint8)


def room() -> U8:
    """Draw a room that shows through, half blended with the background."""
    levels = np.kron(
        np.random.default_rng(2).integers(40, 200, (24, 40), np.uint8), np.ones((4, 4), np.uint8)
    )
    return (levels // 4 + background() // 4 * 3).astype(np.uint8)


def assigned(frames: list[U8]) -> Backgrounds:
    backgrounds = Backgrounds()
    luma = np.stack(frames)
    grey = np.full((len(luma), LAYOUT.chroma_height, LAYOUT.chroma_width), 128, np.uint8)
    mask = np.zeros((len(luma), *LAYOUT.block_grid), np.uint8)
    backgrounds.add(Chunk((luma, grey, grey), np.zeros(len(luma)), LAYOUT, mask))
    return backgrounds


def dropped(backgrounds: Backgrounds) -> list[int]:
    return [
        number
        for stretch in backgrounds.stretches
        for number in range(stretch.first, stretch.end)
        if stretch.background == NONE
    ]


@pytest.mark.parametrize("amplitude", [14, 40, 250])
def test_single_frames_of_any_strength_are_dropped(amplitude: int) -> None:
    noisy = [7, 20, 21, 33, 59]
    frames = [noise(amplitude, n) if n in noisy else background() for n in range(N_FRAMES)]
    backgrounds = assigned(frames)
    assert dropped(backgrounds) == noisy
    assert backgrounds.n_noise == len(noisy)


def test_every_third_frame_may_be_noise() -> None:
    frames = [noise(250, n) if n % 3 == 2 else background() for n in range(N_FRAMES)]
    assert dropped(assigned(frames)) == list(range(2, N_FRAMES, 3))


def test_noise_that_accumulates_from_frame_to_frame_is_dropped() -> None:
    frames, rng = [background() for _ in range(N_FRAMES)], np.random.default_rng(3)
    kept = background()
    for number in range(10, N_FRAMES, 10):
        replaced = rng.random(kept.shape) < 0.3
        kept = np.where(replaced, noise(250, number), kept)
        frames[number] = kept
    assert dropped(assigned(frames)) == list(range(10, N_FRAMES, 10))


def test_a_room_that_shows_through_is_no_noise() -> None:
    frames = [room() if n in (20, 21, 40) else background() for n in range(N_FRAMES)]
    backgrounds = assigned(frames)
    assert backgrounds.n_noise == 0
    assert not dropped(backgrounds)


@pytest.mark.parametrize("begin", [0, 1, 30])
def test_a_background_that_has_noise_itself_is_kept(begin: int) -> None:
    frames = [noise(30, n) if n >= begin else background() for n in range(N_FRAMES)]
    backgrounds = assigned(frames)
    assert backgrounds.n_noise == 0
    assert not dropped(backgrounds)


def test_a_call_may_begin_with_noise() -> None:
    frames = [noise(40, n) if n in (0, 30) else background() for n in range(N_FRAMES)]
    assert 30 in dropped(assigned(frames))


def test_a_restored_state_goes_on() -> None:
    frames = [noise(40, n) if n in (9, 10, 40) else background() for n in range(N_FRAMES)]
    for cut in (9, 10, 11, 25):
        first, restored = assigned(frames[:cut]), Backgrounds()
        restored.restore(first.as_arrays())
        luma = np.stack(frames[cut:])
        grey = np.full((len(luma), LAYOUT.chroma_height, LAYOUT.chroma_width), 128, np.uint8)
        mask = np.zeros((len(luma), *LAYOUT.block_grid), np.uint8)
        restored.add(Chunk((luma, grey, grey), np.zeros(len(luma)), LAYOUT, mask))
        assert restored.stretches == assigned(frames).stretches
        assert restored.n_noise == 3


def test_merged_parts_drop_the_same_frames() -> None:
    noisy = [9, 25, 26, 50]
    frames = [noise(40, n) if n in noisy else background() for n in range(N_FRAMES)]
    merged = assigned(frames[: 2 * CONFIRMED_FRAMES])
    merged.merge(assigned(frames[2 * CONFIRMED_FRAMES :]))
    assert dropped(merged) == noisy
    assert merged.n_noise == len(noisy)
