"""The command `unveil simulate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from unveil.cli.options import Force, Model, Quiet, Threads
from unveil.cli.reporting import reporting

if TYPE_CHECKING:
    from unveil.simulation.subject import Motion


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
            stop=report.stop,
        )
        report.result(
            f"{made.call}: {made.n_frames} frames",
            f"{made.truth}: {made.strong_share:.2%} of the pixels leak strongly",
        )
