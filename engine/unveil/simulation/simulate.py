"""Simulation of calls with exact ground truth.

The recipe is that of VADER's evaluation (Weissberg et al., 2025). A person of known outline is
composited on a known room. A segmenter sees that camera picture, and its mask decides which
pixels the virtual background replaces. The pixels of the mask outside the person are the leak.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast, get_args

from unveil.arrays import U8
from unveil.errors import (
    InvalidParameter,
    NoFrames,
    OutputExists,
    check_choice,
    check_range,
)
from unveil.files import is_there, result_folder
from unveil.interruption import StopRequested, each, never, stoppable, until_stopped
from unveil.progress import Progress, ProgressCallback
from unveil.redaction import described
from unveil.simulation.blurred_room import BlurredRoom
from unveil.simulation.call_files import CALL, CAMERA, MATTE, TRUTH, CallFiles
from unveil.simulation.composition import Camera, Compositor, Tally
from unveil.simulation.service import Blur, Service
from unveil.simulation.subject import Actor, Choreography, Motion, Segmenter, place
from unveil.simulation.virtual_background import VirtualBackground, picture_of

if TYPE_CHECKING:
    from os import PathLike

    from unveil.person import ModelName

Footage: TypeAlias = "str | PathLike[str]"

STILL_FRAMES: Final = 300
STILL_FRAME_RATE: Final = 30.0
"""Default length and frame rate of a call whose person is a still."""

_MIN_SIDE: Final = 32


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated call.

    Attributes
    ----------
    call, truth
        The files: the H.264 video, and its ground truth (see `Truth.read`).
    camera, matte
        With `camera_only`, what the camera saw (H.264 of high quality) and its exact matte (FFV1,
        lossless grey: 255 inside the person, 0 outside), with the frames of `call`; else None.
    height, width, n_frames, frame_rate
        Size in pixels, length in frames, frames per second.
    leak_share
        Mean over all pixels of the largest share of the room in the pixel.
    strong_share
        Share of the pixels that leak strongly: more than 0.9 in at least two frames.
    """

    call: Path
    truth: Path
    height: int
    width: int
    n_frames: int
    frame_rate: float
    leak_share: float
    strong_share: float
    camera: Path | None = None
    matte: Path | None = None

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return all fields, ready for JSON."""
        fields = asdict(self)
        return {
            name: str(value) if isinstance(value, Path) else value for name, value in fields.items()
        }


def simulate_call(
    out: str | PathLike[str],
    person: Footage,
    room: Footage = "furnished",
    background: Footage = "landscape",
    *,
    height: int = 720,
    width: int = 1280,
    n_frames: int | None = None,
    frame_rate: float | None = None,
    scale: float = 1.0,
    motions: Sequence[Motion] | None = None,
    matte: ModelName | Segmenter = "heavy",
    segmenter: ModelName | Segmenter = "selfie",
    smoothing: float = 0.0,
    lag: int = 0,
    blur: Blur = "none",
    pan: int = 0,
    loop_frames: int | None = None,
    pixels_of_noise: float = 0.0,
    frames_of_noise: int = 0,
    camera_noise: float = 1.5,
    bit_rate: int = 2_000_000,
    camera_only: bool = False,
    seed: int = 0,
    threads: int | None = None,
    force: bool = False,
    progress: ProgressCallback | None = None,
    stop: StopRequested = never,
) -> Simulation:
    """Simulate a call service's background replacement and write the call with its ground truth.

    Memory does not grow with the length. The same arguments give the same files.

    Parameters
    ----------
    out
        Folder for call.mp4 and truth.npz; made if it is missing. camera.mp4 and matte.mkv of an
        earlier call are removed from it.
    person
        Footage of a person, or a still. A still with transparency is used as it is; otherwise
        `matte` cuts the person out, and its result defines the person of the ground truth.
    room, background
        An image, or a synthetic scene: "furnished", "text", "landscape". The background may also
        be a video, which loops, or "blur[:SIGMA][:halo]": the camera's picture, blurred with a
        standard deviation of SIGMA pixels (a 50th of the height), without the person's colours
        or, with "halo", with them.
    height, width
        Size of the call in pixels, at least 32.
    n_frames
        Largest length; None uses all of the footage, or 300 frames for a still.
    frame_rate
        Frames per second; None uses that of the footage, or 30. Every frame of the footage is
        used, so another rate plays it faster or slower.
    scale
        Height of the person's picture divided by that of the frame; aligned with the lower edge.
    motions
        Motion in addition to that of the footage; None lets a still sway. "sway": back and forth.
        "lean": the head to the sides. "zoom": nearer and farther. "leave": out of the picture and
        back every ten seconds.
    matte, segmenter
        Names of models of `unveil.person`, or objects with the interface of `Segmenter`. `matte`
        cuts the person out; `segmenter` makes the mask of the service.
    smoothing
        Weight of the service's last mask in the next one, 0 to below 1.
    lag
        Delay of the service's mask in frames, 0 to 60.
    blur
        Blur of the service's mask: "none", "gaussian", or "bilateral" as in VADER's recipe.
    pan
        Columns by which the background moves to the left per frame, cyclically.
    loop_frames
        Number of frames of a background video to loop over.
    pixels_of_noise
        Share of the background's pixels with a random colour, which differ in each frame.
    frames_of_noise
        Number of frames of random colours, spread over the second half of the call.
    camera_noise
        Standard deviation of the camera's noise in levels, 0 to 30.
    bit_rate
        Mean bits per second of the call.
    camera_only
        Also write camera.mp4, what the camera saw, without any replacement, and matte.mkv, where
        the person is in it: `protect` can be run on the former and be judged by the latter.
    seed
        Seed of all random numbers.
    threads
        Threads of networks, decoders and the encoder; None uses one per core.
    force
        Replace an earlier call in the folder.
    progress
        Called at most a few times a second.
    stop
        Returns whether to stop, such as `threading.Event().is_set`; see `unveil.interruption`.

    Returns
    -------
    Simulation

    Raises
    ------
    InvalidParameter
        A value is out of range.
    MissingInput, UnreadableImage, UnreadableVideo
        Footage, room or background cannot be read.
    NoFrames
        The footage has no frame.
    NoPerson
        `matte` finds nobody in the footage, or a still with transparency is empty.
    Interrupted
        `stop` asked for it; as after Ctrl-C, no file is left.
    OutputExists
        The folder has a call and `force` is not set.
    OutputUnwritable
        The folder cannot be made or written.

    Notes
    -----
    For a moving background, the ground truth holds its first frame, without noise. A frame of
    noise counts neither as a leak nor as a view of the background.
    """
    _check(height, width, n_frames, frame_rate, scale, motions, frames_of_noise, camera_noise)
    folder = Path(out)
    if not force and any(is_there(folder / name) for name in (CALL, TRUTH, CAMERA, MATTE)):
        raise OutputExists(f"{folder}: holds an earlier call; add --force to replace it")
    actor = until_stopped(partial(Actor, person, threads=threads), stop)
    with stoppable(stop):
        service = Service(_segmenter(segmenter, threads), smoothing=smoothing, lag=lag, blur=blur)
    empty_room = picture_of(room, height, width, seed)
    shown = partial(_background, background, empty_room, pan, loop_frames, pixels_of_noise)
    virtual = until_stopped(partial(shown, seed=seed, threads=threads), stop)
    tally = Tally(empty_room, virtual.first)
    moves: Sequence[Motion] = ("sway",) if actor.is_still else ()
    if motions is not None:
        moves = motions
    pictures = actor.pictures(_segmenter(matte, threads) if actor.needs_matte else None)
    rate = frame_rate or actor.frame_rate or STILL_FRAME_RATE
    limit = n_frames or (STILL_FRAMES if actor.is_still else None)
    expected = min((n for n in (limit, actor.n_frames) if n is not None), default=None)
    noisy = set(_noise_times(frames_of_noise, expected))
    compositor = Compositor(
        Camera(empty_room, camera_noise, seed), service, virtual, tally, noisy=noisy, seed=seed
    )
    choreography = Choreography(moves, seed)
    report_progress = _ProgressReporter(progress, expected, rate)

    with result_folder(folder):
        files = CallFiles(
            folder,
            height=height,
            width=width,
            frame_rate=rate,
            bit_rate=bit_rate,
            threads=threads or 2,
            with_camera=camera_only,
        )
        with files:
            for n, picture in enumerate(each(itertools.islice(pictures, limit), stop)):
                placed = place(picture, choreography.pose(n / rate), height, width, scale)
                files.write(compositor.frame(*placed))
                report_progress(files.frames_written)
            if not files.frames_written:
                raise NoFrames(f"{described(person)}: holds no frame")
            actor.check_found()
            files.remove_earlier()
        truth = tally.truth()
        files.complete(truth)
    return Simulation(
        call=files.call,
        truth=files.truth,
        height=height,
        width=width,
        n_frames=files.frames_written,
        frame_rate=files.frame_rate,
        leak_share=float(truth.leak.mean()) / 255,
        strong_share=float(truth.strong.mean()),
        camera=files.camera,
        matte=files.matte,
    )


def _background(
    name: Footage,
    room: U8,
    pan: int,
    loop_frames: int | None,
    pixels_of_noise: float,
    *,
    seed: int,
    threads: int | None,
) -> BlurredRoom | VirtualBackground:
    """Make the background of a call, as `simulate_call` describes."""
    blurred = BlurredRoom.of_name(str(name), room)
    if blurred is None:
        return VirtualBackground(
            name,
            *room.shape[:2],
            pan=pan,
            loop_frames=loop_frames,
            pixels_of_noise=pixels_of_noise,
            seed=seed,
            threads=threads,
        )
    if pan or loop_frames is not None or pixels_of_noise:
        raise InvalidParameter("background: a blur neither pans nor loops nor has noise of its own")
    return blurred


class _ProgressReporter:
    """Calls a progress callback, at most four times a second."""

    def __init__(
        self, progress: Callable[[Progress], object] | None, expected: int | None, rate: float
    ) -> None:
        self._progress = progress
        self._expected = expected
        self._rate = rate
        self._started = self._reported = time.monotonic()

    def __call__(self, n_frames: int) -> None:
        now = time.monotonic()
        if self._progress is None or (now - self._reported < 0.25 and n_frames > 1):
            return
        self._reported = now
        self._progress(
            Progress(
                "count",
                n_frames=n_frames,
                expected_frames=self._expected,
                video_seconds=n_frames / self._rate,
                elapsed_seconds=now - self._started,
            )
        )


def _segmenter(chosen: ModelName | Segmenter, threads: int | None) -> Segmenter:
    """Return a segmenter, or load the one of this name."""
    if not isinstance(chosen, str):
        return chosen
    # Imported late: networks and kernels take long to load.
    from unveil.person import Segmenter as NetworkSegmenter

    return NetworkSegmenter(chosen, threads=threads)


def _noise_times(n_noise: int, n_frames: int | None) -> Iterator[int]:
    """Yield the numbers of the frames of noise, in the second half of the call."""
    if n_noise and (n_frames is None or n_noise > n_frames // 2):
        raise InvalidParameter(
            f"frames_of_noise: {n_noise} frames of noise do not fit into half of "
            f"{'a call of unknown length; give n_frames' if n_frames is None else n_frames}"
        )
    length = cast("int", n_frames)
    for n in range(n_noise):
        yield length // 2 + (2 * n + 1) * (length - length // 2) // (2 * n_noise)


def _check(
    height: int,
    width: int,
    n_frames: int | None,
    frame_rate: float | None,
    scale: float,
    motions: Sequence[Motion] | None,
    frames_of_noise: int,
    camera_noise: float,
) -> None:
    if min(height, width) < _MIN_SIDE:
        raise InvalidParameter(f"size: {width}x{height} is below {_MIN_SIDE}x{_MIN_SIDE}")
    if n_frames is not None and n_frames < 1:
        raise InvalidParameter(f"n_frames: {n_frames} is below 1")
    if frame_rate is not None and not 0 < frame_rate < math.inf:
        raise InvalidParameter(f"frame_rate: {frame_rate} is not a number above 0")
    check_range("scale", scale, 0.05, 20)
    for motion in motions or ():
        check_choice("motions", motion, get_args(Motion))
    if frames_of_noise < 0:
        raise InvalidParameter(f"frames_of_noise: {frames_of_noise} is below 0")
    check_range("camera_noise", camera_noise, 0, 30)
