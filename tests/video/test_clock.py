"""Time stamps that jump: what is read is one recording, with picture and sound in step."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.footage import numbers_of
from tests.timed_calls import evenly, join, write_talk
from unveil.video.audio import seconds_of
from unveil.video.clock import ERROR_SECONDS, GAP_SECONDS, Clock
from unveil.video.reader import Video, open_video

Write = Callable[[Path], Path]


def two_of(suffix: str, second_offset: float = 0.0, first_offset: float = 0.0) -> Write:
    """Join two recordings of 2 s with sound."""

    def write(folder: Path) -> Path:
        sound = (0.0, 2.0)
        first = folder / f"first.{suffix}"
        second = folder / f"second.{suffix}"
        write_talk(first, evenly(20), sound=sound, offset_seconds=first_offset)
        write_talk(second, evenly(20), sound=sound, first_number=20, offset_seconds=second_offset)
        return join(folder / f"joined.{suffix}", first, second)

    return write


def gap_in(name: str, at: int, seconds: float, options: dict[str, str] | None = None) -> Write:
    """Record 40 frames of which those from number `at` come later."""

    def write(folder: Path) -> Path:
        times = [time + seconds * (i >= at) for i, time in enumerate(evenly(40))]
        return write_talk(folder / name, times, options=options)

    return write


NO_B_FRAMES = {"qp": "0", "preset": "veryfast", "g": "10", "bf": "0"}
FLAT = {
    "joined transport streams": two_of("ts"),
    "the second one much later": two_of("ts", second_offset=500),
    "the first one much later": two_of("ts", first_offset=500),
    "the second one slightly later": two_of("ts", second_offset=1),
    "joined Matroska": two_of("mkv"),
    "an hour is missing": gap_in("gap.ts", 20, 3600),
    "an hour is missing, without reordering": gap_in("gap.ts", 20, 3600, NO_B_FRAMES),
    "an hour before the last frame": gap_in("gap.ts", 39, 3600),
    "an hour before the last but one": gap_in("gap.ts", 38, 3600),
}
"""Recordings of 40 frames that are shown at i / 10 s."""


def read(path: Path, **selection: float) -> tuple[list[int], list[float], list[float], Video]:
    """Return the frames' numbers and seconds, and those of the sound since the first frame."""
    numbers: list[int] = []
    seconds: list[float] = []
    with open_video(path, with_sound=True, **selection) as video:
        for chunk in video.chunks():
            numbers += numbers_of(chunk.planes)
            seconds += chunk.pts_seconds.tolist()
        sound = [seconds_of(packet) - video.origin_seconds for packet in video.sound.take()]
    return numbers, seconds, sound, video


@pytest.mark.parametrize("write", FLAT.values(), ids=FLAT)
def test_times_continue(tmp_path: Path, write: Write) -> None:
    numbers, seconds, sound, video = read(write(tmp_path))
    assert numbers == list(range(40))
    # Of two parts, the second follows the longer one of the first part's picture and sound.
    assert seconds == pytest.approx(evenly(40), abs=0.09)
    assert all(later > earlier for earlier, later in pairwise(seconds))
    if sound:
        steps = [later - earlier for earlier, later in pairwise(sound)]
        assert min(steps) > 0.02
        assert max(steps) < 0.07
        assert sound[-1] == pytest.approx(seconds[-1] + 0.1, abs=0.13)
    tally = video.tally
    assert (tally.truncated, tally.reason, tally.frames_damaged) == (False, None, 0)
    (warning,) = tally.warnings
    assert warning.startswith("time stamps jump at ")


@pytest.mark.parametrize("start", [0.55, 1.95, 2.25, 3.05, 3.85])
@pytest.mark.parametrize("write", FLAT.values(), ids=FLAT)
def test_a_start_counts_on_the_same_clock(tmp_path: Path, write: Write, start: float) -> None:
    """Near the second part, whose begin may be half a frame off, either frame is right."""
    numbers, seconds, _, _ = read(write(tmp_path), start_seconds=start)
    assert numbers[0] in (round(start * 10 + 0.5), round(start * 10 - 0.5))
    assert numbers == list(range(numbers[0], 40))
    assert seconds[0] >= start - 1e-6


@pytest.mark.parametrize(
    ("name", "gap"),
    [("pause.mkv", 3600.0), ("pause.mp4", 3600.0), ("pause.nut", 20.0), ("pause.ts", 8.0)],
)
def test_a_pause_stays_where_the_format_has_true_times(
    tmp_path: Path, name: str, gap: float
) -> None:
    numbers, seconds, _, video = read(gap_in(name, 20, gap)(tmp_path))
    assert numbers == list(range(40))
    assert seconds == pytest.approx([t + gap * (i >= 20) for i, t in enumerate(evenly(40))])
    assert video.tally.warnings == []


def test_a_transport_stream_s_clock_starts_again_after_26_hours(tmp_path: Path) -> None:
    offset = 2**33 / 90_000 - 3.0
    path = write_talk(tmp_path / "call.ts", evenly(40), sound=(0, 4), offset_seconds=offset)
    numbers, seconds, _, video = read(path)
    assert numbers == list(range(40))
    assert seconds == pytest.approx(evenly(40), abs=1e-3)
    assert video.tally.warnings == []


