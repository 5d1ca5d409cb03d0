"""Recovery behind a background that pans or loops: a leaking edge of known colour."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sitter import find_seated
from unveil import Engine, recover
from unveil.parallel import Bands
from unveil.recovery.background.motion_model import Loop, Pan
from unveil.recovery.decide.finalise import MOVING
from unveil.recovery.passes.moving import MAX_PHASES, MIN_EXPLAINED, Prediction, Seen
from unveil.video.chunk import Chunk, Layout
from unveil.video.source import source_of
from unveil.video.writer import VideoWriter

U8 = npt.NDArray[np.uint8]

HEIGHT, WIDTH, N_FRAMES = 144, 192, 160
LEAK = np.s_[20:60, 16:40]
LEAK_AREA = 40 * 24 / (HEIGHT * WIDTH)
ROOM = np.array([210.0, 60.0, 40.0])
PERIOD = 20


@lru_cache(2 * PERIOD)
def scenery(seed: int, width: int = WIDTH) -> npt.NDArray[np.float64]:
    """Paint coloured patches."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(30, 200, (HEIGHT // 16, width // 16, 3)).astype(float)
    return np.kron(patches, np.ones((16, 16, 1)))


def panning(number: int) -> npt.NDArray[np.float64]:
    return np.roll(scenery(1), 2 * number, 1)


