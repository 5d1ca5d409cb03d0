"""When the room leaked: shares per bin, worst moments, and whole calls whose leaks are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from tests.sitter import find_seated
from unveil import Engine, Recovery, recover
from unveil.counting.colour_times import ColourTimes
from unveil.recovery.leak_times import AS_MUCH, COLUMNS, LeakTimes, Moment
from unveil.video.chunk import Layout
from unveil.video.writer import VideoWriter

U8 = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
Counted = Literal["farend", "transitions", "rarest"]

METHODS: tuple[Counted, ...] = ("farend", "transitions", "rarest")

HEIGHT, WIDTH, FRAME_RATE, N_SECONDS = 96, 128, 10, 14
ROOM, BACKGROUND = (40, 220, 60), (70, 70, 200)
SMALL, LARGE = np.s_[4:20, 4:24], np.s_[40:92, 88:124]
SHOWS_SMALL, SHOWS_LARGE = {2, 3, 11}, {7, 8}


def frame_of(number: int) -> U8:
    """Draw a person before a background; the room flickers in two places, each at its time."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[...] = BACKGROUND
    second = number // FRAME_RATE
    if number % FRAME_RATE in (2, 3):
        if second in SHOWS_SMALL:
            picture[SMALL] = ROOM
        if second in SHOWS_LARGE:
            picture[LARGE] = ROOM
    picture[24:, 43:85] = 128
    return picture


def area(part: tuple[slice, slice]) -> float:
    """Return the share of the picture that a part has."""
    rows, columns = part
    return (rows.stop - rows.start) * (columns.stop - columns.start) / (HEIGHT * WIDTH)


