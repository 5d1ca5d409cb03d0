"""The command `unveil`: each of its commands is the twin of a function of the library."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from unveil._version import __version__
from unveil.cli.reporting import batch_reporting, exit_codes, print_json, reporting
from unveil.cli.terminal import print_score, print_truth_score
from unveil.errors import InvalidParameter
from unveil.recovery.parameters import (
    CHUNK_FRAMES,
    DEFAULT_SLOTS,
    Method,
    Parameters,
    Person,
)
from unveil.video.metric import Metric

if TYPE_CHECKING:
    from unveil.simulation.subject import Motion

DEFAULTS = Parameters()
PROTECT_EDGE, PROTECT_SMOOTH = 0.6, 3

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


Input = Annotated[str, typer.Argument(metavar="INPUT", help="A recorded call.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier result.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, no table.")]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", show_default="all cores", help="Threads to decode and count with."),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start", metavar="TIME", show_default="0", help="Begin there: seconds or h:mm:ss."
    ),
]
End = Annotated[
    str | None,
    typer.Option(
        "--end", metavar="TIME", show_default="the end", help="Stop there: seconds or h:mm:ss."
    ),
]
Stride = Annotated[int, typer.Option(metavar="N", help="Use every N-th frame.")]
# Spelled out: the modules that they belong to take a moment to import.
Model = Literal["lite", "full", "heavy", "selfie", "selfie-landscape"]


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
        typer.Option("--debug", help="Print tracebacks of errors; stands before the command."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
    context.obj = debug


@app.command()
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
                    start_seconds=_seconds("start_seconds", start_seconds),
                    end_seconds=_seconds("end_seconds", end_seconds),
                    stride=stride,
                    background=background,
                )


@app.command()
def protect(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A video: a file, a camera (/dev/video0, avfoundation:0, dshow:video=NAME), a "
            "URL, - (standard input).",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="A video file, pictures (frame-%05d.png), - (standard output, Matroska), or "
            "camera[:DEVICE], a virtual camera.",
        ),
    ],
    mode: Annotated[
        Literal["remove", "blur", "replace"] | None,
        typer.Option(
            show_default="replace with --background, else blur",
            help="Show the person before nothing (green where OUT keeps no transparency), before "
            "the blurred room, or before another background.",
        ),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE|VIDEO|COLOUR",
            show_default="none",
            help="What is shown behind the person; a video is repeated.",
        ),
    ] = None,
    blur: Annotated[
        int | None,
        typer.Option(
            metavar="RADIUS",
            show_default="a twentieth of the height",
            help="Radius of the blur in pixels, 4 to 1000.",
        ),
    ] = None,
    model: Annotated[
        Model,
        typer.Option(
            help="The network that finds the person: one person, the surer the slower (lite, full, "
            "heavy), or everybody close to the camera (selfie, selfie-landscape)."
        ),
    ] = "full",
    edge: Annotated[
        float,
        typer.Option(
            metavar="P",
            help="Probability at which the person ends, 0.05 to 0.95; more shows less of the room.",
        ),
    ] = PROTECT_EDGE,
    smooth: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Frames over which the edge settles outwards; inwards it goes at once.",
        ),
    ] = PROTECT_SMOOTH,
    every: Annotated[
        int, typer.Option(metavar="K", help="Look for the person in every K-th frame; 1 is safest.")
    ] = 1,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="libx264; libvpx-vp9 for .webm",
            help="A video encoder of FFmpeg.",
        ),
    ] = None,
    crf: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="the encoder's",
            help="Constant quality of the encoder, 0 (best) to 63.",
        ),
    ] = None,
    sound: Annotated[
        bool, typer.Option("--sound/--no-sound", help="Copy the sound, or leave it out.")
    ] = True,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", show_default="all cores", help="Threads to work with."),
    ] = None,
    start_seconds: Start = None,
    end_seconds: End = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove, blur or replace the background of a video, as it comes.

    A frame in which the person is not found, or in which something fails, shows the background
    alone. OUT's report stands beside it, as NAME.report.json.
    """
    with reporting(context, quiet=quiet, as_json=as_json) as report:
        from unveil.protection import protect

        done = protect(
            source,
            output,
            mode=mode,
            background=background,
            blur=blur,
            model=model,
            edge=edge,
            smooth=smooth,
            every=every,
            codec=codec,
            crf=crf,
            sound=sound,
            threads=threads,
            start_seconds=_seconds("start_seconds", start_seconds),
            end_seconds=_seconds("end_seconds", end_seconds),
            force=force,
            progress=partial(report.progress_to_ctrl_c, source, "completes the output"),
        )
        if done.unfinished is not None:
            raise KeyboardInterrupt(done.unfinished)
        report.notes(source, *done.notes)
        report.result(done.summary, as_dict=done.report, err=output == "-")


