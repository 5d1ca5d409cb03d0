"""Several inputs in a row: each gets a folder of its own, and none stops the others."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

from unveil.errors import (
    Interrupted,
    InvalidParameter,
    MissingInput,
    OutputUnwritable,
    UnveilError,
    explain,
)
from unveil.files import BACKGROUND, ROOM, result_folder, write_png
from unveil.interruption import StopRequested, never
from unveil.recovery.background.picture import background_picture
from unveil.recovery.parameters import RecoverKeywords, RecoverOptions
from unveil.recovery.result import refuse_earlier_result
from unveil.video.source import Source, printable, resolve_inputs

if TYPE_CHECKING:
    from os import PathLike

    from unveil.progress import Progress
    from unveil.recovery.result import Recovery

logger = logging.getLogger(__name__)

State: TypeAlias = Literal["recovered", "failed", "interrupted", "not started"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Attributes
    ----------
    name
        The input, as users know it.
    state
        "interrupted" and "not started" come from Ctrl-C or a request to stop.
    folder
        Where its result lies, None unless it was recovered.
    report
        As in `Recovery.report`, empty unless it was recovered.
    error
        Why it failed.
    wall_seconds, video_seconds
        How long it took, writing included, and the time between the first and the last frame
        counted; None where unknown.
    notes
        What else the user should know, one line each.
    """

    name: str
    state: State
    folder: Path | None = None
    report: Mapping[str, Any] = field(default_factory=dict, repr=False)
    error: Exception | None = None
    wall_seconds: float | None = None
    video_seconds: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def problem(self) -> str | None:
        """Why it failed, in one line that begins with the name of what is wrong."""
        if self.error is None:
            return None
        said = explain(self.error)
        named = isinstance(self.error, UnveilError) and ": " in said
        return said if named else f"{self.name}: {said}"

    @property
    def frames_per_second(self) -> float | None:
        """Frames read in a second of wall time, loading or compiling of kernels left out."""
        return self.report["frames_read"] / seconds if (seconds := self._busy_seconds) else None

    @property
    def times_real_time(self) -> float | None:
        """Seconds of video in a second of the same time."""
        if self.video_seconds is None or not (seconds := self._busy_seconds):
            return None
        return self.video_seconds / seconds

    @property
    def _busy_seconds(self) -> float:
        if self.wall_seconds is None:
            return 0.0
        return max(0.0, self.wall_seconds - float(self.report["seconds"]["prepare"]))

    def as_dict(self) -> dict[str, Any]:
        """All there is to tell, ready for JSON; what is unknown is None."""
        told = (
            "frames_read",
            "frames_used",
            "frames_damaged",
            "frames_skipped",
            "truncated",
            "interrupted",
            "recovered_pixels",
            "coverage",
            "mean_confidence",
        )
        return {
            "input": self.name,
            "state": self.state,
            "folder": None if self.folder is None else str(self.folder),
            "error": self.problem,
            "notes": list(self.notes),
            **{key: self.report.get(key) for key in told},
            "wall_seconds": self.wall_seconds,
            "video_seconds": self.video_seconds,
            "frames_per_second": self.frames_per_second,
            "times_real_time": self.times_real_time,
        }


def find_sources(arguments: Sequence[str]) -> tuple[list[Source], list[Outcome]]:
    """Find what `arguments` name, and fail those alone that name nothing.

    Parameters
    ----------
    arguments
        As for `unveil.video.source.resolve_inputs`.

    Returns
    -------
    sources, missing
        What can be tried, and an outcome for each argument that names nothing.
    """
    present, missing = [], []
    for argument in arguments:
        try:
            resolve_inputs([argument])
        except MissingInput as error:
            missing.append(Outcome(printable(argument), "failed", error=error))
        else:
            present.append(argument)
    return resolve_inputs(present), missing


