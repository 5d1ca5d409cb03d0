"""The command `unveil protect`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import typer

from unveil.cli.options import End, Force, Json, Model, Quiet, Start, seconds
from unveil.cli.reporting import reporting
from unveil.errors import Interrupted

PROTECT_EDGE, PROTECT_SMOOTH = 0.6, 3


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
            start_seconds=seconds("start_seconds", start_seconds),
            end_seconds=seconds("end_seconds", end_seconds),
            force=force,
            progress=partial(report.progress_to_ctrl_c, source, "completes the output"),
            stop=report.stop,
        )
        if done.unfinished is not None:
            raise Interrupted(done.unfinished)
        report.notes(source, *done.notes)
        report.result(done.summary, as_dict=done.report, err=output == "-")
