"""Ctrl-C and requests to stop, and outputs that cannot be written."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interrupts import ctrl_c_raises, press_ctrl_c
from tests.protection.talks import RATE, sound_of, white
from tests.sitter import Watcher, decoded, seated
from unveil.errors import Interrupted, InvalidParameter, OutputExists, OutputUnwritable
from unveil.progress import Progress
from unveil.protection import run

posix = pytest.mark.skipif(os.name == "nt", reason="sends signals to a thread")

# Interruptions


def test_ctrl_c_completes_the_output(tmp_path: Path, talk: Path) -> None:
    def interrupt(number: int) -> Any:
        if number == 50:
            raise KeyboardInterrupt
        return seated()

    done = white(talk, tmp_path / "out.mp4", Watcher(interrupt))
    assert done.interrupted
    shown = decoded(tmp_path / "out.mp4")
    assert len(shown) == 50
    assert done.report["interrupted"]
    assert abs(sound_of(tmp_path / "out.mp4")[1] - 2.0) < 0.05


def finishing(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]) -> None:
    """Call `before` in the thread that completes an output, when all frames are written."""
    real = run.open_sink

    def opened(*arguments: Any, **options: Any) -> Any:
        sink = real(*arguments, **options)
        finish = sink.finish

        def finish_later(end_pts: int | None = None) -> None:
            before()
            finish(end_pts)

        monkeypatch.setattr(sink, "finish", finish_later)
        return sink

    monkeypatch.setattr(run, "open_sink", opened)


@posix
def test_the_first_ctrl_c_while_the_encoder_drains_keeps_the_output(
    tmp_path: Path, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finishing(monkeypatch, press_ctrl_c)
    with ctrl_c_raises():
        done = white(talk, tmp_path / "out.mp4")
    assert done.interrupted
    assert done.complete
    assert done.unfinished is None
    assert not done.report["interrupted"]
    assert len(decoded(tmp_path / "out.mp4")) == done.report["frames"] == done.report["frames_read"]
    assert abs(sound_of(tmp_path / "out.mp4")[1] - sound_of(talk)[1]) < 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "out.report.json"]


@posix
def test_a_second_ctrl_c_while_the_encoder_drains_gives_the_output_up(
    tmp_path: Path, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(number: int) -> Any:
        if number == 50:
            raise KeyboardInterrupt
        return seated()

    def press_and_fail() -> None:
        press_ctrl_c()
        time.sleep(0.1)  # until the main thread has taken it
        raise OutputUnwritable("so that the output is not complete by then")

    finishing(monkeypatch, press_and_fail)
    with ctrl_c_raises(), pytest.raises(KeyboardInterrupt):
        white(talk, tmp_path / "out.mp4", Watcher(interrupt))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n_asked", [1, 30])
def test_a_request_to_stop_completes_the_output(tmp_path: Path, talk: Path, n_asked: int) -> None:
    watcher = Watcher()
    out = tmp_path / "out.mp4"
    done = white(talk, out, watcher, stop=lambda: watcher.n_asked >= n_asked)
    assert done.interrupted
    assert done.report["interrupted"]
    n_frames = len(decoded(out))
    assert n_asked <= n_frames == done.report["frames"] < 100
    assert done.unfinished is not None
    assert abs(sound_of(out)[1] - n_frames / RATE) < 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "out.report.json"]


@pytest.mark.parametrize("n_calls", [0, 1, 2])
def test_a_request_to_stop_before_the_first_frame(tmp_path: Path, talk: Path, n_calls: int) -> None:
    calls = itertools.count()
    with pytest.raises(Interrupted):
        white(talk, tmp_path / "out.mp4", stop=lambda: next(calls) >= n_calls)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_before_the_first_frame(tmp_path: Path, video: Path) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        white(video, tmp_path / "out.mp4", progress=interrupt)
    assert not list(tmp_path.iterdir())


# Failures of the output


def test_an_output_that_exists_is_not_replaced(tmp_path: Path, video: Path) -> None:
    (tmp_path / "out.mp4").write_text("dear")
    with pytest.raises(OutputExists, match="--force"):
        white(video, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_text() == "dear"
    white(video, tmp_path / "out.mp4", force=True)
    assert len(decoded(tmp_path / "out.mp4")) == 30


def test_a_failure_while_writing_ends_it(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run.open_sink

    def failing(*arguments: Any, **options: Any) -> Any:
        sink = real(*arguments, **options)
        monkeypatch.setattr(
            sink, "write", lambda *_: (_ for _ in ()).throw(OutputUnwritable("full"))
        )
        return sink

    monkeypatch.setattr(run, "open_sink", failing)
    with pytest.raises(OutputUnwritable, match="full"):
        white(video, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("no/out.mp4", {}, OutputUnwritable, "is not a folder"),
        ("out.xyz", {}, InvalidParameter, "names no container"),
        ("out.mp4", {"codec": "nonsense"}, InvalidParameter, "codec: 'nonsense'"),
        ("out.webm", {"codec": "libx264"}, InvalidParameter, "libx264"),
        ("out.mp4", {"crf": 99}, InvalidParameter, "crf: 99"),
        ("out.png", {}, InvalidParameter, "number them"),
        ("out-%d.png", {"crf": 3}, InvalidParameter, "pictures are PNG"),
        ("", {}, OutputUnwritable, "is a folder"),
    ],
)
def test_outputs_that_cannot_be(
    tmp_path: Path, video: Path, name: str, options: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        white(video, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())
