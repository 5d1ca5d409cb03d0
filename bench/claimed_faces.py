"""Simulated calls in which people come and go, with their truth: whose face is claimed as the room.

Each call of `CALLS` is one of `KINDS`: who is in the picture from the first frame on, who enters
slowly, fast or for a moment, leaves and comes back; before a still picture, a blur of the room, a
pan or noise; at a low bit rate, with a change of size, over a shared screen.
`python -m bench.claimed_faces` makes the calls and prints one JSON object a call: F, and the share
of the pixels that ever show a face, or a person, that are claimed as the room in a colour that the
call shows there in frames with the face, and in none without a person. Nothing is stored but the
calls.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from bench import vp8
from bench.calls import WORK
from bench.confidence_calls import PEOPLE
from bench.material import photo
from bench.shared_screens import slides
from unveil import Truth, recover
from unveil.person import ModelName
from unveil.recovery.tiles import TileRecoveries, recover_tiles
from unveil.scoring.leak import RIGHT_DISTANCE, measure_recovery
from unveil.scoring.photo import compare_colours
from unveil.simulation.service import Service
from unveil.video.colour import ciede2000, to_lab

U8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
Track: TypeAlias = Callable[[int], float | None]
"""How far right of the middle a person is in a frame, in frame heights; None: not shown."""

FOLDER = WORK / "claimed-faces"
HEIGHT, WIDTH, FRAME_RATE, N_FRAMES = 360, 640, 25, 150
BIT_RATE = 1_200_000
SAME_COLOUR = 5.0
"""Largest CIEDE2000 distance of two samples of one colour."""

SHOWN = 102
"""Share of 255 from which the service shows a person, perhaps as a ghost."""

BESIDE, OUT = 0.42, 1.6
"""Distance from the middle of who is beside somebody, and of who is out of the picture."""

TILE = (320, 180, 944, 524)
"""Width, height and place of a call over a shared screen of 1280x720."""

FACE = 11
"""Landmarks of a face, the first of a pose model's."""


def _stays(at: float) -> Track:
    return lambda n: at


def _enters(at: float, first: int, frames: int) -> Track:
    """Come in from the nearer side within so many frames."""
    out = OUT if at >= 0 else -OUT

    def where(n: int) -> float | None:
        share = min(1.0, (n - first) / frames)
        return None if share < 0 else out + (at - out) * share

    return where


def _looks_in(at: float, first: int, frames: int, stay: int = 0) -> Track:
    """Come in within so many frames, stay, and leave as fast."""
    out = OUT if at >= 0 else -OUT

    def where(n: int) -> float | None:
        gone = n - first - frames - stay
        share = min((n - first) / frames, 1.0, 1 - gone / frames)
        return None if share < 0 else out + (at - out) * share

    return where


def _is_away(at: float, first: int, frames: int, stay: int) -> Track:
    """Leave within so many frames, stay away, and come back as fast."""
    absent = _looks_in(OUT, first, frames, stay)

    def where(n: int) -> float | None:
        share = 0.0
        if absent(n) is not None:
            gone = n - first - frames - stay
            share = min((n - first) / frames, 1.0, 1 - gone / frames)
        return at + (OUT - at) * share

    return where


def _crosses(first: int, frames: int) -> Track:
    """Walk from one side to the other."""

    def where(n: int) -> float | None:
        share = (n - first) / frames
        return None if not 0 <= share <= 1 else OUT * (2 * share - 1)

    return where


@dataclass(frozen=True, slots=True)
class Kind:
    """Tracks of the people; the last one is in front. `options` change the call."""

    tracks: Sequence[Track]
    scales: Sequence[float] = (0.75, 0.75)
    options: Mapping[str, Any] = field(default_factory=dict)


RUSH = _enters(BESIDE, 60, 10)
RUSHED = (_stays(-BESIDE), RUSH)

