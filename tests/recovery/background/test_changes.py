"""Several backgrounds in one call, and frames of noise, told apart and recovered apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.sitter import Watcher, seated
from unveil import Engine, recover
from unveil.recovery.background.changes import (
    CONFIRMED_FRAMES,
    MAX_BACKGROUNDS,
    NONE,
    Backgrounds,
    Stretch,
)
from unveil.video.chunk import Chunk, Layout
from unveil.video.writer import VideoWriter

U8 = npt.NDArray[np.uint8]

HEIGHT, WIDTH, N_FRAMES = 96, 128, 160
SWITCH, NOISE = 100, 40
LEAK = np.s_[8:28, 6:30]
ROOM = (40, 220, 60)
FIRST, SECOND = (70, 70, 200), (190, 150, 40)


def noise(seed: int) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def frame_of(number: int) -> U8:
    """Exchange the background, with a frame of noise before; the room shows now and then."""
    if number == NOISE:
        return noise(number)
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[...] = FIRST if number < SWITCH else SECOND
    if number % 10 < 3:
        picture[LEAK] = ROOM
    picture[24:, 43:85] = 128
    return picture


def written(path: Path, frame: Callable[[int], U8]) -> Path:
    with VideoWriter(path, height=HEIGHT, width=WIDTH, frame_rate=25, crf=4) as writer:
        for number in range(N_FRAMES):
            writer.write(frame(number))
    return path


@pytest.fixture(autouse=True)
def watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "unveil.person.blocks.Segmenter",
        lambda model, threads=None: Watcher(lambda number: seated(HEIGHT, WIDTH)),
    )


def told(frames: list[U8], chunk_frames: int = 16) -> Backgrounds:
    """Tell the backgrounds of grey frames before which nobody sits."""
    layout = Layout(HEIGHT, WIDTH, 0, 0)
    backgrounds = Backgrounds()
    for first in range(0, len(frames), chunk_frames):
        luma = np.stack([frame[..., 0] for frame in frames[first : first + chunk_frames]])
        nobody = np.zeros((len(luma), *layout.squares), np.uint8)
        backgrounds.add(Chunk((luma, luma, luma), np.zeros(len(luma)), layout, nobody))
    return backgrounds


def test_each_background_is_recovered_by_itself(tmp_path: Path) -> None:
    recovery = recover(written(tmp_path / "call.mp4", frame_of))
    (other,) = recovery.others
    for one, colour in ((recovery, FIRST), (other, SECOND)):
        background = one.background[one.background[..., 3] > 0]
        assert len(background) > 0.5 * HEIGHT * WIDTH
        # Beside the leak and the person chroma is blurred.
        assert np.quantile(np.abs(background[:, :3].astype(int) - colour), 0.95) <= 6
        inside = one.room[12:24, 10:26]
        assert (inside[..., 3] > 0).all()
        assert np.abs(inside[..., :3].astype(int) - ROOM).max() <= 12
        elsewhere = one.room[..., 3].copy()
        elsewhere[:32, :34] = 0
        assert not elsewhere[:, :36].any()
    assert recovery.report["frames_dropped"] == 1
    assert [(b["folder"], b["frames"], b["stretches"]) for b in recovery.report["backgrounds"]] == [
        (None, SWITCH - 1, [[0, NOISE - 1], [NOISE + 1, SWITCH - 1]]),
        ("background-2", N_FRAMES - SWITCH, [[SWITCH, N_FRAMES - 1]]),
    ]
    assert other.report["input"] == recovery.report["input"]
    assert recovery.report["frames_used"] == SWITCH - 1
    recovery.save(tmp_path / "out")
    assert (tmp_path / "out" / "background-2" / "room.png").exists()


def test_frames_of_noise_are_left_out(tmp_path: Path) -> None:
    def clean(number: int) -> U8:
        return frame_of(number % SWITCH if number % SWITCH != NOISE else 0)

    def noisy(number: int) -> U8:
        return noise(number) if number in (50, 90, 91) else clean(number)

    without = recover(written(tmp_path / "clean.mp4", clean))
    recovery = recover(written(tmp_path / "noisy.mp4", noisy))
    assert without.report.get("frames_dropped") is None
    assert recovery.report["frames_dropped"] == 3
    assert [text for text in recovery.report["warnings"] if "left out" in text]
    assert abs(int(recovery.recovered) - int(without.recovered)) < 0.02 * HEIGHT * WIDTH


def test_a_background_that_comes_back_is_the_same() -> None:
    first, second = noise(1), noise(2)
    backgrounds = told([first] * 20 + [second] * 20 + [first] * 5)
    assert backgrounds.stretches == (Stretch(0, 0, 20), Stretch(1, 20, 40), Stretch(0, 40, 45))


@pytest.mark.parametrize("chunk_frames", [1, 7, 64])
def test_chunks_change_nothing(chunk_frames: int) -> None:
    frames = [noise(n // 25) if n % 13 else noise(100 + n) for n in range(1, 120)]
    assert told(frames, chunk_frames).stretches == told(frames).stretches


def test_a_short_picture_is_none() -> None:
    frames = [noise(1)] * 200 + [noise(2)] * (CONFIRMED_FRAMES - 1) + [noise(1)]
    assert told(frames).stretches[1] == Stretch(NONE, 200, 200 + CONFIRMED_FRAMES - 1)


def test_one_background_is_not_several() -> None:
    assert len(told([noise(1)] * 30).stretches) == 1


def test_a_picture_that_moves_is_not_several() -> None:
    patches = np.kron(noise(1)[::8, ::8], np.ones((8, 8, 1), np.uint8))
    assert told([np.roll(patches, n, 1) for n in range(100)]).stretches == ()


def test_what_never_stands_still_is_not_told_apart() -> None:
    assert told([noise(n) for n in range(60)]).stretches == ()
    many = [noise(n // CONFIRMED_FRAMES) for n in range(2 * MAX_BACKGROUNDS * CONFIRMED_FRAMES)]
    assert told(many).stretches == ()


def test_an_engine_tells_its_stretches() -> None:
    engine = Engine(HEIGHT, WIDTH)
    for number in range(N_FRAMES):
        engine.push(frame_of(number))
    assert [stretch.background for stretch in engine.stretches] == [0, NONE, 0, 1]
