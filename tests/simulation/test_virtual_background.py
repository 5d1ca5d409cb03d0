"""Virtual backgrounds of simulated calls: stills, panning ones, videos, noise."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.footage import numbered_frames, write_video
from unveil.errors import InvalidParameter, MissingInput, UnreadableImage, UnveilError
from unveil.simulation import scenes
from unveil.simulation.virtual_background import SCENES, VirtualBackground, picture_of


@pytest.mark.parametrize("scene", SCENES)
def test_scenes_have_the_size_asked_for(scene: str) -> None:
    assert picture_of(scene, 40, 70, 1).shape == (40, 70, 3)


def test_an_image_is_scaled_to_cover_and_its_middle_kept(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = (10, 200, 30)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (picture_of(tmp_path / "wide.png", 20, 20, 0) == (10, 200, 30)).all()
    fitted = picture_of(tmp_path / "wide.png", 40, 40, 0)
    assert (fitted[:, 4:36] == (10, 200, 30)).all()


def test_a_still_stays() -> None:
    shown = VirtualBackground("landscape", 36, 64, seed=3)
    for frame in itertools.islice(shown.frames(), 3):
        assert np.array_equal(frame, scenes.landscape(36, 64, 3))
    assert np.array_equal(shown.first, scenes.landscape(36, 64, 3))


@pytest.mark.parametrize("pan", [3, -5])
def test_a_panning_background_moves_round_and_round(pan: int) -> None:
    shown = VirtualBackground("landscape", 36, 64, pan=pan)
    frames = list(itertools.islice(shown.frames(), 65))
    assert np.array_equal(frames[0], shown.first)
    for n, frame in enumerate(frames):
        for column in (0, 1, 40):
            assert np.array_equal(frame[:, column], shown.first[:, (column + pan * n) % 64])
    assert np.array_equal(frames[64], frames[0])


def test_a_video_loops(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", numbered_frames(4, first=60))
    for loop_frames, wanted in ((None, [0, 1, 2, 3, 0, 1]), (2, [0, 1, 0, 1, 0])):
        shown = VirtualBackground(path, 48, 64, loop_frames=loop_frames)
        frames = [frame.copy() for frame in itertools.islice(shown.frames(), len(wanted))]
        for frame, n in zip(frames, wanted, strict=True):
            assert np.array_equal(frame, frames[n])
        assert np.array_equal(frames[0], shown.first)
        assert frames[1].mean() > frames[0].mean()


def test_noise_hits_other_pixels_in_each_frame() -> None:
    shown = VirtualBackground("landscape", 90, 160, pixels_of_noise=0.1, seed=5)
    first, second = (frame.copy() for frame in itertools.islice(shown.frames(), 2))
    for frame in (first, second):
        changed = (frame != shown.first).any(axis=2)
        assert 0.08 < changed.mean() < 0.1  # some are drawn twice
    assert not np.array_equal(first, second)
    again = next(VirtualBackground("landscape", 90, 160, pixels_of_noise=0.1, seed=5).frames())
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pan": 64}, "pan"),
        ({"pixels_of_noise": 1.1}, "pixels_of_noise"),
        ({"loop_frames": 0}, "loop_frames"),
        ({"loop_frames": 3}, "loop_frames"),
    ],
)
def test_values_out_of_range(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        VirtualBackground("landscape", 36, 64, **options)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        VirtualBackground(tmp_path / "no.png", 36, 64)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UnreadableImage):
        VirtualBackground(tmp_path / "text.png", 36, 64)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UnveilError):
        VirtualBackground(tmp_path / "text.mp4", 36, 64)
