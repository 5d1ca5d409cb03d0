"""The recovery of one source into its folder, in this process."""

from __future__ import annotations

import logging
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

from unveil.errors import (
    FrameTooLarge,
    Interrupted,
    OutputExists,
    OutputUnwritable,
    UnveilError,
    explain,
)
from unveil.files import BACKGROUND, ROOM, is_there, result_folder, write_png
from unveil.interruption import StopRequested, never
from unveil.leftovers import remove_temporaries
from unveil.progress import Progress, silent
from unveil.recovery.jobs.identity import Identity, finished_report
from unveil.recovery.jobs.outcome import Outcome, notes_of, video_seconds_of
from unveil.recovery.parameters import RecoverKeywords, RecoverOptions, TilesArgument
from unveil.recovery.result import (
    REPORT,
    checkpoint_folder,
    further_folders,
    refuse_earlier_result,
    remove_checkpoint,
    remove_earlier_result,
)
from unveil.redaction import redacted
from unveil.video.source import Source

if TYPE_CHECKING:
    from unveil.progress import ProgressCallback
    from unveil.recovery.result import Recovery
    from unveil.recovery.tiles import TileRecoveries

logger = logging.getLogger(__name__)

Save: TypeAlias = "Callable[[Source, Recovery | TileRecoveries, Path], object]"
"""Writes what was recovered from a source into a folder."""


class FurtherColumn(NamedTuple):
    """A column of the catalogue about further files."""

    name: str
    kind: Literal["string", "float64"]
    unit: str
    meaning: str


class FurtherFiles(ABC):
    """Writes what was recovered, and further files that are made of it; it can be pickled.

    Attributes
    ----------
    columns
        What the catalogue of a batch says about these files.
    """

    columns: ClassVar[tuple[FurtherColumn, ...]] = ()

    @abstractmethod
    def write(
        self,
        source: Source,
        recovered: Recovery | TileRecoveries,
        folder: Path,
        options: RecoverKeywords,
        progress: ProgressCallback,
        stop: StopRequested,
    ) -> None:
        """Write all files into a folder, in which they replace earlier ones.

        Parameters
        ----------
        source, folder
            As for `Save`.
        options
            Those of the recovery, with the threads that are left for it.
        progress
            To be called while it goes on: a process that is silent for long is taken to hang.
        stop
            Returns whether to stop.

        Raises
        ------
        Interrupted
            `stop` asked for it, before all files were complete.
        """

    @abstractmethod
    def is_complete(self, folder: Path) -> bool:
        """Whether a folder with a complete recovery has all further files, too."""

    def row(self, folder: Path) -> Mapping[str, Any]:
        """Return the values of `columns` for a folder with all files; what is missing is null."""
        return {}


class NeedsAllWorkers(Exception):
    """A job beside others must be done alone: its recording is long, or it lacks memory."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be recovered, and whereto; it can be sent to another process.

    Attributes
    ----------
    source
        The input.
    folder
        Gets the result.
    options
        As in `RecoverOptions`.
    tiles, preview_seconds, save, workers, resume
        As for `unveil.recovery.batch.recover_all`.
    force
        Replace an earlier result.
    identity
        What the result is made from, for its report; None leaves it out.
    beside_others
        Whether other processes do jobs at the same time, each with its part of the cores and of
        the memory.
    """

    source: Source
    folder: Path
    options: RecoverKeywords = field(default_factory=RecoverKeywords, repr=False)
    tiles: TilesArgument = "auto"
    preview_seconds: float | None = None
    save: Save | FurtherFiles | None = None
    force: bool = False
    workers: int | None = None
    resume: bool = True
    identity: Identity | None = None
    beside_others: bool = False

    def run(self, progress: ProgressCallback, stop: StopRequested) -> Outcome:
        """Recover and save; return a failure as the outcome.

        Raises
        ------
        Interrupted
            `stop` asked for it, before the result was complete.
        NeedsAllWorkers
            Others run beside it, and the recording may be cut into segments, which all workers
            can count, or it needs more memory than its part. Nothing is left in the folder.
        """
        if not self.beside_others:
            return _Run(self, progress, stop).outcome()
        if self._is_long(stop):
            raise NeedsAllWorkers
        progress(Progress("prepare"))  # it is begun now: not those that are left for later
        outcome = _Run(self, progress, stop).outcome()
        if isinstance(outcome.error, FrameTooLarge | MemoryError):
            self.remove_unfinished()
            raise NeedsAllWorkers
        return outcome

    def _is_long(self, stop: StopRequested) -> bool:
        # Imported late: a result that was made before needs no PyAV.
        from unveil.video.segments import may_be_cut

        options = RecoverOptions(**self.options)
        try:
            return may_be_cut(self.source, options.selection, options.stream, stop)
        except (UnveilError, MemoryError):  # the recovery says what is wrong
            return False

    def finish(self, recover: Callable[[], Recovery | TileRecoveries]) -> Outcome:
        """Save what `recover` returns; return a failure, of it too, as the outcome."""
        return _Run(self, silent, never).outcome(recover)

    def done_before(self) -> Outcome | None:
        """Return the outcome if an earlier run has done this job.

        Raises
        ------
        OutputExists
            The folder holds another earlier result, and `force` is not set.
        """
        report = self.same_result()
        if report is None:
            return None
        if isinstance(self.save, FurtherFiles) and not self.save.is_complete(self.folder):
            return None
        return skipped(self.source, report, folder=self.folder)

    def same_result(self) -> Mapping[str, Any] | None:
        """Return the report of an earlier result that need not be kept from being replaced.

        It is made from the same, but may lack `FurtherFiles`. None if the folder holds no earlier
        result, or `force` is set.

        Raises
        ------
        OutputExists
            The folder holds another earlier result, and `force` is not set.
        """
        if self.force:
            return None
        report = finished_report(self.folder)
        if report is None or self.identity is None:
            refuse_earlier_result(self.folder, force=False)
            return None
        difference = self.identity.difference(report)
        if difference is not None:
            raise OutputExists(
                f"{self.folder}: holds an earlier result {difference}; add --force to replace it"
            )
        return report

    def remove_unfinished(self) -> None:
        """Remove what a process that was killed has left in the folder, and it if it is empty.

        An earlier result that is complete, with its report, stays.

        Raises
        ------
        OutputUnwritable
            A file cannot be removed.
        """
        for place in (self.folder, *further_folders(self.folder)):
            remove_temporaries(place)
        if not is_there(self.folder / REPORT):
            remove_earlier_result(self.folder)
        with suppress(OSError):  # it holds something
            self.folder.rmdir()


