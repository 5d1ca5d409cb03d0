"""`protect`: frames, times, sizes and the report, and memory that does not grow."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import sitter
from tests.footage import numbered_frames, write_video
from tests.protection.talks import RATE, sitting, times_of, white, write_talk
from tests.sitter import INSIDE, OUTSIDE, Watcher, decoded, luma_of, seated
from unveil.errors import NoFrames
from unveil.video.writer import VideoWriter

# What comes out


def test_every_frame_comes_out_without_the_room(tmp_path: Path, video: Path) -> None:
    done = white(video, tmp_path / "out.mp4", crf=1)
    shown = decoded(tmp_path / "out.mp4")
    assert len(shown) == 30
    for number, made in enumerate(shown):
        assert np.abs(luma_of(made)[INSIDE].astype(int) - sitter.SKIN).max() < 6
        for outside in OUTSIDE:
            assert luma_of(made)[outside].min() > 225, number
    assert done.output == tmp_path / "out.mp4"
    assert not done.interrupted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "out.report.json"]


def test_the_report_tells_everything(tmp_path: Path, video: Path) -> None:
    watcher = Watcher(lambda n: RuntimeError("no") if n == 4 else None if n == 7 else seated())
    done = white(video, tmp_path / "out.mp4", watcher, start_seconds=0.2, edge=0.6)
    report = json.loads((tmp_path / "out.report.json").read_text())
    assert report == json.loads(json.dumps(done.report))
    assert report["parameters"] == {
        "mode": "replace",
        "background": "white",
        "blur": None,
        "model": "auto",
        "edge": 0.6,
        "smooth": 1,
        "careful": False,
        "every": 1,
    }
    assert report["input"]["name"] == "video.mp4"
    assert report["input"]["width"] == sitter.WIDTH
    assert report["frames"] == 25
    assert report["frames_failed_closed"] == 2
    assert (report["nobody_found"], report["segmentation_failed"]) == (1, 1)
    assert report["last_error"] == "RuntimeError: no"
    assert report["selection"] == {"start_seconds": 0.2, "end_seconds": None}
    assert report["version"]
    assert "2 show the background alone" in done.summary
    assert any("RuntimeError: no" in note for note in done.notes)


def test_threads_and_runs_change_no_byte(tmp_path: Path, talk: Path) -> None:
    for number, threads in enumerate((1, 2, 2)):
        path = tmp_path / f"{number}.mkv"
        white(talk, path, threads=threads, codec="ffv1", end_seconds=1)
    first, *others = (path.read_bytes() for path in sorted(tmp_path.glob("*.mkv")))
    assert others == [first, first]


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    pts = [0, 3, 4, 10, 11, 30]
    source = write_video(
        tmp_path / "vfr.mkv", sitting(6), pts=[40 * p for p in pts], time_base=Fraction(1, 1000)
    )
    white(source, tmp_path / "out.mkv")
    assert times_of(tmp_path / "out.mkv") == pytest.approx([p * 0.04 for p in pts], abs=1e-3)
    white(source, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == pytest.approx([p * 0.04 for p in pts], abs=1e-3)


def test_frames_without_times_are_spaced_by_the_rate(tmp_path: Path) -> None:
    source = write_video(tmp_path / "raw.h264", sitting(10), rate=RATE)
    white(source, tmp_path / "out.mp4")
    steps = np.diff(times_of(tmp_path / "out.mp4"))
    assert len(steps) == 9
    assert (steps > 0).all()


def test_a_stretch_of_time(tmp_path: Path, video: Path) -> None:
    white(video, tmp_path / "out.mp4", start_seconds=0.4, end_seconds=0.8)
    assert times_of(tmp_path / "out.mp4") == pytest.approx([n / RATE for n in range(10)])
    with pytest.raises(NoFrames):
        white(video, tmp_path / "no.mp4", start_seconds=50)
    assert not list(tmp_path.glob("*no*"))


def test_colours_keep_their_tags(tmp_path: Path) -> None:
    source = write_video(tmp_path / "full.mkv", sitting(3), colour_range=2)
    white(source, tmp_path / "out.mkv")
    assert decoded(tmp_path / "out.mkv")[0].color_range == 2
    assert luma_of(decoded(tmp_path / "out.mkv")[0])[0, 0] >= 253  # white in full range


def test_a_turned_video_comes_out_upright(tmp_path: Path) -> None:
    source = write_video(tmp_path / "turned.mp4", sitting(3), rotation=(90, False, False))
    white(source, tmp_path / "out.mp4", Watcher(lambda number: seated(96, 64)))
    shown = decoded(tmp_path / "out.mp4")[0]
    assert (shown.height, shown.width) == (sitter.WIDTH, sitter.HEIGHT)
    assert "DISPLAYMATRIX" not in {str(data.type).rsplit(".", 1)[-1] for data in shown.side_data}


def test_the_shape_of_pixels_is_kept(tmp_path: Path) -> None:
    with VideoWriter(
        tmp_path / "wide.mp4", height=64, width=96, frame_rate=25, pixel_aspect=Fraction(16, 11)
    ) as writer:
        for made in sitting(3):
            writer.write(made)
    white(tmp_path / "wide.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_odd_sizes(tmp_path: Path) -> None:
    source = write_video(tmp_path / "odd.mkv", sitting(3, 51, 77), codec="ffv1")
    white(source, tmp_path / "out.mp4", Watcher(lambda number: seated(51, 77)))
    shown = decoded(tmp_path / "out.mp4")
    assert (shown[0].height, shown[0].width) == (51, 77)


def test_a_size_that_changes_is_scaled_to_the_largest(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / "a.h264", sitting(5), rate=RATE),
        write_video(tmp_path / "b.h264", sitting(5, 128, 192), rate=RATE),
    ]
    both = tmp_path / "both.h264"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    done = white(both, tmp_path / "out.mp4", Watcher(lambda number: seated(128, 192)), crf=1)
    shown = decoded(tmp_path / "out.mp4")
    assert {(made.height, made.width) for made in shown} == {(128, 192)}
    assert len(shown) == 10
    assert luma_of(shown[-1])[OUTSIDE[0]].min() > 225
    assert any("5 frames of another size" in note for note in done.notes)


def test_a_background_video_repeats_at_its_own_pace(tmp_path: Path, video: Path) -> None:
    film = write_video(tmp_path / "film.mp4", numbered_frames(4, first=40), rate=10)
    nobody = Watcher(lambda number: None)
    white(video, tmp_path / "out.mkv", nobody, background=str(film), codec="ffv1")
    levels = [int(luma_of(made)[30, 50]) for made in decoded(tmp_path / "out.mkv")]
    assert levels == [40 + int(n / RATE * 10 + 1e-6) % 4 for n in range(30)]


# Memory


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """500 frames hold no more arrays at their end than after the first 100."""
    import tracemalloc

    source = write_talk(tmp_path / "long.mp4", 500)
    seen: dict[int, int] = {}

    def answer(number: int) -> Any:
        if number in (100, 490):
            seen[number] = tracemalloc.get_traced_memory()[0]
        return seated()

    white(source, tmp_path / "warm.mp4", end_seconds=1)
    tracemalloc.start()
    try:
        done = white(source, tmp_path / "out.mp4", Watcher(answer))
    finally:
        tracemalloc.stop()
    assert done.report["frames"] == 500
    assert seen[490] - seen[100] < 20 * sitter.HEIGHT * sitter.WIDTH
