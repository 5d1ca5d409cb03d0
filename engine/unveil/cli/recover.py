"""The command `unveil recover`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
from unveil.cli.reporting import batch_reporting, reporting
from unveil.counting.capacity import DEFAULT_SLOTS
from unveil.recovery.parameters import CHUNK_FRAMES, Method, Person
from unveil.video.metric import Metric

InputsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Calls: files, folders, globs, a camera (/dev/video0), URLs, - (standard input).",
    ),
]
OutOption = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="OUT", help="Folder that gets one folder per input."),
]
MethodOption = Annotated[
    Method,
    typer.Option(
        help="How the room is found. farend: per pixel, the colour outside the person mask "
        "with the largest distance from the background. transitions: the colour seen in most "
        "separate changes from or to the background. rarest: zoomg's rule, the rarest colour "
        "that differs from the most frequent one. auto: farend if a person is found, else "
        "transitions."
    ),
]
MetricOption = Annotated[Metric, typer.Option(help="How two colours are compared.")]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        show_default="5.06, or 0.75 for cosine",
        help="A colour differs from the background if its CIEDE2000 distance is above X (0 to "
        "100), or its cosine similarity below X (0 to 1).",
    ),
]
NoiseFramesOption = Annotated[
    int,
    typer.Option(metavar="N", help="Discard colours that are counted in at most N frames."),
]
SlotsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default=", ".join(f"{n} for {method}" for method, n in DEFAULT_SLOTS.items()),
        help="Colours kept per pixel, 2 to 4096. Memory grows with it.",
    ),
]
BitsOption = Annotated[
    int,
    typer.Option(metavar="N", help="Bits kept of each channel when colours are compared, 1 to 8."),
]
ToleranceOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Two colours are equal if each channel differs by at most N levels, 0 to 255.",
    ),
]
PersonOption = Annotated[
    Person,
    typer.Option(
        help="Network that finds the person for auto and farend. auto takes the mean of lite and "
        "selfie-landscape. none counts as transitions does, for calls without a person."
    ),
]
PersonEveryOption = Annotated[
    int,
    typer.Option(metavar="K", help="Run the network on every K-th frame."),
]
ChunkFramesOption = Annotated[
    int, typer.Option("--chunk", metavar="N", help="Frames counted at once.")
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        metavar="IMAGE",
        show_default="none",
        help="Picture of the virtual background, known or guessed. It may be scaled, cropped "
        "or mirrored in the call. A picture that the call does not show is refused.",
    ),
]
TilesOption = Annotated[
    str,
    typer.Option(
        metavar="auto|off|RxC",
        help="auto: one recovery for each tile of a recorded meeting that shows a person. off: the "
        "whole picture. RxC: R rows and C columns of equal tiles.",
    ),
]
PreviewSecondsOption = Annotated[
    float | None,
    typer.Option(
        "--preview",
        metavar="N",
        show_default="at the end only",
        help="Write room.png and background.png every N seconds during the run.",
    ),
]
AsJsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object per input on standard output instead of the table.",
    ),
]


def recover(
    context: typer.Context,
    inputs: InputsArgument,
    out: OutOption,
    method: MethodOption = DEFAULTS.method,
    metric: MetricOption = DEFAULTS.metric,
    threshold: ThresholdOption = DEFAULTS.threshold,
    noise_frames: NoiseFramesOption = DEFAULTS.noise_frames,
    slots: SlotsOption = DEFAULTS.slots,
    bits: BitsOption = DEFAULTS.bits,
    tolerance: ToleranceOption = DEFAULTS.tolerance,
    person: PersonOption = DEFAULTS.person,
    person_every: PersonEveryOption = DEFAULTS.person_every,
    threads: Threads = DEFAULTS.threads,
    chunk_frames: ChunkFramesOption = CHUNK_FRAMES,
    start_seconds: Start = None,
    end_seconds: End = None,
    stride: Stride = 1,
    stream: Stream = None,
    background: BackgroundOption = None,
    crop: CropOption = None,
    tiles: TilesOption = "auto",
    preview_seconds: PreviewSecondsOption = None,
    quiet: Quiet = False,
    as_json: AsJsonOption = False,
    force: Force = False,
) -> None:
    """Recover the room and the virtual background from calls.

    Each input gets a folder OUT/NAME/ with room.png, background.png, stats.parquet,
    timeline.parquet, report.json; a meeting with several tiles one such folder for each of them,
    tile-1, tile-2 and so on.
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
                    tiles=tiles,
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
                    stream=stream,
                    background=background,
                    crop=crop,
                )
