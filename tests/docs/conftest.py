"""Small inputs under the names that the documents use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

import unveil
from tests.astronaut_call import use_tiny_evaluation
from tests.demo.test_run import use_small_calls
from tests.swaying import ASTRONAUT, HEIGHT, WIDTH, write_footage


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a call and its truth, footage of a person, and pictures."""
    folder = tmp_path_factory.mktemp("inputs")
    made = unveil.simulate_call(
        folder / "made", ASTRONAUT, height=HEIGHT, width=WIDTH, n_frames=48, lag=2, camera_noise=0
    )
    shutil.copy(made.call, folder / "call.mp4")
    shutil.copy(made.truth, folder / "truth.npz")
    truth = unveil.Truth.read(folder / "truth.npz")
    Image.fromarray(truth.room).save(folder / "photo.png")
    Image.fromarray(truth.room).save(folder / "bedroom.jpg", quality=95)
    Image.fromarray(truth.background).save(folder / "beach.jpg", quality=95)
    shutil.copy(ASTRONAUT, folder / "still.png")
    footage = write_footage(folder / "me.mp4", lambda number: truth.room, n_frames=10)
    shutil.copy(footage, folder / "talk.mp4")
    # One call, which is read in this process; the list's two have processes of their own.
    (folder / "calls").mkdir()
    shutil.copy(made.call, folder / "calls" / "monday.mp4")
    (folder / "calls.txt").write_text("# both calls\ncalls/monday.mp4\ncall.mp4\n")
    shutil.rmtree(folder / "made")
    return folder


@pytest.fixture
def workplace(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a copy of the inputs the current folder; what is simulated there is small."""
    folder = tmp_path / "work"
    shutil.copytree(inputs, folder)
    monkeypatch.chdir(folder)
    use_small_calls(monkeypatch)
    use_tiny_evaluation(monkeypatch)
    # A recovery from the covered copy instead of three, and one process for several calls, where
    # no number is chosen: the examples show that the commands work.
    monkeypatch.setattr("unveil.auditing.redact.LOOKS", 1)
    monkeypatch.setattr("unveil.recovery.jobs.schedule.available_cores", lambda: 1)
    return folder
