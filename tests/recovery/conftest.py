"""The call of the engines' tests as a video, encoded once for each module."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recovery.engine_calls import HEIGHT, WIDTH, call_frames
from unveil.video.writer import VideoWriter


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("call") / "call.mp4"
    with VideoWriter(path, height=HEIGHT, width=WIDTH, frame_rate=25, crf=12) as video:
        for frame in call_frames():
            video.write(frame)
    return path
