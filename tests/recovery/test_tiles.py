"""Recoveries of tiles: the same as of each tile's crop, from one pass, in folders of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import unveil
from tests.tiles.callers import (
    Box,
    Scene,
    caller,
    gallery,
    grid,
    meeting,
    nobody,
    use_bright_people,
    write_scene,
)
from unveil.cli import app
from unveil.errors import InvalidParameter, NoTiles
from unveil.recovery import tiles as recovery_tiles
from unveil.recovery.tiles import MAX_TILES, TileRecoveries, recover_tiles
from unveil.tiles.find import NOBODY

TILE = (96, 72)


@pytest.fixture(autouse=True)
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    use_bright_people(monkeypatch)


@pytest.fixture(scope="module")
def meeting_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("calls") / "call.mp4", gallery(2, 2, TILE, 4))


@pytest.fixture(scope="module")
def call_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("calls") / "call.mp4", caller(3, *TILE))


def assert_equal(ours: unveil.Recovery, theirs: unveil.Recovery) -> None:
    for name in ("room", "background", "confidence"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.stats.equals(theirs.stats)


def test_each_tile_is_recovered_as_its_crop_from_one_pass(
    meeting_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    original = recovery_tiles.open_video

    def counted(*arguments: Any, **options: Any) -> Any:
        opened.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(recovery_tiles, "open_video", counted)
    found = recover_tiles(meeting_path, method="farend")
    assert isinstance(found, TileRecoveries)
    assert len(found.tiles) == 4
    assert len(opened) == 1
    for recovery in found.tiles:
        rectangle = recovery.report["tile"]["rectangle"]
        alone = unveil.recover(meeting_path, method="farend", crop=rectangle)
        assert alone.recovered > 0
        assert_equal(recovery, alone)
    boxes = {tuple(recovery.report["tile"]["rectangle"]) for recovery in found.tiles}
    assert boxes == set(grid(2, 2, TILE, 4))


@pytest.mark.parametrize("tiles", ["auto", "off", "1x1"])
def test_one_picture_gives_what_recover_gives(call_path: Path, tmp_path: Path, tiles: str) -> None:
    ours, theirs = recover_tiles(call_path, tiles=tiles), unveil.recover(call_path)
    ours.save(tmp_path / "ours")
    theirs.save(tmp_path / "theirs")
    for name in ("room.png", "background.png", "stats.parquet"):
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()
    reports = [
        json.loads((tmp_path / side / "report.json").read_text()) for side in ("ours", "theirs")
    ]
    for report in reports:
        del report["seconds"]
    assert reports[0] == reports[1]


def moved(number: int) -> list[tuple[Scene, Box]]:
    """Two callers who change places at frame 40; a third one begins where the first was."""
    boxes = grid(1, 2, TILE)
    first, second = caller(0, *TILE), caller(1, *TILE)
    shown = (second, caller(2, *TILE)) if number >= 40 else (first, second)
    return list(zip(shown, boxes, strict=True))


def test_a_caller_who_moves_to_another_tile_stays_one_recovery(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "call.mp4", meeting((192, 72), moved), 80)
    found = recover_tiles(path, method="farend")
    assert isinstance(found, TileRecoveries)
    assert len(found.tiles) == 3
    assert sorted(one.report["frames_used"] for one in found.tiles) == [40, 40, 80]
    (mover,) = (one for one in found.tiles if one.report["frames_used"] == 80)
    before, after, *_ = mover.report["tile"]["showings"]
    assert (before["rectangle"], after["rectangle"]) == ([96, 72, 96, 0], [96, 72, 0, 0])
    assert (before["start_seconds"], before["end_seconds"]) == (0.0, pytest.approx(39 / 25))
    assert after["start_seconds"] == pytest.approx(40 / 25)
    folders = [tile["folder"] for tile in found.report["tiles"]]
    assert len(folders) == 4
    assert len(set(folders)) == 3


def test_a_grid_of_25_is_bounded(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "call.mp4", gallery(5, 5, (64, 48)), 16)
    found = recover_tiles(path, tiles="5x5", method="transitions")
    assert isinstance(found, TileRecoveries)
    assert len(found.tiles) == MAX_TILES
    left_out = [tile for tile in found.report["tiles"] if tile["folder"] is None]
    assert len(left_out) == 25 - MAX_TILES
    assert all("at most" in tile["reason"] for tile in left_out)
    assert "tiles left out: " in found.report["warnings"][-1]


def test_nobody_in_any_tile_is_an_error(tmp_path: Path) -> None:
    boxes = grid(2, 2, TILE)
    scenes = [nobody(number, *TILE) for number in range(4)]
    path = write_scene(
        tmp_path / "call.mp4",
        meeting((192, 144), lambda number: list(zip(scenes, boxes, strict=True))),
    )
    with pytest.raises(NoTiles, match=rf"none of its 4 tiles can be recovered \({NOBODY}\)"):
        recover_tiles(path, tiles="2x2")


def test_a_picture_of_the_background_needs_one_caller(meeting_path: Path, tmp_path: Path) -> None:
    picture = np.zeros((72, 96, 3), np.uint8)
    with pytest.raises(InvalidParameter, match=r"^background: call.mp4 shows 4 callers"):
        recover_tiles(meeting_path, background=picture)


@pytest.mark.parametrize("tiles", ["", "2", "0x2", "2x", "100x1", "2X2", "all"])
def test_the_command_refuses_what_is_no_grid(call_path: Path, tmp_path: Path, tiles: str) -> None:
    arguments = ["recover", str(call_path), "-o", str(tmp_path / "out"), f"--tiles={tiles}"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("unveil: --tiles: ")


def test_the_command_refuses_a_grid_of_a_crop(call_path: Path, tmp_path: Path) -> None:
    arguments = ["recover", str(call_path), "-o", str(tmp_path / "out"), "--crop", "32:32"]
    done = CliRunner().invoke(app, [*arguments, "--tiles", "2x2"])
    assert done.exit_code == 2
    assert done.stderr.startswith("unveil: --tiles: ")


def test_the_command_writes_a_folder_for_each_tile(
    meeting_path: Path, call_path: Path, tmp_path: Path
) -> None:
    arguments = ["-o", str(tmp_path), "--method", "farend", "--json"]
    done = CliRunner().invoke(app, ["recover", str(meeting_path), *arguments])
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    folder = tmp_path / "call"
    assert sorted(path.name for path in folder.iterdir()) == [
        "report.json",
        *(f"tile-{number}" for number in range(1, 5)),
    ]
    report = json.loads((folder / "report.json").read_text())
    assert [tile["folder"] for tile in report["tiles"]] == [f"tile-{n}" for n in range(1, 5)]
    assert outcome["recovered_pixels"] == report["recovered_pixels"] > 0
    assert outcome["frames_read"] == 48
    again = CliRunner().invoke(app, ["recover", str(call_path), *arguments])
    assert again.exit_code == 1
    assert "earlier result" in again.stderr
    forced = CliRunner().invoke(app, ["recover", str(call_path), *arguments, "--force"])
    assert forced.exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "background.png",
        "report.json",
        "room.png",
        "stats.parquet",
        "timeline.parquet",
    ]
