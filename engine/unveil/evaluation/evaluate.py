"""`evaluate_background`: attacks a call before a resisting background and before the plain one."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from unveil.arrays import U8
from unveil.errors import InvalidParameter, check_positive
from unveil.evaluation.attacks import ATTACKS, Outcome, attacked
from unveil.evaluation.likeness import Likeness, as_encoded, likeness
from unveil.files import finite, is_still, write_png
from unveil.interruption import StopRequested, each, never, until_stopped
from unveil.progress import ProgressCallback
from unveil.redaction import file_name
from unveil.scoring.truth import Truth
from unveil.shielding.picture import Background, picture_of
from unveil.simulation.astronaut import FRAME_RATE, HEIGHT, N_FRAMES, WIDTH, AstronautCall
from unveil.video.geometry import Shape, cover
from unveil.video.rgb_reader import VideoPictures

MEDIAN_FRAMES: Final = 64
"""Frames of whose colours the median is the plain picture, where it is not given."""

_CALL: Final = Shape(HEIGHT, WIDTH)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one attack recovers of the call before the plain picture, and before the background."""

    attack: str
    plain: Outcome
    resisting: Outcome


@dataclass(frozen=True, slots=True)
class BackgroundEvaluation:
    """How a background resists the attacks, and what is seen of it.

    Attributes
    ----------
    comparisons
        One for each attack.
    likeness
        Of the frames that the call shows, in the call's size, to the plain picture.
    bit_rate
        Mean bits per second of the video; None if its length is unknown.
    n_frames, height, width
        Length and size of the simulated calls.
    strong_share
        Share of the pixels that leak strongly in both calls.
    """

    comparisons: tuple[Comparison, ...]
    likeness: Likeness
    bit_rate: float | None
    n_frames: int
    height: int
    width: int
    strong_share: float

    @property
    def best_plain_f(self) -> float:
        """F of the best attack on the call before the plain picture."""
        return max(one.plain.f for one in self.comparisons)

    @property
    def best_resisting_f(self) -> float:
        """F of the best attack on the call before the background."""
        return max(one.resisting.f for one in self.comparisons)

    @property
    def remaining_share(self) -> float | None:
        """F of the best attack divided by that without the countermeasure; None if that is 0."""
        return self.best_resisting_f / self.best_plain_f if self.best_plain_f else None

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON: infinite values become None."""
        fields: dict[str, Any] = finite(
            {
                "call": {
                    "n_frames": self.n_frames,
                    "height": self.height,
                    "width": self.width,
                    "strong_share": self.strong_share,
                },
                "attacks": [
                    {
                        "attack": one.attack,
                        "plain": one.plain.as_dict(),
                        "resisting": one.resisting.as_dict(),
                    }
                    for one in self.comparisons
                ],
                "best_plain_f": self.best_plain_f,
                "best_resisting_f": self.best_resisting_f,
                "remaining_share": self.remaining_share,
                "ssim": self.likeness.ssim,
                "psnr": self.likeness.psnr,
                "flicker": self.likeness.flicker,
                "bit_rate": self.bit_rate,
            }
        )
        return fields


def evaluate_background(
    video: str | os.PathLike[str],
    plain: Background | None = None,
    *,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
    stop: StopRequested = never,
    n_frames: int = N_FRAMES,
    frame_rate: float = FRAME_RATE,
) -> BackgroundEvaluation:
    """Measure what a virtual background achieves against the attacks of this program.

    The call of `AstronautCall` is simulated before the video and before the plain picture, with the
    same person, room and masks; both are recovered by each of `ATTACKS` and compared with the
    truth. Each frame of the call shows the next frame of the video.

    Parameters
    ----------
    video
        A background video, such as `shield` writes it.
    plain
        The picture of which it was made, as for `shield`; None takes the median of its frames.
    threads
        Threads of networks, decoders, the encoder and counting; they do not change the result.
    progress
        Called with a `Progress` a few times a second, for one step after the other.
    stop
        Returns whether to stop, such as `threading.Event().is_set`; see `unveil.interruption`.
    n_frames, frame_rate
        Length of the call in frames, and frames per second.

    Raises
    ------
    InvalidParameter
        `video` is a picture, `plain` is none, or a number is out of range.
    MissingInput, UnreadableVideo, UnreadableImage
        A file is missing or damaged.
    MissingRuntime
        The networks that find the person cannot run here.
    Interrupted
        `stop` asked for it.
    """
    check_positive("n_frames", n_frames)
    if is_still(video):
        raise InvalidParameter(
            f"video: {file_name(video)} is a picture; make a video of it with shield"
        )
    pictures = until_stopped(lambda: VideoPictures(video, threads=threads), stop)
    with tempfile.TemporaryDirectory(prefix="unveil-") as name:
        folder = Path(name)
        behind = _plain(plain, pictures, folder, n_frames, stop)
        seen = likeness(each(_shown(pictures, n_frames), stop), behind)
        write_png(folder / "plain.png", behind)
        call = AstronautCall(n_frames, frame_rate, threads=threads)
        outcomes: list[list[Outcome]] = []
        for title, background in (("plain", folder / "plain.png"), ("resisting", Path(video))):
            made = call.simulate(folder / title, background, progress=progress, stop=stop)
            truth = Truth.read(made.truth)
            outcomes.append(
                [
                    attacked(
                        made.call, truth, threads=threads, progress=progress, stop=stop, **options
                    )
                    for options in ATTACKS.values()
                ]
            )
    return BackgroundEvaluation(
        comparisons=tuple(map(Comparison, ATTACKS, *outcomes)),
        likeness=seen,
        bit_rate=_bit_rate(video, pictures),
        n_frames=made.n_frames,
        height=made.height,
        width=made.width,
        strong_share=made.strong_share,
    )


def _plain(
    plain: Background | None,
    pictures: VideoPictures,
    folder: Path,
    n_frames: int,
    stop: StopRequested,
) -> U8:
    """Return the picture without the countermeasure in the size of the call, (h, w, 3) uint8."""
    if plain is None:
        n_shown = min(n_frames, pictures.n_frames or n_frames)
        step = -(-n_shown // MEDIAN_FRAMES)
        shown = each(_shown(pictures, n_frames), stop)
        return np.median(list(itertools.islice(shown, None, None, step)), axis=0).astype(np.uint8)
    # As the video has it: in its size, by its encoder.
    first = next(iter(pictures))
    size = Shape(*(side - side % 2 for side in first.shape[:2]))
    still = cover(picture_of(plain), size, Image.Resampling.LANCZOS)
    return _fitted(as_encoded(still, folder))


def _shown(pictures: VideoPictures, n_frames: int) -> Iterator[U8]:
    """Iterate over the first frames of the video, in the size of the call."""
    return map(_fitted, itertools.islice(pictures, n_frames))


def _fitted(picture: U8) -> U8:
    return cover(picture, _CALL, Image.Resampling.BICUBIC)


def _bit_rate(video: str | os.PathLike[str], pictures: VideoPictures) -> float | None:
    seconds = pictures.properties.duration_seconds
    path = Path(video)
    return 8 * path.stat().st_size / seconds if seconds and path.is_file() else None