def skipped(source: Source, report: Mapping[str, Any], **place: Any) -> Outcome:
    """Return the outcome of a source whose result an earlier run has made."""
    return Outcome(
        source.name,
        "skipped",
        report=report,
        video_seconds=report.get("video_seconds"),
        notes=("done before",),
        **place,
    )


class _Run:
    def __init__(self, job: Job, progress: ProgressCallback, stop: StopRequested) -> None:
        self._job = job
        self._progress = progress
        self._stop = stop
        self._notes: list[str] = []
        self._previewed = False

    def outcome(self, recover: Callable[[], Recovery | TileRecoveries] | None = None) -> Outcome:
        job = self._job
        started = time.perf_counter()
        try:
            # Checked first: an output that cannot be written must not cost a whole recovery.
            job.same_result()
            with writable(job.folder):
                recovery = (recover or self._recover)()
                video_seconds = video_seconds_of(recovery)
                if job.identity is not None:
                    more = {**job.identity.as_fields(), "video_seconds": video_seconds}
                    recovery = replace(recovery, report={**recovery.report, **more})
                if job.save is None:
                    # `force`: the folder may hold previews of this run.
                    recovery.save(job.folder, force=True)
                elif isinstance(job.save, FurtherFiles):
                    job.save.write(
                        job.source,
                        recovery,
                        job.folder,
                        job.options,
                        self._progress,
                        self._stop,
                    )
                else:
                    job.save(job.source, recovery, job.folder)
                remove_checkpoint(job.folder)
        except Interrupted:
            raise
        except Exception as error:
            logger.debug("%s failed:\n%s", job.source.name, redacted(traceback.format_exc()))
            return Outcome(job.source.name, "failed", error=error, notes=tuple(self._notes))
        return Outcome(
            job.source.name,
            "recovered",
            folder=job.folder,
            report=recovery.report,
            wall_seconds=time.perf_counter() - started,
            video_seconds=video_seconds,
            notes=(*self._notes, *notes_of(recovery.report)),
        )

    def _recover(self) -> Recovery | TileRecoveries:
        # Imported late: Numba loads slowly, and a missing file needs none.
        from unveil.recovery.tiles import recover_tiles

        job = self._job
        return recover_tiles(
            job.source,
            tiles=job.tiles,
            progress=self._progress,
            preview=None if job.preview_seconds is None else self._write_preview,
            preview_seconds=job.preview_seconds or 0.0,
            stop=self._stop,
            workers=job.workers,
            checkpoint=checkpoint_folder(job.folder),
            resume=job.resume,
            note=self._notes.append,
            **job.options,
        )

    def _write_preview(self, recovery: Recovery) -> None:
        folder = self._job.folder
        try:
            if not self._previewed:
                remove_earlier_result(folder)  # its report would be taken for that of these
                self._previewed = True
            write_png(folder / ROOM, recovery.room)
            write_png(folder / BACKGROUND, recovery.background)
        except OutputUnwritable as error:
            # The run continues: the disk may have space again at the end.
            note = f"no preview: {explain(error)}"
            if note not in self._notes:
                self._notes.append(note)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Make a folder and check that it is writable; remove it afterwards if it is new and empty.

    Raises
    ------
    OutputUnwritable
        The folder, or a file in it, cannot be made.
    """
    with result_folder(folder):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OutputUnwritable(
                f"{folder}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        yield
