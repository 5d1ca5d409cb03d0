"""What the commands show: a progress bar, or lines where there is no terminal, and tables."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID
    from rich.table import Table

    from unveil.progress import Progress
    from unveil.recovery.batch import Outcome
    from unveil.scoring.background_metrics import InitialisationMetrics
    from unveil.scoring.leak import TruthScore
    from unveil.scoring.photo import Score

COMPILING: Final = "compiling kernels (first run on this machine)"
LOADING: Final = "loading kernels"

_LINE_SECONDS: Final = 30.0
"""Between two lines on progress where there is no terminal for a bar."""

_PAGE_WIDTH: Final = 160
"""Columns of a table that goes into a file or a pipe."""


_NAME_WIDTH: Final = 24
_NUMBERS: Final = frozenset(
    {"frames", "damaged", "recovered", "confidence", "speed", "value", "pixels", "right"}
)


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

    def __enter__(self) -> Self:
        """Take hold of the terminal, if it is one."""
        if not self._quiet and sys.stderr.isatty():
            self._bar = _make_bar()
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
            print(line, file=sys.stderr, flush=True)
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
        elif progress.stage == "count" and time.monotonic() - self._last_line >= _LINE_SECONDS:
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


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print a table of what became of each input on stdout."""
    table = _table("input", "frames", "damaged", "recovered", "confidence", "speed", "result")
    for outcome in outcomes:
        report = outcome.report
        if outcome.state == "recovered":
            table.add_row(
                outcome.name,
                str(report["frames_used"]),
                str(report["frames_damaged"]),
                f"{report['coverage']:.1%}",
                f"{report['mean_confidence']:.2f}",
                _speed(outcome),
                str(outcome.folder),
            )
        else:
            said = (outcome.problem or outcome.state).removeprefix(f"{outcome.name}: ")
            table.add_row(outcome.name, *5 * [""], said)
    _stdout().print(table)


def print_score(score: Score) -> None:
    """Print a table of what a recovered room's score consists of on stdout."""
    verified, measured = score.verification, score.initialisation
    side = "below" if verified.metric == "ciede2000" else "above"
    table = _table("measure", "value", "meaning")
    rows: Mapping[str, tuple[str, str]] = {
        "coverage": (f"{score.coverage:.2%}", "share of the picture that was recovered"),
        "matches": (
            str(verified.matches),
            f"recovered pixels with {verified.metric} {side} {verified.threshold:g}",
        ),
        "mismatches": (str(verified.mismatches), "the other recovered pixels"),
        "accuracy": (f"{verified.accuracy:.2%}", "matches of all recovered pixels"),
        **_initialisation_rows(measured),
    }
    for name, (value, meaning) in rows.items():
        table.add_row(name, "unknown" if "nan" in value else value, meaning)
    _stdout().print(table)


def print_truth_score(score: TruthScore) -> None:
    """Print tables of a recovery's score against the exact truth on stdout."""
    table = _table("measure", "value", "meaning")
    rows: dict[str, tuple[str, str]] = {
        "leak score": (
            f"{score.leak_score:.3f}",
            "of the leaks' weight, found within CIEDE2000 4 of the strongest blend (VADER)",
        ),
        "its floor": (
            f"{score.floor:.3f}",
            "what painting the virtual background earns; a leak score near it says nothing",
        ),
        "F": (f"{score.f:.3f}", "harmonic mean of recall and precision"),
        "recall": (
            f"{score.recall:.2%}",
            f"of the strongly leaked pixels ({score.strong_share:.2%} of all), within 10",
        ),
        "close recall": (f"{score.close_recall:.2%}", "of these, within 5"),
        "precision": (f"{score.precision:.2%}", "of the claimed pixels, right"),
        "confident": (
            f"{score.confident_precision:.2%}",
            "of those claimed with a confidence over 0.5 "
            f"({score.confident_coverage:.2%} of all), right",
        ),
        "coverage": (f"{score.coverage:.2%}", "share of the picture that is claimed"),
    }
    for name, row in _initialisation_rows(score.room).items():
        rows[f"room {name}"] = row
    if score.background is not None:
        for name, row in _initialisation_rows(score.background).items():
            rows[f"background {name}"] = row
        rows["background error"] = (f"{score.background_error:.3f}", "in levels of full-range luma")
    for name, (value, meaning) in rows.items():
        table.add_row(name, "unknown" if "nan" in value else value, meaning)
    console = _stdout()
    console.print(table)
    console.print()
    calibration = _table("confidence", "pixels", "right")
    for part in score.calibration:
        right = f"{part.precision:.2%}" if part.pixels else "none"
        calibration.add_row(f"{part.low:.1f} to {part.high:.1f}", str(part.pixels), right)
    console.print(calibration)


def _initialisation_rows(measured: InitialisationMetrics) -> dict[str, tuple[str, str]]:
    return {
        "AGE": (f"{measured.age:.3f}", "mean error of luma in levels; best 0"),
        "pEPs": (f"{measured.peps:.2%}", "pixels with an error above 20 levels; best 0"),
        "pCEPs": (f"{measured.pceps:.2%}", "those among their like; best 0"),
        "MS-SSIM": (f"{measured.ms_ssim:.4f}", "structural similarity of luma; best 1"),
        "PSNR": (f"{measured.psnr:.2f} dB", "of luma; the higher the better"),
        "CQM": (f"{measured.cqm:.2f} dB", "of luma and chroma; the higher the better"),
    }


def _speed(outcome: Outcome) -> str:
    figures = []
    if outcome.frames_per_second is not None:
        figures.append(f"{outcome.frames_per_second:.0f}/s")
    if outcome.times_real_time is not None:
        figures.append(f"{outcome.times_real_time:.1f}x")
    return ", ".join(figures)


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


def _table(*titles: str) -> Table:
    """Make a table whose last column alone is wrapped where the page is narrow."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(
            title,
            justify="right" if title in _NUMBERS else "left",
            no_wrap=title != titles[-1],
            overflow="fold" if title == titles[-1] else "ellipsis",
            max_width=_NAME_WIDTH if title == "input" else None,
        )
    return table


def _stdout() -> Console:
    from rich.console import Console

    return Console(
        width=None if sys.stdout.isatty() else _PAGE_WIDTH, highlight=False, markup=False
    )
