"""Scenes have any size and are the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.simulation import scenes

SCENES = [scenes.text_room, scenes.photo_room, scenes.landscape]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 200), (200, 1), (45, 81)])
@pytest.mark.parametrize("scene", SCENES)
def test_scenes_have_any_size(scene: object, size: tuple[int, int]) -> None:
    picture = scene(*size)
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("scene", SCENES)
def test_scenes_are_the_same_each_time(scene: object) -> None:
    first, second = scene(60, 90), scene(60, 90)
    assert np.array_equal(first, second)


def test_a_seed_changes_the_scene() -> None:
    assert not np.array_equal(scenes.photo_room(60, 90, 1), scenes.photo_room(60, 90, 2))
    assert not np.array_equal(scenes.landscape(60, 90, 1), scenes.landscape(60, 90, 2))


def test_room_and_background_are_told_apart() -> None:
    room, background = scenes.photo_room(180, 320), scenes.landscape(180, 320)
    difference = np.abs(room.astype(int) - background).max(axis=2)
    assert (difference > 30).mean() > 0.9
