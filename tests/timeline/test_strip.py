"""The picture of a timeline, whatever its times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unveil.timeline.history import History
from unveil.timeline.model import Timeline
from unveil.timeline.strip import draw_strip


@pytest.mark.parametrize("times", ["seconds", "none", "constant", "backwards"])
@pytest.mark.parametrize("n_frames", [1, 2, 90, 5000])
def test_any_times_are_drawn(times: str, n_frames: int) -> None:
    seconds = {
        "seconds": np.arange(n_frames) / 30,
        "none": np.full(n_frames, np.nan),
        "constant": np.full(n_frames, 7.0),
        "backwards": np.arange(n_frames)[::-1] / 30,
    }[times]
    history = History(1, 400)
    history.push(np.zeros((1, n_frames, 3), np.uint8), seconds)
    drawn = Timeline(
        path=Path("strip.png"),
        at=((1, 1),),
        colours=history.colours,
        seconds=history.seconds,
        n_frames=n_frames,
        frames_per_column=history.span,
        background=np.full((1, 4), 255, np.uint8),
        room=np.zeros((1, 4), np.uint8),
    )
    picture = draw_strip(drawn, 20, 400)
    assert picture.shape[0] == 22 + 26 + 34
    assert picture.shape[1] <= 92 + 400 + 6 + 2 * 84
    assert (picture[-30:] < 128).any()  # an axis and its labels
