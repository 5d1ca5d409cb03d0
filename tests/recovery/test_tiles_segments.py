"""Long meetings: their tiles are counted in segments, by workers and with checkpoints."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import unveil
from tests.recovery.segments.calls import bytes_of, use_short_segments
from tests.recovery.test_tiles import TILE, moved
from tests.tiles.callers import gallery, meeting, use_bright_people, write_scene
from unveil.errors import Interrupted
from unveil.recovery.segments import checkpoint
from unveil.recovery.tiles import TileRecoveries, recover_tiles

N_FRAMES = 96
"""Nearly four seconds."""

N_SEGMENTS = 4


@pytest.fixture(autouse=True)
def _short_segments_and_bright_people(monkeypatch: pytest.MonkeyPatch) -> None:
    use_short_segments(monkeypatch)
    monkeypatch.setattr("unveil.video.segments.TARGET_SECONDS", 0.9)
    use_bright_people(monkeypatch)


@pytest.fixture(scope="module")
def meeting_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("calls") / "call.mp4"
    return write_scene(path, gallery(2, 2, TILE, 4), N_FRAMES)


def recovered(path: Path, **options: object) -> TileRecoveries:
    found = recover_tiles(path, **{"method": "transitions", "threads": 1, **options})
    assert isinstance(found, TileRecoveries)
    return found


def all_bytes(found: TileRecoveries) -> list[object]:
    varying = ("seconds", "threads", "workers")
    report = {key: value for key, value in found.report.items() if key not in varying}
    times = found.times.seconds_at(np.arange(found.times.n_frames))
    return [report, times.tolist(), *(bytes_of(one) for one in found.tiles)]


def test_each_tile_is_counted_as_its_crop(meeting_path: Path) -> None:
    found = recovered(meeting_path, method="farend")
    assert len(found.tiles) == 4
    assert found.times.n_frames == N_FRAMES
    for recovery in found.tiles:
        assert recovery.report["segments"] == N_SEGMENTS
        crop = recovery.report["tile"]["rectangle"]
        alone = unveil.recover(meeting_path, method="farend", threads=1, crop=crop)
        assert alone.report["segments"] == N_SEGMENTS
        assert alone.recovered > 0
        for name in ("room", "background", "confidence"):
            np.testing.assert_array_equal(getattr(recovery, name), getattr(alone, name))


def test_workers_change_no_byte(meeting_path: Path) -> None:
    alone, together = recovered(meeting_path), recovered(meeting_path, workers=2)
    assert [one.report["workers"] for one in alone.tiles] == [1] * 4
    assert [one.report["workers"] for one in together.tiles] == [2] * 4
    assert all_bytes(alone) == all_bytes(together)


def test_a_caller_who_moves_is_followed_through_the_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_scene(tmp_path / "call.mp4", meeting((192, 72), moved), 80)
    cut = recovered(path)
    assert cut.tiles[0].report["segments"] == 3
    monkeypatch.setattr("unveil.video.segments.SHORTEST_SECONDS", 1e9)
    whole = recovered(path)
    assert whole.tiles[0].report["segments"] == 1
    assert len(cut.tiles) == len(whole.tiles) == 3
    for one, other in zip(cut.tiles, whole.tiles, strict=True):
        for field in ("tile", "frames_used"):
            assert one.report[field] == other.report[field]


def interrupted(path: Path, folder: Path, notes: list[str], **options: object) -> None:
    """Stop after two segments; that leaves a checkpoint."""

    def progress(one: unveil.Progress) -> None:
        if one.n_frames > N_FRAMES // 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        recovered(path, checkpoint=folder, progress=progress, note=notes.append, **options)


def test_a_count_of_tiles_goes_on_where_it_stopped(
    meeting_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "MIN_SECONDS", 0.0)
    monkeypatch.setattr("unveil.recovery.run.PROGRESS_SECONDS", 0.0)
    folder, notes = tmp_path / "kept", list[str]()
    go_on = partial(recovered, meeting_path, checkpoint=folder, note=notes.append)
    interrupted(meeting_path, folder, notes)
    again = go_on()
    assert notes == [f"goes on from a checkpoint: 2 of {N_SEGMENTS} segments"]
    assert all_bytes(again) == all_bytes(recovered(meeting_path))

    notes.clear()
    go_on(tiles="1x2")
    assert notes == ["the checkpoint is of another selection: counting starts anew"]
