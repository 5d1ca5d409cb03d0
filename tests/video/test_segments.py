"""Segments of a recording against one pass over it: the same frames, each once."""

from __future__ import annotations

import math
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import call_frames
from tests.footage import flip_bytes, textured_frames, write_video
from tests.timed_calls import evenly, join, write_talk
from unveil.errors import Interrupted, UnreadableVideo
from unveil.video import segments
from unveil.video.reader import open_video
from unveil.video.segments import (
    Keyframe,
    PacketIndex,
    cut,
    may_be_cut,
    plan_segments,
    read_index,
    selected,
)
from unveil.video.selection import Segment, Selection
from unveil.video.source import source_of

Frame = tuple[float, bytes]

WHOLE = Selection()

N_FRAMES = 200
"""Eight seconds at 25 frames a second."""

OPEN_GOP = {"g": "25", "bf": "3", "preset": "veryfast", "x264-params": "open-gop=1:scenecut=0"}
CLOSED = {"g": "25", "bf": "2", "preset": "veryfast"}


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short videos as if they were long."""
    monkeypatch.setattr(segments, "SHORTEST_SECONDS", 3.0)
    monkeypatch.setattr(segments, "TARGET_SECONDS", 2.0)


def planned(path: Path, selection: Selection = WHOLE) -> tuple[Segment, ...]:
    source = source_of(path)
    with open_video(source, threads=1) as video:
        properties = video.properties
        return plan_segments(
            source,
            selection,
            None,
            properties.container,
            properties.duration_seconds,
            video.origin_seconds,
        )[0]


def frames_of(path: Path, **options: Any) -> list[Frame]:
    """Decode: times and contents."""
    with open_video(path, **options) as video:
        return [
            (float(seconds), b"".join(plane[i].tobytes() for plane in chunk.planes))
            for chunk in video.chunks()
            for i, seconds in enumerate(chunk.pts_seconds)
        ]


def assert_same_frames(path: Path, n_least: int = 3, **selected_by: Any) -> None:
    """Check that segments have the frames of one pass, with any number of threads."""
    start, end = (selected_by.get(k) for k in ("start_seconds", "end_seconds"))
    found = planned(path, Selection.between(start, end, selected_by.get("stride", 1)))
    assert len(found) >= n_least
    whole = frames_of(path, threads=1, **selected_by)
    assert len(whole) > 10
    for threads in (1, 3):
        parts = [frames_of(path, threads=threads, segment=s, **selected_by) for s in found]
        assert all(parts)
        assert [f for part in parts for f in part] == whole


X265 = "keyint=25:bframes=3:open-gop=1:log-level=none"
LAGGING = {"g": "25", "lag-in-frames": "8"}

KINDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "closed": ("mp4", "libx264", CLOSED),
    "open-gop": ("mp4", "libx264", OPEN_GOP),
    "open-gop-mkv": ("mkv", "libx264", OPEN_GOP),
    "open-gop-ts": ("ts", "libx264", OPEN_GOP),
    "intra-refresh": ("ts", "libx264", {**CLOSED, "x264-params": "intra-refresh=1"}),
    "flv": ("flv", "libx264", CLOSED),
    "hevc": ("mp4", "libx265", {"preset": "ultrafast", "x265-params": X265}),
    "vp9": ("webm", "libvpx-vp9", {**LAGGING, "deadline": "realtime", "cpu-used": "8"}),
    "vp8": ("webm", "libvpx", {**LAGGING, "auto-alt-ref": "1", "cpu-used": "5"}),
    "mpeg2": ("mpg", "mpeg2video", {"g": "12", "bf": "2"}),
    "mpeg4": ("mkv", "mpeg4", {"g": "25", "bf": "2"}),
    "mjpeg": ("mov", "mjpeg", {}),
}
"""Suffix, codec and its options."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


def write_kind(kind: str, folder: Path) -> Path:
    """Encode a call of some kind in a folder, unless it is there."""
    suffix, codec, options = KINDS[kind]
    path = folder / f"{kind}.{suffix}"
    if path.exists():
        return path
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    frames = (f.reformat(format=pixel_format) for f in textured_frames(N_FRAMES, 48, 64))
    return write_video(path, frames, codec=codec, rate=25, options=options)


