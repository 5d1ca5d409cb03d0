"""The command `unveil recover`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

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
from unveil.cli.reporting import batch_reporting, reporting
from unveil.counting.capacity import DEFAULT_SLOTS
from unveil.errors import InvalidParameter
from unveil.recovery.parameters import CHUNK_FRAMES, WATCHDOG_SECONDS, Method, Person
from unveil.video.metric import Metric

if TYPE_CHECKING:
    from unveil.recovery.batch import Inputs

InputsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT",
        show_default=False,
        help="Calls: files, folders, globs, a camera (/dev/video0), URLs, - (standard input). None "
        "are needed with --from-file.",
    ),
]
OutOption = Annotated[
    str,
    typer.Option(
        "-o", "--out", metavar="OUT", help="Folder that gets one folder per input, or fsspec's URL."
    ),
]
FromFileOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        show_default="none",
        help="Read further inputs from a list: a text file with a path or URL per line, a Parquet "
        "file with a column path, or - for standard input.",
    ),
]
CatalogueOption = Annotated[
    str | None,
    typer.Option(
        "--catalog",
        metavar="FILE",
        show_default="none",
        help="Parquet file that gets a row per input, written while the inputs are processed.",
    ),
]
IsolateOption = Annotated[
    bool | None,
    typer.Option(
        "--isolate/--no-isolate",
        show_default="--isolate for several inputs",
        help="Process files in a process of their own: a crash of FFmpeg is then the failure of "
        "one input.",
    ),
]
WatchdogOption = Annotated[
    float,
    typer.Option(
        "--watchdog",
        metavar="SECONDS",
        help="End that process, and let the input fail, after so much time without progress.",
    ),
]
MaxMemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="BYTES",
        show_default="all there is",
        help="Memory for all inputs that are processed at once, such as 1500M or 2G. A video that "
        "needs more fails before memory is allocated.",
    ),
]
EventsOption = Annotated[
    bool,
    typer.Option(
        "--events",
        help="Print JSON lines on standard output instead of the table: started, progress, "
        "finished, failed, skipped, summary.",
    ),
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
WorkersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="one per core",
        help="Processes that work at once and share the cores: on several inputs, or on one of 4 "
        "minutes or more.",
    ),
]
NoResumeOption = Annotated[
    bool,
    typer.Option(
        "--no-resume",
        help="Count a long recording anew instead of going on where an interrupted run stopped.",
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        show_default="none",
        help="Let the workers of a Dask cluster do the work: the address of its scheduler, such as "
        "tcp://10.0.0.1:8786, or local. All of them must reach the inputs and OUT.",
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
    out: OutOption,
    inputs: InputsArgument = None,
    from_file: FromFileOption = None,
    catalogue: CatalogueOption = None,
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
    workers: WorkersOption = None,
    no_resume: NoResumeOption = False,
    cluster: ClusterOption = None,
    isolate: IsolateOption = None,
    watchdog_seconds: WatchdogOption = WATCHDOG_SECONDS,
    max_memory: MaxMemoryOption = None,
    quiet: Quiet = False,
    as_json: AsJsonOption = False,
    as_events: EventsOption = False,
    force: Force = False,
) -> None:
    """Recover the room and the virtual background from calls.

    Each input gets a folder OUT/NAME/ with room.png, background.png, stats.parquet,
    timeline.parquet, report.json; a meeting with several tiles one such folder for each of them,
    tile-1, tile-2 and so on.
    """
    with reporting(context, quiet=quiet or as_events, as_json=as_json) as report:
        refuse_both(as_json=as_json, as_events=as_events)
        run = _runner(
            cluster,
            preview_seconds=preview_seconds,
            isolate=isolate,
            watchdog_seconds=watchdog_seconds,
            max_memory=n_bytes("max_memory", max_memory),
            resume=not no_resume,
        )
        found, n_inputs = inputs_of(inputs or [], from_file)
        events = Events(len(found), wanted=as_events)
        with batch_reporting(report, n_inputs, events=events) as batch:
            run(
                found,
                out,
                force=force,
                tiles=tiles,
                catalogue=catalogue,
                on_start=batch.started,
                progress=batch.progress,
                on_outcome=batch.outcome,
                stop=report.stop,
                workers=workers,
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


_OF_THIS_MACHINE: Final = {
    "preview_seconds": None,
    "isolate": None,
    "watchdog_seconds": WATCHDOG_SECONDS,
    "max_memory": None,
    "resume": True,
}
"""Defaults of the options that a cluster does without."""


def _runner(cluster: str | None, **options: Any) -> Callable[..., object]:
    """Return what recovers all inputs: here with `options`, or on a cluster, which has none."""
    if cluster is None:
        from unveil.recovery.batch import recover_all

        return partial(recover_all, **options)
    from unveil.cluster import recover_many

    for name, default in _OF_THIS_MACHINE.items():
        if options[name] != default:
            raise InvalidParameter(f"{name}: cannot be chosen with --cluster; leave one out")
    return partial(recover_many, cluster=cluster)


def refuse_both(*, as_json: bool, as_events: bool) -> None:
    """Refuse two kinds of output at once."""
    if as_json and as_events:
        raise InvalidParameter("as_json: --json and --events exclude each other; leave one out")


def inputs_of(arguments: list[str], from_file: str | None) -> tuple[Inputs, int | None]:
    """Find the inputs that the arguments and the list name, and their number.

    The number is None for a single argument: progress does not count the inputs it names.
    """
    from unveil.recovery.batch import gather_inputs
    from unveil.recovery.jobs.manifest import read_manifest
    from unveil.video.source import STDIN

    if not arguments and from_file is None:
        raise InvalidParameter("inputs: none is given; name a call, or a list with --from-file")
    if from_file == STDIN and STDIN in arguments:
        raise InvalidParameter("from_file: standard input cannot be a list and a call at once")
    found = gather_inputs(arguments, None if from_file is None else read_manifest(from_file))
    return found, None if len(arguments) == 1 and from_file is None else len(found)
