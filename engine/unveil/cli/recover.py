"""The command `unveil recover`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unveil.cli.options import DEFAULTS, End, Force, Quiet, Start, Stride, Threads, seconds
from unveil.cli.reporting import batch_reporting, reporting
from unveil.counting.capacity import DEFAULT_SLOTS
from unveil.recovery.parameters import CHUNK_FRAMES, Method, Person
from unveil.video.metric import Metric


def recover(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Calls: files, folders, globs, a camera (/dev/video0), URLs, - (standard input).",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="OUT", help="Folder that gets a folder per input."),
    ],
    method: Annotated[
        Method,
        typer.Option(
            help="What counts as the room: of the colours seen outside the person the one "
            "farthest from the background (farend), colours that come up where the background "
            "goes or comes back (transitions), or the rarest colour (rarest: zoomg's method). "
            "auto takes farend where the call shows a person, else transitions."
        ),
    ] = DEFAULTS.method,
    metric: Annotated[Metric, typer.Option(help="How colours are told apart.")] = DEFAULTS.metric,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            show_default="5.06, or 0.75 for cosine",
            help="A colour is not the background where its CIEDE2000 from it is above X (0 to "
            "100), or its cosine similarity below X (0 to 1).",
        ),
    ] = DEFAULTS.threshold,
    noise_frames: Annotated[
        int, typer.Option(metavar="N", help="Drop colours seen in at most N frames.")
    ] = DEFAULTS.noise_frames,
    slots: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default=", ".join(f"{n} for {method}" for method, n in DEFAULT_SLOTS.items()),
            help="Colours remembered per pixel, 2 to 4096; costs memory.",
        ),
    ] = DEFAULTS.slots,
    bits: Annotated[
        int, typer.Option(metavar="N", help="Bits kept of each channel, 1 to 8.")
    ] = DEFAULTS.bits,
    tolerance: Annotated[
        int,
        typer.Option(metavar="N", help="Levels by which a channel may vary in one colour, 0-255."),
    ] = DEFAULTS.tolerance,
    person: Annotated[
        Person,
        typer.Option(
            help="The network that finds the person for auto and farend; with none it is "
            "counted as by transitions, as suits calls that show no person."
        ),
    ] = DEFAULTS.person,
    person_every: Annotated[
        int,
        typer.Option(metavar="K", help="Look for the person in every K-th frame."),
    ] = DEFAULTS.person_every,
    threads: Threads = DEFAULTS.threads,
    chunk_frames: Annotated[
        int, typer.Option("--chunk", metavar="N", help="Frames counted at once.")
    ] = CHUNK_FRAMES,
    start_seconds: Start = None,
    end_seconds: End = None,
    stride: Stride = 1,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            show_default="none",
            help="The virtual background's picture, known or guessed; it may be scaled, cut or "
            "mirrored in the call. One that the call does not show is refused.",
        ),
    ] = None,
    preview_seconds: Annotated[
        float | None,
        typer.Option(
            "--preview",
            metavar="N",
            show_default="at the end only",
            help="Write room.png and background.png every N seconds while it runs.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a JSON object per input on standard output, no table."),
    ] = False,
    force: Force = False,
) -> None:
    """Recover room and background from calls.

    Each input gets OUT/NAME/ with room.png, background.png, stats.parquet and report.json.
    """
    with reporting(context, quiet=quiet, as_json=as_json) as report:
        from unveil.recovery.batch import find_sources, recover_all

        sources, missing = find_sources(inputs)
        n_inputs = len(sources) + len(missing) if len(inputs) > 1 else None
        with batch_reporting(report, n_inputs) as batch:
            for outcome in missing:
                batch.outcome(outcome)
            if sources:
                recover_all(
                    sources,
                    out,
                    force=force,
                    preview_seconds=preview_seconds,
                    progress=batch.progress,
                    on_outcome=batch.outcome,
                    stop=report.stop,
                    method=method,
                    metric=metric,
                    threshold=threshold,
                    noise_frames=noise_frames,
                    slots=slots,
                    bits=bits,
                    tolerance=tolerance,
                    person=person,
                    person_every=person_every,
                    threads=threads,
                    chunk_frames=chunk_frames,
                    start_seconds=seconds("start_seconds", start_seconds),
                    end_seconds=seconds("end_seconds", end_seconds),
                    stride=stride,
                    background=background,
                )
