"""Short recordings of the sitter, made once for each module."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.footage import write_video
from tests.protection.talks import RATE, sitting, write_talk


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "video.mp4", sitting(30), rate=RATE)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talk(tmp_path_factory.mktemp("talks") / "talk.mp4", 100)
