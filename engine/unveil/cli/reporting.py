"""What all commands do alike: tell progress, notes, results and errors, and give an exit code."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from unveil.cli.progress_bar import Display
from unveil.cli.runtime_log import start_message_hidden
from unveil.cli.streams import print_line
from unveil.cli.tables import print_evaluation, print_outcomes
from unveil.errors import Interrupted, InvalidParameter, UnveilError, explain
from unveil.interruption import SignalStop, stop_on_signals
from unveil.person.network import networks_created_inside
from unveil.recovery.jobs.outcome import DONE
from unveil.redaction import printable, redacted

if TYPE_CHECKING:
    from unveil.cli.events import Events
    from unveil.evaluation import BackgroundEvaluation
    from unveil.progress import Progress
    from unveil.recovery.jobs.outcome import Outcome
    from unveil.video.source import Source

FAILED, USAGE = 1, 2
"""Exit codes; one after a signal is `SignalStop.exit_code`."""


@contextmanager
def exit_codes(context: typer.Context) -> Iterator[SignalStop]:
    """Turn signals into a request to stop, and errors into a line on stderr and an exit code."""
    with stop_on_signals() as stop:
        try:
            yield stop
        except typer.Exit:
            raise
        except (KeyboardInterrupt, Interrupted) as interrupt:
            left_undone = [reason for reason in interrupt.args if reason]
            print_line("; ".join(["unveil: interrupted", *left_undone]), err=True)
            raise typer.Exit(stop.exit_code) from None
        except Exception as error:
            print_line(_error_line(context, error, explain(error)), err=True)
            wrong_option = isinstance(error, InvalidParameter)
            raise typer.Exit(USAGE if wrong_option else FAILED) from error


@contextmanager
def reporting(
    context: typer.Context, *, quiet: bool = False, as_json: bool = False
) -> Iterator[Report]:
    """Give what a command tells by; errors become a line on stderr and an exit code.

    Parameters
    ----------
    quiet
        Print nothing but errors, and JSON where it is asked for.
    as_json
        Print results as JSON.
    """
    with (
        exit_codes(context) as stop,
        networks_created_inside(start_message_hidden),
        Display(quiet=quiet) as display,
    ):
        yield Report(context, display, stop, quiet=quiet, as_json=as_json)


@contextmanager
def batch_reporting(
    report: Report,
    n_inputs: int | None,
    print_table: Callable[[Sequence[Any]], object] = print_outcomes,
    events: Events | None = None,
) -> Iterator[BatchReport]:
    """Give what a command tells of several inputs by; a table of them stands at the end.

    Parameters
    ----------
    n_inputs
        How many there are, None where they are not to be numbered.
    print_table
        Prints the table, given the outcomes.
    events
        Are printed, too; the last one is the summary.

    Raises
    ------
    Interrupted
        By a signal or Ctrl-C, with what was left undone.
    typer.Exit
        Not all inputs were recovered.
    """
    batch = BatchReport(report, n_inputs, events)
    try:
        yield batch
    except (KeyboardInterrupt, Interrupted) as interrupt:
        raise Interrupted(_unfinished(batch.in_order)) from interrupt
    finally:
        report.table(batch.in_order, print_table)
        if events is not None:
            events.summary()
    failed = [outcome for outcome in batch.outcomes if outcome.state not in DONE]
    if failed:
        # Such as a crop outside the picture: that is known only when the input is open.
        misused = all(isinstance(outcome.error, InvalidParameter) for outcome in failed)
        raise typer.Exit(USAGE if misused else FAILED)


class Report:
    """What a command tells of its input; made by `reporting`.

    Attributes
    ----------
    stop
        Whether a signal asks to stop, for the library.
    """

    def __init__(
        self,
        context: typer.Context,
        display: Display,
        stop: SignalStop,
        *,
        quiet: bool,
        as_json: bool,
    ) -> None:
        self.stop = stop
        self._context = context
        self._display = display
        self._quiet = quiet
        self._as_json = as_json

    def progress(self, title: str, progress: Progress) -> None:
        """Show where what is called `title` stands."""
        self._display.show(title, progress)

    def progress_to_ctrl_c(self, title: str, then: str, progress: Progress) -> None:
        """Show it, and tell beforehand what Ctrl-C does where no other end is known."""
        if progress.stage == "prepare" and progress.expected_frames is None:
            self.ctrl_c(title, then)
        self.progress(title, progress)

    def ctrl_c(self, name: str, then: str) -> None:
        """Tell how an input without an end of its own is ended, and what then happens."""
        self.notes(name, f"Ctrl-C ends it and {then}")

    def notes(self, name: str, *notes: str) -> None:
        """Print lines on an input that are no errors."""
        for note in notes:
            self._display.note(f"unveil: {name}: {note}")

    def error(self, error: Exception, message: str) -> None:
        """Print what an error says, and go on."""
        self._display.say(_error_line(self._context, error, message))

    def result(
        self, *lines: str, as_dict: Mapping[str, Any] | None = None, err: bool = False
    ) -> None:
        """End the progress, and print JSON if it was asked for, else the lines unless quiet."""
        self._display.clear()
        if as_dict is not None and self._as_json:
            print_json(as_dict, err=err)
        elif not self._quiet:
            for line in lines:
                print_line(printable(line), err=err)

    def evaluation(self, evaluation: BackgroundEvaluation) -> None:
        """End the progress, and print what attacks recover, unless JSON or nothing is wanted."""
        self._display.clear()
        if not (self._quiet or self._as_json):
            print_evaluation(evaluation)

    def table(
        self, outcomes: Sequence[Outcome], print_table: Callable[[Sequence[Any]], object]
    ) -> None:
        """End the progress, and print a table unless nothing was recovered, or none is wanted."""
        self._display.clear()
        worth_it = any(outcome.state in DONE for outcome in outcomes)
        if worth_it and not (self._quiet or self._as_json):
            print_table(outcomes)


class BatchReport:
    """What a command prints about several inputs; made by `batch_reporting`.

    Attributes
    ----------
    outcomes
        Of the inputs reported so far, in the order in which they came.
    """

    def __init__(self, report: Report, n_inputs: int | None, events: Events | None = None) -> None:
        self._report = report
        self._events = events
        self._n_inputs = n_inputs
        self._n_begun = 0
        self._titles: dict[str, str] = {}
        self.outcomes: list[Outcome] = []

    @property
    def in_order(self) -> list[Outcome]:
        """The outcomes in the order of the inputs; first those of inputs that name nothing."""
        return sorted(self.outcomes, key=lambda outcome: -1 if (n := outcome.number) is None else n)

    def started(self, source: Source) -> None:
        """Note that a source is begun."""
        self._n_begun += 1
        number = f"{self._n_begun}/{self._n_inputs} " if self._n_inputs else ""
        self._titles[source.stem] = f"{number}{source.name}"
        if self._events is not None:
            self._events.started(source)

    def progress(self, source: Source, progress: Progress) -> None:
        """Show how far a source is."""
        if source.live and progress.stage == "prepare":
            self._report.ctrl_c(source.name, "writes the result")
        self._report.progress(self._titles[source.stem], progress)
        if self._events is not None:
            self._events.progress(source, progress)

    def outcome(self, outcome: Outcome) -> None:
        """Tell what became of an input."""
        self.outcomes.append(outcome)
        if outcome.number is None:
            self._n_begun += 1  # it names nothing
        else:
            self._titles.pop(outcome.stem or "", None)
        if outcome.error is not None and outcome.problem is not None:
            self._report.error(outcome.error, outcome.problem)
        self._report.notes(outcome.name, *outcome.notes)
        self._report.result(as_dict=outcome.as_dict())
        if self._events is not None:
            self._events.outcome(outcome)


def print_json(found: Mapping[str, Any], *, err: bool = False) -> None:
    """Print an object on a line of its own, on stderr if `err`."""
    print_line(json.dumps(found, allow_nan=False), err=err)


def _error_line(context: typer.Context, error: Exception, message: str) -> str:
    """Give the line, or lines with --debug, that report an error."""
    if context.obj:
        return redacted("".join(traceback.format_exception(error))).rstrip()
    if isinstance(error, InvalidParameter):
        # The library names its parameters, which here are options.
        name, colon, rest = message.partition(":")
        options = {p.name: p.opts for p in context.command.params}
        spelled = next((o for o in options.get(name, ()) if o.startswith("--")), name)
        message = f"{spelled}{colon}{rest}"
    if not isinstance(error, (UnveilError, MemoryError, OSError)):
        message += "; this is a bug in unveil, see where with: unveil --debug " + str(
            context.command.name
        )
    return f"unveil: {message}"


def _unfinished(outcomes: Sequence[Outcome]) -> str:
    """Say what Ctrl-C left undone."""
    named = {
        state: ", ".join(outcome.name for outcome in outcomes if outcome.state == state)
        for state in ("interrupted", "not started")
    }
    parts = [f"not finished: {named['interrupted'] or 'nothing'}"]
    if named["not started"]:
        parts.append(f"not started: {named['not started']}")
    return "; ".join([*parts, "finished results stay"])
