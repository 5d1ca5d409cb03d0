"""Progress on the terminal: a bar, or now and then a line where there is no terminal."""

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
"""Between two lines of progress where there is no terminal for a bar."""


class Display:
    """Shows on stderr how far a run is; use it as a context manager.

    Parameters
    ----------
    quiet
        Show nothing but errors.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._pace: _Pace | None = None
        self._last_line = time.monotonic()
        self._said_compiling = False
        self._terminal = ExitStack()

    def __enter__(self) -> Self:
        """Take hold of the terminal, if it is one."""
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
        """Give the terminal back, without the bar."""
        self.clear()
        if self._bar is not None:
            self._bar.stop()
        self._terminal.close()

    def show(self, title: str, progress: Progress) -> None:
        """Show where the input called `title` stands."""
        if self._quiet:
            return
        if progress.stage != "count":
            self._pace = None
        elif self._pace is None or title != self._title:
            self._pace = _Pace(progress)
        self._title = title
        if self._bar is None:
            self._show_line(progress)
        else:
            self._show_bar(self._bar, progress)

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._bar is None:
            print_line(line, err=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def note(self, line: str) -> None:
        """Print a line that is no error."""
        if not self._quiet:
            self.say(line)

    def clear(self) -> None:
        """Take the bar off: what it stood for has ended."""
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None

    def _show_bar(self, bar: Bar, progress: Progress) -> None:
        stages = {"prepare": LOADING, "compile": COMPILING, "finalise": "finishing"}
        figures = self._figures(progress)
        if progress.expected_frames is None or not figures:
            figures = [f"{progress.n_frames} frames", *figures]
        said = stages.get(progress.stage) or ", ".join(figures)
        if self._task is None:
            self._task = bar.add_task(self._title, total=None, figures=said)
        bar.update(
            self._task,
            description=self._title,
            total=progress.expected_frames if progress.stage == "count" else None,
            completed=progress.n_frames,
            figures=said,
        )

    def _show_line(self, progress: Progress) -> None:
        if progress.stage == "compile":
            if not self._said_compiling:
                self._said_compiling = True
                self.say(f"{COMPILING} ...")
        elif progress.stage == "count" and time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            figures = [f"{progress.n_frames} frames", *self._figures(progress)]
            self.say(f"{self._title}: {', '.join(figures)}")

    def _figures(self, progress: Progress) -> list[str]:
        return self._pace.figures(progress) if self._pace else []


class _Pace:
    """How fast frames are counted since the first report on them."""

    def __init__(self, first: Progress) -> None:
        self._first = first

    def figures(self, now: Progress) -> list[str]:
        """Frames per second, multiple of real time and time left, as far as they are known."""
        seconds = now.elapsed_seconds - self._first.elapsed_seconds
        n_frames = now.n_frames - self._first.n_frames
        if seconds <= 0 or n_frames <= 0:
            return []
        figures = [f"{n_frames / seconds:.0f} frames/s"]
        video_seconds = now.video_seconds - self._first.video_seconds
        if video_seconds > 0:  # not so for a NaN
            figures.append(f"{video_seconds / seconds:.1f}x real time")
        if now.expected_frames is not None:
            left = max(0, now.expected_frames - now.n_frames) * seconds / n_frames
            figures.append(f"{clock(left)} left")
        return figures


def clock(seconds: float) -> str:
    """Write a length of time as m:ss or h:mm:ss."""
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
