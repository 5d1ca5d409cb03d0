"""`recover` of a file: its report, selections, previews, rotation, errors; two at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

import unveil
from tests.footage import write_video
from tests.recovery.engine_calls import HEIGHT, METHODS, WIDTH, an_engine, seconds_of
from unveil import Progress
from unveil.errors import InvalidParameter, MissingInput
from unveil.recovery.result import Recovery


def test_recover_reports_what_it_did(call: Path) -> None:
    told: list[Progress] = []
    recovery = unveil.recover(call, method="transitions", threads=1, progress=told.append)
    report = recovery.report
    assert json.loads(json.dumps(report)) == report
    assert report["frames_read"] == report["frames_used"] == 150
    assert report["frames_damaged"] == report["frames_skipped"] == 0
    assert report["truncated"] is None
    assert report["interrupted"] is False
    assert report["warnings"] == []
    assert report["input"]["width"] == WIDTH
    assert report["parameters"]["method"] == "transitions"
    assert report["recovered_pixels"] == recovery.recovered
    assert report["coverage"] == pytest.approx(recovery.recovered / (HEIGHT * WIDTH))
    assert report["state_bytes_per_pixel"] <= 128
    assert set(report["seconds"]) >= {"open", "prepare", "decode", "count", "finalise"}
    stages = [progress.stage for progress in told]
    assert stages[0] == "prepare"
    assert stages[-1] == "finalise"
    assert told[-1].n_frames == 150


def test_recover_equals_pushing_the_decoded_frames(call: Path) -> None:
    engine = an_engine()
    with av.open(str(call)) as container:
        for frame in container.decode(video=0):
            engine.push(frame)
    pushed, recovered = engine.finalise(), unveil.recover(call, method="transitions")
    assert pushed.room.tobytes() == recovered.room.tobytes()
    assert pushed.stats.equals(recovered.stats)
    assert seconds_of(recovered, "last_seconds").max() <= 6


def test_a_part_of_a_recording(call: Path) -> None:
    recovery = unveil.recover(
        call, method="transitions", start_seconds=1.0, end_seconds=4.0, stride=2
    )
    assert recovery.report["frames_used"] == pytest.approx(38, abs=1)
    assert recovery.report["selection"] == {
        "start_seconds": 1.0,
        "end_seconds": 4.0,
        "stride": 2,
    }
    seconds = seconds_of(recovery, "first_seconds")
    assert len(seconds) == 0 or (seconds.min() >= 1 - 1e-9 and seconds.max() <= 4)


def test_previews_show_what_is_recovered_so_far(call: Path) -> None:
    previews: list[Recovery] = []
    recovery = unveil.recover(
        call, method="transitions", chunk_frames=10, preview=previews.append, preview_seconds=0.0
    )
    counted = [preview.report["frames_read"] for preview in previews]
    assert counted == sorted(set(counted))
    assert previews[-1].room.shape == recovery.room.shape
    assert recovery.room.tobytes() == unveil.recover(call, method="transitions").room.tobytes()


def test_a_turned_video_is_recovered_upright(tmp_path: Path, call: Path) -> None:
    with av.open(str(call)) as container:
        frames = list(container.decode(video=0))
    path = write_video(tmp_path / "turned.mp4", frames, rate=25, rotation=(90,))
    straight = write_video(tmp_path / "straight.mp4", frames, rate=25)
    turned, upright = (
        unveil.recover(path, method="transitions"),
        unveil.recover(straight, method="transitions"),
    )
    assert turned.room.shape == (WIDTH, HEIGHT, 4)
    assert turned.stats.num_rows == HEIGHT * WIDTH
    assert any(np.array_equal(np.rot90(upright.room, turns), turned.room) for turns in (1, 3))
    assert turned.recovered == upright.recovered


def test_errors_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        unveil.recover(tmp_path / "missing.mp4")
    with pytest.raises(InvalidParameter):
        unveil.recover(tmp_path / "missing.mp4", slots=1)


def test_two_recoveries_run_at_once(call: Path) -> None:
    """With decoders, kernels and finalisers of their own."""
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(unveil.recover, call, method=method, threads=2)
            for method in (*METHODS, *METHODS)
        ]
        found = [run.result() for run in runs]
    for method, recovery in zip((*METHODS, *METHODS), found, strict=True):
        alone = unveil.recover(call, method=method, threads=1)
        assert recovery.room.tobytes() == alone.room.tobytes()
        assert recovery.stats.equals(alone.stats)
