"""Resisting backgrounds against attacks: what each recovers, and what is seen of the change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from PIL import Image

from bench.countermeasures.attacks import OWN, VADER, all_attacked
from bench.countermeasures.calls import FOLDER, HEIGHT, WIDTH, Simulator
from unveil.evaluation.likeness import as_encoded, likeness
from unveil.scoring.truth import Truth
from unveil.shielding import shield
from unveil.video.rgb_reader import VideoPictures

SECONDS: Final = 10
"""Length of a background video: longer than the calls, so that it is not repeated in them."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A resisting background; without options it is the plain picture.

    `with_vader` is False where VADER, which is slow, is left out.
    """

    title: str
    options: dict[str, Any] = field(default_factory=dict)
    with_vader: bool = False

    @property
    def command(self) -> str:
        """The command that makes it."""
        words = [
            f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
            for name, value in self.options.items()
        ]
        return " ".join(["unveil shield BACKGROUND -o OUT.mp4", *words])


PLAIN: Final = Measure("the plain picture", with_vader=True)

MEASURES: Final = (
    PLAIN,
    Measure("zoomg's noise in pixels", {"kind": "pixels", "noise_size": 1}),
    Measure("zoomg's noise, accumulating", {"kind": "pixels", "accumulate": True, "noise_size": 1}),
    Measure("a frame of noise in two seconds", {"kind": "frames", "noise_every": 2}),
    Measure("drift", {"kind": "drift"}),
    Measure("three times the drift", {"kind": "drift", "strength": 3}),
    Measure("half the texture", {"kind": "texture", "strength": 0.5}),
    Measure("texture", {"kind": "texture"}, True),
    Measure("decoys in 2 % of the picture", {"kind": "decoys"}),
    Measure("decoys in 5 % of the picture", {"kind": "decoys", "strength": 2.5}, True),
    Measure("decoys in 8 % of the picture", {"kind": "decoys", "strength": 4}),
    Measure("texture, and decoys in 2 %", {"kind": "texture+decoys"}),
)


def measured(
    simulator: Simulator, measures: list[Measure], threads: int
) -> Iterator[dict[str, Any]]:
    """Simulate a call with each background and attack it; yield a row for each."""
    picture = simulator.call.picture()
    folder = FOLDER / simulator.name
    folder.mkdir(parents=True, exist_ok=True)
    plain = folder / "plain.png"
    Image.fromarray(picture).save(plain)
    for measure in measures:
        name = "".join(sign if sign.isalnum() else "-" for sign in measure.title)
        video = folder / f"{name}.mp4"
        shown: Path = plain
        seen = {"ssim": 1.0, "psnr": None, "flicker": 0.0, "bit_rate": None}
        if measure.options:
            made = shield(
                picture,
                video,
                seconds=SECONDS,
                height=HEIGHT,
                width=WIDTH,
                force=True,
                **measure.options,
            )
            shown = video
            alike = likeness(VideoPictures(video), as_encoded(picture, folder))
            seen = {**asdict(alike), "bit_rate": made.bit_rate}
        simulated = simulator.simulated(shown, name)
        attacks = [*OWN, VADER] if measure.with_vader else [*OWN]
        outcomes = all_attacked(
            attacks, simulated.call, Truth.read(simulated.truth), picture, threads
        )
        yield {
            "call": simulator.name,
            "frames": simulated.n_frames,
            "measure": measure.title,
            "command": measure.command if measure.options else None,
            **seen,
            "strong_share": simulated.strong_share,
            "attacks": {attack: asdict(outcome) for attack, outcome in outcomes.items()},
        }
