"""Frames of a video as RGB pictures."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.footage import numbered_frames, write_video
from unveil.errors import MissingInput, UnreadableVideo
from unveil.video.rgb_reader import VideoPictures, endless
from unveil.video.writer import VideoWriter

COLOURS = [(200, 40, 40), (40, 160, 40), (50, 60, 210)]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    with VideoWriter(path, height=48, width=64, frame_rate=25, crf=4) as writer:
        for colour in COLOURS:
            writer.write(np.full((48, 64, 3), colour, np.uint8))
    return path


def test_every_frame_comes_in_its_colours_each_time(video: Path) -> None:
    pictures = VideoPictures(video)
    assert (pictures.n_frames, pictures.frame_rate) == (3, 25)
    for _ in range(2):
        frames = list(pictures)
        assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
        for frame, colour in zip(frames, COLOURS, strict=True):
            assert np.abs(frame.astype(int) - colour).max() <= 4


@pytest.mark.parametrize(("loop", "wanted"), [(None, [0, 1, 2, 0, 1, 2, 0]), (2, [0, 1, 0, 1, 0])])
def test_a_video_is_played_over_and_over(video: Path, loop: int | None, wanted: list[int]) -> None:
    shown = itertools.islice(endless(VideoPictures(video), loop), len(wanted))
    for frame, n in zip(shown, wanted, strict=True):
        assert np.abs(frame[0, 0].astype(int) - COLOURS[n]).max() <= 4


def test_what_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        VideoPictures(tmp_path / "no.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UnreadableVideo):
        VideoPictures(tmp_path / "text.mp4")


def test_frames_come_with_their_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(4, first=50), rate=10)
    times = [seconds for seconds, _ in VideoPictures(path).frames()]
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_frames_end_when_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered_frames(200))
    stop = threading.Event()
    frames = VideoPictures(path, threads=1).frames(stop)
    next(frames)
    stop.set()
    assert len(list(frames)) < 100


def test_a_video_that_vanishes(video: Path) -> None:
    pictures = VideoPictures(video)
    video.unlink()
    with pytest.raises(MissingInput):
        next(pictures.frames())
