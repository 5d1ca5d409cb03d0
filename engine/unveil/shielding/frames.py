"""The frames of a resisting background: a picture to which the chosen kinds are applied in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from PIL import Image

from unveil.arrays import U8
from unveil.shielding.decoys import Decoys
from unveil.shielding.drift import Drift
from unveil.shielding.noise import NoiseFrames, PixelNoise
from unveil.shielding.parameters import KINDS, ShieldParameters
from unveil.shielding.texture import Texture
from unveil.video.geometry import Shape, cover

Step: TypeAlias = Callable[[U8, int], U8]
"""Changes a picture, (h, w, 3) uint8, given the number of its frame."""


def shielded_frames(picture: U8, parameters: ShieldParameters) -> Iterator[U8]:
    """Yield the frames of one round of the video, (height, width, 3) uint8.

    They depend on the arguments alone. Memory does not grow with their number.

    Parameters
    ----------
    picture
        RGB, (h, w, 3) uint8 of any size; it is scaled to cover the frame, and its middle is shown.
    """
    shape = Shape(parameters.height, parameters.width)
    still = cover(picture, shape, Image.Resampling.LANCZOS)
    drift = _drift(still, parameters) if "drift" in parameters.kinds else None
    steps = _steps(still, parameters)
    for number in range(parameters.n_frames):
        frame = still if drift is None else drift.picture(number)
        for step in steps:
            frame = step(frame, number)
        yield frame


def _drift(picture: U8, parameters: ShieldParameters) -> Drift:
    return Drift(
        picture,
        strength=parameters.strength,
        n_frames=parameters.n_frames,
        seconds=parameters.seconds,
        rng=np.random.default_rng(_seed(parameters, "drift")),
    )


def _steps(still: U8, parameters: ShieldParameters) -> list[Step]:
    """Make the steps after the drift, in their order."""
    height, width = parameters.height, parameters.width
    strength, n_frames = parameters.strength, parameters.n_frames
    steps: list[Step] = []
    if "texture" in parameters.kinds:
        texture = Texture(
            height,
            width,
            strength=strength,
            n_frames=n_frames,
            seconds=parameters.seconds,
            rng=np.random.default_rng(_seed(parameters, "texture")),
        )
        steps.append(texture.applied)
    if "decoys" in parameters.kinds:
        decoys = Decoys(
            still,
            strength=strength,
            n_frames=n_frames,
            rng=np.random.default_rng(_seed(parameters, "decoys")),
        )
        steps.append(decoys.applied)
    if "pixels" in parameters.kinds:
        pixels = PixelNoise(
            height,
            width,
            share=min(1.0, parameters.noise_share * strength),
            side=parameters.noise_size,
            accumulate=parameters.accumulate,
            seed=_seed(parameters, "pixels"),
        )
        steps.append(pixels.applied)
    if "frames" in parameters.kinds:
        seconds = max(2.0, parameters.noise_every / strength)  # half of it may lie between two
        frames = NoiseFrames(
            height,
            width,
            every=max(1, round(seconds * parameters.fps)),
            side=parameters.noise_size,
            n_frames=n_frames,
            seed=_seed(parameters, "frames"),
        )
        steps.append(frames.applied)
    return steps


def _seed(parameters: ShieldParameters, kind: str) -> tuple[int, ...]:
    """Return a seed of its own for a kind: a kind looks the same alone and among others."""
    return parameters.seed, KINDS.index(kind)
