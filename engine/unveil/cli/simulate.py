"""The command `unveil simulate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from unveil.cli.options import Force, Model, Quiet, Threads
from unveil.cli.reporting import reporting
from unveil.redaction import file_name

if TYPE_CHECKING:
    from unveil.simulation.subject import Motion


PersonArgument = Annotated[
    str,
    typer.Argument(
        metavar="PERSON",
        help="Footage of a person, or a still. A still with transparency is used as it is.",
    ),
]
OutOption = Annotated[
    Path, typer.Option("-o", "--out", metavar="OUT", help="Folder for call.mp4 and truth.npz.")
]
RoomOption = Annotated[
    str,
    typer.Option(metavar="IMAGE", help="The room: a photo, or furnished, text or landscape."),
]
BackgroundOption = Annotated[
    str,
    typer.Option(
        metavar="IMAGE|VIDEO|blur",
        help="The virtual background: an image, a video (looped), furnished, text or landscape, "
        "or blur[:SIGMA][:halo], the room itself blurred.",
    ),
]
HeightOption = Annotated[int, typer.Option(metavar="N", help="Height of the call in pixels.")]
WidthOption = Annotated[int, typer.Option(metavar="N", help="Width of the call in pixels.")]
NFramesOption = Annotated[
    int | None,
    typer.Option(
        "--frames",
        metavar="N",
        show_default="all, 300 of a still",
        help="Maximum length of the call in frames.",
    ),
]
FrameRateOption = Annotated[
    float | None,
    typer.Option(metavar="N", show_default="the footage's, or 30", help="Frames per second."),
]
ScaleOption = Annotated[
    float,
    typer.Option(metavar="X", help="Height of the person's picture divided by that of the call."),
]
MotionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--motion",
        metavar="sway|lean|zoom|leave",
        show_default="sway for a still",
        help="Motion of the person in addition to that of the footage; repeatable.",
    ),
]
MatteOption = Annotated[
    Model,
    typer.Option(help="Model that cuts the person out; its mask defines the true person."),
]
SegmenterOption = Annotated[
    Model, typer.Option(help="Model with which the service decides what is replaced.")
]
SmoothingOption = Annotated[
    float,
    typer.Option(metavar="X", help="Weight of the last mask in the next one, 0 to below 1."),
]
LagOption = Annotated[int, typer.Option(metavar="N", help="Delay of the mask in frames, 0 to 60.")]
BlurOption = Annotated[
    Literal["none", "gaussian", "bilateral"], typer.Option(help="Blur of the mask.")
]
PanOption = Annotated[
    int,
    typer.Option(metavar="N", help="Columns by which the background moves to the left per frame."),
]
LoopFramesOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", show_default="all", help="Frames of a background video to loop over."
    ),
]
PixelsOfNoiseOption = Annotated[
    float,
    typer.Option(
        metavar="X", help="Share of the background's pixels with a random colour, 0 to 1."
    ),
]
FramesOfNoiseOption = Annotated[
    int,
    typer.Option(metavar="N", help="Frames of random colours in the second half of the call."),
]
CameraNoiseOption = Annotated[
    float,
    typer.Option(metavar="X", help="Standard deviation of the camera's noise in levels, 0 to 30."),
]
BitRateOption = Annotated[int, typer.Option(metavar="N", help="Mean bits per second.")]
CameraOnlyOption = Annotated[
    bool,
    typer.Option(
        "--camera-only",
        help="Also write camera.mp4, what the camera saw, and matte.mkv, where the person is in "
        "it, on which protect can be judged.",
    ),
]
SeedOption = Annotated[int, typer.Option(metavar="N", help="Seed of all random numbers.")]


def simulate(
    context: typer.Context,
    person: PersonArgument,
    out: OutOption,
    room: RoomOption = "furnished",
    background: BackgroundOption = "landscape",
    height: HeightOption = 720,
    width: WidthOption = 1280,
    n_frames: NFramesOption = None,
    frame_rate: FrameRateOption = None,
    scale: ScaleOption = 1.0,
    motions: MotionsOption = None,
    matte: MatteOption = "heavy",
    segmenter: SegmenterOption = "selfie",
    smoothing: SmoothingOption = 0.0,
    lag: LagOption = 0,
    blur: BlurOption = "none",
    pan: PanOption = 0,
    loop_frames: LoopFramesOption = None,
    pixels_of_noise: PixelsOfNoiseOption = 0.0,
    frames_of_noise: FramesOfNoiseOption = 0,
    camera_noise: CameraNoiseOption = 1.5,
    bit_rate: BitRateOption = 2_000_000,
    camera_only: CameraOnlyOption = False,
    seed: SeedOption = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Simulate a call service's background replacement, with the exact truth.

    The person is composited on the room, a segmenter finds the person in that picture, and its
    mask decides which pixels the background replaces. OUT/truth.npz holds what leaked, for
    unveil score.
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
            camera_only=camera_only,
            seed=seed,
            threads=threads,
            force=force,
            progress=partial(report.progress, file_name(person)),
            stop=report.stop,
        )
        report.result(
            f"{made.call}: {made.n_frames} frames",
            f"{made.truth}: {made.strong_share:.2%} of the pixels leak strongly",
            *(f"{path}: as the camera saw it" for path in (made.camera,) if path is not None),
        )
