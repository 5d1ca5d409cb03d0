"""How much of the person `protect` cuts off, and how much of the room it shows.

The truth is a chroma key on real footage: a man close to the camera before a blue wall. Each
pixel's share of the person is its place on the line from the wall's colour nearby to the person's
colour nearby; the person is where that is over a half. Each network's raw probability is cut at
0.5 and at `protect`'s default edge, and the opacity that `Protector` really shows, with all its
defaults, at a half. Writes `bench/results/matte.json`; `--picture PATH` draws what is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import av
import cv2
import numpy as np
import numpy.typing as npt

from bench import footage, report
from bench.machine import describe
from unveil.files import write_png
from unveil.person import MODELS, ModelName, Segmenter
from unveil.protection import Protector
from unveil.protection.frames import empty_frame
from unveil.protection.parameters import DEFAULT_EDGE, ProtectModel
from unveil.video.chunk import Layout, Planes
from unveil.video.container import open_container
from unveil.video.pixel_format import PlaneReader
from unveil.video.source import source_of

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Where = npt.NDArray[np.bool_]

SURELY_BLUE: Final = 60
"""Levels by which blue exceeds red and green on the wall."""

WALL, PERSON = 0.3, 0.5
"""Distances of a pixel's chroma from the wall's, in those of grey, that are surely the wall and
about the person."""

REACH: Final = 4
"""Pixels from the edge within which colours are unmixed: chroma is half as fine as luma."""

SIGMA: Final = 5.0
"""Pixels over which colours nearby are averaged."""

TINT: Final = np.array([255, 0, 255])


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=("auto", *MODELS), choices=("auto", *MODELS))
    parser.add_argument("--first", type=int, default=0, help="number of the first frame")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", type=Path, help="draw frames, their truth and what is shown")
    options = parser.parse_args()
    clip = footage.blue_screen()
    frames, pictures, layout = decoded(clip, options.first, options.frames)
    truth = [person_of(picture) for picture in pictures]
    rows: list[dict[str, Any]] = []
    drawn = [[tinted(picture, where) for picture, where in zip(pictures, truth, strict=True)]]
    for model in options.models:
        shown, used = shown_of(model, frames, layout, options.threads)
        row = {"model": model, "shown": measured([s > 127 for s in shown], truth), "used": used}
        if model in get_args(ModelName):
            raw = raw_of(model, frames, layout, options.threads)
            row |= {
                name: measured([probability > cut for probability in raw], truth)
                for name, cut in (("raw_at_half", 0.5), ("raw_at_edge", DEFAULT_EDGE))
            }
        rows.append(row)
        drawn.append([tinted(p, s > 127) for p, s in zip(pictures, shown, strict=True)])
    if options.picture:
        chosen = np.linspace(0, len(pictures) - 1, 4).astype(int)
        write_png(
            options.picture, np.vstack([np.hstack([column[n] for column in drawn]) for n in chosen])
        )
    report.save(
        "matte",
        {
            "machine": describe(),
            "clip": clip.name,
            "first": options.first,
            "frames": len(frames),
            "edge": DEFAULT_EDGE,
            "rows": rows,
        },
    )


def decoded(clip: Path, first: int, n_frames: int) -> tuple[list[Planes], list[U8], Layout]:
    """Decode frames of a clip: their planes, the same as RGB, and their layout."""
    container, stream = open_container(source_of(clip), threads=None)
    reader = PlaneReader()
    frames: list[Planes] = []
    pictures: list[U8] = []
    with container:
        for number, frame in enumerate(container.decode(stream)):
            if number < first:
                continue
            if len(frames) == n_frames:
                break
            assert isinstance(frame, av.VideoFrame)
            layout = reader.layout_of(frame)
            luma, cb, cr = layout.empty(1)
            reader.copy_into(frame, (luma, cb, cr), 0)
            frames.append((luma[0], cb[0], cr[0]))
            pictures.append(frame.to_ndarray(format="rgb24"))
    return frames, pictures, layout


# The truth --------------------------------------------------------------------------------------


def person_of(picture: U8) -> Where:
    """Key a picture: where more than half of a pixel is the person's, (h, w).

    What is not joined to the largest piece, a camera at the picture's side, is the room.
    """
    distance = wall_distance(picture)
    about = largest_piece(distance > PERSON)
    square = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    surely_person = cv2.erode(about.astype(np.uint8), square) > 0
    surely_wall = cv2.dilate((distance > WALL).astype(np.uint8), square) == 0
    person, wall = nearby(picture, surely_person), nearby(picture, surely_wall)
    line = person - wall
    share = ((picture - wall) * line).sum(-1) / np.maximum((line * line).sum(-1), 1.0)
    near = cv2.dilate(about.astype(np.uint8), square) > 0
    return largest_piece(surely_person | ((share > 0.5) & near))


def wall_distance(picture: U8) -> F32:
    """Measure how far each pixel's chroma is from the wall's: 0 on it, 1 where it is grey."""
    ycrcb = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    chroma = ycrcb[..., 1:] - 128
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    wall = np.median(chroma[blue - np.maximum(red, green) > SURELY_BLUE], axis=0)
    distance: F32 = np.linalg.norm(chroma - wall, axis=-1) / np.linalg.norm(wall)
    return distance


def nearby(picture: U8, where: Where) -> F32:
    """Average the colours of some pixels around every pixel: (h, w, 3)."""
    weight = where.astype(np.float32)
    colours = cv2.GaussianBlur(picture * weight[..., None], (0, 0), SIGMA)
    return colours / np.maximum(cv2.GaussianBlur(weight, (0, 0), SIGMA), 1e-4)[..., None]


def largest_piece(where: Where) -> Where:
    """Keep the largest joined piece, and fill the holes that do not reach the sides or the top."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8))
    piece = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    # A hole is outside the person and not joined to the row of room above the picture.
    outside = np.vstack([np.zeros((1, piece.shape[1]), bool), piece]) == 0
    _, labels = cv2.connectedComponents(outside.astype(np.uint8), connectivity=4)
    reached = labels == labels[0, 0]
    return ~reached[1:]