@app.command()
def timeline(
    context: typer.Context,
    source: Input,
    at: Annotated[
        list[str],
        typer.Option(metavar="X,Y", help="A pixel, from the upper left corner; may be repeated."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--out", metavar="STRIP.png", help="The picture to write.")
    ],
    method: Annotated[
        Method, typer.Option(help="By which room and background are recovered, as for recover.")
    ] = DEFAULTS.method,
    threads: Threads = None,
    start_seconds: Start = None,
    end_seconds: End = None,
    stride: Stride = 1,
    row_height: Annotated[
        int, typer.Option(metavar="N", help="Height of a row in pixels, 8 to 200.")
    ] = 28,
    max_width: Annotated[
        int, typer.Option(metavar="N", help="Width of the strips in pixels, 100 to 10000.")
    ] = 1200,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Draw the colour of pixels over time, one row a pixel.

    The recovered background and room stand at the end of each row.
    """
    with reporting(context, quiet=quiet) as report:
        from unveil.timeline.timeline import draw_timeline

        strip = draw_timeline(
            source,
            [_place(text) for text in at],
            output,
            method=method,
            threads=threads,
            start_seconds=_seconds("start_seconds", start_seconds),
            end_seconds=_seconds("end_seconds", end_seconds),
            stride=stride,
            row_height=row_height,
            max_width=max_width,
            force=force,
            progress=partial(report.progress, source),
        )
        rows = "row" if len(strip.at) == 1 else "rows"
        report.result(f"{strip.path}: {len(strip.at)} {rows} of {strip.n_frames} frames")


@app.command()
def demo(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT", help="Folder for the demonstration.")
    ] = Path("unveil-demo"),
    kind: Annotated[
        Literal["plain", "photo", "noise-frame"],
        typer.Option(help="A room with text, a photo as room, or one frame of noise late."),
    ] = "plain",
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Make an ideal call, recover its room and tell how much was recovered."""
    with reporting(context, quiet=quiet) as report:
        from unveil.demo import run_demo

        result = run_demo(
            folder, kind, force=force, threads=threads, progress=partial(report.progress, "demo")
        )
        report.result(
            f"Recovered {result.recovered_share:.1%} of the room.",
            f"Right: {result.right_share:.1%} of the room (CIEDE2000 below 10).",
            f"The call beside its room: {result.picture}",
            f"All results: {result.recovery}",
        )


@app.command()
def simulate(
    context: typer.Context,
    person: Annotated[
        str,
        typer.Argument(
            metavar="PERSON",
            help="Footage of a person, or a still; a still with transparency is cut out already.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT", help="Folder for call.mp4 and truth.npz.")
    ],
    room: Annotated[
        str,
        typer.Option(metavar="IMAGE", help="The room: a photo, or furnished, text or landscape."),
    ] = "furnished",
    background: Annotated[
        str,
        typer.Option(
            metavar="IMAGE|VIDEO",
            help="The virtual background, or furnished, text or landscape. A video is looped.",
        ),
    ] = "landscape",
    height: Annotated[int, typer.Option(metavar="N", help="Height of the call in pixels.")] = 720,
    width: Annotated[int, typer.Option(metavar="N", help="Width of the call in pixels.")] = 1280,
    n_frames: Annotated[
        int | None,
        typer.Option(
            "--frames", metavar="N", show_default="all, 300 of a still", help="Length at most."
        ),
    ] = None,
    frame_rate: Annotated[
        float | None,
        typer.Option(metavar="N", show_default="the footage's, or 30", help="Frames per second."),
    ] = None,
    scale: Annotated[
        float,
        typer.Option(metavar="X", help="Height of the person's picture as a share of the call's."),
    ] = 1.0,
    motions: Annotated[
        list[str] | None,
        typer.Option(
            "--motion",
            metavar="sway|lean|zoom|leave",
            show_default="sway for a still",
            help="How the person moves beyond what the footage shows; may be repeated.",
        ),
    ] = None,
    matte: Annotated[
        Model,
        typer.Option(help="Who cuts the person out: what this model keeps is the person."),
    ] = "heavy",
    segmenter: Annotated[
        Model, typer.Option(help="Who decides for the service what is replaced.")
    ] = "selfie",
    smoothing: Annotated[
        float,
        typer.Option(metavar="X", help="Share of the last mask in the next one, 0 to under 1."),
    ] = 0.0,
    lag: Annotated[
        int, typer.Option(metavar="N", help="Frames by which the mask is late, 0 to 60.")
    ] = 0,
    blur: Annotated[
        Literal["none", "gaussian", "bilateral"], typer.Option(help="How the mask is blurred.")
    ] = "none",
    pan: Annotated[
        int,
        typer.Option(metavar="N", help="Columns per frame by which the background moves left."),
    ] = 0,
    loop_frames: Annotated[
        int | None,
        typer.Option(
            metavar="N", show_default="all", help="Frames of a background video that are looped."
        ),
    ] = None,
    pixels_of_noise: Annotated[
        float,
        typer.Option(metavar="X", help="Share of the background's pixels that are noise, 0 to 1."),
    ] = 0.0,
    frames_of_noise: Annotated[
        int, typer.Option(metavar="N", help="Whole frames of noise in the second half.")
    ] = 0,
    camera_noise: Annotated[
        float, typer.Option(metavar="X", help="Deviation of the camera's noise in levels, 0-30.")
    ] = 1.5,
    bit_rate: Annotated[int, typer.Option(metavar="N", help="Mean bits per second.")] = 2_000_000,
    seed: Annotated[int, typer.Option(metavar="N", help="Of everything random.")] = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Make a call as a service makes it, with its exact truth.

    The person stands before the room, a segmenter sees that, and its mask decides what the
    background replaces. OUT/truth.npz tells what leaked, for unveil score.
    """
    with reporting(context, quiet=quiet) as report:
        from unveil.simulation.simulate import simulate_call

        made = simulate_call(
            out,
            person,
            room,
            background,
            height=height,
            width=width,
            n_frames=n_frames,
            frame_rate=frame_rate,
            scale=scale,
            motions=cast("list[Motion] | None", motions or None),
            matte=matte,
            segmenter=segmenter,
            smoothing=smoothing,
            lag=lag,
            blur=blur,
            pan=pan,
            loop_frames=loop_frames,
            pixels_of_noise=pixels_of_noise,
            frames_of_noise=frames_of_noise,
            camera_noise=camera_noise,
            bit_rate=bit_rate,
            seed=seed,
            threads=threads,
            force=force,
            progress=partial(report.progress, Path(person).name),
        )
        report.result(
            f"{made.call}: {made.n_frames} frames",
            f"{made.truth}: {made.strong_share:.2%} of the pixels leak strongly",
        )


@app.command()
def score(
    context: typer.Context,
    recovery_path: Annotated[
        Path,
        typer.Argument(
            metavar="RECOVERY", help="A recovered room.png, or the folder that holds it."
        ),
    ],
    truth_path: Annotated[
        Path,
        typer.Option(
            "--truth",
            metavar="PHOTO|TRUTH.npz",
            help="A photo of the room in the same size, or the exact truth of a simulated call.",
        ),
    ],
    metric: Annotated[
        Metric, typer.Option(help="How colours are compared with a photo's.")
    ] = DEFAULTS.metric,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            show_default="5.06, or 0.99 for cosine",
            help="A pixel matches a photo's where its CIEDE2000 is below X (0 to 100), or its "
            "cosine similarity above X (0 to 1).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure how right a recovery is, given a photo of the room or the exact truth.

    A photo tells zoomg's verification and the metrics of background initialisation. The
    truth of a simulated call tells leak score, precision, recall and calibration, too.
    """
    with exit_codes(context):
        from unveil.scoring.leak import room_file, score_truth
        from unveil.scoring.photo import score_room

        if truth_path.suffix.lower() == ".npz":
            if threshold is not None or metric != DEFAULTS.metric:
                name = "metric" if threshold is None else "threshold"
                raise InvalidParameter(f"{name}: is for photos; leave it out with a truth.npz")
            measured = score_truth(recovery_path, truth_path)
            if as_json:
                print_json(measured.as_dict())
            else:
                print_truth_score(measured)
            return
        result = score_room(room_file(recovery_path), truth_path, metric, threshold)
        if as_json:
            print_json(result.as_dict())
        else:
            print_score(result)


def _place(text: str) -> tuple[int, int]:
    """Read X,Y."""
    match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", text)
    if match is None:
        raise InvalidParameter(f"at: {text!r} is not X,Y, two whole numbers such as 320,180")
    return int(match[1]), int(match[2])


def _seconds(name: str, text: str | None) -> float | None:
    """Read seconds, m:ss or h:mm:ss."""
    if text is None:
        return None
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", text.strip())
    if match is None:
        raise InvalidParameter(
            f"{name}: {text!r} is not a time; write seconds (90.5) or h:mm:ss (0:01:30.5)"
        )
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3])
