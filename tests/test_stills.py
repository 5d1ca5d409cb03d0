"""What is a still and what a film is decided by its frames, alike in every command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.footage import numbered_frames, write_video
from unveil.errors import MissingInput, UnreadableImage
from unveil.files import is_still
from unveil.protection.backdrop import LoopingVideo, Picture, make_backdrop
from unveil.simulation.subject import Actor
from unveil.simulation.virtual_background import VirtualBackground


def write_pictures(path: Path, n: int) -> Path:
    pictures = [
        Image.fromarray(np.full((32, 48, 3), 20 + 60 * number, np.uint8)) for number in range(n)
    ]
    if n == 1:
        pictures[0].save(path)
    else:
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    return path


STILLS = [("a.gif", 1), ("a.png", 1), ("a.webp", 1), ("a.jpg", 1), ("a.tiff", 3), ("a.mpo", 3)]
FILMS = [("a.gif", 3), ("a.png", 3), ("a.webp", 3), ("a", 3)]


@pytest.mark.parametrize(("name", "n"), STILLS)
def test_one_picture_is_a_still_everywhere(tmp_path: Path, name: str, n: int) -> None:
    path = write_pictures(tmp_path / name, n)
    assert is_still(path)
    assert Actor(path).is_still
    assert isinstance(make_backdrop(path), Picture)
    virtual = VirtualBackground(path, 32, 48)
    frames = virtual.frames()
    assert np.array_equal(next(frames), next(frames))


@pytest.mark.parametrize(("name", "n"), FILMS)
def test_several_pictures_that_move_are_a_film_everywhere(
    tmp_path: Path, name: str, n: int
) -> None:
    path = tmp_path / name
    write_pictures(tmp_path / "b.gif" if name == "a" else path, n)
    if name == "a":
        (tmp_path / "b.gif").rename(path)
    assert not is_still(path)
    actor = Actor(path)
    assert not actor.is_still
    assert actor.frame_rate == pytest.approx(10)
    assert isinstance(make_backdrop(path), LoopingVideo)
    frames = VirtualBackground(path, 32, 48).frames()
    levels = [int(next(frames)[0, 0, 0]) for _ in range(4)]
    assert levels[3] == levels[0]
    assert len(set(levels)) == 3


def test_a_video_is_a_film_whatever_its_suffix(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered_frames(3))
    (tmp_path / "a.mp4").rename(tmp_path / "a.gif")
    assert not is_still(tmp_path / "a.gif")
    assert not Actor(tmp_path / "a.gif").is_still


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_damaged_picture_is_reported_as_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no picture")
    assert is_still(tmp_path / name)
    with pytest.raises(UnreadableImage):
        Actor(tmp_path / name)
    with pytest.raises(MissingInput):
        Actor(tmp_path / f"no-{name}")