SHARES = np.array(
    [
        area(SMALL) * (second in SHOWS_SMALL) + area(LARGE) * (second in SHOWS_LARGE)
        for second in range(N_SECONDS)
    ]
)


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    find_seated(monkeypatch, HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("call") / "call.mp4"
    with VideoWriter(
        path, height=HEIGHT, width=WIDTH, frame_rate=FRAME_RATE, crf=4, preset="veryfast"
    ) as writer:
        for number in range(N_SECONDS * FRAME_RATE):
            writer.write(frame_of(number))
    return path


def times_of(recovery: Recovery) -> LeakTimes:
    assert recovery.leak_times is not None
    return recovery.leak_times


def columns_of(times: LeakTimes) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = times.table().to_pydict()
    return columns


# Whole calls


@pytest.mark.usefixtures("watcher")
@pytest.mark.parametrize("method", METHODS)
def test_leaks_are_found_in_the_seconds_in_which_they_are_drawn(
    call: Path, method: Counted
) -> None:
    recovery = recover(call, method=method, threads=2)
    times = times_of(recovery)
    assert times.start_seconds.tolist() == list(range(N_SECONDS))
    assert times.end_seconds.tolist() == list(range(1, N_SECONDS + 1))
    assert times.bin_seconds == 1
    np.testing.assert_allclose(times.leaked_share, SHARES, atol=0.02)
    first = np.where(np.isin(np.arange(N_SECONDS), (min(SHOWS_SMALL), min(SHOWS_LARGE))), SHARES, 0)
    np.testing.assert_allclose(times.new_share, first, atol=0.02)
    assert (times.confident_share <= times.leaked_share).all()
    assert times.new_share.sum() == pytest.approx(recovery.report["coverage"], abs=0.02)
    worst, *others = times.worst(5)
    assert (worst.start_seconds, worst.end_seconds) == (7, 9)
    assert worst.leaked_share == pytest.approx(area(LARGE), abs=0.02)
    assert {(m.start_seconds, m.end_seconds) for m in others[:2]} == {(2, 4), (11, 12)}


@pytest.mark.usefixtures("watcher")
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_threads_and_chunks_change_no_byte(
    call: Path, tmp_path: Path, method: Literal["auto", "farend", "transitions", "rarest"]
) -> None:
    for n in (1, 2):
        recovery = recover(call, method=method, threads=n, chunk_frames=5 * n)
        recovery.save(tmp_path / str(n))
    assert (tmp_path / "1/timeline.parquet").read_bytes() == (
        tmp_path / "2/timeline.parquet"
    ).read_bytes()
    schema = pq.read_schema(tmp_path / "1/timeline.parquet")
    assert json.loads(schema.metadata[b"unveil"])["input"]["name"] == "call.mp4"
    report = json.loads((tmp_path / "1/report.json").read_text())
    assert report["leak_times"] == times_of(recovery).as_dict()
    assert [len(report["leak_times"]["worst"]), report["leak_times"]["n_bins"]] == [3, N_SECONDS]


@pytest.mark.usefixtures("watcher")
@pytest.mark.parametrize("method", METHODS)
def test_a_call_in_parts_leaks_like_the_whole(tmp_path: Path, method: Counted) -> None:
    """Counted at once; in two states that are merged; and with a state that is saved between."""

    def pushed(*numbers: range, onto: Engine | None = None) -> Engine:
        engine = onto or Engine(HEIGHT, WIDTH, method=method, threads=1)
        for part in numbers:
            frames = np.stack([frame_of(number) for number in part])
            engine.push(frames, 1000 + np.array(part) / FRAME_RATE)
        return engine

    parts = range(64), range(64, N_SECONDS * FRAME_RATE)
    whole = times_of(pushed(*parts).finalise())
    assert whole.start_seconds.tolist() == [1000 + second for second in range(N_SECONDS)]
    np.testing.assert_allclose(whole.leaked_share, SHARES, atol=0.02)
    merged, later = pushed(parts[0]), pushed(parts[1])
    merged.save(tmp_path / "state.npz")
    merged.merge(later)
    np.testing.assert_allclose(times_of(merged.finalise()).leaked_share, SHARES, atol=0.02)
    resumed = pushed(parts[1], onto=Engine.load(tmp_path / "state.npz", threads=1))
    assert columns_of(times_of(resumed.finalise())) == columns_of(whole)


def test_a_colour_much_like_the_room_shows_it_too() -> None:
    """Another one does not, however far from the background; nor does the background."""
    engine = Engine(8, 8, method="rarest", threads=1)
    like_the_room, other = (40, 208, 60), (220, 60, 40)
    shown = {21: ROOM, 51: like_the_room, 81: other}
    for number in range(100):
        begin = next((n for n in shown if n <= number < n + 3 + n // 30), None)
        colour = BACKGROUND if begin is None else shown[begin]
        engine.push(np.full((8, 8, 3), colour, np.uint8), number / 10)
    recovery = engine.finalise()
    assert (recovery.room[..., :3] == ROOM).all()
    assert times_of(recovery).leaked_share.tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    assert times_of(recovery).new_share.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.usefixtures("watcher")
def test_frames_without_times_have_no_leak_times(tmp_path: Path) -> None:
    engine = Engine(HEIGHT, WIDTH, method="transitions", threads=1)
    engine.push(np.stack([frame_of(number) for number in range(40)]))
    recovery = engine.finalise()
    assert recovery.recovered > 0
    assert recovery.leak_times is None
    assert recovery.report["leak_times"] is None
    recovery.save(tmp_path)
    assert not (tmp_path / "timeline.parquet").exists()


def test_nothing_counted_has_no_leak_times() -> None:
    assert Engine(8, 8, method="rarest").finalise().leak_times is None


# One table


def leak_times(*shares: float, starts: list[float] | None = None) -> LeakTimes:
    """Make bins of two seconds."""
    start = np.array(starts if starts is not None else 2.0 * np.arange(len(shares)))
    share = np.array(shares, np.float64)
    return LeakTimes(start, start + 2, share, share / 2, share / 4, 1000)


def spans(moments: list[Moment]) -> list[tuple[float, float]]:
    return [(moment.start_seconds, moment.end_seconds) for moment in moments]


def test_the_worst_moments_join_bins_that_leak_as_much() -> None:
    times = leak_times(0.1, 0.5, 0.45, 0.3, 0.0, 0.2, 0.19, 0.0)
    assert spans(times.worst(9)) == [(2, 6), (6, 8), (10, 14), (0, 2)]
    assert spans(times.worst(2)) == [(2, 6), (6, 8)]
    assert times.worst(1)[0] == Moment(2.0, 6.0, 0.5, 0.25)
    assert times.worst(0) == []
    assert leak_times(0.0, 0.0).worst(3) == []


def test_bins_on_both_sides_of_a_gap_are_two_moments() -> None:
    times = leak_times(0.5, 0.5, 0.5, starts=[0, 2, 10])
    assert spans(times.worst(5)) == [(0, 4), (10, 12)]


shares = st.lists(st.sampled_from([0.0, 0.1, 0.11, 0.5, 0.9]), min_size=1, max_size=12)


@PROPERTY
@given(shares=shares, n=st.integers(1, 12))
def test_the_worst_moments_do_not_overlap_and_leave_nothing_worse(
    shares: list[float], n: int
) -> None:
    moments = leak_times(*shares).worst(n)
    bins = [range(int(m.start_seconds) // 2, int(m.end_seconds) // 2) for m in moments]
    covered = [b for span in bins for b in span]
    assert len(covered) == len(set(covered))
    peaks = [m.leaked_share for m in moments]
    assert peaks == sorted(peaks, reverse=True)
    for moment, span in zip(moments, bins, strict=True):
        assert max(shares[b] for b in span) == moment.leaked_share > 0
        assert min(shares[b] for b in span) >= AS_MUCH * moment.leaked_share
    left = [share for b, share in enumerate(shares) if b not in covered]
    if len(moments) < n:
        assert not any(left)
    assert max(left, default=0) <= peaks[-1] if peaks else True


def test_the_table_has_types_units_and_pixels() -> None:
    table = leak_times(0.25, 0.5).table()
    assert table.schema.names == list(COLUMNS)
    for name, (kind, unit, meaning) in COLUMNS.items():
        field = table.schema.field(name)
        assert str(field.type).replace("double", "float64") == kind
        assert field.metadata == {b"unit": unit.encode(), b"meaning": meaning.encode()}
    assert table.to_pydict() == {
        "start_seconds": [0, 2],
        "end_seconds": [2, 4],
        "leaked_pixels": [250, 500],
        "leaked_share": [0.25, 0.5],
        "confident_share": [0.125, 0.25],
        "new_share": [0.0625, 0.125],
    }


@PROPERTY
@given(seed=st.integers(0, 999), seconds=st.lists(st.integers(-40, 5000), max_size=30))
def test_shares_equal_those_of_sets_of_pixels(seed: int, seconds: list[int]) -> None:
    """Of claims that are confident or not; bins without a frame are left out."""
    rng = np.random.default_rng(seed)
    layout = Layout(4, 5)
    times = ColourTimes(layout, 2)
    times.append(np.array(sorted(seconds), np.float64))
    confidence = rng.choice([0, 0.2, 0.5, 0.7], (4, 5)).astype(np.float32)
    seen = np.zeros(times.seen.shape[:3], np.uint64)
    bins = sorted({(second >> times.shift) - times.first_bin for second in seconds})
    leaks: dict[int, set[tuple[int, int]]] = {b: set() for b in bins}
    for b in bins:
        for y, x in np.argwhere(rng.random((4, 5)) < 0.3).tolist():
            seen[b // 64, y, x] |= np.uint64(1) << np.uint64(b % 64)
            if confidence[y, x] > 0:
                leaks[b].add((y, x))
    found = LeakTimes.of(times, seen, confidence)
    if not seconds:
        assert found is None
        return
    assert found is not None
    assert found.start_seconds.tolist() == [(times.first_bin + b) * 2**times.shift for b in bins]
    assert (found.end_seconds - found.start_seconds == found.bin_seconds).all()
    assert found.bin_seconds == 2**times.shift
    known: set[tuple[int, int]] = set()
    for n, b in enumerate(bins):
        sure = {place for place in leaks[b] if confidence[place] > 0.5}
        assert found.leaked_share[n] == len(leaks[b]) / 20
        assert found.confident_share[n] == len(sure) / 20
        assert found.new_share[n] == len(leaks[b] - known) / 20
        known |= leaks[b]


def test_a_long_call_has_no_more_bins(tmp_path: Path) -> None:
    """Five hours at one frame a second."""
    times = ColourTimes(Layout(1, 1), 2)
    times.append(np.arange(5 * 3600.0))
    found = LeakTimes.of(times, np.zeros((16, 1, 1), np.uint64), np.ones((1, 1), np.float32))
    assert found is not None
    assert (found.bin_seconds, len(found.start_seconds)) == (32, 563)
    assert math.isclose(found.end_seconds[-1], 5 * 3600, abs_tol=32)
    found.write(tmp_path / "timeline.parquet", {})
    assert pq.read_table(tmp_path / "timeline.parquet").num_rows == 563
    assert replace(found, n_pixels=2).as_dict()["worst"] == []
