"""Stretches of frames of one layout are counted together, in bounded memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.footage import U8, write_video
from unveil import recover
from unveil.recovery.engine import Engine
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.passes.counting import MAX_ENGINES, MAX_PIXELS, Counting
from unveil.recovery.passes.recording import Recording
from unveil.video.chunk import Chunk, Layout
from unveil.video.container import VideoProperties

SMALL, LARGE = Layout(16, 24, 1, 1), Layout(32, 48, 1, 1)
UPRIGHT = VideoProperties("", "", "", 48, 32, "", "bt601", False, None, None, None)


def chunk_of(layout: Layout, n_frames: int, level: int = 90) -> Chunk:
    planes = layout.empty(n_frames)
    for plane in planes:
        plane[:] = level
    return Chunk(planes, np.arange(n_frames) / 25.0, layout)


def counting() -> Counting:
    return Counting(RecoverOptions(method="transitions", threads=1), None, UPRIGHT)


def test_runs_of_one_layout_are_joined() -> None:
    counted = counting()
    for layout, n_frames in ((SMALL, 9), (LARGE, 8), (SMALL, 1), (LARGE, 4), (SMALL, 1)):
        counted.step(0, chunk_of(layout, n_frames))
    engine = counted.best
    assert isinstance(engine, Engine)
    assert (engine.n_frames, counted.layout, counted.n_changes) == (12, LARGE, 4)
    whole = Engine(32, 48, method="transitions", threads=1)
    whole.update(chunk_of(LARGE, 12))
    assert (whole.finalise().background == engine.finalise().background).all()
    counted.forget()
    assert counted.best is None


def test_the_first_of_equals_is_taken() -> None:
    counted = counting()
    for layout in (SMALL, LARGE):
        counted.step(0, chunk_of(layout, 5))
    assert counted.layout == SMALL


def test_engines_are_bounded() -> None:
    """Many sizes, each shown for longer than those before: few engines, the best is kept."""
    counted = counting()
    sizes = [Layout(16 + n, 24 + n, 1, 1) for n in range(9)]
    for n, layout in enumerate(sizes):
        counted.step(0, chunk_of(layout, n + 1))
        areas = [known.height * known.width for known in counted._engines]
        assert len(areas) <= MAX_ENGINES
        assert sum(areas) <= MAX_PIXELS * max(areas)
    assert counted.layout == sizes[-1]
    counted.step(0, chunk_of(sizes[0], 30))  # it was given up after its only frame
    assert (counted.layout, counted.n_skipped) == (sizes[0], 1)


def test_later_passes_read_the_same_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    class Masker:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def add_mask(self, chunk: Chunk, first_frame: int) -> Chunk:
            firsts.append(first_frame)
            nobody = np.zeros((len(chunk), *chunk.layout.block_grid), np.uint8)
            return replace(chunk, person=nobody)

    class Opened:
        def __enter__(self) -> Opened:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def chunks(self) -> list[Chunk]:
            parts = [(LARGE, 3, 1), (SMALL, 4, 2), (LARGE, 5, 3), (SMALL, 1, 4), (LARGE, 2, 5)]
            return [chunk_of(*part) for part in parts]

    firsts: list[int] = []
    monkeypatch.setattr("unveil.recovery.passes.recording.BlockMasker", Masker)
    for skipped, lengths in ((0, [3, 5, 2]), (4, [4, 2]), (8, [2]), (10, [])):
        firsts.clear()
        with Recording(Opened, LARGE, RecoverOptions(), skipped) as recording:
            parts = list(recording.chunks())
        assert [len(part) for part in parts] == lengths
        assert firsts == [sum(lengths[:n]) for n in range(len(lengths))]
        assert all(part.layout == LARGE for part in parts)


def test_a_recording_that_grows_uses_all_its_frames_of_one_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    texture = {size: rng.integers(30, 200, size, np.uint8) for size in ((48, 64), (96, 128))}
    data = b""
    for n, (size, n_frames) in enumerate([((48, 64), 6), ((96, 128), 10), ((48, 64), 4)] * 2):
        path = write_video(tmp_path / f"{n}.h264", (still(texture[size]) for _ in range(n_frames)))
        data += path.read_bytes()
    (tmp_path / "call.h264").write_bytes(data)
    recovery = recover(tmp_path / "call.h264", method="transitions", threads=2)
    assert recovery.report["frames_used"] == 20
    assert recovery.room.shape[:2] in ((96, 128), (48, 64))
    (warning,) = [text for text in recovery.report["warnings"] if "frames change" in text]
    assert "20 of 40 frames of " in warning


def still(luma: U8) -> av.VideoFrame:
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], "yuv420p")
    for plane, level in zip(frame.planes, (luma, np.uint8(120), np.uint8(130)), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
        rows[:, : plane.width] = level
    return frame
