"""Galleries of simulated calls with their truth: the tiles that are found, and F in each of them.

`python -m bench.galleries` makes the calls and puts them into one picture: two by two without gaps,
three by three with gaps, a speaker with a strip who changes twice, and a caller in a corner of a
shared screen that changes or scrolls (`bench.shared_screens`). It compares the tiles that
`unveil.find_tiles` finds with the true ones, and scores the recovery of each tile and of the same
call alone, which is encoded at the tile's size from the same frames. It prints one JSON object a
tile; nothing is stored. `--small` makes galleries of a quarter of the size and length.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.calls import WORK
from bench.material import photo
from bench.shared_screens import SCREENS, Screen
from bench.simulated import RECIPES, Recipe
from unveil import Recovery, Truth, recover
from unveil.recovery.tiles import TileRecoveries, recover_tiles
from unveil.scoring.leak import measure_recovery

U8 = npt.NDArray[np.uint8]

FOLDER = WORK / "galleries"
FRAME_RATE = 25
CRF = 16
GAP_COLOUR = (28, 28, 30)

STILL = ("garage", "study", "cafe", "orbit", "launch")
"""Recipes whose background is still."""

BACKGROUNDS = (
    "rocket.jpg",
    "chelsea.png",
    None,
    "hubble_deep_field.jpg",
    "motorcycle_right.png",
    "ihc.png",
)
"""Photos of scikit-image; None is the drawn landscape. Tiles side by side show different ones."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call is shown: its number, frames [first, end), and W, H, X, Y in the picture."""

    call: int
    first: int
    end: int
    rectangle: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Size of the picture, size of the calls, where each of them is shown when, and on what."""

    size: tuple[int, int]
    call_size: tuple[int, int]
    n_frames: int
    places: tuple[Place, ...]
    screen: Screen | None = None


def grid(rows: int, columns: int, call: tuple[int, int], gap: int, n_frames: int) -> Gallery:
    """Arrange calls of (width, height) in rows and columns, `gap` pixels apart."""
    width, height = call
    places = tuple(
        Place(
            row * columns + column,
            0,
            n_frames,
            (width, height, gap + column * (width + gap), gap + row * (height + gap)),
        )
        for row in range(rows)
        for column in range(columns)
    )
    size = gap + columns * (width + gap), gap + rows * (height + gap)
    return Gallery(size, call, n_frames, places)


def speaker(call: tuple[int, int], n_frames: int) -> Gallery:
    """Arrange a speaker left of a strip of three, in half the size; the speaker changes twice."""
    width, height = call
    third = n_frames // 3
    places = []
    for part, shown in enumerate((0, 1, 0)):
        first, end = part * third, (part + 1) * third if part < 2 else n_frames
        places.append(Place(shown, first, end, (width, height, 0, height // 4)))
        others = [number for number in range(4) if number != shown]
        for row, number in enumerate(others):
            strip = (width // 2, height // 2, width, row * height // 2)
            places.append(Place(number, first, end, strip))
    return Gallery((width + width // 2, 3 * height // 2), call, n_frames, tuple(places))


def over_screen(call: tuple[int, int], n_frames: int, screen: str, number: int) -> Gallery:
    """Arrange a call in the lower right corner of a shared screen of four times its size."""
    (width, height), beside = call, call[1] // 10
    size = 4 * width, 4 * height
    at = size[0] - width - beside, size[1] - height - beside
    place = Place(number, 0, n_frames, (width, height, *at))
    return Gallery(size, call, n_frames, (place,), SCREENS[screen])


def galleries(*, small: bool) -> Mapping[str, Gallery]:
    """Return the galleries by their names."""
    n_frames = 75 if small else 300
    four, nine = ((160, 90), (104, 60)) if small else ((640, 360), (424, 236))
    return {
        "2x2": grid(2, 2, four, 0, n_frames),
        "3x3": grid(3, 3, nine, 4, n_frames),
        "speaker": speaker((320, 180) if small else (640, 360), n_frames),
        **{
            f"over-{screen}": over_screen(
                (160, 90) if small else (320, 180), n_frames, screen, number
            )
            for number, screen in enumerate(SCREENS)
        },
    }


def recipe_of(number: int) -> Recipe:
    """Return the recipe of a gallery's call; from the sixth on with another room and seed."""
    name = BACKGROUNDS[number % len(BACKGROUNDS)]
    recipe = RECIPES[STILL[number % len(STILL)]]
    options = {**recipe.options, "seed": 20 + number}
    room = recipe.room if number < len(STILL) else RECIPES[STILL[(number + 2) % len(STILL)]].room
    return replace(
        recipe,
        room=room,
        background=(lambda: "landscape") if name is None else (lambda: photo(name)),
        options=options,
    )


def made_call(number: int, size: tuple[int, int], n_frames: int) -> Path:
    """Return the folder of a call of (width, height); simulate it if it is missing."""
    width, height = size
    folder = FOLDER / f"call-{number}-{width}x{height}-{n_frames}"
    if not (folder / "truth.npz").exists():
        from unveil.simulation.simulate import simulate_call

        recipe = recipe_of(number)
        options: dict[str, Any] = dict(recipe.options)
        options |= {"n_frames": n_frames, "height": height, "width": width}
        options |= {"bit_rate": max(300_000, 4 * width * height), "frame_rate": FRAME_RATE}
        simulate_call(
            folder, recipe.person(), recipe.room(), recipe.background(), **options, force=True
        )
    return folder


def frames_of(folder: Path) -> Iterator[U8]:
    """Yield the frames of a call."""
    from unveil.video.rgb_reader import VideoPictures

    yield from VideoPictures(folder / "call.mp4")


