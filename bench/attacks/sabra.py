"""Background Buster: Sabra et al. (IEEE CNS 2022), as described in VADER's artifact.

A frame leaks at the pixels outside three masks:

- the virtual background: at most 20 levels from the given one in every channel (the paper says 0,
  which no compressed video meets);
- the blend around it: that mask dilated by a disc with a diameter of 19 pixels;
- the person, except where the pixel shows a colour that it shows in under 5 % of the frames: these
  count as leaks inside the person mask.

Leaks are painted from the frame with the largest leak to the smallest; see `Painting`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.attacks.frames import Image, Painting, with_person

_SAME_LEVELS = 20
_BLEND_PIXELS = 19
_RARE_SHARE = 0.05


def attack(call: Path, background: Image, *, threads: int | None = None) -> Image:
    """Recover the room of a call, given its background: (h, w, 4) uint8, alpha 0 or 255.

    It stores all frames on disk, because the rarity of a colour is known only at the end.
    """
    height, width = background.shape[:2]
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_BLEND_PIXELS, _BLEND_PIXELS))
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "frames"
        persons = []
        with stored.open("wb") as file:
            for frame, person in with_person(call, threads):
                file.write(_packed(frame).tobytes())
                persons.append(np.packbits(person))
        shape = (len(persons), height, width)
        colours = np.memmap(stored, np.uint32, "r+", shape=shape)
        painting = Painting(height, width)
        common = _common(colours)
        for colour, packed, usual in zip(colours, persons, common, strict=True):
            frame = _unpacked(colour)
            person = np.unpackbits(packed, count=height * width).reshape(height, width) > 0
            apart = np.abs(frame.astype(np.int16) - background).max(axis=2)
            same = (apart <= _SAME_LEVELS).astype(np.uint8)
            hidden = (cv2.dilate(same, disc) > 0) | (person & usual)
            painting.add(frame, ~hidden)
        del colours, common
    return painting.room


def _packed(frame: Image) -> NDArray[np.uint32]:
    red, green, blue = np.moveaxis(frame.astype(np.uint32), -1, 0)
    packed: NDArray[np.uint32] = red << 16 | green << 8 | blue
    return packed


def _unpacked(colour: NDArray[np.uint32]) -> Image:
    return np.stack([colour >> 16 & 255, colour >> 8 & 255, colour & 255], axis=2).astype(np.uint8)


def _common(colours: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mark where a frame's colour is one that its pixel shows in at least 5 % of the frames."""
    n_frames, height, _ = colours.shape
    common = np.empty(colours.shape, np.bool_)
    for row in range(height):
        samples = colours[:, row]
        order = np.argsort(samples, axis=0, kind="stable")
        ranked = np.take_along_axis(samples, order, axis=0)
        starts = np.ones(ranked.shape, np.bool_)
        starts[1:] = ranked[1:] != ranked[:-1]
        # Runs of one colour are numbered consecutively over all columns: one bincount counts all.
        number = np.cumsum(starts.T.ravel()).reshape(starts.T.shape).T - 1
        times = np.bincount(number.ravel())[number]
        np.put_along_axis(common[:, row], order, times >= _RARE_SHARE * n_frames, axis=0)
    return common
