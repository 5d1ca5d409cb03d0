"""Share of the person that `protect` cuts off, and share of the room that it shows.

The truth is a chroma key on real footage: a man close to the camera in front of a blue wall. The
alpha of a pixel is its position on the line from the nearby colour of the wall to the nearby
colour of the person; the person is where alpha is above 0.5. Three masks are compared with it: the
network's probability thresholded at 0.5 and at the default edge of `protect`, and the opacity of
`Protector` with its defaults, thresholded at 0.5. Writes `bench/results/matte.json`;
`--picture PATH` draws the masks.
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

MIN_BLUE: Final = 60
"""Smallest difference in levels of blue from red and green on the wall."""

WALL, PERSON = 0.3, 0.5
"""Chroma distances from the wall, relative to that of grey: below the first, a pixel is certainly
the wall; above the second, it is approximately the person."""

EDGE_PIXELS: Final = 4
"""Distance in pixels from the edge within which colours are unmixed: chroma has half the resolution
of luma."""

SIGMA: Final = 5.0
"""Standard deviation in pixels of the Gaussian that averages nearby colours."""

TINT: Final = np.array([255, 0, 255])


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=("auto", *MODELS), choices=("auto", *MODELS))
    parser.add_argument("--first", type=int, default=0, help="number of the first frame")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", type=Path, help="draw frames, their truth and the masks")
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
    """Decode frames of a clip: their planes, the same frames as RGB, and their layout."""
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
    """Compute the chroma key of a picture: (h, w) bool, where the person's alpha is above 0.5.

    Regions that are not connected to the largest one, such as a camera at the side, are the room.
    """
    distance = wall_distance(picture)
    approximate = largest_region(distance > PERSON)
    square = np.ones((2 * EDGE_PIXELS + 1, 2 * EDGE_PIXELS + 1), np.uint8)
    certain_person = cv2.erode(approximate.astype(np.uint8), square) > 0
    certain_wall = cv2.dilate((distance > WALL).astype(np.uint8), square) == 0
    person, wall = nearby(picture, certain_person), nearby(picture, certain_wall)
    line = person - wall
    alpha = ((picture - wall) * line).sum(-1) / np.maximum((line * line).sum(-1), 1.0)
    near = cv2.dilate(approximate.astype(np.uint8), square) > 0
    return largest_region(certain_person | ((alpha > 0.5) & near))


def wall_distance(picture: U8) -> F32:
    """Measure each pixel's chroma distance from the wall, (h, w): 0 for the wall, 1 for grey."""
    ycrcb = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    chroma = ycrcb[..., 1:] - 128
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    wall = np.median(chroma[blue - np.maximum(red, green) > MIN_BLUE], axis=0)
    distance: F32 = np.linalg.norm(chroma - wall, axis=-1) / np.linalg.norm(wall)
    return distance


def nearby(picture: U8, where: Where) -> F32:
    """Average the colours of the marked pixels around every pixel: (h, w, 3)."""
    weight = where.astype(np.float32)
    colours = cv2.GaussianBlur(picture * weight[..., None], (0, 0), SIGMA)
    return colours / np.maximum(cv2.GaussianBlur(weight, (0, 0), SIGMA), 1e-4)[..., None]


def largest_region(where: Where) -> Where:
    """Keep the largest connected region, and fill its holes."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8))
    region = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    # A hole is not connected to an added row of room above the picture.
    outside = np.vstack([np.zeros((1, region.shape[1]), bool), region]) == 0
    _, labels = cv2.connectedComponents(outside.astype(np.uint8), connectivity=4)
    is_room = labels == labels[0, 0]
    return ~is_room[1:]


# The masks --------------------------------------------------------------------------------------


def raw_of(model: ModelName, frames: Sequence[Planes], layout: Layout, threads: int) -> list[F32]:
    """Return a network's probabilities, (h, w) each."""
    segmenter = Segmenter(model, threads=threads)
    return [
        segmenter.mask_planes(planes, layout).at(layout.height, layout.width) for planes in frames
    ]


def shown_of(
    model: ProtectModel, frames: Sequence[Planes], layout: Layout, threads: int
) -> tuple[list[U8], dict[str, int]]:
    """Return the opacity of `protect`, (h, w) each, and the number of frames by network."""
    shown = []
    with Protector("remove", transparent=True, model=model, threads=threads) as protector:
        for planes in frames:
            _, target = empty_frame(layout, alpha=True)
            protector.compose(planes, layout, protector.detect_person(planes, layout), target, 0.0)
            shown.append(target[3][:, : layout.width].copy())
        return shown, dict(protector.tally.models)


def measured(marked: Sequence[Where], truth: Sequence[Where]) -> dict[str, float]:
    """Compare masks with the truth; return means over the frames.

    Returns
    -------
    `iou`; `cut`, the share of the person that is not marked; `room`, the share of the room that is
    marked.
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
    """Draw the marked pixels over a plain colour."""
    return np.where(where[..., None], picture, TINT).astype(np.uint8)


if __name__ == "__main__":
    main()