def scaled(picture: U8, width: int, height: int) -> U8:
    """Scale a picture."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def write_gallery(name: str, gallery: Gallery) -> Path:
    """Return the video of a gallery; make it if it is missing."""
    from unveil.video.writer import VideoWriter

    width, height = gallery.size
    path = FOLDER / f"{name}-{width}x{height}-{gallery.n_frames}.mp4"
    if path.exists():
        return path
    numbers = sorted({place.call for place in gallery.places})
    sources = [
        frames_of(made_call(number, gallery.call_size, gallery.n_frames)) for number in numbers
    ]
    partial = path.with_name(f"part-{path.name}")
    with VideoWriter(
        partial, height=height, width=width, frame_rate=FRAME_RATE, crf=CRF, preset="veryfast"
    ) as writer:
        for number, pictures in enumerate(zip(*sources, strict=True)):
            if gallery.screen is None:
                canvas = np.full((height, width, 3), GAP_COLOUR, np.uint8)
            else:
                canvas = gallery.screen(height, width, number).copy()
            for place in gallery.places:
                if place.first <= number < place.end:
                    w, h, x, y = place.rectangle
                    canvas[y : y + h, x : x + w] = scaled(pictures[numbers.index(place.call)], w, h)
            writer.write(canvas)
    partial.replace(path)
    return path


def alone(gallery: Gallery, number: int, size: tuple[int, int]) -> Path:
    """Return the video of a call by itself, in the frames in which it is shown in a size."""
    from unveil.video.writer import VideoWriter

    width, height = size
    name = f"{gallery.size[0]}x{gallery.size[1]}-{gallery.n_frames}"
    path = FOLDER / f"alone-{number}-{width}x{height}-in-{name}.mp4"
    if path.exists():
        return path
    shown = [
        place for place in gallery.places if (place.call, *place.rectangle[:2]) == (number, *size)
    ]
    partial = path.with_name(f"part-{path.name}")
    with VideoWriter(
        partial, height=height, width=width, frame_rate=FRAME_RATE, crf=CRF, preset="veryfast"
    ) as writer:
        folder = made_call(number, gallery.call_size, gallery.n_frames)
        for frame, picture in enumerate(frames_of(folder)):
            if any(place.first <= frame < place.end for place in shown):
                writer.write(scaled(picture, width, height))
    partial.replace(path)
    return path


def truth_of(gallery: Gallery, number: int, size: tuple[int, int]) -> Truth:
    """Return the truth of a call, scaled to a size."""
    whole = Truth.read(made_call(number, gallery.call_size, gallery.n_frames) / "truth.npz")
    width, height = size
    if (whole.width, whole.height) == size:
        return whole
    rows = np.arange(height) * whole.height // height
    columns = np.arange(width) * whole.width // width
    return Truth(
        scaled(whole.room, width, height),
        scaled(whole.background, width, height),
        *(array[rows[:, None], columns] for array in (whole.leak, whole.hits, whole.seen)),
    )


def measured(name: str, gallery: Gallery) -> Iterator[dict[str, Any]]:
    """Yield a row for each call and size: error of the tile in pixels, and F there and alone."""
    path = write_gallery(name, gallery)
    tiles = recover_tiles(path)
    found = list(tiles.tiles) if isinstance(tiles, TileRecoveries) else []
    wanted = dict.fromkeys((place.call, *place.rectangle[:2]) for place in gallery.places)
    for number, width, height in wanted:
        size = width, height
        places = [
            place
            for place in gallery.places
            if (place.call, *place.rectangle[:2]) == (number, *size)
        ]
        row: dict[str, Any] = {"gallery": name, "call": number, "size": f"{width}x{height}"}
        row["frames"] = sum(place.end - place.first for place in places)
        match, error = matching(found, places)
        row["off_by_pixels"] = error
        only = recover(alone(gallery, number, size))
        row["f_alone"] = f_of(only, truth_of(gallery, number, size), size)
        if match is not None:
            row["frames_used"] = match.report["frames_used"]
            row["f"] = f_of(match, truth_of(gallery, number, size), size)
        yield row
    row = {"gallery": name, "recoveries": len(found), "tiles": len(tiles.report.get("tiles", []))}
    yield {**row, "seconds": tiles.report["seconds"]}


def matching(
    recoveries: Sequence[Recovery], places: Sequence[Place]
) -> tuple[Recovery | None, int | None]:
    """Return the recovery that is shown where a call is, and by how many pixels it is off."""
    best: tuple[tuple[int, int], Recovery | None] = ((10**6, 0), None)
    for recovery in recoveries:
        first = recovery.report["tile"]["showings"][0]
        place = places[0]
        error = int(np.abs(np.subtract(first["rectangle"], place.rectangle)).max())
        later = abs(round((first["start_seconds"] or 0) * FRAME_RATE) - place.first)
        if later <= FRAME_RATE and (error, later) < best[0]:
            best = (error, later), recovery
    error, _ = best[0]
    return (best[1], error) if error <= 16 else (None, None)


def f_of(recovery: Recovery, truth: Truth, size: tuple[int, int]) -> float:
    """Return F of a recovery; one that is smaller by some pixels is padded to the size."""
    width, height = size
    room = np.zeros((height, width, 4), np.uint8)
    rows, columns = min(height, recovery.room.shape[0]), min(width, recovery.room.shape[1])
    room[:rows, :columns] = recovery.room[:rows, :columns]
    return round(measure_recovery(room, truth).f, 3)


def main() -> None:
    """Make the galleries and measure them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(galleries(small=True)))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--make", action="store_true", help="only make the videos")
    options = parser.parse_args()
    known = galleries(small=options.small)
    for name in options.names or known:
        if options.make:
            print(write_gallery(name, known[name]), flush=True)
            continue
        for row in measured(name, known[name]):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
