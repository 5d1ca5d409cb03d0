"""Scenes: any size, the same each time, and pictures written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from unveil.errors import OutputUnwritable
from unveil.files import write_png
from unveil.scoring.photo import read_image
from unveil.simulation import scenes

SCENES = [scenes.text_room, scenes.photo_room, scenes.landscape, scenes.checkerboard]


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


def test_over_blends_by_alpha() -> None:
    backdrop = np.full((1, 3, 3), 100, np.uint8)
    rgba = np.array([[[200, 0, 50, 0], [200, 0, 50, 255], [200, 0, 50, 51]]], np.uint8)
    wanted = [[[100, 100, 100], [200, 0, 50], [120, 80, 90]]]
    assert scenes.over(rgba, backdrop).tolist() == wanted


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_are_written_and_read_back(tmp_path: Path, channels: int) -> None:
    rng = np.random.default_rng(0)
    picture: npt.NDArray[np.uint8] = rng.integers(0, 256, (7, 9, channels), dtype=np.uint8)
    write_png(tmp_path / "a.png", picture)
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_an_unwritable_picture_is_reported(tmp_path: Path) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(OutputUnwritable, match="nowhere"):
        write_png(tmp_path / "nowhere" / "a.png", picture)
    (tmp_path / "b.png").mkdir()
    with pytest.raises(OutputUnwritable, match=r"b\.png"):
        write_png(tmp_path / "b.png", picture)
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.png"]


def test_a_full_disk_leaves_no_picture(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OutputUnwritable, match=r"a\.png"):
            write_png(tmp_path / "a.png", noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
