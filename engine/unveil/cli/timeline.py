"""The command `unveil timeline`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from unveil.cli.options import (
    DEFAULTS,
    CropOption,
    End,
    Force,
    Input,
    Quiet,
    Start,
    Stream,
    Stride,
    Threads,
    place,
    seconds,
)
from unveil.cli.reporting import reporting
from unveil.recovery.parameters import Method
from unveil.redaction import described


def timeline(
    context: typer.Context,
    source: Input,
    at: Annotated[
        list[str],
        typer.Option(metavar="X,Y", help="Pixel, counted from the upper left corner; repeatable."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--out", metavar="STRIP.png", help="The picture to write.")
    ],
    method: Annotated[
        Method, typer.Option(help="Method of the recovery, as for recover.")
    ] = DEFAULTS.method,
    threads: Threads = None,
    start_seconds: Start = None,
    end_seconds: End = None,
    stride: Stride = 1,
    stream: Stream = None,
    crop: CropOption = None,
    row_height: Annotated[
        int, typer.Option(metavar="N", help="Height of a row in pixels, 8 to 200.")
    ] = 28,
    max_width: Annotated[
        int, typer.Option(metavar="N", help="Width of the strips in pixels, 100 to 10000.")
    ] = 1200,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Draw the colours of pixels over time, one row per pixel.

    The recovered background and room are at the end of each row.
    """
    with reporting(context, quiet=quiet) as report:
        from unveil.timeline.timeline import draw_timeline

        strip = draw_timeline(
            source,
            [place(text) for text in at],
            output,
            method=method,
            threads=threads,
            start_seconds=seconds("start_seconds", start_seconds),
            end_seconds=seconds("end_seconds", end_seconds),
            stride=stride,
            stream=stream,
            crop=crop,
            row_height=row_height,
            max_width=max_width,
            force=force,
            progress=partial(report.progress, described(source)),
            stop=report.stop,
        )
        rows = "row" if len(strip.at) == 1 else "rows"
        report.result(f"{strip.path}: {len(strip.at)} {rows} of {strip.n_frames} frames")
