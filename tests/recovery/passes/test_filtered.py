"""The room behind a background with noise in its pixels, a countermeasure of zoomg."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sitter import find_seated
from unveil import Engine, Recovery, recover
from unveil.arrays import U8
from unveil.recovery.background.noise import NoiseSurvey
from unveil.recovery.parameters import Parameters
from unveil.video.writer import VideoWriter

HEIGHT, WIDTH, N_FRAMES = 144, 192, 160
LEAK = np.s_[50:100, 25:60]
INSIDE = np.s_[56:94, 31:54]
ROOM, BACKGROUND = (40, 200, 60), (70, 70, 190)

Picture = Callable[[int], U8]


def clean(number: int) -> U8:
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[...] = BACKGROUND
    picture[:, WIDTH // 2 :] = (150, 120, 60)
    return picture


def impulses(number: int) -> U8:
    rng, picture = np.random.default_rng(number), clean(number)
    noisy = rng.random((HEIGHT, WIDTH)) < 0.06
    picture[noisy] = rng.integers(0, 256, (np.count_nonzero(noisy), 3))
    return picture


def gaussian(number: int) -> U8:
    noise = 18 * np.random.default_rng(number).standard_normal((HEIGHT, WIDTH, 3))
    return np.clip(clean(number) + noise, 0, 255).astype(np.uint8)


def written(path: Path, background: Picture) -> Path:
    """Write a call in which the room leaks beside a person now and then."""
    with VideoWriter(path, height=HEIGHT, width=WIDTH, frame_rate=25, crf=10) as writer:
        for number in range(N_FRAMES):
            picture = background(number)
            if number % 10 < 3:
                picture[LEAK] = ROOM
            picture[36:, 64:128] = 128
            writer.write(picture)
    return path


@pytest.fixture(autouse=True)
def watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    find_seated(monkeypatch, HEIGHT, WIDTH)


def specks(recovery: Recovery) -> float:
    """Return the share of the picture that is claimed where nothing leaks."""
    elsewhere = recovery.room[..., 3] > 0
    elsewhere[44:106, 19:66] = False
    elsewhere[30:, 58:134] = False  # beside the person
    return float(elsewhere.mean())


def check_room(recovery: Recovery, *, found: float = 0.98) -> None:
    inside = recovery.room[INSIDE]
    assert (inside[..., 3] > 0).mean() > found
    right = np.abs(inside[..., :3].astype(int) - ROOM).max(-1) <= 40
    assert right[inside[..., 3] > 0].mean() > 0.95


def noise_of(recovery: Recovery) -> Any:
    return recovery.report["noise"]


def warned(recovery: Recovery) -> list[str]:
    return [text for text in recovery.report["warnings"] if "noise in its pixels" in text]


@pytest.mark.parametrize("background", [impulses, gaussian])
def test_the_room_is_recovered_without_specks(tmp_path: Path, background: Picture) -> None:
    call = written(tmp_path / "call.mp4", background)
    recovery = recover(call, threads=1)
    check_room(recovery)
    assert specks(recovery) < 0.02
    assert noise_of(recovery)["filtered"]
    assert not noise_of(recovery)["harmless"]
    assert 0.02 < noise_of(recovery)["changed_share"] < 0.6
    assert recovery.report["background"] == "still"
    assert recovery.report["further_passes"] == 1
    assert recovery.report["person"]["frames_searched"] == N_FRAMES // 4
    assert len(warned(recovery)) == 1
    again = recover(call, threads=2)
    np.testing.assert_array_equal(again.room, recovery.room)
    np.testing.assert_array_equal(again.background, recovery.background)


def test_a_given_picture_is_used_with_the_filtered_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    blobs = np.kron(rng.integers(30, 220, (9, 12, 3), np.uint8), np.ones((16, 16, 1), np.uint8))

    def noisy(number: int) -> U8:
        rng, picture = np.random.default_rng(number), blobs.copy()
        places = rng.random((HEIGHT, WIDTH)) < 0.06
        picture[places] = rng.integers(0, 256, (np.count_nonzero(places), 3))
        return picture

    recovery = recover(written(tmp_path / "call.mp4", noisy), background=blobs, threads=1)
    assert noise_of(recovery)["filtered"]
    assert recovery.report["background_match"]["error"] < 4


def test_a_clean_background_is_read_once(tmp_path: Path) -> None:
    recovery = recover(written(tmp_path / "call.mp4", clean), threads=1)
    check_room(recovery)
    assert specks(recovery) < 0.002
    assert noise_of(recovery) is None
    assert recovery.report["further_passes"] == 0
    assert not warned(recovery)


def test_an_engine_drops_specks_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(HEIGHT, WIDTH, parameters=Parameters(threads=1))
    rng = np.random.default_rng(0)
    colours = np.array([(250, 20, 20), (20, 250, 20), (250, 250, 20)], np.uint8)
    for number in range(N_FRAMES):
        picture = clean(number)
        places = rng.random((HEIGHT // 2, WIDTH // 2)) < 0.015
        squares = np.kron(places, np.ones((2, 2), np.bool_))
        picture[squares] = colours[number % 3]
        if number % 10 < 3:
            picture[LEAK] = ROOM
        picture[36:, 64:128] = 128
        engine.push(picture)
    recovery = engine.finalise()
    assert noise_of(recovery) is not None
    assert not noise_of(recovery)["filtered"]
    assert recovery.report["background"] == "still"
    check_room(recovery, found=0.6)
    assert len(warned(recovery)) == 1
    monkeypatch.setattr(NoiseSurvey, "find", lambda self: None)
    assert specks(recovery) < 0.5 * specks(engine.finalise())
