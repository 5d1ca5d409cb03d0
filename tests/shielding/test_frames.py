"""Frames of resisting backgrounds: reproducible, bounded in their change, never repeated."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from unveil.arrays import U8
from unveil.errors import InvalidParameter
from unveil.shielding import ShieldParameters
from unveil.shielding.frames import shielded_frames

HEIGHT, WIDTH = 48, 64
SINGLE = ("pixels", "frames", "drift", "texture")


def picture() -> U8:
    """Make a picture of blocks with a different colour each."""
    blocks = np.random.default_rng(0).integers(40, 216, (12, 16, 3), np.uint8)
    return blocks.repeat(4, 0).repeat(4, 1)


def frames(kind: str, seconds: float = 2.0, **options: float) -> U8:
    """Give all frames of a video: (n, h, w, 3)."""
    parameters = ShieldParameters(
        kind, seconds=seconds, fps=10, height=HEIGHT, width=WIDTH, **options
    )
    return np.stack(list(shielded_frames(picture(), parameters)))


def changed(video: U8) -> np.ndarray:
    """Tell which pixels differ from the picture: (n, h, w) bool."""
    return (video != picture()).any(-1)


@pytest.mark.parametrize("kind", [*SINGLE, "drift+texture", "pixels+frames"])
def test_the_same_seed_gives_the_same_frames_and_another_others(kind: str) -> None:
    options = {"noise_share": 0.05, "noise_every": 2.0}
    video = frames(kind, **options)
    assert video.shape == (20, HEIGHT, WIDTH, 3)
    assert np.array_equal(video, frames(kind, **options))
    assert not np.array_equal(video, frames(kind, **options, seed=1))
    assert changed(video).any()


def test_pixels_change_about_the_share_that_is_asked_for() -> None:
    share = changed(frames("pixels", 10.0, noise_share=0.05)).mean((1, 2))
    assert 0.02 < share.mean() < 0.08
    assert share.max() < 0.2


def test_pixels_accumulate() -> None:
    parameters = ShieldParameters(
        "pixels", seconds=2, fps=10, height=HEIGHT, width=WIDTH, noise_share=0.05, accumulate=True
    )
    masks = changed(np.stack(list(shielded_frames(picture(), parameters))))
    shares = masks.mean((1, 2))
    assert shares[-1] > 5 * shares[0]
    assert (np.diff(shares) > -0.02).all()
    assert not parameters.loops


@given(strength=st.floats(0.1, 10), every=st.floats(2, 5))
@PROPERTY
def test_noise_frames_never_flash_more_than_once_a_second(strength: float, every: float) -> None:
    video = frames("frames", 6.0, noise_every=every, strength=strength)
    (noisy,) = np.nonzero(changed(video).mean((1, 2)) > 0.5)
    assert len(noisy) > 0
    assert (np.diff(noisy) >= 10).all()
    rest = np.delete(video, noisy, 0)
    assert not changed(rest).any()


def test_texture_changes_slowly_and_little() -> None:
    parameters = ShieldParameters("texture", height=HEIGHT, width=WIDTH)
    video = np.stack(list(islice(shielded_frames(picture(), parameters), 60))).astype(int)
    assert np.abs(video - picture()).max() <= 40
    assert np.abs(np.diff(video, axis=0)).mean() < 2


def test_drift_shows_the_picture_at_other_places() -> None:
    video = frames("drift", 4.0).astype(int)
    apart = np.abs(video[:, None] - video[None]).mean((2, 3, 4))
    assert apart[np.triu_indices(len(video), 1)].min() > 0  # no two frames are alike


@pytest.mark.parametrize("kind", SINGLE)
def test_the_video_loops_without_a_jump(kind: str) -> None:
    """The step from the last frame to the first is as small as any other."""
    if kind in ("pixels", "frames"):
        assert ShieldParameters(kind).loops
        return
    video = frames(kind, 4.0).astype(int)
    steps = np.abs(video - np.roll(video, 1, 0)).mean((1, 2, 3))
    assert steps[0] <= 1.5 * steps[1:].max()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "sparkles"),
        ("kind", "drift+drift"),
        ("kind", ""),
        ("seconds", 0.5),
        ("fps", 0),
        ("strength", float("nan")),
        ("seed", -1),
        ("height", 47),
        ("width", 5000),
        ("noise_share", 1.5),
        ("noise_size", 0),
        ("noise_every", 1.0),
        ("accumulate", True),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidParameter, match=name):
        ShieldParameters(**{name: value})  # type: ignore[arg-type]
