"""The command `unveil demo`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from unveil.cli.options import Force, Quiet, Threads
from unveil.cli.reporting import reporting


def demo(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT", help="Folder for the demonstration.")
    ] = Path("unveil-demo"),
    kind: Annotated[
        Literal["plain", "photo", "noise-frame"],
        typer.Option(
            help="A room with text, a photo as the room, or one frame of noise near the end."
        ),
    ] = "plain",
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Make an ideal call, recover its room and print the share that is recovered and correct."""
    with reporting(context, quiet=quiet) as report:
        from unveil.demo import run_demo

        result = run_demo(
            folder,
            kind,
            force=force,
            threads=threads,
            progress=partial(report.progress, "demo"),
            stop=report.stop,
        )
        report.result(
            f"Recovered {result.recovered_share:.1%} of the room.",
            f"Correct: {result.right_share:.1%} of the room (CIEDE2000 below 10).",
            f"The call next to its room: {result.picture}",
            f"All results: {result.recovery}",
        )