# What is shown ----------------------------------------------------------------------------------


def raw_of(model: ModelName, frames: Sequence[Planes], layout: Layout, threads: int) -> list[F32]:
    """Give a network's probabilities, (h, w) each."""
    segmenter = Segmenter(model, threads=threads)
    return [
        segmenter.mask_planes(planes, layout).at(layout.height, layout.width) for planes in frames
    ]


def shown_of(
    model: ProtectModel, frames: Sequence[Planes], layout: Layout, threads: int
) -> tuple[list[U8], dict[str, int]]:
    """Give the opacity that `protect` shows, (h, w) each, and which networks it used."""
    shown = []
    with Protector("remove", transparent=True, model=model, threads=threads) as protector:
        for planes in frames:
            _, target = empty_frame(layout, alpha=True)
            protector.compose(planes, layout, protector.detect_person(planes, layout), target, 0.0)
            shown.append(target[3][:, : layout.width].copy())
        return shown, dict(protector.tally.models)


def measured(marked: Sequence[Where], truth: Sequence[Where]) -> dict[str, float]:
    """Compare what is marked with the truth, as means over the frames.

    Returns
    -------
    `iou`, and `cut`, the share of the person that is not marked, and `room`, that of the room
    that is.
    """
    each = [
        (
            (marks & person).sum() / (marks | person).sum(),
            (person & ~marks).sum() / person.sum(),
            (marks & ~person).sum() / (~person).sum(),
        )
        for marks, person in zip(marked, truth, strict=True)
    ]
    means = np.mean(each, axis=0)
    return dict(zip(("iou", "cut", "room"), map(float, means), strict=True))


def tinted(picture: U8, where: Where) -> U8:
    """Show what is marked, before a colour."""
    return np.where(where[..., None], picture, TINT).astype(np.uint8)


if __name__ == "__main__":
    main()
