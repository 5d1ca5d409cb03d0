"""The outcome of one input of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from unveil.child_process import portable_error
from unveil.errors import UnveilError, explain

if TYPE_CHECKING:
    from unveil.recovery.result import Recovery
    from unveil.recovery.tiles import TileRecoveries

State: TypeAlias = Literal["recovered", "skipped", "failed", "interrupted", "not started"]

DONE: tuple[State, ...] = ("recovered", "skipped")
"""States of an input that has its result."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one input.

    Attributes
    ----------
    name
        Name of the input as displayed to users.
    state
        "skipped" if an earlier run has recovered the same content with the same parameters.
        "interrupted" and "not started" are the results of Ctrl-C or a request to stop.
    folder
        Folder of the result; None if there is none, or if it is not on this machine.
    report
        As in report.json; empty if there is no result.
    error
        Why the input failed.
    wall_seconds, video_seconds
        Wall time, writing included, and the time from the first to the last counted frame; None
        if unknown.
    notes
        Warnings, one line each.
    address
        Address of the result, without secrets, if OUT is an address; else None.
    stem
        Name of the result's folder in OUT.
    number
        Position of the input among all inputs, from 0; None if it names no source.
    """

    name: str
    state: State
    folder: Path | None = None
    report: Mapping[str, Any] = field(default_factory=dict, repr=False)
    error: Exception | None = None
    wall_seconds: float | None = None
    video_seconds: float | None = None
    notes: tuple[str, ...] = ()
    address: str | None = None
    stem: str | None = None
    number: int | None = None

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
            "folder": self.address if self.folder is None else str(self.folder),
            "error": self.problem,
            "notes": list(self.notes),
            **{key: self.report.get(key) for key in from_report},
            "wall_seconds": self.wall_seconds,
            "video_seconds": self.video_seconds,
            "frames_per_second": self.frames_per_second,
            "times_real_time": self.times_real_time,
        }


def portable(outcome: Outcome) -> Outcome:
    """Return an outcome whose error another process can read, with its traceback as a note."""
    if outcome.error is None:
        return outcome
    return replace(outcome, error=portable_error(outcome.error, outcome.name))


def video_seconds_of(recovery: Recovery | TileRecoveries) -> float | None:
    """Return the time from the first to the last counted frame."""
    import numpy as np

    last = recovery.times.n_frames - 1
    first_seconds, last_seconds = recovery.times.seconds_at(np.array([0, last]))
    seconds = float(last_seconds - first_seconds)
    return seconds if seconds > 0 else None  # NaN if the times are unknown


def notes_of(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the warnings about a recovery, one line each."""
    if report["truncated"]:
        yield f"{report['truncated']}; recovered from what could be read"
    if report["frames_damaged"]:
        yield f"{report['frames_damaged']} damaged frames were left out"
    if report["interrupted"]:
        yield "ended on request; recovered from what was recorded"
    yield from report["warnings"]
