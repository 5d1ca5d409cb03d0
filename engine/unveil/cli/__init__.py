"""The command line: one module per command; each command calls one function of the library."""

from __future__ import annotations

from typing import Annotated

import typer

from unveil._version import __version__
from unveil.cli import demo, protect, recover, score, simulate, timeline

app = typer.Typer(
    name="unveil",
    help="How much of your room does your virtual background give away?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line of this process."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unveil {__version__}")
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
    protect.protect,
    timeline.timeline,
    demo.demo,
    simulate.simulate,
    score.score,
):
    app.command()(command)
