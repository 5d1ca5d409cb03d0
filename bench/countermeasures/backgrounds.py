"""Resisting backgrounds against attacks: what each recovers, and what is seen of the change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.metrics import structural_similarity

from bench.countermeasures.attacks import OWN, VADER, all_attacked
from bench.countermeasures.calls import FOLDER, HEIGHT, WIDTH, Simulator
from unveil.scoring.truth import Truth
from unveil.shielding import shield
from unveil.shielding.writing import CRF
from unveil.video.rgb_reader import VideoPictures
from unveil.video.writer import VideoWriter

U8 = npt.NDArray[np.uint8]

SECONDS: Final = 10
"""Length of a background video: longer than the calls, so that it is not repeated in them."""

SAMPLES_EVERY: Final = 10
"""SSIM is measured in every N-th frame."""


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
            seen = {**likeness(video, encoded(picture, folder)), "bit_rate": made.bit_rate}
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


def encoded(picture: U8, folder: Path) -> U8:
    """Return a picture as it looks in a video of the same encoder and quality.

    The difference that remains is that of the countermeasure, not of the encoder.
    """
    video = folder / "plain.mp4"
    with VideoWriter(video, height=HEIGHT, width=WIDTH, frame_rate=30, crf=CRF) as writer:
        for _ in range(SAMPLES_EVERY):
            writer.write(picture)
    *_, last = VideoPictures(video)
    return last


def likeness(video: Path, picture: U8) -> dict[str, float]:
    """Compare the frames of a background video with the plain picture, and with each other.

    Returns
    -------
    `ssim`: mean structural similarity of the RGB channels. `psnr`: of all frames together, in dB.
    `flicker`: mean change of a luma sample from one frame to the next, in levels.
    """
    similar, squares, changes = [], [], []
    before: npt.NDArray[np.float64] | None = None
    for number, frame in enumerate(VideoPictures(video)):
        squares.append(float(np.mean((frame.astype(float) - picture) ** 2)))
        luma = frame @ np.array([0.299, 0.587, 0.114])
        if before is not None:
            changes.append(float(np.abs(luma - before).mean()))
        before = luma
        if number % SAMPLES_EVERY == 0:
            similar.append(float(structural_similarity(frame, picture, channel_axis=2)))
    return {
        "ssim": float(np.mean(similar)),
        "psnr": 10 * math.log10(255**2 / float(np.mean(squares))),
        "flicker": float(np.mean(changes)),
    }