KINDS: Mapping[str, Kind] = {
    "alone": Kind((_stays(0.0),), (0.9,)),
    "two": Kind((_stays(-BESIDE), _stays(BESIDE))),
    "enters": Kind((_stays(-BESIDE), _enters(BESIDE, 50, 25))),
    "rushes": Kind(RUSHED),
    "looks-in": Kind((_stays(-BESIDE), _looks_in(BESIDE, 60, 8))),
    "peeks": Kind((_stays(-BESIDE), _looks_in(0.75, 60, 6, 4))),
    "passes": Kind((_crosses(40, 40), _stays(-BESIDE)), (0.6, 0.75)),
    "hurries-by": Kind((_crosses(60, 16), _stays(-BESIDE)), (0.6, 0.75)),
    "comes": Kind((_enters(0.1, 25, 10),), (0.85,)),
    "comes-back": Kind((_is_away(0.0, 50, 8, 20),), (0.85,)),
    "back-at-once": Kind((_is_away(0.0, 50, 8, 2),), (0.85,)),
    "blur": Kind(RUSHED, options={"background": "blur:7"}),
    "pan": Kind(RUSHED, options={"pan": 2}),
    "noise": Kind(RUSHED, options={"pixels_of_noise": 0.01}),
    "frames-of-noise": Kind(RUSHED, options={"frames_of_noise": 4}),
    "low-rate": Kind(RUSHED, options={"bit_rate": 200_000}),
    "late-mask": Kind(RUSHED, options={"lag": 4}),
    "vp8": Kind(RUSHED, options={"vp8_heights": (360, 180, 360, 360), "bit_rate": 400_000}),
    "over-screen": Kind(RUSHED, options={"layout": "screen"}),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """Who is in a call, and before what."""

    people: tuple[str, str]
    room: str
    background: str
    segmenter: ModelName
    smoothing: float = 0.0
    lag: int = 0
    seed: int = 0


SETTINGS: Mapping[str, Setting] = {
    "a": Setting(("cap", "astronaut"), "motorcycle_left.png", "rocket.jpg", "selfie", 0.3),
    "b": Setting(("audrey", "franck"), "furnished", "landscape", "selfie-landscape", lag=2, seed=1),
    "c": Setting(("joconde", "bieber"), "coffee.png", "chelsea.png", "selfie", 0.5, 1, seed=2),
    "d": Setting(("cage", "audrey"), "text", "ihc.png", "selfie-landscape", lag=3, seed=3),
}


@dataclass(frozen=True, slots=True)
class _Cast:
    """A person's pictures, and the same with the face as alpha."""

    pictures: Iterator[tuple[Image.Image, Image.Image]]
    scale: float
    track: Track
    lean: Callable[[int], Any]


class _WatchedService(Service):
    """A service whose last mask can be looked at."""

    last: U8

    def mask(self, camera: U8) -> U8:
        """Return the mask of the camera's next picture."""
        self.last = super().mask(camera)
        return self.last


def made(name: str) -> Path:
    """Return the folder of a call; simulate it if it is missing."""
    folder = FOLDER / name
    if not (folder / "truth.npz").exists():
        folder.mkdir(parents=True, exist_ok=True)
        kind, setting = name.rsplit("-", 1)
        _simulate(folder, KINDS[kind], SETTINGS[setting])
    return folder


def recording(folder: Path) -> Path:
    """Return the video of a call."""
    return next(folder / one for one in ("call.webm", "call.mp4") if (folder / one).exists())


def _simulate(folder: Path, kind: Kind, setting: Setting) -> None:
    from unveil.person import Segmenter
    from unveil.simulation.blurred_room import BlurredRoom
    from unveil.simulation.composition import Camera, Compositor, Tally
    from unveil.simulation.virtual_background import VirtualBackground, picture_of
    from unveil.video.writer import VideoWriter

    options = dict(kind.options)
    layout = options.get("layout")
    height, width = (TILE[1], TILE[0]) if layout == "screen" else (HEIGHT, WIDTH)
    room = picture_of(_source(setting.room), height, width, setting.seed)
    virtual: BlurredRoom | VirtualBackground | None
    virtual = BlurredRoom.of_name(options.get("background", ""), room)
    if virtual is None:
        virtual = VirtualBackground(
            _source(setting.background),
            height,
            width,
            pan=options.get("pan", 0),
            pixels_of_noise=options.get("pixels_of_noise", 0.0),
            seed=setting.seed,
        )
    n_noise = options.get("frames_of_noise", 0)
    service = _WatchedService(
        Segmenter(setting.segmenter),
        smoothing=setting.smoothing,
        lag=options.get("lag", setting.lag),
    )
    tally = Tally(room, virtual.first)
    compositor = Compositor(
        Camera(room, 1.5, setting.seed),
        service,
        virtual,
        tally,
        noisy={N_FRAMES // 2 + 9 * n + 20 for n in range(n_noise)},
        seed=setting.seed,
    )
    casts = [
        _cast(setting.people[number % 2], kind.scales[number], track, setting.seed + number)
        for number, track in enumerate(kind.tracks)
    ]
    heights = options.get("vp8_heights")
    bit_rate = 8_000_000 if heights else options.get("bit_rate", BIT_RATE)
    mattes, faces = [], []
    shown: tuple[int, int] = (height, width)
    if layout == "screen":
        shown = 4 * height, 4 * width
    with VideoWriter(
        folder / "call.mp4",
        height=shown[0],
        width=shown[1],
        frame_rate=FRAME_RATE,
        bit_rate=bit_rate * shown[1] // width // (2 if layout == "screen" else 1),
    ) as writer:
        for n in range(N_FRAMES):
            person, matte, face = _placed(casts, n, height, width)
            call = compositor.frame(person, matte).call
            mattes.append((matte == 255) & (service.last >= SHOWN))
            faces.append(face & (service.last >= SHOWN))
            writer.write(_laid_out(call, layout, n))
    np.savez_compressed(
        folder / "people.npz",
        matte=np.packbits(mattes, axis=-1),
        face=np.packbits(faces, axis=-1),
    )
    if heights:
        vp8.encode(folder / "call.mp4", folder / "call.webm", heights, options["bit_rate"])
    tally.truth().write(folder / "truth.npz")


def _laid_out(call: U8, layout: str | None, n: int) -> U8:
    if layout == "screen":
        width, height, x, y = TILE
        canvas = slides(4 * height, 4 * width, n).copy()
        canvas[y : y + height, x : x + width] = call
        return canvas
    return call


def _cast(name: str, scale: float, track: Track, seed: int) -> _Cast:
    from unveil.simulation.subject import Choreography

    pictures, is_still = _pictures(name)
    moves = Choreography(("sway", "lean") if is_still else ("lean",), 5 + seed)
    return _Cast(iter(pictures), scale, track, lambda n: moves.pose(n / FRAME_RATE))


@cache
def _pictures(name: str) -> tuple[Sequence[tuple[Image.Image, Image.Image]], bool]:
    """Return a person's pictures of a call, each also with the face as alpha, and if it is one."""
    from unveil.person import Segmenter
    from unveil.simulation.subject import Actor

    actor, finder = Actor(PEOPLE[name][0]()), Segmenter("lite")
    cutter = Segmenter("heavy") if actor.needs_matte else None
    shown = itertools.islice(actor.pictures(cutter), 1 if actor.is_still else N_FRAMES)
    pictures = [(picture, _face_of(finder, picture)) for picture in shown]
    return pictures * (N_FRAMES // len(pictures)), actor.is_still


def _face_of(finder: Any, picture: Image.Image) -> Image.Image:
    """Return a picture whose alpha is where the face is: a disc around its landmarks."""
    pixels = np.array(picture)
    seen = np.where(pixels[..., 3:] > 0, pixels[..., :3], np.uint8(128))
    finder.reset()
    mask = finder.mask(seen)
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    if mask.landmarks is not None:
        points = mask.landmarks[:FACE, :2]
        centre = points.mean(0)
        radius = 1.3 * np.hypot(*(points - centre).T).max()
        y, x = np.mgrid[0 : len(pixels), 0 : pixels.shape[1]]
        alpha[np.hypot(x - centre[0], y - centre[1]) <= radius] = 255
    return Image.fromarray(np.dstack([pixels[..., :3], np.minimum(alpha, pixels[..., 3])]))


def _placed(casts: Sequence[_Cast], n: int, height: int, width: int) -> tuple[U8, U8, Bool]:
    """Return picture, matte and faces of a frame, (h, w, 3), (h, w) and (h, w)."""
    from unveil.simulation.subject import Pose, place

    person = np.zeros((height, width, 3), np.uint8)
    matte = np.zeros((height, width), np.uint8)
    face = np.zeros((height, width), np.bool_)
    for cast in casts:
        picture, with_face = next(cast.pictures)
        right = cast.track(n)
        if right is None:
            continue
        pose = cast.lean(n)
        pose = Pose(right + pose.right / 3, pose.zoom, pose.lean)
        theirs, alpha = place(picture, pose, height, width, cast.scale)
        _, their_face = place(with_face, pose, height, width, cast.scale)
        share = alpha[..., None].astype(np.float32) / 255
        person = np.rint(theirs * share + person * (1 - share)).astype(np.uint8)
        matte = np.maximum(matte, alpha)
        face = (face & (alpha == 0)) | ((their_face == 255) & (alpha == 255))
    return person, matte, face


def _source(name: str) -> str | Path:
    return photo(name) if "." in name else name


def _frames_of(folder: Path) -> Iterator[U8]:
    """Yield the frames of a call, of whatever size, as RGB."""
    with av.open(str(recording(folder))) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def measured(name: str) -> dict[str, Any]:
    """Recover a call and return its row."""
    folder = made(name)
    truth = Truth.read(folder / "truth.npz")
    layout = KINDS[name.rsplit("-", 1)[0]].options.get("layout")
    room = _room(folder, layout, truth)
    score = measure_recovery(room, truth)
    row = {"call": name, "f": round(score.f, 3), "precision": round(score.precision, 3)}
    claims = claimed_people(room, truth, folder, layout)
    return row | {f"{key}_claimed": round(float(share), 5) for key, share in claims.items()}


def _room(folder: Path, layout: str | None, truth: Truth) -> U8:
    """Return the recovered room of the call that the truth is of."""
    path = recording(folder)
    if layout is None:
        return recover(path).room
    tiles = recover_tiles(path)
    room = np.zeros((truth.height, truth.width, 4), np.uint8)
    if not isinstance(tiles, TileRecoveries):
        return room
    x, y = TILE[2:] if layout == "screen" else (0, 0)
    for tile in tiles.tiles:
        w, h, left, top = tile.report["tile"]["showings"][0]["rectangle"]
        if abs(left - x) <= 8 and abs(top - y) <= 8:
            h, w = min(h, truth.height), min(w, truth.width)
            room[:h, :w] = tile.room[:h, :w]
    return room


def claimed_people(
    room: U8, truth: Truth, folder: Path, layout: str | None = None
) -> dict[str, float]:
    """Return the shares of the pixels that ever show a person, a face, and are claimed as such."""
    places = claimed_places(room, truth, folder, layout)
    return {key: where.sum() / max(1, ever.sum()) for key, (where, ever) in places.items()}


def claimed_places(
    room: U8, truth: Truth, folder: Path, layout: str | None = None
) -> dict[str, tuple[Bool, Bool]]:
    """Return for "person" and "face" where they are claimed, and where they ever are."""
    with np.load(folder / "people.npz") as people:
        matte, face = (
            np.unpackbits(people[key], axis=-1, count=truth.width).astype(bool)
            for key in ("matte", "face")
        )
    claimed = room[..., 3] > 0
    wrong = claimed & (compare_colours(room[..., :3], truth.room) >= RIGHT_DISTANCE)
    ever = {"person": matte.any(0), "face": face.any(0)}
    y, x = np.nonzero(wrong & ever["person"])
    colour = to_lab(room[y, x, :3].astype(np.float64))
    seen = {key: np.zeros(len(y), np.int64) for key in ("person", "face", "other")}
    left, top = TILE[2:] if layout == "screen" else (0, 0)
    for frame, person, its_face in zip(_frames_of(folder), matte, face, strict=True):
        if layout is None and frame.shape[:2] != truth.room.shape[:2]:
            continue
        sample = to_lab(frame[y + top, x + left].astype(np.float64))
        near = ciede2000(colour, sample) < SAME_COLOUR
        seen["person"] += near & person[y, x]
        seen["face"] += near & its_face[y, x]
        seen["other"] += near & ~person[y, x]
    places = {}
    for key in ("person", "face"):
        where = np.zeros(wrong.shape, np.bool_)
        is_theirs = seen[key] > seen["other"]
        where[y[is_theirs], x[is_theirs]] = True
        places[key] = where, ever[key]
    return places


def main() -> None:
    """Make the calls and measure them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="KIND-SETTING, KIND or SETTING")
    parser.add_argument("--make", action="store_true", help="only make the calls")
    options = parser.parse_args()
    for name in (f"{kind}-{setting}" for kind in KINDS for setting in SETTINGS):
        wanted = {name, *name.rsplit("-", 1)}
        if options.names and not wanted & set(options.names):
            continue
        row = str(made(name)) if options.make else json.dumps(measured(name))
        print(row, flush=True)


if __name__ == "__main__":
    main()
