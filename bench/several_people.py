"""Simulated calls that two people share, with their truth: F together, and of each of them alone.

`python -m bench.several_people` simulates each pair four times with the same room, background and
service: each of the two alone, both, and both so that the second one enters later. It prints one
JSON object a call: F, and the shares of the pixels that are claimed in the colours of a person, and
of a face. Nothing is stored but the calls.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from bench.calls import WORK
from bench.confidence_calls import PEOPLE
from bench.material import photo
from unveil import Truth, recover
from unveil.scoring.leak import RIGHT_DISTANCE, measure_recovery
from unveil.scoring.photo import compare_colours

U8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
Kind: TypeAlias = Literal["first", "second", "both", "later"]

FOLDER = WORK / "several-people"
HEIGHT, WIDTH, FRAME_RATE, N_FRAMES = 360, 640, 25, 200
BIT_RATE = 1_500_000
BESIDE = 0.42
"""Distance of each person from the middle, in frame heights."""

ENTERS = 0.35, 0.5
"""Shares of the call between which the second person enters."""

EVERY = 4
"""Every so many frames are kept to compare claims with the people's colours."""

FACE = 11
"""Landmarks of a face, the first of a pose model's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people, by their names in `PEOPLE`, and what surrounds them."""

    people: tuple[str, str]
    room: str
    background: str
    segmenter: Literal["selfie", "selfie-landscape"]
    lag: int = 0
    smoothing: float = 0.0
    scales: tuple[float, float] = (0.75, 0.75)


PAIRS: Mapping[str, Pair] = {
    "cap-astronaut": Pair(
        ("cap", "astronaut"), "motorcycle_left.png", "rocket.jpg", "selfie", smoothing=0.3
    ),
    "franck-audrey": Pair(
        ("franck", "audrey"), "furnished", "chelsea.png", "selfie-landscape", lag=3
    ),
    "bieber-cap": Pair(("bieber", "cap"), "coffee.png", "landscape", "selfie-landscape", lag=2),
    "cage-bieber": Pair(
        ("cage", "bieber"), "furnished", "landscape", "selfie", lag=2, scales=(0.65, 0.8)
    ),
    "joconde-franck": Pair(
        ("joconde", "franck"), "motorcycle_right.png", "ihc.png", "selfie", smoothing=0.4, lag=1
    ),
    "astronaut-audrey": Pair(
        ("astronaut", "audrey"), "text", "rocket.jpg", "selfie", lag=4, scales=(0.85, 0.6)
    ),
}


def made(name: str, kind: Kind) -> Path:
    """Return the folder of a call; simulate it if it is missing."""
    folder = FOLDER / f"{name}-{kind}"
    if not (folder / "truth.npz").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _simulate(folder, PAIRS[name], kind)
    return folder


def _simulate(folder: Path, pair: Pair, kind: Kind) -> None:
    from unveil.person import Segmenter
    from unveil.simulation.composition import Camera, Compositor, Tally
    from unveil.simulation.service import Service
    from unveil.simulation.virtual_background import VirtualBackground, picture_of
    from unveil.video.writer import VideoWriter

    room = picture_of(_source(pair.room), HEIGHT, WIDTH, 0)
    virtual = VirtualBackground(_source(pair.background), HEIGHT, WIDTH)
    service = Service(Segmenter(pair.segmenter), smoothing=pair.smoothing, lag=pair.lag)
    tally = Tally(room, virtual.first)
    compositor = Compositor(Camera(room, 1.5, 1), service, virtual, tally, noisy=set(), seed=1)
    finder = Segmenter("lite")
    shown = [
        _placed(pair, number, late=kind == "later" and number == 1)
        for number in {"first": (0,), "second": (1,)}.get(kind, (0, 1))
    ]
    cameras, mattes, faces = [], [], []
    with VideoWriter(
        folder / "call.mp4", height=HEIGHT, width=WIDTH, frame_rate=FRAME_RATE, bit_rate=BIT_RATE
    ) as writer:
        for n, placed in enumerate(itertools.islice(zip(*shown, strict=False), N_FRAMES)):
            person, matte = (array.copy() for array in placed[0])
            for other, theirs in placed[1:]:
                share = theirs[..., None].astype(np.float32) / 255
                person = np.rint(other * share + person * (1 - share)).astype(np.uint8)
                matte = np.maximum(matte, theirs)
            frame = compositor.frame(person, matte)
            writer.write(frame.call)
            if n % EVERY == 0:
                cameras.append(frame.camera)
                mattes.append(matte == 255)
                faces.append(np.any([_face(finder, *one) for one in placed], axis=0))
    np.savez_compressed(
        folder / "people.npz",
        camera=np.array(cameras),
        matte=np.array(mattes),
        face=np.array(faces),
    )
    tally.truth().write(folder / "truth.npz")


