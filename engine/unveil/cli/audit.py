"""The command `unveil audit`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from unveil.cli.events import Events
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
    n_bytes,
    seconds,
)
from unveil.cli.recover import (
    BackgroundOption,
    CatalogueOption,
    EventsOption,
    FromFileOption,
    InputsArgument,
    IsolateOption,
    MaxMemoryOption,
    MethodOption,
    NoResumeOption,
    PersonEveryOption,
    PersonOption,
    TilesOption,
    WatchdogOption,
    WorkersOption,
    inputs_of,
    refuse_both,
)
from unveil.cli.reporting import batch_reporting, reporting
from unveil.cli.runtime_log import hide_encoder_log
from unveil.cli.tables import print_audits
from unveil.errors import check_range
from unveil.recovery.parameters import WATCHDOG_SECONDS

EXCEEDED: Final = 3
"""Exit code of a call that leaks more than it may."""

OutOption = Annotated[
    str,
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
    out: OutOption,
    inputs: InputsArgument = None,
    from_file: FromFileOption = None,
    catalogue: CatalogueOption = None,
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
    workers: WorkersOption = None,
    no_resume: NoResumeOption = False,
    isolate: IsolateOption = None,
    watchdog_seconds: WatchdogOption = WATCHDOG_SECONDS,
    max_memory: MaxMemoryOption = None,
    quiet: Quiet = False,
    as_json: AsJsonOption = False,
    as_events: EventsOption = False,
    force: Force = False,
) -> None:
    """Tell what a call shows of the room, when, and how sure that is, in a page.

    Each input gets a folder REPORT/NAME/ with index.html, audit.json and the files of unveil
    recover. REPORT/index.html lists the calls if there are several.
    """
    with reporting(context, quiet=quiet or as_events, as_json=as_json) as report:
        from unveil.auditing.batch import audit_all

        refuse_both(as_json=as_json, as_events=as_events)
        if fail_over is not None:
            check_range("fail_over", fail_over, 0, 100)
        hide_encoder_log()
        found, n_inputs = inputs_of(inputs or [], from_file)
        events = Events(len(found), wanted=as_events)
        with batch_reporting(report, n_inputs, print_audits, events) as batch:
            outcomes = audit_all(
                found,
                out,
                force=force,
                tiles=tiles,
                catalogue=catalogue,
                redacts=redacts,
                isolate=isolate,
                watchdog_seconds=watchdog_seconds,
                max_memory=n_bytes("max_memory", max_memory),
                on_start=batch.started,
                progress=batch.progress,
                on_outcome=batch.outcome,
                stop=report.stop,
                workers=workers,
                resume=not no_resume,
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
