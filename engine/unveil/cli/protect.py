"""The command `unveil protect`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import typer

from unveil.cli.options import End, Force, Json, ProtectModel, Quiet, Start, Stream, seconds
from unveil.cli.reporting import reporting
from unveil.cli.runtime_log import hide_encoder_log
from unveil.errors import Interrupted
from unveil.redaction import described

PROTECT_EDGE, PROTECT_SMOOTH = 0.6, 3


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A video: a file, a camera (/dev/video0, avfoundation:0, dshow:video=NAME), a "
        "URL, or - (standard input).",
    ),
]
OutputOption = Annotated[
    str,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="A video file, numbered pictures (frame-%05d.png), - (Matroska on standard "
        "output), camera[:DEVICE] (a virtual camera), or whip:URL (a meeting or another WHIP "
        "server, in real time).",
    ),
]
ModeOption = Annotated[
    Literal["remove", "blur", "replace"] | None,
    typer.Option(
        show_default="replace with --background, else blur",
        help="Remove the background (transparent, or green if OUT keeps no transparency), "
        "blur it, or replace it.",
    ),
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        metavar="IMAGE|VIDEO|COLOUR",
        show_default="none",
        help="What is shown behind the person. A video is repeated.",
    ),
]
BlurOption = Annotated[
    int | None,
    typer.Option(
        metavar="RADIUS",
        show_default="a twentieth of the height",
        help="Radius of the blur in pixels, 4 to 1000.",
    ),
]
ModelOption = Annotated[
    ProtectModel,
    typer.Option(
        help="Network that finds the person. auto: selfie-landscape for close-ups, else full. "
        "lite, full, heavy: one person; slower models make fewer errors. selfie, "
        "selfie-landscape: everyone close to the camera. agreeing: what both of these take for "
        "the person, which shows least of the room; best with --careful and --edge 0.4."
    ),
]
EdgeOption = Annotated[
    float,
    typer.Option(
        metavar="P",
        help="Probability at which the person ends, 0.05 to 0.95. A higher value shows less "
        "of the room.",
    ),
]
SmoothOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Frames over which the edge of the person expands. It contracts at once.",
    ),
]
EveryOption = Annotated[
    int,
    typer.Option(metavar="K", help="Run the network on every K-th frame; 1 is safest."),
]
CarefulOption = Annotated[
    bool,
    typer.Option(
        "--careful",
        help="Show less of the room at the cost of the person's edge: it is cut farther inside, "
        "without a soft blend, and where the mask moves the background wins.",
    ),
]
CodecOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="libx264; libvpx-vp9 for .webm",
        help="FFmpeg's name of the video encoder.",
    ),
]
CrfOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="the encoder's",
        help="Constant quality of the encoder, 0 (best) to 63.",
    ),
]
SoundOption = Annotated[
    bool, typer.Option("--sound/--no-sound", help="Copy the sound, or leave it out.")
]
TokenFileOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        show_default="UNVEIL_WHIP_TOKEN",
        help="File with the token for whip:URL.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="all cores",
        help="Threads for decoding, networks and blending.",
    ),
]


def protect(
    context: typer.Context,
    source: SourceArgument,
    output: OutputOption,
    mode: ModeOption = None,
    background: BackgroundOption = None,
    blur: BlurOption = None,
    model: ModelOption = "auto",
    edge: EdgeOption = PROTECT_EDGE,
    smooth: SmoothOption = PROTECT_SMOOTH,
    every: EveryOption = 1,
    careful: CarefulOption = False,
    codec: CodecOption = None,
    crf: CrfOption = None,
    sound: SoundOption = True,
    threads: ThreadsOption = None,
    start_seconds: Start = None,
    end_seconds: End = None,
    stream: Stream = None,
    token_file: TokenFileOption = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove, blur or replace the background of a video or a camera.

    A frame in which no person is found, or for which a step fails, shows the background alone.
    The report is written next to OUT, as NAME.report.json.
    """
    with reporting(context, quiet=quiet, as_json=as_json) as report:
        from unveil.protection import protect

        hide_encoder_log()
        named = described(source)
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
            careful=careful,
            codec=codec,
            crf=crf,
            sound=sound,
            threads=threads,
            start_seconds=seconds("start_seconds", start_seconds),
            end_seconds=seconds("end_seconds", end_seconds),
            stream=stream,
            token_file=token_file,
            force=force,
            progress=partial(report.progress_to_ctrl_c, named, "completes the output"),
            stop=report.stop,
        )
        if done.unfinished is not None:
            raise Interrupted(done.unfinished)
        report.notes(named, *done.notes)
        report.result(done.summary, as_dict=done.report, err=output == "-")
