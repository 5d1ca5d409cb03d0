"""The command `unveil redact`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from unveil.cli.options import (
    DEFAULTS,
    End,
    Force,
    Input,
    Json,
    Quiet,
    Start,
    Stream,
    Threads,
    seconds,
)
from unveil.cli.protect import CodecOption, SoundOption
from unveil.cli.recover import (
    BackgroundOption,
    MethodOption,
    PersonEveryOption,
    PersonOption,
    TilesOption,
)
from unveil.cli.reporting import reporting
from unveil.cli.runtime_log import hide_encoder_log
from unveil.errors import Interrupted
from unveil.redaction import described

CRF = 14

OutputOption = Annotated[
    str, typer.Option("-o", "--out", metavar="OUT", help="The copy, a video file.")
]
CrfOption = Annotated[
    int,
    typer.Option(metavar="N", help="Constant quality of the encoder, 0 (best) to 63."),
]


def redact(
    context: typer.Context,
    source: Input,
    output: OutputOption,
    method: MethodOption = DEFAULTS.method,
    person: PersonOption = DEFAULTS.person,
    person_every: PersonEveryOption = DEFAULTS.person_every,
    threads: Threads = DEFAULTS.threads,
    start_seconds: Start = None,
    end_seconds: End = None,
    stream: Stream = None,
    background: BackgroundOption = None,
    tiles: TilesOption = "auto",
    codec: CodecOption = None,
    crf: CrfOption = CRF,
    sound: SoundOption = True,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Copy a call with what leaks covered by its virtual background.

    The call is recovered first. The report is written next to OUT, as NAME.report.json.
    """
    with reporting(context, quiet=quiet, as_json=as_json) as report:
        from unveil.auditing.redact import redact

        hide_encoder_log()
        named = described(source)
        done = redact(
            source,
            output,
            tiles=tiles,
            codec=codec,
            crf=crf,
            sound=sound,
            force=force,
            progress=partial(report.progress, named),
            stop=report.stop,
            method=method,
            person=person,
            person_every=person_every,
            threads=threads,
            start_seconds=seconds("start_seconds", start_seconds),
            end_seconds=seconds("end_seconds", end_seconds),
            stream=stream,
            background=background,
        )
        if done.unfinished is not None:
            raise Interrupted(done.unfinished)
        report.notes(named, *done.notes)
        report.result(done.summary, as_dict=done.report)
