"""The command line: one module per command; each command calls one function of the library."""

from __future__ import annotations

import os
from typing import Annotated, NoReturn

import typer

from unveil._version import __version__
from unveil.cli import (
    audit,
    demo,
    live,
    protect,
    recover,
    redact,
    score,
    shield,
    simulate,
    timeline,
)
from unveil.cli.streams import flush_standard_output, prepare_standard_streams, print_line
from unveil.interruption import stop_on_signals

app = typer.Typer(
    name="unveil",
    help="How much of your room does your virtual background give away?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """Run the command line of this process, and end the process."""
    prepare_standard_streams()
    with stop_on_signals():
        exit_code = 0
        try:
            app()
        except SystemExit as ended:
            exit_code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        # At once: a thread that waits for a camera or a pipe may be left behind, and a signal
        # while Python shuts down would change the exit code of work that is complete.
        os._exit(flush_standard_output(exit_code))


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"unveil {__version__}")
        raise typer.Exit


@app.callback()
def unveil(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Print the traceback of an error."),
    ] = False,
) -> None:
    """Store the options that precede a command."""
    context.obj = debug


for command in (
    recover.recover,
    audit.audit,
    redact.redact,
    protect.protect,
    shield.shield,
    live.live,
    timeline.timeline,
    demo.demo,
    simulate.simulate,
    score.score,
):
    app.command()(command)
