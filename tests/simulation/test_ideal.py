"""Calls with a known truth: what shows where, when, and for how long."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.errors import InvalidParameter
from unveil.simulation.ideal import RED, YELLOW, DemoCall, drawn_person, make_call, moving_call

Shown = npt.NDArray[np.bool_]


def shown(call: DemoCall) -> tuple[Shown, Shown, Shown]:
    """Tell when each pixel shows the room, the background or the bar: three (n, h, w)."""
    frames = np.stack(list(call.frames()))
    room = (frames == call.room).all(axis=3)
    background = (frames == call.background).all(axis=3)
    return room, background, (frames == YELLOW).all(axis=3)


@pytest.mark.parametrize("kind", ["plain", "photo"])
def test_every_pixel_shows_the_room_at_each_edge_of_each_crossing(kind: Any) -> None:
    call = make_call(kind, height=40)
    room, background, bar = shown(call)
    assert len(room) == 240
    assert (room | background | bar).all()
    # Six crossings: one frame before the bar, and after it one or two in turn.
    assert (room.sum(axis=0) == 6 * 1 + 3 * 1 + 3 * 2).all()
    # The room is rarer than the bar, and the background by far the most frequent.
    assert (bar.sum(axis=0) > room.sum(axis=0)).all()
    assert (background.sum(axis=0) > 0.7 * 240).all()


def test_the_room_shows_next_to_the_bar_only() -> None:
    room, _, bar = shown(make_call("plain", height=9, width=640))
    for n in range(1, len(room) - 1):
        columns = np.flatnonzero(room[n, 0])
        beside = bar[max(0, n - 2) : n + 2, 0].any(axis=0)
        assert beside[columns].all()


def test_no_appearance_lasts_longer_than_two_frames() -> None:
    room, _, _ = shown(make_call("plain", height=5, width=640))
    assert not (room[2:] & room[1:-1] & room[:-2]).any()


@settings(max_examples=25)
@given(st.integers(1, 20), st.integers(1, 60), st.integers(12, 150))
def test_any_size_and_length_shows_all_of_the_room(height: int, width: int, n_frames: int) -> None:
    call = make_call("plain", height=height, width=width, n_frames=n_frames)
    room, background, bar = shown(call)
    assert room.shape == (n_frames, height, width)
    assert room.any(axis=0).all()
    assert bar.any(axis=0).all()
    assert background.any(axis=0).all()


def test_the_noise_frame_is_one_and_late() -> None:
    plain, noisy = make_call("plain"), make_call("noise-frame")
    different = [
        n
        for n, (a, b) in enumerate(zip(plain.frames(), noisy.frames(), strict=True))
        if not np.array_equal(a, b)
    ]
    assert different == [216]
    noise = list(noisy.frames())[216]
    assert abs(float(noise.mean()) - 127.5) < 1
    assert np.array_equal(plain.room, noisy.room)


def test_the_default_call_is_small() -> None:
    call = make_call()
    assert (call.height, call.width, call.n_frames, call.frame_rate) == (360, 640, 240, 30)


def test_the_plain_background_has_one_colour() -> None:
    assert (make_call("plain").background == RED).all()


@pytest.mark.parametrize("make", [make_call, moving_call])
def test_a_call_is_the_same_each_time(make: Any) -> None:
    first, again, other = (make(height=64, width=96, n_frames=20, seed=s) for s in (3, 3, 4))
    frames = np.stack(list(first.frames()))
    assert np.array_equal(frames, np.stack(list(first.frames())))
    assert np.array_equal(frames, np.stack(list(again.frames())))
    if make is moving_call:
        assert not np.array_equal(frames, np.stack(list(other.frames())))


def test_the_frames_of_a_call_are_not_reused() -> None:
    for call in (make_call(height=32, width=48, n_frames=12), moving_call(64, 96, 12)):
        frames = list(call.frames())
        assert len({frame.ctypes.data for frame in frames}) == len(frames)
        assert not np.array_equal(frames[0], frames[6])


def test_the_moving_call_shows_room_person_and_an_untouched_background() -> None:
    call = moving_call(180, 320, 150, noise=1.5)
    frames = np.stack(list(call.frames()))
    assert frames.shape == (150, 180, 320, 3)
    untouched = (frames == call.background).all(axis=3)
    assert 0.4 < untouched.mean() < 0.85  # the rest is person and leaks
    assert untouched[:, :20, :40].all()  # no noise where the camera is not seen
    told_apart = np.abs(call.room.astype(int) - call.background).max(axis=2) > 40
    leaks = (np.abs(frames.astype(int) - call.room).max(axis=3) < 8) & told_apart
    assert (leaks.sum(axis=0) >= 3).mean() > 0.08
    assert leaks.mean() < 0.05  # for moments, in a narrow band
    # Where the person stays all the time nothing of the room shows.
    assert not leaks[:, 170:, 150:170].any()


def test_noise_is_as_strong_as_asked() -> None:
    quiet, loud = (
        np.stack(list(moving_call(96, 160, 10, noise=noise).frames())).astype(float)
        for noise in (0, 3)
    )
    always_person = np.s_[:, 88:, 76:84]
    difference = (loud - quiet)[always_person]
    assert difference.std() == pytest.approx(3, rel=0.15)
    assert abs(difference.mean()) < 0.3


def test_a_narrow_or_tall_call_is_made() -> None:
    for size in ((32, 32), (33, 200), (200, 33)):
        assert next(moving_call(*size, 3).frames()).shape == (*size, 3)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (make_call, {"kind": "other"}),
        (make_call, {"n_frames": 11}),
        (make_call, {"height": 0}),
        (moving_call, {"height": 31}),
        (moving_call, {"width": 31}),
        (moving_call, {"n_frames": 0}),
        (moving_call, {"noise": -1}),
        (moving_call, {"noise": float("nan")}),
    ],
)
def test_numbers_out_of_range_are_refused(make: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        make(**options)


def test_a_call_does_not_print_its_pictures() -> None:
    assert len(repr(make_call())) < 200


def test_the_drawn_person_is_opaque_in_the_middle_and_transparent_around() -> None:
    still = drawn_person(120, seed=2)
    assert still.shape == (120, 120, 4)
    assert still.dtype == np.uint8
    alpha = still[..., 3]
    assert (alpha[110:, 55:65] == 255).all()
    assert not alpha[:20].any()
    assert not alpha[:60, :20].any()
    assert np.array_equal(still, drawn_person(120, seed=2))
