"""The command `unveil audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from unveil.cli.options import (
    DEFAULTS,
    CropOption,
    End,
    Force,
    Quiet,
    Start,
    Stream,
    Stride,
    Threads,
    seconds,
)
from unveil.cli.recover import (
    BackgroundOption,
    InputsArgument,
    MethodOption,
    PersonEveryOption,
    PersonOption,
    TilesOption,
)
from unveil.cli.reporting import batch_reporting, reporting
from unveil.cli.runtime_log import hide_encoder_log
from unveil.cli.tables import print_audits
from unveil.errors import check_range

EXCEEDED: Final = 3
"""Exit code of a call that leaks more than it may."""

OutOption = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="REPORT", help="Folder that gets one folder per call."),
]
RedactOption = Annotated[
    bool,
    typer.Option("--redact", help="Write a copy of each call in which what leaks is covered, too."),
]
FailOverOption = Annotated[
    float | None,
    typer.Option(
        metavar="PERCENT",
        show_default="never",
        help="End with exit code 3 if more than this percentage of a picture leaks, or if that "
        "cannot be said.",
    ),
]
AsJsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object per input on standard output instead of the verdict.",
    ),
]


def audit(
    context: typer.Context,
    inputs: InputsArgument,
    out: OutOption,
    method: MethodOption = DEFAULTS.method,
    person: PersonOption = DEFAULTS.person,
    person_every: PersonEveryOption = DEFAULTS.person_every,
    threads: Threads = DEFAULTS.threads,
    start_seconds: Start = None,
    end_seconds: End = None,
    stride: Stride = 1,
    stream: Stream = None,
    background: BackgroundOption = None,
    crop: CropOption = None,
    tiles: TilesOption = "auto",
    redacts: RedactOption = False,
    fail_over: FailOverOption = None,
    quiet: Quiet = False,
    as_json: AsJsonOption = False,
    force: Force = False,
) -> None:
    """Tell what a call shows of the room, when, and how sure that is, in a page.

    Each input gets a folder REPORT/NAME/ with index.html, audit.json and the files of unveil
    recover. REPORT/index.html lists the calls if there are several.
    """
    with reporting(context, quiet=quiet, as_json=as_json) as report:
        from unveil.auditing.batch import audit_all
        from unveil.recovery.batch import find_sources

        if fail_over is not None:
            check_range("fail_over", fail_over, 0, 100)
        hide_encoder_log()
        sources, missing = find_sources(inputs)
        n_inputs = len(sources) + len(missing) if len(inputs) > 1 else None
        outcomes = []
        with batch_reporting(report, n_inputs, print_audits) as batch:
            for outcome in missing:
                batch.outcome(outcome)
            if sources:
                outcomes = audit_all(
                    sources,
                    out,
                    missing=missing,
                    force=force,
                    tiles=tiles,
                    redacts=redacts,
                    on_start=batch.started,
                    progress=batch.progress,
                    on_outcome=batch.outcome,
                    stop=report.stop,
                    method=method,
                    person=person,
                    person_every=person_every,
                    threads=threads,
                    start_seconds=seconds("start_seconds", start_seconds),
                    end_seconds=seconds("end_seconds", end_seconds),
                    stride=stride,
                    stream=stream,
                    background=background,
                    crop=crop,
                )
        if fail_over is not None and any(one.exceeds(fail_over / 100) for one in outcomes):
            raise typer.Exit(EXCEEDED)
