"""The frames of a resisting background: bounded, irregular, the same for the same arguments."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unveil.shielding import ShieldParameters
from unveil.shielding.decoys import HOLD_FRAMES, Decoys
from unveil.shielding.drift import Drift
from unveil.shielding.frames import shielded_frames
from unveil.shielding.noise import NoiseFrames, PixelNoise
from unveil.shielding.parameters import KINDS
from unveil.shielding.texture import Texture
from unveil.shielding.waves import Wandering, harmonics
from unveil.video.geometry import Shape, cover

U8 = npt.NDArray[np.uint8]

SMALL = ShieldParameters(height=64, width=96, seconds=3, fps=10)
KIND = st.sampled_from([*KINDS, "+".join(KINDS), "texture+decoys"])


def scene(height: int = 64, width: int = 96, seed: int = 1) -> U8:
    """Draw a smooth picture with all levels."""
    small = np.random.default_rng(seed).integers(40, 216, (5, 7, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def frames_of(picture: U8 | None = None, **changes: Any) -> npt.NDArray[np.int64]:
    shown = scene() if picture is None else picture
    return np.stack(list(shielded_frames(shown, replace(SMALL, **changes)))).astype(np.int64)


@settings(max_examples=8)
@given(kind=KIND, seed=st.integers(0, 2**32), strength=st.sampled_from([0.1, 1.0, 10.0]))
def test_the_same_arguments_give_the_same_frames(kind: str, seed: int, strength: float) -> None:
    one, two = (frames_of(kind=kind, seed=seed, strength=strength, seconds=1) for _ in range(2))
    assert one.shape == (10, 64, 96, 3)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_other_frames(kind: str) -> None:
    assert (frames_of(kind=kind, seed=1) != frames_of(kind=kind, seed=2)).any()


def test_a_kind_is_the_same_alone_and_among_others() -> None:
    """What it draws must not depend on the random numbers that another kind has used."""
    plain = cover(scene(), Shape(64, 96), Image.Resampling.LANCZOS)
    pixels, decoys = frames_of(kind="pixels", noise_share=0.05), frames_of(kind="decoys")
    noisy = (pixels != plain).any(axis=-1, keepdims=True)
    both = frames_of(kind="decoys+pixels", noise_share=0.05)
    np.testing.assert_array_equal(np.where(noisy, plain, both), np.where(noisy, plain, decoys))
    np.testing.assert_array_equal(np.where(noisy, both, 0), np.where(noisy, pixels, 0))


@pytest.mark.parametrize("kind", ["drift", "texture", "drift+texture"])
def test_motion_is_smooth_and_the_end_continues_with_the_begin(kind: str) -> None:
    frames = frames_of(kind=kind)
    steps = [np.abs(frames[n] - frames[n - 1]).mean() for n in range(len(frames))]
    # The step from the last frame to the first is number 0.
    assert 0 < steps[0] <= 1.5 * max(steps[1:])
    assert max(steps[1:]) < 12


@pytest.mark.parametrize(
    ("kind", "hold"), [("drift", 1), ("texture", 1), ("pixels", 1), ("decoys", HOLD_FRAMES)]
)
def test_no_part_of_the_video_repeats(kind: str, hold: int) -> None:
    """Shifted by any number of frames, the video differs from itself."""
    frames = frames_of(kind=kind, strength=4.0)[::hold]
    for shift in range(1, len(frames)):
        assert (frames != np.roll(frames, shift, axis=0)).any(axis=(1, 2, 3)).mean() > 0.9


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(0.1, 4.0), st.integers(0, 500))
def test_texture_changes_no_level_by_more_than_its_reach(
    seed: int, strength: float, frame: int
) -> None:
    texture = Texture(
        48, 64, strength=strength, n_frames=300, seconds=10, rng=np.random.default_rng(seed)
    )
    picture = np.full((48, 64, 3), 128, np.uint8)
    change = np.abs(texture.applied(picture, frame).astype(int) - 128).max(axis=(0, 1))
    assert (change <= np.minimum(texture.reach + 0.5, 128)).all()
    assert (np.abs(texture.field(frame)).max(axis=(1, 2)) > 0.3 * texture.reach).all()
    np.testing.assert_array_equal(
        texture.applied(picture, frame), texture.applied(picture, frame + 300)
    )


def test_texture_leaves_the_tolerance_of_a_recovery_almost_everywhere() -> None:
    """Counting takes colours for equal that differ by at most 6 levels of Y'CbCr."""
    frames = frames_of(np.full((64, 96, 3), 128, np.uint8), kind="texture", seconds=20)
    assert (np.ptp(frames, axis=0).max(axis=-1) > 12).mean() > 0.95


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(0.1, 10.0), st.integers(0, 300))
def test_drift_shifts_no_point_by_more_than_its_reach(
    seed: int, strength: float, frame: int
) -> None:
    drift = Drift(
        scene(),
        strength=strength,
        n_frames=300,
        seconds=10,
        rng=np.random.default_rng(seed),
    )
    assert np.abs(drift.shifts(frame)).max() <= drift.reach
    assert drift.reach == pytest.approx(0.003 * strength * 64)