@pytest.mark.parametrize("silent", ["picture", "sound"])
def test_a_pause_of_one_stream_is_no_gap_while_another_one_continues(
    tmp_path: Path, silent: str
) -> None:
    if silent == "picture":
        times = [time + 30 * (i >= 20) for i, time in enumerate(evenly(40))]
        path = write_talk(tmp_path / "call.ts", times, sound=(0, 34))
        _, seconds, sound, video = read(path)
        assert seconds == pytest.approx(times, abs=1e-3)
    else:
        path = write_talk(tmp_path / "call.ts", evenly(340), sound=(30, 34))
        _, seconds, sound, video = read(path)
        assert seconds == pytest.approx(evenly(340), abs=1e-3)
        assert sound[0] == pytest.approx(30, abs=0.1)
    assert video.tally.warnings == []


def test_the_longer_one_of_picture_and_sound_decides_where_the_next_part_begins(
    tmp_path: Path,
) -> None:
    first = write_talk(tmp_path / "first.ts", evenly(10), sound=(0, 3))
    second = write_talk(tmp_path / "second.ts", evenly(10), sound=(0, 1), first_number=10)
    numbers, seconds, sound, _ = read(join(tmp_path / "joined.ts", first, second))
    assert numbers == list(range(20))
    assert seconds == pytest.approx([*evenly(10), *evenly(10, begin=3)], abs=0.1)
    assert all(later > earlier for earlier, later in pairwise(sound))
    assert sound[-1] == pytest.approx(4, abs=0.1)


def test_a_recording_that_is_cut_within_a_group_of_frames_never_runs_backwards(
    tmp_path: Path,
) -> None:
    talk = write_talk(tmp_path / "talk.ts", evenly(40), sound=(0, 4)).read_bytes()
    path = tmp_path / "cut.ts"
    packet = 188
    half = len(talk) // 2 // packet * packet
    path.write_bytes(talk[: half + 40 * packet] + talk[half - 40 * packet :])
    _, seconds, _, _ = read(path)
    assert all(later >= earlier for earlier, later in pairwise(seconds))
    assert seconds[-1] - seconds[0] < 6


# The clock alone, on packets that are only times


def packet_of(stream: int, dts: float, duration: float, pts: float | None = None) -> Any:
    return SimpleNamespace(
        stream=SimpleNamespace(index=stream),
        dts=round(dts * 1000),
        pts=round((dts if pts is None else pts) * 1000),
        duration=round(duration * 1000),
        time_base=Fraction(1, 1000),
        is_keyframe=True,
    )


def moved(packets: list[Any], *, may_be_discontinuous: bool = True) -> tuple[list[Any], Clock]:
    clock = Clock(may_be_discontinuous=may_be_discontinuous)
    out = [taken for packet in packets for taken in clock.add(packet)]
    return [*out, *clock.rest()], clock


@settings(max_examples=200)
@given(
    parts=st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(7, 30), st.integers(7, 30)),
        min_size=1,
        max_size=6,
    ),
    lead=st.integers(0, 5),
)
@example(parts=[(226, 7, 12), (227, 7, 7)], lead=0)  # sound that goes back by just 100 ms
def test_no_stream_goes_back_or_jumps(parts: list[tuple[int, int, int]], lead: int) -> None:
    """Parts that begin anywhere, with more or less sound than picture, in any interleaving."""
    queue: list[tuple[float, Any]] = []
    before = 0.0
    for begin, n_frames, n_sounds in parts:
        times = [(0, i / 10, 0.1) for i in range(n_frames)]
        times += [(1, i / 10 + 0.03, 0.1) for i in range(n_sounds)]
        for stream, time, duration in times:
            # Sound may be stored late by half a second, also behind the next part's pictures.
            place = before + time + (lead / 10 if stream else 0.0)
            queue.append((place, packet_of(stream, begin + time, duration)))
        before += max(n_frames, n_sounds) / 10
    packets = [packet for _, packet in sorted(queue, key=lambda item: item[0])]
    out, clock = moved(packets)
    assert out == packets
    for stream in (0, 1):
        times = [packet.dts for packet in out if packet.stream.index == stream]
        assert all(later >= earlier - 100 for earlier, later in pairwise(times))
        assert times[-1] - times[0] < 1000 * (before + 1) + 1000 * 10 * len(parts)
    assert len(clock.jumps) <= len(parts) * 2


@pytest.mark.parametrize(
    ("gap", "discontinuous", "jumps"),
    [
        (GAP_SECONDS - 0.2, True, 0),
        (GAP_SECONDS + 0.2, True, 1),
        (GAP_SECONDS + 0.2, False, 0),
        (ERROR_SECONDS - 1, False, 0),
        (ERROR_SECONDS + 1, False, 1),
        (-0.05, True, 0),
        (-0.5, True, 1),
        (-0.5, False, 1),
    ],
)
def test_the_thresholds_are_those_of_ffmpeg(gap: float, discontinuous: bool, jumps: int) -> None:
    packets = [packet_of(0, i / 10, 0.1) for i in range(10)]
    packets += [packet_of(0, 0.9 + gap + i / 10, 0.1) for i in range(1, 10)]
    _, clock = moved(packets, may_be_discontinuous=discontinuous)
    assert len(clock.jumps) == jumps


def test_packets_without_times_pass(tmp_path: Path) -> None:
    untimed = SimpleNamespace(
        stream=SimpleNamespace(index=0),
        dts=None,
        pts=None,
        duration=0,
        time_base=None,
        is_keyframe=True,
    )
    out, clock = moved([untimed, packet_of(0, 5, 1), untimed])
    assert len(out) == 3
    assert clock.jumps == []
