"""Tests of the attacks against slow references: `python -m pytest bench/test_attacks.py`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.attacks import sabra, vader
from bench.attacks.frames import Distance, Painting
from unveil.scoring.photo import compare_colours
from unveil.video.writer import VideoWriter


def test_the_frame_that_leaks_most_is_painted_first() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (9, 6, 7, 3), dtype=np.uint8)
    leaks = rng.random((9, 6, 7)) < rng.uniform(0, 0.6, 9)[:, None, None]
    painting = Painting(6, 7)
    for frame, leak in zip(frames, leaks, strict=True):
        painting.add(frame, leak)
    wanted = np.zeros((6, 7, 4), np.uint8)
    for n in np.argsort(-leaks.sum(axis=(1, 2)), kind="stable"):
        for y, x in np.argwhere(leaks[n]):
            if not wanted[y, x, 3]:
                wanted[y, x] = (*frames[n, y, x], 255)
    assert np.array_equal(painting.room, wanted)


def test_colours_too_near_to_matter_are_not_measured() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    picture[:20] //= 16
    frame = np.clip(picture + rng.integers(-9, 10, picture.shape), 0, 255).astype(np.uint8)
    frame[100:] = np.clip(picture[100:] + rng.integers(-2, 3, (100, 200, 3)), 0, 255)
    where = rng.random((200, 200)) < 0.9
    distance, exact = Distance(picture).of(frame, where), compare_colours(frame, picture)
    measured = distance > 0
    assert not measured[~where].any()
    assert distance[measured] == pytest.approx(exact[measured])
    assert exact[~measured & where].max() < 4  # the smallest threshold of an attack


def test_common_colours_are_counted_by_pixel() -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 9, (50, 3, 4)).astype(np.uint32) ** 3 // 60
    common = sabra._common(colours)
    for y, x in np.ndindex(3, 4):
        counts = Counter(colours[:, y, x].tolist())
        for n in range(50):
            assert common[n, y, x] == (counts[int(colours[n, y, x])] >= 2.5)


def test_skin_is_found_by_the_persons_own_median() -> None:
    frame = np.full((40, 40, 3), (60, 90, 200), np.uint8)
    frame[10:30, 10:30] = (210, 160, 140)
    frame[0:5, 0:5] = (212, 162, 138)
    person = np.zeros((40, 40), np.bool_)
    person[8:32, 8:32] = True
    skin = vader._skin(frame, person)
    assert skin[10:30, 10:30].all()
    assert skin[0:5, 0:5].all()
    assert skin.sum() == 425
    assert not vader._skin(frame, np.zeros((40, 40), np.bool_)).any()


@pytest.mark.parametrize("attack", [vader.attack, sabra.attack])
def test_a_leak_without_a_person_is_painted(attack: object, tmp_path: Path) -> None:
    background = np.full((96, 128, 3), (60, 90, 200), np.uint8)
    path = tmp_path / "call.mp4"
    with VideoWriter(path, height=96, width=128, frame_rate=25, crf=4) as writer:
        for n in range(12):
            frame = background.copy()
            if n in (4, 5):
                frame[16:80, 32:96] = (40, 160, 60)
            writer.write(frame)
    room = attack(path, background, threads=1)
    claimed = room[..., 3] > 0
    assert claimed[32:64, 48:80].all()
    assert not claimed[:8].any()
    assert np.abs(room[32:64, 48:80, :3].astype(int) - (40, 160, 60)).max() < 12