def creeping(number: int) -> npt.NDArray[np.float64]:
    return np.roll(scenery(1), number // 2, 1)


def rushing(number: int) -> npt.NDArray[np.float64]:
    """Pan past more lines than a prediction keeps, to the left."""
    return np.roll(scenery(1), -5 * number, 1)


def plain(number: int) -> npt.NDArray[np.float64]:
    """Pan a landscape of plain bands, most of whose pixels keep their colour."""
    x = np.arange(WIDTH)
    horizon = 70 + 12 * np.sin(2 * np.pi * x / WIDTH) + 5 * np.sin(10 * np.pi * x / WIDTH)
    is_land = np.arange(HEIGHT)[:, None] > np.roll(np.rint(horizon), 2 * number)
    return np.where(is_land[..., None], [60.0, 110.0, 60.0], [150.0, 180.0, 220.0])


def looping(number: int) -> npt.NDArray[np.float64]:
    return scenery(number % PERIOD)


def unsettled(number: int) -> npt.NDArray[np.float64]:
    return scenery(number)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calls")


def written(folder: Path, background: Any) -> Path:
    """Write a call in which the room shines through, now more and now less, unless it is there."""
    path = folder / f"{background.__name__}.mp4"
    if path.exists():
        return path
    with VideoWriter(path, height=HEIGHT, width=WIDTH, frame_rate=25, crf=4) as writer:
        for number in range(N_FRAMES):
            picture = background(number).copy()
            if number % 3 == 0:
                share = 0.5 + 0.5 * ((number // 3) % 5) / 4
                picture[LEAK] = share * ROOM + (1 - share) * picture[LEAK]
            picture[36:, 64:128] = 128
            writer.write(np.rint(picture).astype(np.uint8))
    return path


@pytest.fixture(autouse=True)
def watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    find_seated(monkeypatch, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("background", "kind", "motion"),
    [
        (panning, "pans", {"kind": "pan", "axis": "horizontal", "pixels_per_frame": 2.0}),
        (creeping, "pans", {"kind": "pan", "axis": "horizontal", "pixels_per_frame": 0.5}),
        (rushing, "pans", {"kind": "pan", "axis": "horizontal", "pixels_per_frame": -5.0}),
        (looping, "loops", {"kind": "loop", "frames": PERIOD}),
    ],
)
def test_the_room_is_found_behind_a_moving_background(
    folder: Path, background: Any, kind: str, motion: dict[str, Any]
) -> None:
    recovery = recover(written(folder, background), threads=2)
    assert recovery.report["background"] == kind
    assert recovery.report["background_motion"] == motion
    assert recovery.report["warnings"] == []
    inside = np.s_[26:54, 22:34]
    room = recovery.room[inside]
    claimed = room[..., 3] > 0
    assert claimed.mean() > 0.9
    assert np.median(np.abs(room[claimed][:, :3] - ROOM)) < 8
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[12:68, 8:48] = False
    assert np.mean(recovery.room[outside][:, 3] > 0) < 0.02
    assert recovery.confidence.max() <= 0.5
    assert recovery.report["coverage"] == np.mean(recovery.room[..., 3] > 0)
    assert recovery.leak_times is not None
    # The room shows alone, as claimed, in every second: in each 15th frame.
    claimed_area = np.mean(recovery.room[LEAK][..., 3] > 0) * LEAK_AREA
    np.testing.assert_allclose(recovery.leak_times.leaked_share, claimed_area, rtol=0.3)
    assert recovery.report["leak_times"] == recovery.leak_times.as_dict()
    known = recovery.background[..., 3] > 0
    known[LEAK] = False
    assert known.mean() > 0.5
    # The picture of a fast pan no longer holds the first frame.
    shown = background(N_FRAMES - 1 if background is rushing else 0)
    assert np.median(np.abs(recovery.background[..., :3] - shown)[known]) < 6


def test_a_background_most_of_whose_pixels_keep_their_colour_pans(folder: Path) -> None:
    recovery = recover(written(folder, plain), threads=2)
    assert recovery.report["background"] == "pans"
    assert recovery.report["background_motion"] == {
        "kind": "pan",
        "axis": "horizontal",
        "pixels_per_frame": 2.0,
    }
    claimed = recovery.room[..., 3] > 0
    assert claimed[LEAK].mean() > 0.9
    claimed[12:68, 8:48] = False
    assert claimed.mean() < 0.02


def test_threads_change_nothing(folder: Path) -> None:
    call = written(folder, looping)
    one, two = (recover(call, threads=threads) for threads in (1, 2))
    assert np.array_equal(one.room, two.room)
    assert np.array_equal(one.background, two.background)
    assert one.leak_times is not None
    assert two.leak_times is not None
    assert one.leak_times.table() == two.leak_times.table()


def engine_of(background: Any, n_frames: int, chunk_frames: int) -> Engine:
    """Count the frames of a background with a person before it."""
    engine = Engine(HEIGHT, WIDTH, method="farend", chunk_frames=chunk_frames)
    for number in range(n_frames):
        picture = background(number).copy()
        picture[36:, 64:128] = 128
        engine.push(np.rint(picture).astype(np.uint8))
    return engine


def test_when_counting_ends_does_not_depend_on_the_chunks() -> None:
    one, seven = (engine_of(creeping, 100, chunk_frames) for chunk_frames in (1, 7))
    assert one.state.stored.keys() == seven.state.stored.keys()
    for name, array in one.state.stored.items():
        np.testing.assert_array_equal(array, seven.state.stored[name], err_msg=name)


def test_samples_are_counted_until_the_background_is_known_to_move() -> None:
    # Four pairs of frames, which begin every 16 frames, tell that it does.
    slots = [engine_of(creeping, n, 8).state.stored["slots"] for n in (41, 57, 137)]
    counted = [int(array["count"].sum(dtype=np.int64)) for array in slots]
    assert counted[0] < counted[1] == counted[2]


def test_a_background_that_stops_is_counted_again() -> None:
    def stopping(number: int) -> npt.NDArray[np.float64]:
        picture = creeping(min(number, 40))
        if number >= 100 and number % 4 == 0:
            picture[LEAK] = ROOM
        return picture

    recovery = engine_of(stopping, 1000, 16).finalise()
    assert recovery.report["background"] == "still"
    assert np.mean(recovery.room[LEAK][..., 3] > 0) > 0.9


def test_a_file_that_was_resolved_ahead_is_read_again(folder: Path) -> None:
    """As the command line does."""
    call = written(folder, looping)
    assert recover(source_of(call)).report["background"] == "loops"


def test_an_unpredictable_background_is_told(folder: Path) -> None:
    recovery = recover(written(folder, unsettled))
    assert recovery.report["background"] == "moves"
    assert MOVING in recovery.report["warnings"]
    assert not recovery.room[..., 3].any()
    assert recovery.leak_times is recovery.report["leak_times"] is None


def test_the_colour_that_explains_most_is_the_room() -> None:
    """Not the one that was seen most, nor one that is noise or explains too little."""
    seen = Seen(Layout(1, 4, 0, 0), 6)
    slots = [[(200, 60), (120, 9)], [(90, 1), (80, 3)], [(70, 5), (60, 5)], [(50, 9)]]
    explained = [[10, 38], [40, 30], [20, 22], [MIN_EXPLAINED - 1]]
    for x, (colours, counts) in enumerate(zip(slots, explained, strict=True)):
        for n, (level, count) in enumerate(colours):
            seen.slots[0, x, n] = (level, level, level, count, 0)
            seen.explained[0, x, n] = counts[n]
        seen.total[0, x] = 40 if x < 3 else MIN_EXPLAINED
    levels, weight, trusted = seen.best()
    assert levels[0, :, 0].tolist() == [120, 80, 60, 50]
    assert weight[0].tolist() == [38, 30, 22, MIN_EXPLAINED - 1]
    assert trusted[0].tolist() == [True, True, False, False]


def test_a_pan_forgets_what_its_ring_has_no_room_for() -> None:
    layout = Layout(8, 8, 0, 0)
    bands = Bands(1)
    prediction = Prediction(layout, Pan("horizontal", 4.0), 1000)
    luma = np.full((1, 8, 8), 90, np.uint8)
    nobody = np.zeros((1, *layout.block_grid), np.uint8)
    chunk = Chunk((luma, luma, luma), np.zeros(1), layout, nobody)
    for _ in range(2):
        prediction.learn(chunk, 0, 0, bands, 6)
    assert prediction.shown(0)[1].all()
    assert not prediction.shown(2)[1].any()
    assert prediction.shown(0)[1].all()
    assert not prediction.shown(8)[1].any()  # the ring's places of frame 0 hold other lines now
    assert not prediction.shown(0)[1].any()


@settings(max_examples=30, derandomize=True, database=None)
@given(eighths=st.integers(-64, 64), vertical=st.booleans(), seed=st.integers(0, 99))
def test_a_pan_of_any_speed_is_predicted_beyond_the_ring(
    eighths: int, vertical: bool, seed: int
) -> None:
    """What a frame showed is known after it, however often the ring was gone round."""
    height, width, n_frames = 9, 12, 60
    layout = Layout(height, width)
    pan = Pan("vertical" if vertical else "horizontal", eighths / 8)
    prediction = Prediction(layout, pan, n_frames)
    bands = Bands(1)
    nobody = np.zeros((1, *layout.block_grid), np.uint8)
    grey = np.full((1, height, width), 128, np.uint8)
    rng = np.random.default_rng(seed)
    endless = rng.integers(16, 236, (1200, 1200), np.uint8)
    for number in range(n_frames):
        down, right = pan.offset(number)
        luma = endless[600 - down :, 600 - right :][None, :height, :width].copy()
        chunk = Chunk((luma, grey, grey), np.zeros(1), layout, nobody)
        for _ in range(2):
            prediction.learn(chunk, 0, number, bands, 6)
        shown, known = prediction.shown(number)
        assert known.all()
        assert np.abs(shown[..., 0] - (luma[0] - 16.0) * 255 / 219).max() < 1e-6


def test_a_long_loop_shares_its_pictures() -> None:
    period = 2 * MAX_PHASES - 1
    prediction = Prediction(Layout(8, 8), Loop(period), 1000)
    assert len(prediction.pictures) == MAX_PHASES
    places = [prediction.place(frame)[0] for frame in range(2 * period)]
    assert places == [frame % period // 2 for frame in range(2 * period)]
