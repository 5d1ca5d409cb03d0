"""The events of `--events`, of `recover` and `audit`: a JSON object a line on standard output."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from unveil.cli.streams import print_line

if TYPE_CHECKING:
    from unveil.progress import Progress
    from unveil.recovery.jobs.outcome import Outcome
    from unveil.video.source import Source

PROGRESS_SECONDS: Final = 1.0
"""Shortest time between two events of progress of one stage."""

_EVENTS: Final = {
    "recovered": "finished",
    "skipped": "skipped",
    "failed": "failed",
    "interrupted": "interrupted",
    "not started": "not_started",
}
"""Event by the state of an outcome."""


class Events:
    """Prints the events of a batch. Not thread-safe.

    Parameters
    ----------
    wanted
        Print them; without it nothing is printed.
    n_inputs
        Number of inputs.
    """

    def __init__(self, n_inputs: int, *, wanted: bool) -> None:
        self._wanted = wanted
        self._n_inputs = n_inputs
        self._n_started = 0
        self._counts: Counter[str] = Counter()
        self._since = time.monotonic()
        self._last: dict[str, tuple[str, float]] = {}

    def started(self, source: Source) -> None:
        """Tell that an input is begun."""
        self._n_started += 1
        self._print("started", input=source.name, number=self._n_started, inputs=self._n_inputs)

    def progress(self, source: Source, progress: Progress) -> None:
        """Tell how far an input is: each stage, and within it once a second."""
        now = time.monotonic()
        stage, since = self._last.get(source.stem, ("", 0.0))
        if progress.stage == stage and now - since < PROGRESS_SECONDS:
            return
        self._last[source.stem] = (progress.stage, now)
        self._print(
            "progress",
            input=source.name,
            stage=progress.stage,
            frames=progress.n_frames,
            expected_frames=progress.expected_frames,
            video_seconds=progress.video_seconds,
            elapsed_seconds=progress.elapsed_seconds,
        )

    def outcome(self, outcome: Outcome) -> None:
        """Tell what became of an input."""
        event = _EVENTS[outcome.state]
        self._counts[event] += 1
        if outcome.number is None:
            self._n_started += 1  # it names nothing, so it was not begun
        else:
            self._last.pop(outcome.stem or "", None)
        self._print(event, **outcome.as_dict())

    def summary(self) -> None:
        """Tell what became of all inputs; the last event."""
        counts = {event: self._counts[event] for event in _EVENTS.values()}
        self._print(
            "summary",
            inputs=self._n_inputs,
            **counts,
            wall_seconds=time.monotonic() - self._since,
        )

    def _print(self, event: str, **fields: Any) -> None:
        if self._wanted:
            from unveil.files import finite  # late: it loads NumPy

            print_line(json.dumps(finite({"event": event, **fields}), allow_nan=False))
