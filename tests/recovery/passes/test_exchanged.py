"""The room behind each of several backgrounds of one call, without its frames of noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.sitter import find_seated
from unveil import Engine, recover
from unveil.recovery.background.changes import NONE
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
    find_seated(monkeypatch, HEIGHT, WIDTH)


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
    for one in (recovery, other):
        assert one.report["parameters"]["method"] == "auto"
        assert one.report["decided_by"] == "farend"
        assert one.report["person"]["frames_searched"] == -(-N_FRAMES // 4)
    assert recovery.report["frames_used"] == SWITCH - 1
    for one, seconds in ((recovery, range(4)), (other, range(4, 7))):
        assert one.leak_times is not None
        assert one.leak_times.start_seconds.tolist() == list(seconds)
        np.testing.assert_allclose(one.leak_times.leaked_share, one.report["coverage"], rtol=0.2)
        assert one.report["leak_times"]["n_bins"] == len(seconds)
    recovery.save(tmp_path / "out")
    assert (tmp_path / "out" / "background-2" / "room.png").exists()
    assert (tmp_path / "out" / "background-2" / "timeline.parquet").exists()


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


def test_an_engine_tells_its_stretches() -> None:
    engine = Engine(HEIGHT, WIDTH)
    for number in range(N_FRAMES):
        engine.push(frame_of(number))
    assert [stretch.background for stretch in engine.stretches] == [0, NONE, 0, 1]
