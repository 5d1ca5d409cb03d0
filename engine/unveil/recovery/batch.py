"""Recovery of several inputs in turn, each into its own folder; a failure stops no other input."""

from __future__ import annotations

import logging
import tempfile
import time
import traceback
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
from unveil.recovery.parameters import (
    RecoverKeywords,
    RecoverOptions,
    TilesArgument,
    check_tiles,
)
from unveil.recovery.result import refuse_earlier_result, remove_earlier_result
from unveil.redaction import described, redacted
from unveil.video.source import Source, resolve_inputs

if TYPE_CHECKING:
    from os import PathLike

    from unveil.progress import Progress
    from unveil.recovery.result import Recovery
    from unveil.recovery.tiles import TileRecoveries

logger = logging.getLogger(__name__)

Save: TypeAlias = "Callable[[Source, Recovery | TileRecoveries, Path], object]"
"""Writes what was recovered from a source into a folder."""

State: TypeAlias = Literal["recovered", "failed", "interrupted", "not started"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one input.

    Attributes
    ----------
    name
        Name of the input as displayed to users.
    state
        "interrupted" and "not started" are the results of Ctrl-C or a request to stop.
    folder
        Folder of the result; None unless it was recovered.
    report
        As in `Recovery.report`; empty unless it was recovered.
    error
        Why the input failed.
    wall_seconds, video_seconds
        Wall time, writing included, and the time from the first to the last counted frame; None
        if unknown.
    notes
        Warnings, one line each.
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
        """Why the input failed, in one line that begins with the name of what is wrong."""
        if self.error is None:
            return None
        message = explain(self.error)
        named = isinstance(self.error, UnveilError) and ": " in message
        return message if named else f"{self.name}: {message}"

    @property
    def frames_per_second(self) -> float | None:
        """Frames read per second of wall time, without loading and compiling kernels."""
        return self.report["frames_read"] / seconds if (seconds := self._busy_seconds) else None

    @property
    def times_real_time(self) -> float | None:
        """Seconds of video per second of the same time."""
        if self.video_seconds is None or not (seconds := self._busy_seconds):
            return None
        return self.video_seconds / seconds

    @property
    def _busy_seconds(self) -> float:
        if self.wall_seconds is None:
            return 0.0
        return max(0.0, self.wall_seconds - float(self.report["seconds"]["prepare"]))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of `recover --json`; unknown values are None."""
        from_report = (
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
            **{key: self.report.get(key) for key in from_report},
            "wall_seconds": self.wall_seconds,
            "video_seconds": self.video_seconds,
            "frames_per_second": self.frames_per_second,
            "times_real_time": self.times_real_time,
        }


def find_sources(arguments: Sequence[str]) -> tuple[list[Source], list[Outcome]]:
    """Resolve arguments to sources; an argument that names no input becomes a failed outcome.

    Parameters
    ----------
    arguments
        As for `unveil.video.source.resolve_inputs`.

    Returns
    -------
    sources, missing
        The sources that exist, and an outcome for each argument that names none.
    """
    present, missing = [], []
    for argument in arguments:
        try:
            resolve_inputs([argument])
        except MissingInput as error:
            missing.append(Outcome(described(argument), "failed", error=error))
        else:
            present.append(argument)
    return resolve_inputs(present), missing


def recover_all(
    sources: Sequence[Source],
    out: str | PathLike[str],
    *,
    force: bool = False,
    tiles: TilesArgument = "auto",
    preview_seconds: float | None = None,
    progress: Callable[[Source, Progress], object] | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    save: Save | None = None,
    stop: StopRequested = never,
    **options: Unpack[RecoverKeywords],
) -> list[Outcome]:
    """Recover each source into its own folder, `out`/`source.stem`.

    Parameters
    ----------
    sources
        As `find_sources` returns them: all stems differ.
    out
        Made if it is missing.
    force
        Replace earlier results.
    tiles
        "auto": one recovery for each tile of a meeting, in tile-1, tile-2 and so on; "off": one of
        the whole picture; ROWSxCOLUMNS: of each tile of a grid. Previews: whole pictures only.
    preview_seconds
        Interval in seconds at which room.png and background.png are written during the run; None
        writes them at the end only. The first ones replace an earlier result.
    progress
        Called with a source and its progress.
    on_outcome
        Called with the outcome of a source as soon as it is known.
    save
        Writes what was recovered from a source into its folder, in which it replaces an earlier
        result; None: its own `save`.
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
        An option is out of range; no source was started.
    MissingInput, UnreadableImage
        The background's picture cannot be read; no source was started.
    OutputUnwritable
        `out` cannot be made or written; no source was started.
    Interrupted, KeyboardInterrupt
        After `stop` or Ctrl-C, unless all sources have a result: one that ended a live source or a
        pipe raises if another source follows. `on_outcome` has been called for the unfinished
        source and for those that were not started; finished results remain.
    """
    _check(options, preview_seconds, tiles)
    out = Path(out)
    outcomes: list[Outcome] = []

    def add(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)

    with _writable(out):
        for number, source in enumerate(sources):
            job = _Job(
                source, out / source.stem, force, tiles, preview_seconds, progress, save, stop
            )
            later = sources[number + 1 :]
            try:
                outcome = job.run(options)
            except (KeyboardInterrupt, Interrupted):
                add(Outcome(source.name, "interrupted"))
                _add_not_started(later, add)
                raise
            add(outcome)
            if later and (stop() or outcome.report.get("interrupted")):
                _add_not_started(later, add)
                raise Interrupted
    return outcomes


def _add_not_started(sources: Sequence[Source], add: Callable[[Outcome], object]) -> None:
    for source in sources:
        add(Outcome(source.name, "not started"))


@dataclass(slots=True)
class _Job:
    """The recovery of one source into its folder."""

    source: Source
    folder: Path
    force: bool
    tiles: TilesArgument
    preview_seconds: float | None
    progress: Callable[[Source, Progress], object] | None
    save: Save | None
    stop: StopRequested
    notes: list[str] = field(default_factory=list)
    previewed: bool = False

    def run(self, options: RecoverKeywords) -> Outcome:
        """Recover and save; return a failure as the outcome."""
        started = time.perf_counter()
        try:
            # Checked first: an output that cannot be written must not cost a whole recovery.
            refuse_earlier_result(self.folder, force=self.force)
            with _writable(self.folder):
                recovery = self._recover(options)
                if self.save is None:
                    # `force`: the folder may hold previews of this run.
                    recovery.save(self.folder, force=True)
                else:
                    self.save(self.source, recovery, self.folder)
        except Interrupted:
            raise
        except Exception as error:
            logger.debug("%s failed:\n%s", self.source.name, redacted(traceback.format_exc()))
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

    def _recover(self, options: RecoverKeywords) -> Recovery | TileRecoveries:
        # Imported late: Numba loads slowly, and a missing file needs none.
        from unveil.recovery.tiles import recover_tiles

        return recover_tiles(
            self.source,
            tiles=self.tiles,
            progress=self._report_progress,
            preview=None if self.preview_seconds is None else self._write_preview,
            preview_seconds=self.preview_seconds or 0.0,
            stop=self.stop,
            **options,
        )

    def _report_progress(self, progress: Progress) -> None:
        if self.progress is not None:
            self.progress(self.source, progress)

    def _write_preview(self, recovery: Recovery) -> None:
        try:
            if not self.previewed:
                remove_earlier_result(self.folder)  # its report would be taken for that of these
                self.previewed = True
            write_png(self.folder / ROOM, recovery.room)
            write_png(self.folder / BACKGROUND, recovery.background)
        except OutputUnwritable as error:
            # The run continues: the disk may have space again at the end.
            note = f"no preview: {explain(error)}"
            if note not in self.notes:
                self.notes.append(note)


def _check(options: RecoverKeywords, preview_seconds: float | None, tiles: TilesArgument) -> None:
    """Check the options before the first source is started."""
    chosen = RecoverOptions(**options)
    check_tiles(tiles, chosen)
    if preview_seconds is not None and not preview_seconds > 0:
        raise InvalidParameter(f"preview_seconds: {preview_seconds:g} is not a positive number")
    background_picture(chosen.background, chosen)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
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


def _video_seconds(recovery: Recovery | TileRecoveries) -> float | None:
    """Return the time from the first to the last counted frame."""
    import numpy as np

    last = recovery.times.n_frames - 1
    first_seconds, last_seconds = recovery.times.seconds_at(np.array([0, last]))
    seconds = float(last_seconds - first_seconds)
    return seconds if seconds > 0 else None  # NaN if the times are unknown


def _notes(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the warnings about a recovery, one line each."""
    if report["truncated"]:
        yield f"{report['truncated']}; recovered from what could be read"
    if report["frames_damaged"]:
        yield f"{report['frames_damaged']} damaged frames were left out"
    if report["interrupted"]:
        yield "ended on request; recovered from what was recorded"
    yield from report["warnings"]
