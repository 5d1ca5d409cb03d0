"""What the browser's fake camera shows: the astronaut, who sways in a room of loud colours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.swaying import ASTRONAUT

U8 = npt.NDArray[np.uint8]

N_FRAMES = 24
BLOCK = 8
"""Side of the squares over which colours are averaged before they are compared."""

ROOM = np.array([(250, 40, 200), (40, 250, 60)], np.uint8)
"""Colours of the room, far from every background of the tests."""


@dataclass(frozen=True)
class Footage:
    """A Y4M file, and what its frames show.

    Attributes
    ----------
    pictures
        (n, h, w, 3) uint8 RGB, as a browser shows them.
    face
        (n, 2): row and column of the upper left block of the face.
    """

    path: Path
    pictures: U8
    face: npt.NDArray[np.int64]


def write_camera(path: Path, height: int, width: int) -> Footage:
    """Write a video that can be repeated without a jump, 5 frames a second."""
    with Image.open(ASTRONAUT) as image:
        person = np.asarray(image.resize((height, height)))
    opacity = person[..., 3:] / 255
    rows, columns = np.mgrid[0:height, 0:width] // 16
    room = ROOM[(rows + columns) % 2]
    pictures = np.empty((N_FRAMES, height, width, 3), np.uint8)
    face = np.empty((N_FRAMES, 2), np.int64)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F5:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(N_FRAMES):
            picture = room.copy()
            left = (width - height) // 2
            left += round(height / 40 * np.sin(2 * np.pi * number / N_FRAMES))
            here = picture[:, left : left + height]
            here[...] = np.rint(opacity * person[..., :3] + (1 - opacity) * here)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            coded = frame.reformat(
                format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG"
            )
            file.write(b"FRAME\n" + b"".join(map(_tight, coded.planes)))
            pictures[number] = _shown(coded)
            face[number] = round(0.17 * height), left + round(0.38 * height)
    return Footage(path, pictures, face)


def _tight(plane: av.VideoPlane) -> bytes:
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].tobytes()


def _shown(coded: av.VideoFrame) -> U8:
    rgb = coded.reformat(
        format="rgb24", src_colorspace="ITU601", src_color_range="MPEG", dst_color_range="JPEG"
    )
    return rgb.to_ndarray()


def block_means(picture: U8) -> npt.NDArray[np.float64]:
    """Average squares of `BLOCK` pixels: (h, w, 3) to (h // BLOCK, w // BLOCK, 3)."""
    height, width = (side // BLOCK for side in picture.shape[:2])
    part = picture[: height * BLOCK, : width * BLOCK]
    return part.reshape(height, BLOCK, width, BLOCK, 3).mean(axis=(1, 3))


def face_difference(shown: U8, footage: Footage) -> float:
    """Largest difference of the face's colours to those of the footage's nearest frame."""
    size = round(0.1 * shown.shape[0]) // BLOCK * BLOCK
    differences = []
    for picture, (row, column) in zip(footage.pictures, footage.face, strict=True):
        part = np.s_[row : row + size, column : column + size]
        differences.append(np.abs(block_means(shown[part]) - block_means(picture[part])).max())
    return float(min(differences))


def corners(shown: U8) -> U8:
    """Return the squares in the corners, which are far from the person: (4, BLOCK, BLOCK, 3)."""
    ends = np.s_[:BLOCK], np.s_[-BLOCK:]
    return np.stack([shown[rows, columns] for rows in ends for columns in ends])
