"""What the workers of a cluster do: plan a recording, count a segment, merge, and recover.

A state travels between workers as the bytes of its file, and never to the client. All functions
take and return what can be pickled; the same arguments give the same result on any worker.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from unveil.interruption import never
from unveil.progress import silent
from unveil.recovery.batch import identity_of
from unveil.recovery.jobs.destination import destination_of
from unveil.recovery.jobs.identity import Identity
from unveil.recovery.jobs.job import Job
from unveil.recovery.jobs.outcome import Outcome, portable
from unveil.recovery.parameters import RecoverKeywords, RecoverOptions, TilesArgument
from unveil.recovery.recover import planned, recover_counted, segment_task
from unveil.recovery.result import Recovery
from unveil.recovery.segments.count import (
    SegmentTask,
    count_segment,
    merge_states,
    write_segment_state,
)
from unveil.recovery.tiles import (
    TilePlan,
    TileRecoveries,
    plan_tiles,
    recover_counted_tiles,
)
from unveil.video.reader import open_video
from unveil.video.selection import Segment
from unveil.video.source import Source

STATE: Final = "state.npz"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, and where its result goes; can be sent to a worker.

    Attributes
    ----------
    source
        A file or an address that every worker can read.
    out
        A folder or an address that every worker can write to.
    options
        As in `RecoverOptions`. Without `threads` each task uses one, because a worker runs a task
        in each of its threads.
    tiles, force, skip_done
        As for `unveil.recovery.batch.recover_all`.
    """

    source: Source
    out: str
    options: RecoverKeywords = field(default_factory=RecoverKeywords, repr=False)
    tiles: TilesArgument = "auto"
    force: bool = False
    skip_done: bool = True

    @property
    def chosen(self) -> RecoverOptions:
        """The options of a task."""
        options = RecoverOptions(**self.options)
        return options if options.threads else replace(options, threads=1)


@dataclass(frozen=True, slots=True)
class CountingPlan:
    """How the segments of a recording are counted; `tiles` of a meeting, else None."""

    task: SegmentTask
    segments: tuple[Segment, ...]
    expected_frames: int | None = None
    tiles: TilePlan | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be done with a recording.

    Attributes
    ----------
    identity
        What the result is made from, for its report; None leaves it out.
    how
        None if the recording is recovered as a whole: it is short, or cannot be cut.
    """

    identity: Identity | None
    how: CountingPlan | None


def plan(recording: Recording) -> Planned | Outcome:
    """Cut a recording into segments; return an outcome if nothing is to be done, or can be."""
    source, options, tiles = recording.source, recording.chosen, recording.tiles
    opened = partial(open_video, source, **options.reading)
    destination = destination_of(recording.out)
    try:
        with destination.opened([source.stem]):
            identity = identity_of(source, options, tiles) if recording.skip_done else None
            job = _job_of(recording, destination.folder(source.stem), identity)
            done = destination.done_before(job)
        if done is not None:
            return done
        with opened() as video:
            segments, _ = planned(source, options, video, never)
        if not segments:
            return Planned(identity, None)
        shown = plan_tiles(source, tiles, options)
        if shown is None:
            task = segment_task(source, options, opened)
        else:
            task = shown.task(source, options)
        return Planned(identity, CountingPlan(task, segments, video.expected_frames, shown))
    except Exception as error:
        return portable(Outcome(source.name, "failed", error=error))


def count(how: CountingPlan, number: int) -> bytes:
    """Count the segment of that number, from 0.

    Raises
    ------
    UnreadableVideo, FrameTooLarge, MissingRuntime
        As for `unveil.recover`.
    """
    state = count_segment(how.task, how.segments[number])
    with _scratch() as folder:
        write_segment_state(state, how.task, folder / STATE)
        return (folder / STATE).read_bytes()


def merge(how: CountingPlan, first: bytes, later: bytes) -> bytes:
    """Merge the states of consecutive segments."""
    with _scratch() as folder:
        parts = [folder / f"{name}-{STATE}" for name in ("first", "later")]
        for path, state in zip(parts, (first, later), strict=True):
            path.write_bytes(state)
        merge_states(how.task, parts, how.segments[0], folder / STATE)
        return (folder / STATE).read_bytes()


def recover_merged(
    recording: Recording, identity: Identity | None, how: CountingPlan, state: bytes
) -> Outcome:
    """Recover from the state of all segments, and save the result."""

    def recover() -> Recovery | TileRecoveries:
        with _scratch() as folder:
            path = folder / STATE
            path.write_bytes(state)
            counted = how.task, len(how.segments), path, recording.chosen
            if how.tiles is None:
                return recover_counted(*counted)
            return recover_counted_tiles(how.tiles, *counted)

    return _saved(recording, identity, lambda job: job.finish(recover))


def recover_whole(recording: Recording, identity: Identity | None) -> Outcome:
    """Recover a recording in one task, and save the result."""
    return _saved(recording, identity, lambda job: job.run(silent, never))


def _saved(
    recording: Recording, identity: Identity | None, work: Callable[[Job], Outcome]
) -> Outcome:
    """Do the work of a recording, and bring its result to its place."""
    destination = destination_of(recording.out)
    source = recording.source
    try:
        with destination.opened([source.stem]):
            job = _job_of(recording, destination.folder(source.stem), identity)
            outcome = destination.done_before(job) or destination.complete(work(job))
    except Exception as error:
        outcome = Outcome(source.name, "failed", error=error)
    return portable(outcome)


def _job_of(recording: Recording, folder: Path, identity: Identity | None) -> Job:
    return Job(
        recording.source,
        folder,
        options={**recording.options, "threads": recording.chosen.threads},
        tiles=recording.tiles,
        force=recording.force,
        workers=1,
        identity=identity,
    )


@contextmanager
def _scratch() -> Iterator[Path]:
    """Make a folder for states in files, which Dask's workers know as bytes."""
    with tempfile.TemporaryDirectory(prefix="unveil-") as folder:
        yield Path(folder)
