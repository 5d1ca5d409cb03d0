"""The command `unveil shield`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from unveil.cli.options import Force, Json, Quiet
from unveil.cli.reporting import reporting
from unveil.redaction import described

BackgroundArgument = Annotated[
    str,
    typer.Argument(
        metavar="BACKGROUND",
        help="A picture, a built-in background (wall, dusk, shelves, slate), or a colour.",
    ),
]
OutputOption = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="OUT", help="The video to write, NAME.mp4 or NAME.mov."),
]
KindOption = Annotated[
    str,
    typer.Option(
        metavar="KIND[+KIND]",
        help="How it resists. pixels: random places get random colours. frames: whole frames of "
        "random colours, now and then. drift: the picture moves and bends irregularly. texture: "
        "colours drift slowly and locally. decoys: patches of an invented room come and go. "
        "Several are joined by +.",
    ),
]
SecondsOption = Annotated[float, typer.Option(metavar="X", help="Length in seconds, 1 to 3600.")]
FpsOption = Annotated[float, typer.Option(metavar="X", help="Frames per second, 1 to 120.")]
StrengthOption = Annotated[
    float,
    typer.Option(metavar="X", help="Factor on the size of the changes, 0.1 to 10."),
]
SeedOption = Annotated[int, typer.Option(metavar="N", help="Seed of all random numbers.")]
HeightOption = Annotated[int, typer.Option(metavar="N", help="Height in pixels, even.")]
WidthOption = Annotated[int, typer.Option(metavar="N", help="Width in pixels, even.")]
NoiseShareOption = Annotated[
    float,
    typer.Option(metavar="X", help="pixels: share of the pixels that change in each frame."),
]
NoiseSizeOption = Annotated[
    int,
    typer.Option(
        metavar="N", help="pixels, frames: side of the squares of one colour, 1 to 64 pixels."
    ),
]
AccumulateOption = Annotated[
    bool, typer.Option("--accumulate", help="pixels: what changed stays changed.")
]
NoiseEveryOption = Annotated[
    float, typer.Option(metavar="X", help="frames: seconds per frame of noise, 2 to 3600.")
]


def shield(
    context: typer.Context,
    background: BackgroundArgument,
    output: OutputOption,
    kind: KindOption = "decoys",
    seconds: SecondsOption = 60.0,
    fps: FpsOption = 30.0,
    strength: StrengthOption = 1.0,
    seed: SeedOption = 0,
    height: HeightOption = 720,
    width: WidthOption = 1280,
    noise_share: NoiseShareOption = 0.0003,
    noise_size: NoiseSizeOption = 2,
    accumulate: AccumulateOption = False,
    noise_every: NoiseEveryOption = 10.0,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a virtual background that resists recovery: a video for meeting software.

    Choose OUT as the background of the meeting instead of BACKGROUND. It is repeated, without a
    jump unless --accumulate is given.
    """
    with reporting(context, quiet=quiet, as_json=as_json) as report:
        from unveil.shielding import shield

        made = shield(
            background,
            output,
            kind=kind,
            seconds=seconds,
            fps=fps,
            strength=strength,
            seed=seed,
            height=height,
            width=width,
            noise_share=noise_share,
            noise_size=noise_size,
            accumulate=accumulate,
            noise_every=noise_every,
            force=force,
            progress=partial(report.progress, described(background)),
            stop=report.stop,
        )
        report.result(
            f"{made.output}: {made.n_frames} frames of {made.width}x{made.height}, "
            f"{made.bit_rate / 1e6:.1f} Mbit/s",
            as_dict=made.as_dict(),
        )
