"""Start, end and stride against the formula: frame i of a 30 frames/s video is at i / 30 s."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.footage import numbered_frames, numbers_of, write_video
from unveil.errors import InvalidParameter, NoFrames
from unveil.video.container import VideoProperties
from unveil.video.reader import open_video
from unveil.video.selection import Selection
from unveil.video.tally import DecodeTally

N_FRAMES = 75
OPTIONS = {"qp": "0", "preset": "veryfast", "g": "12", "bf": "2"}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make the same frames in containers that seek, time and begin differently."""
    folder = tmp_path_factory.mktemp("selection")
    paths = {}
    for name in ("call.mp4", "call.mkv", "call.ts", "call.mov", "call.h264"):
        paths[name] = write_video(folder / name, numbered_frames(N_FRAMES), options=OPTIONS)
    late = [i + 210 for i in range(N_FRAMES)]
    for name in ("late.mkv", "late.mp4", "late.ts"):
        paths[name] = write_video(
            folder / name, numbered_frames(N_FRAMES), options=OPTIONS, pts=late
        )
    paths["call.y4m"] = write_video(
        folder / "call.y4m", numbered_frames(N_FRAMES), codec="wrapped_avframe"
    )
    return paths


def decode(
    path: Path, **selection: float | None
) -> tuple[list[int], list[float], DecodeTally, int | None]:
    numbers: list[int] = []
    seconds: list[float] = []
    with open_video(path, **selection) as video:
        for chunk in video.chunks():
            numbers += numbers_of(chunk.planes)
            seconds += chunk.pts_seconds.tolist()
    return numbers, seconds, video.tally, video.expected_frames


NAMES = ["call.mp4", "call.mkv", "call.ts", "call.mov", "late.mkv", "late.mp4", "late.ts"]


@settings(max_examples=150)
@given(
    name=st.sampled_from([*NAMES, "call.y4m"]),
    start=st.one_of(st.none(), st.integers(0, N_FRAMES - 1)),
    length=st.one_of(st.none(), st.integers(1, N_FRAMES + 10)),
    stride=st.integers(1, 40),
    chunk_frames=st.integers(1, 20),
    threads=st.sampled_from([None, 1, 2]),
)
def test_the_chosen_frames_are_those_of_the_formula(
    calls: dict[str, Path],
    name: str,
    start: int | None,
    length: int | None,
    stride: int,
    chunk_frames: int,
    threads: int | None,
) -> None:
    end = None if length is None else (start or 0) + length
    wanted = list(range(start or 0, min(end or N_FRAMES, N_FRAMES), stride))
    # Matroska rounds times to milliseconds: choose in the middle between two frames.
    start_seconds = None if start is None else max(0.0, (start - 0.5) / 30)
    end_seconds = None if end is None else (end - 0.5) / 30
    numbers, seconds, tally, expected = decode(
        calls[name],
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        stride=stride,
        chunk_frames=chunk_frames,
        threads=threads,
    )
    assert numbers == wanted
    assert seconds == pytest.approx([i / 30 for i in wanted], abs=1e-3)
    assert tally.frames_read == len(wanted)
    assert tally.frames_skipped <= N_FRAMES - len(wanted)
    assert not tally.truncated
    assert expected is None or abs(expected - len(wanted)) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_s_own_time_chooses_it(calls: dict[str, Path], name: str) -> None:
    _, seconds, _, _ = decode(calls[name])
    numbers, _, _, _ = decode(
        calls[name], start_seconds=seconds[20], end_seconds=seconds[30], stride=1
    )
    assert numbers == list(range(20, 30)), "the start is included, the end is not"


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.ts"])
def test_time_counts_from_the_first_frame(calls: dict[str, Path], name: str) -> None:
    _, seconds, _, _ = decode(calls[name])
    assert seconds == pytest.approx([i / 30 for i in range(N_FRAMES)], abs=1e-3)


def test_seeking_spares_decoding(calls: dict[str, Path]) -> None:
    _, _, tally, _ = decode(calls["call.mp4"], start_seconds=2.01)
    assert tally.frames_skipped < 13


@pytest.mark.parametrize("name", [*NAMES, "call.h264", "call.y4m"])
def test_a_start_behind_the_end(calls: dict[str, Path], name: str) -> None:
    with pytest.raises(NoFrames, match="no frame between 50 s and its end"):
        decode(calls[name], start_seconds=50)


def test_a_gap_without_frames(tmp_path: Path) -> None:
    pts = [0, 1, 2, 3, 90, 91]
    path = write_video(tmp_path / "gap.mkv", numbered_frames(6), pts=pts)
    with pytest.raises(NoFrames, match=r"no frame between 1 s and 2.5 s; the video lasts 3\.0"):
        decode(path, start_seconds=1, end_seconds=2.5)
    assert decode(path, start_seconds=1)[0] == [4, 5]


def test_variable_frame_rate(tmp_path: Path) -> None:
    pts = [0, 7, 8, 30, 31, 100, 101, 250]
    for name in ("vfr.mp4", "vfr.mkv"):
        path = write_video(tmp_path / name, numbered_frames(8), pts=pts, time_base=Fraction(1, 100))
        numbers, seconds, _, _ = decode(path, start_seconds=0.08, end_seconds=1.01)
        assert numbers == [2, 3, 4, 5]
        assert seconds == pytest.approx([0.08, 0.3, 0.31, 1.0], abs=1e-3)


def test_frames_without_time_are_placed_by_the_frame_rate(calls: dict[str, Path]) -> None:
    # An elementary stream has no time stamps; the headers of its codec declare 30 frames/s.
    numbers, seconds, _, expected = decode(
        calls["call.h264"], start_seconds=1, end_seconds=2, stride=2
    )
    assert numbers == list(range(30, 60, 2))
    assert all(math.isnan(value) for value in seconds)
    assert expected is None


def test_a_container_that_cannot_seek_is_read_through(calls: dict[str, Path]) -> None:
    numbers, _, tally, _ = decode(calls["call.y4m"], start_seconds=2)
    assert numbers == list(range(60, N_FRAMES))
    assert tally.frames_read == 15


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_seconds": -1},
        {"start_seconds": math.nan},
        {"start_seconds": math.inf},
        {"end_seconds": 0},
        {"end_seconds": -3},
        {"end_seconds": math.nan},
        {"start_seconds": 2, "end_seconds": 2},
        {"stride": 0},
        {"chunk_frames": 0},
        {"threads": 0},
    ],
)
def test_parameters_out_of_range(calls: dict[str, Path], wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidParameter, match=list(wrong)[-1]):
        decode(calls["call.mp4"], **wrong)


@pytest.mark.parametrize(
    ("declared", "rate", "duration", "expected"),
    [(300, 30, 10.0, 20), (None, 30, 10.0, 20), (300, None, None, 100), (None, 30, None, None)],
)
def test_expected_frames(
    declared: int | None, rate: float | None, duration: float | None, expected: int | None
) -> None:
    properties = VideoProperties("", "", "", 2, 2, "", "bt601", False, rate, duration, declared)
    assert Selection(4, 6, 3).expected_frames(properties) == expected