@pytest.mark.parametrize("kind", KINDS)
def test_segments_together_have_the_frames_of_one_pass(kind: str, folder: Path) -> None:
    path = write_kind(kind, folder)
    assert_same_frames(path)


@pytest.mark.parametrize(
    ("start", "end", "n"), [(None, 6.9, 3), (0.5, None, 4), (2.5, 7.2, 3), (4.0, 8.0, 2)]
)
@pytest.mark.parametrize("kind", ["closed", "open-gop-ts"])
def test_a_selected_part_is_cut_at_the_same_places(
    kind: str, start: float | None, end: float | None, n: int, folder: Path
) -> None:
    path = write_kind(kind, folder)
    assert_same_frames(path, n, start_seconds=start, end_seconds=end)
    borders = {segment.begin_seconds for segment in planned(path)}
    found = planned(path, Selection.between(start, end))
    assert borders >= {segment.begin_seconds for segment in found}


@pytest.mark.parametrize("stride", [2, 7])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "vp8"])
def test_segments_together_have_every_nth_frame(kind: str, stride: int, folder: Path) -> None:
    assert_same_frames(write_kind(kind, folder), stride=stride)


@pytest.mark.parametrize(("start", "end"), [(0.5, 7.9), (2.02, None), (3.0, 7.2)])
@pytest.mark.parametrize("kind", ["closed", "open-gop-ts"])
def test_every_nth_frame_is_counted_from_the_start(
    kind: str, start: float | None, end: float | None, folder: Path
) -> None:
    path = write_kind(kind, folder)
    assert_same_frames(path, 2, stride=3, start_seconds=start, end_seconds=end)


def test_packets_that_show_no_frame_shift_every_nth_frame_at_most(folder: Path) -> None:
    path = write_kind("vp8", folder)  # its alternate reference frames are never shown
    found = planned(path, Selection(stride=3))
    parts = [frames_of(path, segment=segment, stride=3) for segment in found]
    assert all(parts)
    times = [seconds for part in parts for seconds, _ in part]
    assert abs(len(times) - N_FRAMES / 3) <= len(found)
    for part in parts:
        np.testing.assert_allclose(np.diff([seconds for seconds, _ in part]), 3 / 25, atol=1e-3)


def test_a_short_part_is_read_in_one_piece(folder: Path) -> None:
    path = write_kind("closed", folder)
    assert planned(path, Selection(1.0, 3.9)) == ()


def test_a_recording_with_one_key_frame_is_read_in_one_piece(tmp_path: Path) -> None:
    frames = textured_frames(N_FRAMES, 48, 64)
    path = write_video(tmp_path / "call.mp4", frames, rate=25, options={"g": "999", "qp": "20"})
    assert planned(path) == ()


@pytest.mark.parametrize(("name", "codec"), [("call.h264", "libx264"), ("call.gif", "gif")])
def test_without_time_stamps_or_as_pictures_it_is_read_in_one_piece(
    name: str, codec: str, tmp_path: Path
) -> None:
    pixel_format = "rgb8" if codec == "gif" else "yuv420p"
    frames = (f.reformat(format=pixel_format) for f in textured_frames(N_FRAMES, 48, 64))
    options = CLOSED if codec == "libx264" else {}
    path = write_video(tmp_path / name, frames, codec=codec, rate=25, options=options)
    assert planned(path) == ()


def test_a_recording_whose_clock_jumps_is_read_in_one_piece(tmp_path: Path) -> None:
    first = write_talk(tmp_path / "a.ts", evenly(60), sound=(0, 6))
    second = write_talk(tmp_path / "b.ts", evenly(60, begin=500), sound=(500, 506))
    assert planned(join(tmp_path / "both.ts", first, second)) == ()
    assert len(planned(first)) == 2


def test_sound_and_a_late_beginning_change_no_frame(tmp_path: Path) -> None:
    path = write_talk(tmp_path / "call.ts", evenly(90, begin=3.3), sound=(0, 13), offset_seconds=7)
    assert_same_frames(path)


