"""Jobs in a process that crashes, hangs, is asked to stop, or loses its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.command import write_call
from unveil.errors import Interrupted, UnreadableVideo, UnveilError, WorkerLost
from unveil.interruption import never
from unveil.progress import Progress, silent
from unveil.recovery.batch import recover_all
from unveil.recovery.jobs.job import Job
from unveil.recovery.jobs.outcome import Outcome, portable
from unveil.recovery.jobs.worker import Worker
from unveil.recovery.result import FILES
from unveil.video.source import source_of


def die(source: object, recovered: Any, folder: Path, *, number: int = signal.SIGABRT) -> None:
    """Save half a result, and end the process as a fault of native code does."""
    (folder / "room.png").write_text("half")
    (folder / ".stats.12345678.part.parquet").write_text("half")
    os.kill(os.getpid(), number)
    time.sleep(60)


def hang(source: object, recovered: Any, folder: Path) -> None:
    """Never return."""
    (folder / "room.png").write_text("half")
    time.sleep(600)


def print_and_save(source: object, recovered: Any, folder: Path) -> None:
    """Write on both standard streams, as libraries do."""
    os.write(1, b"between the messages\n")
    os.write(2, b"to standard error\n")
    recovered.save(folder, force=True)


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return write_call(tmp_path / "call.mp4")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as started:
        yield started


def job_of(path: Path, save: Any = None, **options: Any) -> Job:
    folder = path.parent / "out" / path.stem
    folder.parent.mkdir(exist_ok=True)
    return Job(source_of(path), folder, {"method": "transitions"}, save=save, **options)


def test_a_process_does_one_job_after_the_other(tmp_path: Path, worker: Worker) -> None:
    for name in ("a", "b"):
        stages: list[str] = []
        job = job_of(write_call(tmp_path / f"{name}.mp4"), print_and_save)
        outcome = worker.run(job, lambda progress, to=stages: to.append(progress.stage), never)
        assert outcome.state == "recovered"
        assert {"prepare", "finalise"} <= set(stages)
        assert sorted(path.name for path in job.folder.iterdir()) == sorted(FILES)
        here = job_of(tmp_path / f"{name}.mp4", force=True).run(silent, never)
        assert here.report["recovered_pixels"] == outcome.report["recovered_pixels"]


def test_an_error_keeps_its_class_and_its_traceback(tmp_path: Path, worker: Worker) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    outcome = worker.run(job_of(text), silent, never)
    assert isinstance(outcome.error, UnreadableVideo)
    assert str(outcome.problem).startswith("text.mp4: not a video")
    assert "Traceback" in outcome.error.__notes__[0]


def test_an_error_that_cannot_be_sent_is_told_in_words() -> None:
    class Local(Exception):
        pass

    outcome = portable(Outcome("call.mp4", "failed", error=Local("of this function")))
    assert isinstance(outcome.error, UnveilError)
    assert str(outcome.error) == "call.mp4: Local: of this function"


@pytest.mark.parametrize(
    ("number", "told"),
    [(signal.SIGABRT, "crashed (SIGABRT)"), (signal.SIGKILL, "was killed (SIGKILL)")],
)
def test_a_crash_is_the_failure_of_one_job(
    tmp_path: Path, call: Path, worker: Worker, number: int, told: str
) -> None:
    job = job_of(call, partial(die, number=number))
    outcome = worker.run(job, silent, never)
    assert isinstance(outcome.error, WorkerLost)
    assert str(outcome.error).startswith(f"call.mp4: the process that read it {told}")
    assert not job.folder.exists()
    after = worker.run(job_of(write_call(tmp_path / "after.mp4")), silent, never)
    assert after.state == "recovered"


def test_a_hang_is_ended_by_the_watchdog(call: Path) -> None:
    job = job_of(call, hang)
    with Worker(watchdog_seconds=4) as worker:
        outcome = worker.run(job, silent, never)
    assert "made no progress for 4 s and was ended" in str(outcome.error)
    assert not job.folder.exists()


def test_an_earlier_result_survives_a_crash(call: Path, worker: Worker) -> None:
    assert worker.run(job_of(call), silent, never).state == "recovered"
    job = job_of(call, die, force=True)
    before = (job.folder / "report.json").read_bytes()
    assert worker.run(job, silent, never).state == "failed"
    assert (job.folder / "report.json").read_bytes() == before
    assert not list(job.folder.glob(".*.part*"))


def test_a_request_to_stop_reaches_the_process(call: Path, worker: Worker) -> None:
    started: list[Progress] = []
    job = job_of(call)
    with pytest.raises(Interrupted):
        worker.run(job, started.append, lambda: bool(started))
    assert not job.folder.exists()


def test_ctrl_c_ends_the_job_and_leaves_nothing(call: Path, worker: Worker) -> None:
    def press(progress: Progress) -> None:
        raise KeyboardInterrupt

    job = job_of(call, hang)
    with pytest.raises(KeyboardInterrupt):
        worker.run(job, press, never)
    assert not job.folder.exists()


def test_in_a_batch_the_others_are_recovered(tmp_path: Path) -> None:
    paths = [write_call(tmp_path / f"{name}.mp4") for name in ("a", "b")]
    outcomes = recover_all(paths, tmp_path / "out", method="transitions", save=die_of_a)
    assert [outcome.state for outcome in outcomes] == ["failed", "recovered"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b"]


def die_of_a(source: Any, recovered: Any, folder: Path) -> None:
    """Crash with the first call, and save the others."""
    if source.name == "a.mp4":
        die(source, recovered, folder)
    recovered.save(folder, force=True)


ORPHAN = """
import sys
from pathlib import Path
from tests.recovery.jobs.test_worker import hang, job_of
from unveil.interruption import never
from unveil.recovery.jobs.worker import Worker

worker = Worker()
def tell(progress):
    print(worker._process._popen.pid, flush=True)
worker.run(job_of(Path(sys.argv[1]), hang), tell, never)
"""


def test_the_process_ends_with_its_parent(call: Path) -> None:
    root = Path(__file__).parents[3]
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(call)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and _state(pid) != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
