"""Whether a recording is long enough to be cut, judged without decoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.command import call_frames
from tests.footage import write_video
from unveil.errors import UnreadableVideo
from unveil.video.segments import may_be_cut
from unveil.video.selection import Selection
from unveil.video.source import source_of


def written(path: Path, seconds: int, **options: Any) -> Path:
    """Encode five frames, spread over a time."""
    pts = [number * seconds // 4 for number in range(5)]
    return write_video(path, call_frames(5), pts=pts, time_base=Fraction(1), **options)


@pytest.mark.parametrize(("seconds", "expected"), [(8, False), (200, True)])
@pytest.mark.parametrize("live", [False, True])
def test_length_counts_also_where_it_is_not_declared(
    tmp_path: Path, seconds: int, expected: bool, live: bool
) -> None:
    options = {"container_options": {"live": "1"}} if live else {}
    path = written(tmp_path / "call.mkv", seconds, container="matroska", **options)
    assert may_be_cut(source_of(path), Selection(), None) is expected


@pytest.mark.parametrize(
    ("start", "end", "stride", "expected"),
    [
        (None, 60.0, 1, False),
        (150.0, None, 1, False),
        (10.0, 190.0, 1, True),
        (None, None, 2, False),
    ],
)
def test_what_is_selected_counts(
    tmp_path: Path, start: float | None, end: float | None, stride: int, expected: bool
) -> None:
    path = written(tmp_path / "call.mp4", 200)
    selection = Selection.between(start, end, stride)
    assert may_be_cut(source_of(path), selection, None) is expected


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UnreadableVideo):
        may_be_cut(source_of(tmp_path / "text.mp4"), Selection(), None)
