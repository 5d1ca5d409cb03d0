"""Progress on standard error: a bar on a terminal, else a line every `LINE_SECONDS`."""

from __future__ import annotations

import math
import os
import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from unveil.cli.streams import print_line
from unveil.interruption import before_abort

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from unveil.progress import Progress

COMPILING: Final = "compiling kernels (first run on this machine)"
LOADING: Final = "loading kernels"

LINE_SECONDS: Final = 30.0
"""Interval of the progress lines without a terminal."""


class Display:
    """Shows progress and messages on standard error; use it as a context manager.

    Parameters
    ----------
    quiet
        Show errors only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}
        self._rates: dict[str, _Rate] = {}
        self._last_lines: dict[str, float] = {}
        self._last_line = time.monotonic()
        self._compiling_shown = False
        self._terminal = ExitStack()

    def __enter__(self) -> Self:
        """Start the bar if standard error is a terminal."""
        if not self._quiet and sys.stderr is not None and sys.stderr.isatty():
            self._bar = _make_bar()
            self._terminal.enter_context(before_abort(_show_cursor))
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the bar and stop it."""
        self.clear()
        if self._bar is not None:
            self._bar.stop()
        self._terminal.close()

    def show(self, title: str, progress: Progress) -> None:
        """Show the progress of the input called `title`, beside that of others."""
        if self._quiet:
            return
        if progress.stage == "count":
            self._rates.setdefault(title, _Rate(progress))
        else:
            self._rates.pop(title, None)
            self._last_lines.pop(title, None)
        if self._bar is None:
            self._show_line(title, progress)
        else:
            self._show_bar(self._bar, title, progress)

    def say(self, line: str) -> None:
        """Print a line on standard error, above the bar if there is one."""
        if self._bar is None:
            print_line(line, err=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def note(self, line: str) -> None:
        """Print a line that is not an error, unless quiet."""
        if not self._quiet:
            self.say(line)

    def clear(self) -> None:
        """Remove all bars; that of an input in work comes back with its next progress."""
        if self._bar is not None:
            for task in self._tasks.values():
                self._bar.remove_task(task)
        self._tasks.clear()

    def _show_bar(self, bar: Bar, title: str, progress: Progress) -> None:
        stages = {"prepare": LOADING, "compile": COMPILING, "finalise": "finishing"}
        figures = self._figures(title, progress)
        if progress.expected_frames is None or not figures:
            figures = [f"{progress.n_frames} frames", *figures]
        text = stages.get(progress.stage) or ", ".join(figures)
        if title not in self._tasks:
            self._tasks[title] = bar.add_task(title, total=None, figures=text)
        bar.update(
            self._tasks[title],
            total=progress.expected_frames if progress.stage == "count" else None,
            completed=progress.n_frames,
            figures=text,
        )

    def _show_line(self, title: str, progress: Progress) -> None:
        if progress.stage == "compile":
            if not self._compiling_shown:
                self._compiling_shown = True
                self.say(f"{COMPILING} ...")
        elif progress.stage == "count":
            now = time.monotonic()
            # Of those in work at the same time each has its lines; one that follows waits.
            last = self._last_lines.setdefault(title, self._last_line)
            if now - last >= LINE_SECONDS:
                self._last_lines[title] = self._last_line = now
                figures = [f"{progress.n_frames} frames", *self._figures(title, progress)]
                self.say(f"{title}: {', '.join(figures)}")

    def _figures(self, title: str, progress: Progress) -> list[str]:
        return self._rates[title].figures(progress) if title in self._rates else []


class _Rate:
    """The rate of counting since the first progress report."""

    def __init__(self, first: Progress) -> None:
        self._first = first

    def figures(self, now: Progress) -> list[str]:
        """Return frames per second, multiple of real time and time left, as far as known."""
        seconds = now.elapsed_seconds - self._first.elapsed_seconds
        n_frames = now.n_frames - self._first.n_frames
        if seconds <= 0 or n_frames <= 0:
            return []
        figures = [f"{n_frames / seconds:.0f} frames/s"]
        video_seconds = now.video_seconds - self._first.video_seconds
        if video_seconds > 0:  # False for NaN
            figures.append(f"{video_seconds / seconds:.1f}x real time")
        if now.expected_frames is not None:
            left = max(0, now.expected_frames - now.n_frames) * seconds / n_frames
            figures.append(f"{clock(left)} left")
        return figures


def clock(seconds: float) -> str:
    """Format a duration as m:ss or h:mm:ss."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _show_cursor() -> None:
    os.write(2, b"\x1b[?25h\n")


def _make_bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    return Progress(
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(ratio=1, min_width=12, no_wrap=True, overflow="ellipsis"),
        ),
        BarColumn(bar_width=12),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True)),
        console=Console(stderr=True),
        expand=True,
        transient=True,
    )
