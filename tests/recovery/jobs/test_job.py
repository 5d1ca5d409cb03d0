"""Jobs that make further files of a recovery: what counts as done, and what is made anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.command import write_call
from unveil.errors import OutputExists
from unveil.interruption import never
from unveil.progress import silent
from unveil.recovery.batch import identity_of
from unveil.recovery.jobs.job import FurtherFiles, Job, NeedsAllWorkers
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.result import FILES
from unveil.video.source import source_of


@dataclass(frozen=True)
class Note(FurtherFiles):
    """Writes the number of threads; alone only, if it `needs_memory`."""

    needs_memory: bool = False

    def write(self, source: Any, recovered: Any, folder: Path, options: Any, *_: Any) -> None:
        """Write both."""
        recovered.save(folder, force=True)
        if self.needs_memory and options["threads"] == 1:
            raise MemoryError
        (folder / "note.txt").write_text(str(options["threads"]))

    def is_complete(self, folder: Path) -> bool:
        """Whether the number is there."""
        return (folder / "note.txt").exists()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = source_of(write_call(tmp_path / "call.mp4"))
    options = RecoverOptions(method="transitions")
    return Job(
        source,
        tmp_path / "out",
        {"method": "transitions", "threads": 2},
        save=Note(),
        identity=identity_of(source, options, "auto"),
    )


def test_a_result_without_further_files_is_made_anew(job: Job) -> None:
    assert replace(job, save=None).run(silent, never).state == "recovered"
    assert job.done_before() is None
    assert job.run(silent, never).state == "recovered"
    assert {path.name for path in job.folder.iterdir()} == {*FILES, "note.txt"}
    done = job.done_before()
    assert done is not None
    assert done.state == "skipped"
    (job.folder / "note.txt").unlink()
    assert job.done_before() is None


def test_another_result_is_not_replaced(job: Job) -> None:
    assert replace(job, save=None).run(silent, never).state == "recovered"
    assert job.identity is not None
    other = replace(job, identity=replace(job.identity, parameters="sha256:0"))
    with pytest.raises(OutputExists, match="with other parameters"):
        other.done_before()
    assert isinstance(other.run(silent, never).error, OutputExists)
    assert isinstance(replace(job, identity=None).run(silent, never).error, OutputExists)
    assert {path.name for path in job.folder.iterdir()} == {*FILES}


def test_what_lacks_memory_for_further_files_follows_alone(job: Job) -> None:
    part = replace(
        job,
        save=Note(needs_memory=True),
        options={**job.options, "threads": 1},
        beside_others=True,
    )
    with pytest.raises(NeedsAllWorkers):
        part.run(silent, never)
    alone = replace(job, save=Note(needs_memory=True))
    assert alone.done_before() is None
    assert alone.run(silent, never).state == "recovered"
    assert (job.folder / "note.txt").read_text() == "2"