def _placed(pair: Pair, number: int, *, late: bool) -> Iterator[tuple[U8, U8]]:
    """Yield a person's pictures and mattes in the frame, without end."""
    from unveil.person import Segmenter
    from unveil.simulation.subject import Actor, Choreography, Pose, place

    sources = PEOPLE[pair.people[number]]
    actor = Actor(sources[number % len(sources)]())
    finder = Segmenter("heavy") if actor.needs_matte else None
    moves = Choreography(("sway", "lean") if actor.is_still else ("lean",), 5 + number)
    for n, picture in enumerate(actor.pictures(finder)):
        pose = moves.pose(n / FRAME_RATE)
        # A person keeps to one half: the sway is a third of that of a person alone.
        right = (BESIDE if number else -BESIDE) + pose.right / 3
        if late:
            first, end = (share * N_FRAMES for share in ENTERS)
            right += 1.2 * (1 - min(1.0, max(0.0, (n - first) / (end - first))))
        yield place(picture, Pose(right, pose.zoom, pose.lean), HEIGHT, WIDTH, pair.scales[number])


def _face(finder: Any, person: U8, matte: U8) -> Bool:
    """Return where a person's face is: a disc around its landmarks, within the person."""
    seen = np.where(matte[..., None] > 0, person, np.uint8(128))
    finder.reset()
    mask = finder.mask(seen)
    if mask.landmarks is None:
        return np.zeros(matte.shape, np.bool_)
    points = mask.landmarks[:FACE, :2]
    centre = points.mean(0)
    radius = 1.3 * np.hypot(*(points - centre).T).max()
    y, x = np.mgrid[0 : matte.shape[0], 0 : matte.shape[1]]
    face: Bool = (np.hypot(x - centre[0], y - centre[1]) <= radius) & (matte == 255)
    return face


def _source(name: str) -> str | Path:
    return photo(name) if "." in name else name


def measured(name: str, kind: Kind) -> dict[str, Any]:
    """Recover a call and return its row."""
    folder = made(name, kind)
    recovery = recover(folder / "call.mp4")
    truth = Truth.read(folder / "truth.npz")
    score = measure_recovery(recovery.room, truth)
    return {
        "pair": name,
        "kind": kind,
        "f": round(score.f, 3),
        "recall": round(score.recall, 3),
        "precision": round(score.precision, 3),
        "coverage": round(score.coverage, 3),
        "strong": round(score.strong_share, 3),
        **claimed_people(recovery.room, truth, folder),
    }


def claimed_people(room: U8, truth: Truth, folder: Path) -> dict[str, float]:
    """Return the shares of the pixels that are claimed in a person's, and in a face's, colours."""
    claimed = room[..., 3] > 0
    wrong = claimed & (compare_colours(room[..., :3], truth.room) >= RIGHT_DISTANCE)
    with np.load(folder / "people.npz") as people:
        camera, matte, face = people["camera"], people["matte"], people["face"]
    shares = {}
    for name, places in (("person", matte), ("face", face)):
        found = np.zeros(wrong.shape, np.bool_)
        for picture, place in zip(camera, places, strict=True):
            at = wrong & _inner(place) & ~found
            if at.any():
                found[at] = compare_colours(room[at][None, :, :3], picture[at][None])[0] < 5
        shares[f"{name}_claimed"] = round(float(found.mean()), 5)
    return shares


def _inner(place: Bool) -> Bool:
    """Return a place without its outermost two pixels."""
    padded = np.pad(place, 2, constant_values=True)
    height, width = place.shape
    inner = np.ones_like(place)
    for y, x in itertools.product(range(5), repeat=2):
        inner &= padded[y : y + height, x : x + width]
    return inner


def main() -> None:
    """Make the calls and measure them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PAIRS))
    parser.add_argument("--make", action="store_true", help="only make the calls")
    options = parser.parse_args()
    kinds: Sequence[Kind] = ("first", "second", "both", "later")
    for name, kind in itertools.product(options.names or PAIRS, kinds):
        row = str(made(name, kind)) if options.make else json.dumps(measured(name, kind))
        print(row, flush=True)


if __name__ == "__main__":
    main()