def test_a_gap_in_the_recording_is_kept(tmp_path: Path) -> None:
    times = [*evenly(40), *evenly(60, begin=900)]
    assert_same_frames(write_talk(tmp_path / "call.mkv", times))


@pytest.mark.parametrize("kind", ["closed", "mpeg4"])
def test_damage_is_counted_in_one_segment(kind: str, folder: Path, tmp_path: Path) -> None:
    path = write_kind(kind, folder)
    damaged = flip_bytes(path, tmp_path / f"damaged{path.suffix}", 0.2, 0.7, 12)
    found = planned(damaged)
    assert len(found) > 2
    with open_video(damaged, threads=1) as video:
        n_whole = sum(len(chunk) for chunk in video.chunks())
        whole = video.tally
    n_read, n_damaged = 0, 0
    for segment in found:
        with open_video(damaged, threads=1, segment=segment) as video:
            n_read += sum(len(chunk) for chunk in video.chunks())
            n_damaged += video.tally.frames_damaged
    assert whole.frames_damaged > 0
    assert (n_read, n_damaged) == (n_whole, whole.frames_damaged)


def test_planning_stops_on_request(folder: Path) -> None:
    source = source_of(write_kind("closed", folder))
    with pytest.raises(Interrupted):
        read_index(source, None, 0.0, lambda: True)


def test_a_file_that_changes_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = write_kind("closed", tmp_path)
    last = planned(path)[-1]
    other = textured_frames(30, 48, 64)
    shutil.copy(write_video(tmp_path / "other.mp4", other, rate=25), path)
    with pytest.raises(UnreadableVideo, match=r"closed\.mp4: no key frame at .* s any more"):
        frames_of(path, segment=last)


@given(
    steps=st.lists(st.floats(0.01, 9), min_size=1, max_size=60),
    target=st.floats(0.5, 30),
    tail=st.floats(0, 30),
    start=st.floats(0, 100),
    length=st.floats(0.5, 400),
)
def test_borders_depend_on_the_file_alone_and_cover_it(
    steps: list[float], target: float, tail: float, start: float, length: float
) -> None:
    times = np.concatenate([[0.0], np.cumsum(steps)])
    keyframes = tuple(Keyframe(round(t * 1e6), float(t)) for t in times)
    whole = cut(PacketIndex(keyframes, float(times[-1]) + tail, ""), target)
    assert whole[0].begin_seconds == 0
    assert whole[-1].end_seconds == math.inf
    assert all(a.end_seconds == b.begin_seconds for a, b in pairwise(whole))
    assert all(s.end_seconds - s.begin_seconds >= target for s in whole[:-1])
    selection = Selection(start, start + length)
    part = selected(whole, selection)
    borders = {s.begin_seconds for s in whole}
    assert all(s.begin_seconds in borders for s in part)
    covered = [s for s in whole if s.begin_seconds < start + length and s.end_seconds > start]
    assert [s.begin_seconds for s in part] == [s.begin_seconds for s in covered]
    assert [s.number for s in part] == list(range(len(part)))


def written(path: Path, seconds: int, **options: Any) -> Path:
    """Encode five frames, spread over a time."""
    pts = [number * seconds * 250 for number in range(5)]
    return write_video(path, call_frames(5), pts=pts, time_base=Fraction(1, 1000), **options)


@pytest.mark.parametrize(("seconds", "expected"), [(2, False), (8, True)])
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
        (None, 2.0, 1, False),
        (6.0, None, 1, False),
        (1.0, 7.0, 1, True),
        (None, None, 2, True),
    ],
)
def test_what_is_selected_counts(
    tmp_path: Path, start: float | None, end: float | None, stride: int, expected: bool
) -> None:
    path = written(tmp_path / "call.mp4", 8)
    selection = Selection.between(start, end, stride)
    assert may_be_cut(source_of(path), selection, None) is expected


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UnreadableVideo):
        may_be_cut(source_of(tmp_path / "text.mp4"), Selection(), None)
