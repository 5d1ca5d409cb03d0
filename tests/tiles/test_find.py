"""Tiles of drawn meetings, and pictures that are not cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unveil
from tests.swaying import HEIGHT, WIDTH, write_footage
from tests.tiles.callers import (
    U8,
    Box,
    Scene,
    caller,
    gallery,
    grid,
    meeting,
    nobody,
    scenery,
    use_bright_people,
    write_scene,
)
from unveil.errors import InvalidParameter
from unveil.tiles.find import NOBODY, SCREEN, STILL, TOO_SMALL, UNSTABLE
from unveil.video.reader import open_video
from unveil.video.rgb_reader import VideoPictures

TILE = (96, 72)


@pytest.fixture(autouse=True)
def people(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_network" not in request.fixturenames:
        use_bright_people(monkeypatch)


@pytest.fixture
def real_network() -> None:
    """Ask for the networks that unveil ships."""


def test_the_networks_find_the_callers_of_a_gallery(real_network: None, tmp_path: Path) -> None:
    size = WIDTH, HEIGHT
    boxes = grid(2, 2, size)
    footage = write_footage(tmp_path / "me.mp4", lambda number: scenery(9, *size), n_frames=24)
    pictures = list(VideoPictures(footage))
    scenes: list[Scene] = [
        lambda number: pictures[number],
        nobody(2, *size),
        lambda number: pictures[-1 - number][:, ::-1],
        lambda number: pictures[number // 2][:, ::-1],
    ]
    path = write_scene(
        tmp_path / "call.mp4",
        meeting((2 * WIDTH, 2 * HEIGHT), lambda number: list(zip(scenes, boxes, strict=True))),
        24,
    )
    tiles = {tuple(tile.rectangle.as_list()): tile for tile in unveil.find_tiles(path)}
    assert tiles.keys() == set(boxes)
    assert [tiles[box].reason for box in boxes] == [None, NOBODY, None, None]
    (alone,) = unveil.find_tiles(footage)
    assert alone.rectangle.as_list() == [*size, 0, 0]


def boxes_of(tiles: tuple[unveil.Tile, ...]) -> set[Box]:
    return {tuple(tile.rectangle.as_list()) for tile in tiles}


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 2), (3, 3)])
@pytest.mark.parametrize("gap", [0, 4, 10])
def test_the_tiles_of_a_gallery(tmp_path: Path, rows: int, columns: int, gap: int) -> None:
    path = write_scene(tmp_path / "call.mp4", gallery(rows, columns, TILE, gap))
    tiles = unveil.find_tiles(path)
    assert boxes_of(tiles) == set(grid(rows, columns, TILE, gap))
    assert all(tile.person and tile.reason is None for tile in tiles)
    assert {(tile.start_seconds, tile.end_seconds) for tile in tiles} == {(0.0, None)}


def test_tiles_are_of_the_displayed_picture(tmp_path: Path) -> None:
    turned = gallery(1, 2, TILE, 4)
    path = write_scene(
        tmp_path / "call.mp4",
        lambda number: np.ascontiguousarray(np.rot90(turned(number))),
        rotation=(-90, False, False),
    )
    with open_video(path) as video:
        assert video.properties.rotation_degrees == 90
    assert boxes_of(unveil.find_tiles(path)) == set(grid(1, 2, TILE, 4))


def speaker_view(number: int) -> list[tuple[Scene, Box]]:
    """Draw a speaker beside a strip of three; the speaker changes at frames 40 and 80."""
    large, small = (144, 108), (72, 56)
    shown = 1 if 40 <= number < 80 else 0
    others = [other for other in range(4) if other != shown]
    strip = [
        (caller(other, *small), (*small, large[0], row * small[1]))
        for row, other in enumerate(others)
    ]
    return [(caller(shown, *large), (*large, 0, 30)), *strip]


def test_a_speaker_with_a_strip_who_changes_twice(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "call.mp4", meeting((216, 168), speaker_view), 120)
    tiles = unveil.find_tiles(path)
    assert boxes_of(tiles) == {box for _, box in speaker_view(0)}
    main = [tile for tile in tiles if tile.rectangle.width == 144]
    period = 3 / 25
    assert [tile.start_seconds for tile in main] == pytest.approx([0, 1.6, 3.2], abs=period)
    assert main[0].end_seconds == pytest.approx(1.6, abs=period)
    assert main[1].end_seconds == pytest.approx(3.2, abs=period)
    assert main[2].end_seconds is None


def test_a_caller_beside_a_shared_screen(tmp_path: Path) -> None:
    screen, small = (240, 180), (72, 54)
    parts = [
        (nobody(3, *screen), (*screen, 0, 0)),
        (caller(1, *small), (*small, 244, 60)),
    ]
    path = write_scene(tmp_path / "call.mp4", meeting((320, 180), lambda number: parts))
    tiles = {tile.rectangle.width: tile for tile in unveil.find_tiles(path)}
    assert tiles[72].rectangle.as_list() == [72, 54, 244, 60]
    assert tiles[72].reason is None
    assert tiles[240].reason == NOBODY
    assert tiles[240].person is False


def test_tiles_without_a_person_are_named(tmp_path: Path) -> None:
    boxes = grid(2, 2, TILE, 4)
    scenes = [
        caller(0, *TILE),
        caller(1, *TILE, moves=False),
        nobody(2, *TILE),
        caller(3, *TILE),
    ]
    path = write_scene(
        tmp_path / "call.mp4",
        meeting((204, 156), lambda number: list(zip(scenes, boxes, strict=True))),
    )
    tiles = unveil.find_tiles(path)
    assert boxes_of(tiles) == set(boxes)
    assert {tuple(tile.rectangle.as_list()): tile.reason for tile in tiles} == dict(
        zip(boxes, (None, STILL, NOBODY, None), strict=True)
    )


def test_tiles_of_a_few_pixels_are_left_out(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "call.mp4", gallery(2, 2, TILE))
    tiles = unveil.find_tiles(path, grid=(9, 12))
    assert len(tiles) == 108
    assert {tile.reason for tile in tiles} == {TOO_SMALL}


def test_a_grid_of_equal_tiles(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "call.mp4", gallery(2, 3, TILE))
    assert boxes_of(unveil.find_tiles(path, grid=(2, 3))) == set(grid(2, 3, TILE))
    with pytest.raises(InvalidParameter, match=r"^tiles: 99x99 tiles do not fit"):
        unveil.find_tiles(path, grid=(99, 99))


def shelves(number: int) -> U8:
    """Draw a caller between the uprights of a bookcase, which run over the whole height."""
    shown = caller(1, 192, 144)(number)
    for x in (20, 150, 170):
        shown[:, x : x + 4] = 10
    return shown


def window(number: int) -> U8:
    """Draw a caller before a window whose frame crosses the picture behind the head."""
    shown = scenery(4, 192, 144, 192)
    shown[30:34], shown[:, 90:94] = 180, 180
    shown[50:, 70 + number % 9 : 120 + number % 9] = 235
    return shown


def letterboxed(number: int) -> U8:
    """Draw a caller between black bars."""
    return meeting((192, 144), lambda number: [(caller(2, 192, 100), (192, 100, 0, 22))], 0)(number)


def two_people(number: int) -> U8:
    """Draw two people before an even background."""
    shown = np.full((144, 192, 3), 90, np.uint8)
    for left in (20, 120):
        x = left + round(5 * np.sin(number / 4 + left))
        shown[30:, x : x + 40] = 235
        shown[10:30, x + 12 : x + 28] = 230
    return shown


def noise(number: int) -> U8:
    """Draw a caller before pixels of noise."""
    rng = np.random.default_rng(number)
    shown = rng.integers(0, 200, (144, 192, 3), np.uint8)
    shown[40:, 60 + number % 7 : 110 + number % 7] = 235
    return shown


def screen(number: int) -> U8:
    """Draw a page with boxes that scrolls by leaps."""
    rng = np.random.default_rng(number // 12)
    shown = np.full((240, 320, 3), 245, np.uint8)
    for _ in range(12):
        x, y = int(rng.integers(0, 300)), int(rng.integers(0, 220))
        shown[y : y + 4, x : x + 40] = rng.integers(0, 120, 3)
    shown[180:, :60] = (60, 90, 150)
    return shown // 2


@pytest.mark.parametrize(
    "box",
    [(96, 72, 216, 160), (96, 72, 224, 168), (72, 54, 10, 12)],
    ids=["inside", "flush", "top"],
)
def test_a_caller_over_a_screen_that_changes(tmp_path: Path, box: Box) -> None:
    parts = [(screen, (320, 240, 0, 0)), (caller(1, *box[:2]), box)]
    path = write_scene(tmp_path / "call.mp4", meeting((320, 240), lambda number: parts))
    whole, tile = unveil.find_tiles(path)
    assert np.abs(np.subtract(tile.rectangle.as_list(), box)).max() <= 2
    assert tile.person is True
    assert tile.reason is None
    assert whole.rectangle.as_list() == [320, 240, 0, 0]
    assert whole.person is False
    assert whole.reason == SCREEN


def test_a_caller_over_another_caller_is_one_picture(tmp_path: Path) -> None:
    box = 72, 54, 230, 170
    parts = [(caller(2, 320, 240), (320, 240, 0, 0)), (caller(1, 72, 54), box)]
    path = write_scene(tmp_path / "call.mp4", meeting((320, 240), lambda number: parts))
    (tile,) = unveil.find_tiles(path)
    assert tile.person is None


def before_a_window(number: int) -> U8:
    """Draw a small caller before a picture frame, which the body crosses."""
    shown = scenery(4, 320, 240, 320)
    shown[90:170, 200:290] = scenery(8, 90, 80, 20)
    y, x = np.mgrid[0:240, 0:320]
    half = np.maximum(0, y - 110) / 5
    shown[np.abs(x - 245 - 6 * np.sin(number / 3)) < half] = (235, 230, 225)
    return shown


def in_a_panel(number: int) -> U8:
    """Draw a small caller on a slide with a box of lines around."""
    shown = scenery(4, 320, 240, 320)
    for at in (np.s_[100:102, 180:300], np.s_[100:, 180:182], np.s_[100:, 298:300]):
        shown[at] = 5
    y, x = np.mgrid[0:240, 0:320]
    half = np.maximum(0, y - 120) / 4
    shown[np.abs(x - 240 - 6 * np.sin(number / 3)) < half] = (235, 230, 225)
    return shown


@pytest.mark.parametrize("scene", [before_a_window, in_a_panel])
def test_a_rectangle_around_a_person_is_no_tile(tmp_path: Path, scene: Scene) -> None:
    path = write_scene(tmp_path / "call.mp4", scene)
    (tile,) = unveil.find_tiles(path)
    assert tile.person is None


@pytest.mark.parametrize(
    "scene", [caller(1, 192, 144), shelves, window, letterboxed, two_people, noise]
)
def test_one_picture_is_one_tile(tmp_path: Path, scene: Scene) -> None:
    path = write_scene(tmp_path / "call.mp4", scene)
    (tile,) = unveil.find_tiles(path)
    assert tile == unveil.Tile(tile.rectangle)
    assert tile.rectangle.as_list() == [192, 144, 0, 0]


def test_a_layout_that_changes_all_the_time_is_told(tmp_path: Path) -> None:
    def shown(number: int) -> list[tuple[Scene, Box]]:
        kind = ((2, 2, (96, 72)), (3, 3, (64, 48)), (1, 1, (192, 144)))[number % 3]
        boxes = grid(*kind)
        return [(caller(number + place, *kind[2]), box) for place, box in enumerate(boxes)]

    path = write_scene(tmp_path / "call.mp4", meeting((192, 144), shown), 40)
    (tile,) = unveil.find_tiles(path)
    assert tile.reason == UNSTABLE
    assert tile.person is None


def test_what_cannot_be_read_twice_has_no_tiles() -> None:
    with pytest.raises(InvalidParameter, match=r"^tiles: standard input is read only once"):
        unveil.find_tiles("-")
