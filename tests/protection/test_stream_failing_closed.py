"""Late masks, broken networks and lost cameras: no frame leaves unprotected."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.footage import write_video
from tests.protection.talks import sitting, white
from tests.sitter import OUTSIDE, Watcher, decoded, luma_of, seated
from unveil.errors import ProtectionFailed, UnreadableVideo
from unveil.protection import protector as protector_module
from unveil.video.source import Source


def test_no_frame_leaves_before_there_is_a_mask(tmp_path: Path, video: Path) -> None:
    """A network that takes its time delays the output; it lets nothing pass."""
    asked = threading.Event()

    def slowly(number: int) -> Any:
        if number == 0:
            asked.wait(20)
        return seated()

    watcher = Watcher(slowly)
    worker = threading.Thread(target=white, args=(video, tmp_path / "out.mp4", watcher))
    worker.start()
    time.sleep(0.3)
    written = sum(path.stat().st_size for path in tmp_path.glob(".out*"))
    assert not (tmp_path / "out.mp4").exists()
    asked.set()
    worker.join()
    assert written < 2000  # a header at most
    for made in decoded(tmp_path / "out.mp4"):
        assert luma_of(made)[OUTSIDE[0]].min() > 225


def test_a_network_that_stays_broken_leaves_no_output(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protector_module, "MAX_FAILURES_IN_A_ROW", 5)
    watcher = Watcher(lambda number: RuntimeError("broken"))
    with pytest.raises(ProtectionFailed, match="5 frames in a row"):
        white(video, tmp_path / "out.mp4", watcher)
    assert not list(tmp_path.iterdir())


def test_late_masks_of_a_live_source_hold_the_last_frame(tmp_path: Path, video: Path) -> None:
    """Frames that come while the network works are left out, and never shown as they are."""

    def slowly(number: int) -> Any:
        time.sleep(0.05)
        return seated()

    camera = Source(f"file:{video}", None, "camera", "camera", live=True)
    done = white(camera, tmp_path / "out.mp4", Watcher(slowly), crf=1)
    shown = decoded(tmp_path / "out.mp4")
    assert done.live
    assert done.report["frames_held"] > 0
    assert len(shown) == done.report["frames"]
    assert len(shown) + done.report["frames_held"] == 30
    assert "came too fast" in done.summary
    for made in shown:
        assert luma_of(made)[OUTSIDE[0]].min() > 225


def test_a_camera_that_is_unplugged_leaves_what_came_before(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", sitting(60), container_options={"movflags": "faststart"}
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    camera = Source(f"file:{cut}", None, "camera", "camera", live=True)
    with pytest.raises(UnreadableVideo, match=r"camera: stopped .*out.mp4 holds what came before"):
        white(camera, tmp_path / "out.mp4")
    assert decoded(tmp_path / "out.mp4")
    assert (tmp_path / "out.report.json").exists()