def recover_all(
    sources: Sequence[Source],
    out: str | PathLike[str],
    *,
    force: bool = False,
    preview_seconds: float | None = None,
    progress: Callable[[Source, Progress], object] | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    stop: StopRequested = never,
    **options: Unpack[RecoverKeywords],
) -> list[Outcome]:
    """Recover each source into a folder of its own, `out`/`source.stem`.

    Parameters
    ----------
    sources
        As `find_sources` gives them: each has a stem of its own.
    out
        Made if need be.
    force
        Replace earlier results.
    preview_seconds
        Write the pictures recovered so far every so many seconds; None writes them at the end.
    progress
        Called with a source and how far it is.
    on_outcome
        Called as soon as it is known what became of a source.
    stop
        Returns whether to stop, see `unveil.interruption`.
    options
        As in `RecoverOptions`.

    Returns
    -------
    outcomes
        One for each source, in their order. A source that fails does not stop the others.

    Raises
    ------
    InvalidParameter
        An option is out of range; nothing was begun.
    MissingInput, UnreadableImage
        The background's picture cannot be read; nothing was begun.
    OutputUnwritable
        `out` cannot be made or written; nothing was begun.
    Interrupted, KeyboardInterrupt
        By `stop` or Ctrl-C, unless all sources have a result: one that ended a live source
        raises where another source follows. `on_outcome` has been told of the source that was
        not finished and of those that were not started; finished results stay.
    """
    _check(options, preview_seconds)
    out = Path(out)
    outcomes: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)

    with _writable(out):
        for number, source in enumerate(sources):
            job = _Job(source, out / source.stem, force, preview_seconds, progress, stop)
            later = sources[number + 1 :]
            try:
                outcome = job.run(options)
            except (KeyboardInterrupt, Interrupted):
                tell(Outcome(source.name, "interrupted"))
                _tell_not_started(later, tell)
                raise
            tell(outcome)
            if later and (stop() or outcome.report.get("interrupted")):
                _tell_not_started(later, tell)
                raise Interrupted
    return outcomes


def _tell_not_started(sources: Sequence[Source], tell: Callable[[Outcome], object]) -> None:
    for source in sources:
        tell(Outcome(source.name, "not started"))


@dataclass(slots=True)
class _Job:
    """One source on its way into its folder."""

    source: Source
    folder: Path
    force: bool
    preview_seconds: float | None
    progress: Callable[[Source, Progress], object] | None
    stop: StopRequested
    notes: list[str] = field(default_factory=list)

    def run(self, options: RecoverKeywords) -> Outcome:
        """Recover and save; any failure becomes the outcome."""
        started = time.perf_counter()
        try:
            # What cannot be kept is told before the recovery takes its time.
            refuse_earlier_result(self.folder, force=self.force)
            with _writable(self.folder):
                recovery = self._recover(options)
                # Previews of this very run may lie there.
                recovery.save(self.folder, force=True)
        except Interrupted:
            raise
        except Exception as error:
            logger.debug("%s failed", self.source.name, exc_info=True)
            return Outcome(self.source.name, "failed", error=error, notes=tuple(self.notes))
        return Outcome(
            self.source.name,
            "recovered",
            folder=self.folder,
            report=recovery.report,
            wall_seconds=time.perf_counter() - started,
            video_seconds=_video_seconds(recovery),
            notes=(*self.notes, *_notes(recovery.report)),
        )

    def _recover(self, options: RecoverKeywords) -> Recovery:
        # The engine brings Numba; a missing file is told without it.
        from unveil.recovery.recover import recover

        return recover(
            self.source,
            progress=self._tell_progress,
            preview=None if self.preview_seconds is None else self._write_preview,
            preview_seconds=self.preview_seconds or 0.0,
            stop=self.stop,
            **options,
        )

    def _tell_progress(self, progress: Progress) -> None:
        if self.progress is not None:
            self.progress(self.source, progress)

    def _write_preview(self, recovery: Recovery) -> None:
        try:
            write_png(self.folder / ROOM, recovery.room)
            write_png(self.folder / BACKGROUND, recovery.background)
        except OutputUnwritable as error:
            # Space may be free again at the end; hours of counting are not thrown away.
            note = f"no preview: {explain(error)}"
            if note not in self.notes:
                self.notes.append(note)


def _check(options: RecoverKeywords, preview_seconds: float | None) -> None:
    """Raise what is wrong with the options before anything is begun."""
    chosen = RecoverOptions(**options)
    if preview_seconds is not None and not preview_seconds > 0:
        raise InvalidParameter(f"preview_seconds: {preview_seconds:g} is not a positive number")
    background_picture(chosen.background, chosen)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Make a folder, raise `OutputUnwritable` unless files can be made in it; leave none empty."""
    with result_folder(folder):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OutputUnwritable(
                f"{folder}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        yield


def _video_seconds(recovery: Recovery) -> float | None:
    """Time between the first and the last frame counted."""
    import numpy as np

    last = recovery.times.n_frames - 1
    first_seconds, last_seconds = recovery.times.seconds_at(np.array([0, last]))
    seconds = float(last_seconds - first_seconds)
    return seconds if seconds > 0 else None  # no times give NaN


def _notes(report: Mapping[str, Any]) -> Iterator[str]:
    """Tell what a user should know of a recovery that went less than smoothly."""
    if report["truncated"]:
        yield f"{report['truncated']}; recovered from what could be read"
    if report["frames_damaged"]:
        yield f"{report['frames_damaged']} damaged frames were left out"
    if report["interrupted"]:
        yield "ended on request; recovered from what was recorded"
    yield from report["warnings"]
