"""Sample frames of recordings that end in an odd way."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.footage import numbered_frames, opening_failing, write_video
from unveil.tiles.samples import keyframes
from unveil.video.source import source_of


@pytest.mark.parametrize("n_packets", [0, 5])
def test_a_stream_that_appears_on_the_way_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_packets: int
) -> None:
    path = write_video(tmp_path / "call.mkv", numbered_frames(20), options={"g": "1"})
    failing = opening_failing(IndexError("list index out of range"), n_packets)
    monkeypatch.setattr("unveil.tiles.samples.open_container", failing)
    seen = keyframes(source_of(path), None, 0.0, math.inf)
    assert bool(seen) == (n_packets > 0)