def test_drift_without_a_shift_shows_the_picture() -> None:
    class Still(Drift):
        def shifts(self, frame: int) -> Any:
            return np.zeros_like(super().shifts(frame))

    still = Still(scene(), strength=1, n_frames=9, seconds=1, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(still.picture(0), scene())


def test_drift_shows_no_border() -> None:
    """Beyond the picture there is black."""
    white = np.full((40, 60, 3), 255, np.uint8)
    assert (frames_of(white, kind="drift", strength=10.0) > 250).all()


def test_drift_moves_a_point_as_it_says() -> None:
    y, x = np.mgrid[0:128, 0:192]
    dot = 255 * np.exp(-((y - 64) ** 2 + (x - 96) ** 2) / 40)
    picture = np.repeat(dot[..., None], 3, axis=2).astype(np.uint8)
    drift = Drift(picture, strength=8, n_frames=100, seconds=10, rng=np.random.default_rng(3))
    middle = drift.shifts(0).shape[0] // 2, drift.shifts(0).shape[1] // 2
    places, expected = [], []
    for frame in range(0, 100, 10):
        shown = drift.picture(frame)[..., 0].astype(float)
        places.append([(shown * x).sum() / shown.sum(), (shown * y).sum() / shown.sum()])
        expected.append(-drift.shifts(frame)[middle])
    # What is read from farther right is shown farther left.
    moved, meant = np.array(places) - places[0], np.array(expected) - expected[0]
    assert np.abs(moved - meant).max() < 0.6
    assert np.ptp(meant, axis=0).max() > 1


@settings(max_examples=20)
@given(
    share=st.floats(0.001, 0.5),
    side=st.integers(1, 9),
    accumulate=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_noise_changes_the_share_that_was_asked_for(
    share: float, side: int, accumulate: bool, seed: int
) -> None:
    noise = PixelNoise(54, 63, share=share, side=side, accumulate=accumulate, seed=(seed, 0))
    picture = np.zeros((54, 63, 3), np.uint8)
    cells = -(-54 // side) * -(-63 // side)
    once = max(1, round(share * cells))
    noisy = [noise.applied(picture, frame).any(axis=-1) for frame in range(4)]
    for n, where in enumerate(noisy):
        most = once * (n + 1 if accumulate else 1)
        assert where.sum() <= most * side * side
    assert noisy[0].any()
    if accumulate:
        for before, now in pairwise(noisy):
            # A square that is drawn anew may become black, but hardly ever.
            assert (before & ~now).sum() <= 2 * side * side
    assert not picture.any()


def test_accumulated_noise_begins_anew_with_the_video() -> None:
    noise = PixelNoise(32, 32, share=0.1, side=2, accumulate=True, seed=(1, 2))
    picture = np.zeros((32, 32, 3), np.uint8)
    first = noise.applied(picture, 0)
    noise.applied(picture, 1)
    np.testing.assert_array_equal(noise.applied(picture, 0), first)


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(1, 200), st.integers(0, 2**32))
def test_noise_frames_come_once_in_an_interval_and_never_close_together(
    every: int, n_frames: int, seed: int
) -> None:
    noise = NoiseFrames(8, 8, every=every, side=2, n_frames=n_frames, seed=(seed, 0))
    numbers = sorted(noise.numbers)
    assert [n // every for n in numbers] == list(range(-(-n_frames // every)))
    assert all(0 <= n < n_frames for n in numbers)
    whole = [n for n in numbers if n // every < n_frames // every]
    assert all(b - a >= every // 2 for a, b in pairwise(whole))
    picture = np.full((8, 8, 3), 9, np.uint8)
    for n in range(n_frames):
        assert (noise.applied(picture, n) is picture) == (n not in noise.numbers)


def test_noise_frames_flash_at_most_once_a_second() -> None:
    frames = frames_of(kind="frames", strength=10.0, noise_every=2, seconds=5)
    plain = cover(scene(), Shape(64, 96), Image.Resampling.LANCZOS)
    noisy = (frames != plain).any(axis=(1, 2, 3))
    assert noisy.sum() == 3
    assert np.diff(np.flatnonzero(noisy)).min() >= 10


@settings(max_examples=15)
@given(st.floats(0.1, 10.0), st.integers(20, 200), st.integers(0, 2**32))
def test_decoys_are_shown_equally_often(strength: float, n_frames: int, seed: int) -> None:
    decoys = Decoys(scene(), strength=strength, n_frames=n_frames, rng=np.random.default_rng(seed))
    cells = -(-64 // decoys.side) * -(-96 // decoys.side)
    counts = np.zeros(cells, int)
    shown = [tuple(decoys.shown(n)) for n in range(n_frames)]
    for n in range(0, n_frames, HOLD_FRAMES):
        assert len(shown[n]) == max(1, round(0.02 * strength * cells))
        assert set(shown[n : n + HOLD_FRAMES]) == {shown[n]}
        np.add.at(counts, np.array(shown[n]), 1)
    assert np.ptp(counts) <= 1


def test_a_decoy_has_the_same_far_colour_each_time() -> None:
    plain = cover(scene(), Shape(64, 96), Image.Resampling.LANCZOS).astype(int)
    frames = frames_of(kind="decoys", strength=5.0, seconds=10)
    changed = (frames != plain).any(axis=-1)
    colours = np.where(changed[..., None], frames, -1)
    highest, lowest = colours.max(axis=0), np.where(colours < 0, 999, colours).min(axis=0)
    seen = changed.any(axis=0)
    assert seen.mean() > 0.95
    np.testing.assert_array_equal(highest[seen], lowest[seen])
    assert (np.abs(highest - plain)[seen].max(axis=-1) > 60).mean() > 0.95
    assert changed.mean() == pytest.approx(0.1, abs=0.03)


@given(st.integers(1, 6), st.floats(1, 3600), st.integers(0, 2**32))
def test_cycles_are_whole_and_have_no_common_divisor(n: int, seconds: float, seed: int) -> None:
    cycles = harmonics(np.random.default_rng(seed), (3, n + 1), seconds)
    assert (cycles == np.rint(cycles)).all()
    assert cycles.min() >= 1
    assert (np.gcd.reduce(cycles.astype(int), axis=-1) == 1).all()


def test_points_wander_apart_and_within_their_range() -> None:
    points = Wandering(np.random.default_rng(2), (5,), 200, 20)
    paths = np.stack([points.at(n) for n in range(200)])
    assert np.abs(paths).max() <= 1
    assert np.ptp(paths, axis=0).min() > 0.5
    correlation: npt.NDArray[np.float64] = np.atleast_2d(np.corrcoef(paths.T))
    assert np.abs(correlation[np.triu_indices(5, 1)]).max() < 0.95
    np.testing.assert_allclose(points.at(200), points.at(0))


def test_frames_are_made_one_by_one() -> None:
    """An hour of them is begun at once."""
    endless = shielded_frames(scene(), replace(SMALL, kind="+".join(KINDS), seconds=3600))
    assert len(list(islice(endless, 3))) == 3
