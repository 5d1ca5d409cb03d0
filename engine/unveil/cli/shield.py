"""The command `unveil shield`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from unveil.cli.options import Force, Json, Quiet
from unveil.cli.reporting import Report, reporting
from unveil.errors import InvalidParameter
from unveil.redaction import described

if TYPE_CHECKING:
    from unveil.evaluation import BackgroundEvaluation

BackgroundArgument = Annotated[
    str,
    typer.Argument(
        metavar="BACKGROUND",
        help="A picture, a built-in background (wall, dusk, shelves, slate), or a colour; with "
        "--evaluate also a video.",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        show_default="needed without --evaluate",
        help="The video to write, NAME.mp4 or NAME.mov.",
    ),
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
EvaluateOption = Annotated[
    bool,
    typer.Option(
        "--evaluate",
        help="Simulate a call before the background and before the plain picture, attack both, and "
        "print what is recovered. A video is evaluated as it is.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(metavar="N", show_default="all cores", help="Threads of the evaluation."),
]

_OF_ANY_VIDEO = {"background", "evaluate", "threads", "quiet", "as_json"}
"""Parameters that do not tell how a video is made."""


def shield(
    context: typer.Context,
    background: BackgroundArgument,
    output: OutputOption = None,
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
    evaluate: EvaluateOption = False,
    threads: ThreadsOption = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a virtual background that resists recovery: a video for meeting software.

    Choose OUT as the background of the meeting instead of BACKGROUND. It is repeated, without a
    jump unless --accumulate is given.
    """
    with reporting(context, quiet=quiet, as_json=as_json) as report:
        if output is None and not evaluate:
            raise InvalidParameter("output: name the video to write, such as OUT.mp4")
        if threads is not None and not evaluate:
            raise InvalidParameter("threads: are those of the evaluation; add --evaluate")
        if evaluate and _is_video(background):
            _refuse_options_of_making(context)
            evaluated = _evaluated(Path(background), None, threads, report, background)
            report.result(as_dict={"evaluation": evaluated.as_dict()})
            report.evaluation(evaluated)
            return
        from unveil.shielding import shield

        with TemporaryDirectory(prefix="unveil-") as folder:
            made = shield(
                background,
                output or Path(folder) / "background.mp4",
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
            line = (
                f"{made.output if output else described(background)}: {made.n_frames} frames of "
                f"{made.width}x{made.height}, {made.bit_rate / 1e6:.1f} Mbit/s"
            )
            if not evaluate:
                report.result(line, as_dict=made.as_dict())
                return
            evaluated = _evaluated(made.output, background, threads, report, background)
        fields = made.as_dict() | ({} if output else {"output": None})
        report.result(line, as_dict=fields | {"evaluation": evaluated.as_dict()})
        report.evaluation(evaluated)


def _evaluated(
    video: Path, plain: str | None, threads: int | None, report: Report, title: str
) -> BackgroundEvaluation:
    from unveil.evaluation import evaluate_background

    return evaluate_background(
        video,
        plain,
        threads=threads,
        progress=partial(report.progress, described(title)),
        stop=report.stop,
    )


def _is_video(background: str) -> bool:
    """Whether it is a file that is no picture; a missing one is refused as a picture is."""
    from unveil.files import is_still

    return Path(background).is_file() and not is_still(background)


def _refuse_options_of_making(context: typer.Context) -> None:
    """Refuse options that tell how a video is made, and where it is written."""
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        is_given = source is not None and source.name == "COMMANDLINE"
        if is_given and name not in _OF_ANY_VIDEO:
            raise InvalidParameter(f"{name}: a video is evaluated as it is; leave the option out")
