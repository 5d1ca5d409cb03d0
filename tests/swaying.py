"""A video of the astronaut, whom the networks find, before any background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from tests import DATA

U8 = npt.NDArray[np.uint8]

ASTRONAUT = DATA / "astronaut.png"
HEIGHT, WIDTH = 144, 192


def write_footage(path: Path, behind: Callable[[int], U8], *, n_frames: int) -> Path:
    """Write a video of the astronaut, who sways before a picture for each frame's number."""
    with Image.open(ASTRONAUT) as image:
        person = np.asarray(image.resize((HEIGHT, HEIGHT)))
    opacity = person[..., 3:] / 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(n_frames):
            picture = behind(number).copy()
            left = 20 + round(8 * np.sin(number / 4))
            here = picture[:, left : left + HEIGHT]
            here[...] = np.rint(opacity * person[..., :3] + (1 - opacity) * here)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path
