"""`shield`: writes a virtual background that resists recovery as a looping video."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from unveil.errors import InvalidParameter, OutputExists, OutputUnwritable
from unveil.files import is_there, refuse_unwritable_name
from unveil.interruption import StopRequested, check, never
from unveil.progress import PROGRESS_SECONDS, Progress, ProgressCallback, silent
from unveil.shielding.frames import shielded_frames
from unveil.shielding.parameters import (
    DEFAULT_FPS,
    DEFAULT_HEIGHT,
    DEFAULT_KIND,
    DEFAULT_NOISE_EVERY,
    DEFAULT_NOISE_SHARE,
    DEFAULT_NOISE_SIZE,
    DEFAULT_SECONDS,
    DEFAULT_WIDTH,
    ShieldParameters,
)
from unveil.shielding.picture import Background, picture_of
from unveil.video.pixel_format import ColourTags
from unveil.video.writer import VideoWriter

SUFFIXES: Final = (".mp4", ".mov")
"""What meeting software takes; Zoom's help names these two, of 480x360 to 1920x1080 pixels."""

CRF: Final = 18
"""Quality of the encoder; a coarser one holds colours for many frames and then jumps."""

_KEYFRAME_SECONDS: Final = 2
_ENCODER_THREADS: Final = 4
"""The same everywhere: another number gives other bytes."""

_RGB: Final = ColourTags(matrix=0, value_range=2, primaries=1, transfer=1)
"""Stored as BT.601 up to 576 rows and as BT.709 above, which programs assume without tags."""


@dataclass(frozen=True, slots=True)
class Shield:
    """A background video that `shield` has written.

    Attributes
    ----------
    output
        The file: H.264, yuv420p, with the index before the frames.
    height, width, n_frames, fps
        Size in pixels, length in frames, frames per second.
    bit_rate
        Mean bits per second of the file.
    loops
        Whether the first frame follows the last one without a jump.
    parameters
        All parameters, ready for JSON.
    """

    output: Path
    height: int
    width: int
    n_frames: int
    fps: float
    bit_rate: float
    loops: bool
    parameters: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON; of the output its name without its folder."""
        return asdict(self) | {"output": self.output.name}


def shield(
    background: Background,
    output: str | os.PathLike[str],
    *,
    kind: str = DEFAULT_KIND,
    seconds: float = DEFAULT_SECONDS,
    fps: float = DEFAULT_FPS,
    strength: float = 1.0,
    seed: int = 0,
    height: int = DEFAULT_HEIGHT,
    width: int = DEFAULT_WIDTH,
    noise_share: float = DEFAULT_NOISE_SHARE,
    noise_size: int = DEFAULT_NOISE_SIZE,
    accumulate: bool = False,
    noise_every: float = DEFAULT_NOISE_EVERY,
    force: bool = False,
    progress: ProgressCallback = silent,
    stop: StopRequested = never,
) -> Shield:
    """Write a virtual background that resists recovery, as a video for meeting software.

    Memory does not grow with the length. The same arguments give the same frames.

    Parameters
    ----------
    background
        A file of a picture, a built-in background ("wall", "dusk", "shelves", "slate"), a colour,
        or an RGB picture (h, w, 3) uint8. It is scaled to cover the frame.
    output
        The file to write, NAME.mp4 or NAME.mov.
    kind, seconds, fps, strength, seed, height, width
        As in `ShieldParameters`.
    noise_share, noise_size, accumulate, noise_every
        As in `ShieldParameters`.
    force
        Replace an earlier file.
    progress
        Called with a `Progress` a few times a second.
    stop
        Returns whether to stop, such as `threading.Event().is_set`; see `unveil.interruption`.

    Returns
    -------
    Shield

    Raises
    ------
    InvalidParameter
        A value is out of range, the background is no picture, or the suffix is another one.
    UnreadableImage
        The picture cannot be read.
    OutputExists, OutputUnwritable
        The file exists and `force` is not set, or cannot be written.
    Interrupted
        `stop` asked for it; as after Ctrl-C, no file is left.
    """
    started = time.perf_counter()
    chosen = ShieldParameters(
        kind=kind,
        seconds=seconds,
        fps=fps,
        strength=strength,
        seed=seed,
        height=height,
        width=width,
        noise_share=noise_share,
        noise_size=noise_size,
        accumulate=accumulate,
        noise_every=noise_every,
    )
    path = Path(output)
    _check_output(path, force=force)
    picture = picture_of(background)
    if chosen.kinds == ("drift",) and not np.ptp(picture, axis=(0, 1)).any():
        raise InvalidParameter(
            "kind: drift alone changes nothing of a single colour; take texture, or a picture"
        )
    with VideoWriter(
        path,
        height=height,
        width=width,
        frame_rate=fps,
        crf=CRF,
        keyframe_interval=max(1, round(_KEYFRAME_SECONDS * fps)),
        threads=_ENCODER_THREADS,
        tags=_RGB,
        faststart=True,
    ) as writer:
        reported = started
        for frame in shielded_frames(picture, chosen):
            check(stop)
            writer.write(frame)
            now = time.perf_counter()
            if now - reported >= PROGRESS_SECONDS:
                reported = now
                progress(_progress(writer.frames_written, chosen, now - started))
    length = writer.frames_written / float(writer.frame_rate)
    return Shield(
        output=path,
        height=height,
        width=width,
        n_frames=writer.frames_written,
        fps=float(writer.frame_rate),
        bit_rate=8 * path.stat().st_size / length,
        loops=chosen.loops,
        parameters=chosen.as_dict(),
    )


def _progress(n_frames: int, parameters: ShieldParameters, elapsed_seconds: float) -> Progress:
    return Progress(
        "count",
        n_frames=n_frames,
        expected_frames=parameters.n_frames,
        video_seconds=n_frames / parameters.fps,
        elapsed_seconds=elapsed_seconds,
    )


def _check_output(path: Path, *, force: bool) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidParameter(
            f"output: {path.name} is no {' or '.join(SUFFIXES)}, which meeting software takes"
        )
    refuse_unwritable_name(path)
    if is_there(path) and not force:
        raise OutputExists(f"{path}: exists; add --force to replace it")
    if not path.parent.is_dir():
        raise OutputUnwritable(
            f"{path}: cannot be written, {path.parent} is no folder; make it first"
        )
