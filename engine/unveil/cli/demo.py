"""The command `unveil demo`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unveil.cli.options import Force, Quiet, Threads
from unveil.cli.reporting import reporting

if TYPE_CHECKING:
    from unveil.demo import PersonDemo


def demo(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT", help="Folder for the demonstration.")
    ] = Path("unveil-demo"),
    kind: Annotated[
        Literal["person", "plain", "photo", "noise-frame"],
        typer.Option(
            help="An ideal call: a room with text, a photo as the room, or one frame of noise near "
            "the end. With person also a call with a person, audited before and after protection."
        ),
    ] = "person",
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Make a call, recover its room and print the share that is recovered and correct."""
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
        lines = [
            f"Recovered {result.recovered_share:.1%} of the room.",
            f"Correct: {result.right_share:.1%} of the room (CIEDE2000 below 10).",
            f"The call next to its room: {result.picture}",
            f"All results: {result.recovery}",
        ]
        report.result(*lines, *([] if result.person is None else _of_person(result.person)))


def _of_person(person: PersonDemo) -> list[str]:
    """Tell how the call with a person was graded before and after it was protected."""
    return [
        "",
        f"A call with a person: grade {person.grade or 'none'}. Recovered "
        f"{person.recovered_share:.1%} of the room; correct: {person.right_share:.1%}.",
        "The same, protected by --careful before a background with decoys: grade "
        f"{person.protected_grade or 'none'}. Recovered {person.protected_recovered_share:.1%}; "
        f"correct: {person.protected_right_share:.1%}. The audit takes the decoys for the room.",
        f"The audit's page: {person.page}",
        f"The page after protection: {person.protected_page}",
    ]
