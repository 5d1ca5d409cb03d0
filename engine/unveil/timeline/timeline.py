"""Drawing of a call's timeline: reads selected pixels of all frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import numpy as np

from unveil.arrays import U8
from unveil.errors import (
    InvalidParameter,
    NoFrames,
    OutputExists,
    OutputUnwritable,
    check_range,
)
from unveil.files import is_there, refuse_unwritable_name, write_png
from unveil.interruption import StopRequested, never
from unveil.recovery.passes.section import Section, section_of
from unveil.timeline.history import History
from unveil.timeline.model import Place, Timeline
from unveil.timeline.strip import draw_strip
from unveil.video.chunk import Chunk, Colour
from unveil.video.colour import to_rgb as colours_to_rgb
from unveil.video.crop import Crop, CropArgument
from unveil.video.reader import Video, open_video
from unveil.video.source import Source, source_of

if TYPE_CHECKING:
    from os import PathLike

    from unveil.recovery.parameters import Method, RecoverKeywords
    from unveil.recovery.result import Recovery

MAX_PLACES: Final = 1000
"""Largest number of pixels in a picture."""


def draw_timeline(
    source: Source | str | PathLike[str],
    at: Sequence[Place],
    output: str | PathLike[str],
    *,
    recovery: Recovery | None = None,
    method: Method = "auto",
    threads: int | None = None,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    stride: int = 1,
    stream: int | None = None,
    crop: CropArgument | None = None,
    row_height: int = 28,
    max_width: int = 1200,
    force: bool = False,
    progress: Callable[..., object] | None = None,
    stop: StopRequested = never,
) -> Timeline:
    """Draw the colours of pixels over time: one row per pixel, time from left to right.

    Swatches at the right end show the recovered background and room, as a checkerboard where
    nothing was recovered. Memory does not grow with the length of the recording.

    Parameters
    ----------
    source
        The call. It is read twice unless `recovery` is given, so a device or standard input
        needs one.
    at
        (x, y) of each pixel, from the upper left corner of the displayed frame.
    output
        The PNG to write.
    recovery
        A recovery of this call; None recovers it first.
    method
        Method of that recovery, as in `Parameters`.
    threads
        Threads for decoding and recovering; None takes one per core.
    start_seconds, end_seconds, stride, stream
        Selection of frames and of the video stream, as in `open_video`.
    crop
        Part of the displayed picture, as in `RecoverOptions`, in whose pixels `at` counts.
    row_height
        Height of a row in pixels, 8 to 200.
    max_width
        Width of the strips in pixels, 100 to 10000. If a call has more frames, a column shows
        several of them, see `Timeline.frames_per_column`.
    force
        Replace `output` if it exists.
    progress
        Progress callback of the recovery.
    stop
        Returns whether to stop, such as `threading.Event().is_set`; see `unveil.interruption`.

    Raises
    ------
    Interrupted
        `stop` asked for it; nothing was written.
    InvalidParameter
        A pixel is outside the frame, or a number is out of range.
    OutputExists
        `output` exists and `force` is not set.
    OutputUnwritable
        `output` cannot be written.
    MissingInput, UnreadableVideo, NoFrames
        As for any recovery.
    """
    _check_numbers(at, row_height, max_width)
    output = Path(output)
    refuse_unwritable_name(output)
    if is_there(output) and not force:
        raise OutputExists(f"{output}: exists; add --force to replace it")
    if not output.parent.is_dir():
        raise OutputUnwritable(
            f"{output}: cannot be written, {output.parent} is no folder; make it first"
        )
    found = source if isinstance(source, Source) else source_of(source)
    if recovery is None:
        recovery = _recover(
            source,
            at,
            progress,
            method=method,
            threads=threads,
            start_seconds=start_seconds,
            end_seconds=end_seconds,
            stride=stride,
            stream=stream,
            crop=crop,
            stop=stop,
        )
    size = recovery.room.shape[:2]
    _check_places(at, size)
    with open_video(
        found,
        threads=threads,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        stride=stride,
        stream=stream,
        stop=stop,
    ) as video:
        section = section_of(crop, video.properties)
        history = _read_history(video, section, at, size, max_width)
    if not history.n_frames:
        raise NoFrames(f"{found.name}: no frame of the recovery's {size[1]}x{size[0]}")
    columns, rows = np.array(at).T
    result = Timeline(
        path=output,
        at=tuple(at),
        colours=history.colours,
        seconds=history.seconds,
        n_frames=history.n_frames,
        frames_per_column=history.span,
        background=recovery.background[rows, columns],
        room=recovery.room[rows, columns],
    )
    write_png(output, draw_strip(result, row_height, max_width))
    return result


def _read_history(
    video: Video, section: Section, at: Sequence[Place], size: tuple[int, ...], max_columns: int
) -> History:
    """Read the pixels in all frames of a section whose displayed (height, width) is `size`."""
    history = History(len(at), max_columns)
    for chunk in chain.from_iterable(map(section.of, video.chunks())):
        stored = chunk.layout.height, chunk.layout.width
        if video.properties.displayed_size(stored) != size:
            continue  # the recovery is of another part of the call
        places = [video.properties.stored_place(stored, place) for place in at]
        history.push(colours_at(chunk, places), chunk.pts_seconds)
    return history


def colours_at(chunk: Chunk, places: Sequence[Place]) -> U8:
    """Read pixels of every frame: (n_pixels, n_frames, 3) uint8 RGB.

    `places` are (row, column) of the stored frames.
    """
    layout = chunk.layout
    rows, columns = np.array(places).T
    chroma = rows >> layout.chroma_shift_y, columns >> layout.chroma_shift_x
    first, second, third = chunk.planes
    samples = (
        first[:, rows, columns],
        second[:, chroma[0], chroma[1]],
        third[:, chroma[0], chroma[1]],
    )
    return to_rgb(np.stack(samples, axis=-1).swapaxes(0, 1), layout.colour)


def to_rgb(samples: U8, colour: Colour) -> U8:
    """Convert samples of the three planes, (..., 3) uint8, to RGB by matrix and range."""
    rgb = colours_to_rgb(samples.astype(np.float64), colour)
    return np.rint(rgb).astype(np.uint8)


def _recover(
    source: Source | str | PathLike[str],
    at: Sequence[Place],
    progress: Callable[..., object] | None,
    *,
    stop: StopRequested,
    **options: Unpack[RecoverKeywords],
) -> Recovery:
    # The engine imports Numba, which a given recovery does not need.
    from unveil.recovery.recover import recover

    found = source if isinstance(source, Source) else source_of(source)
    if found.live or found.is_pipe:
        raise InvalidParameter(f"{found.name}: is read twice, so record it to a file first")
    if (crop := options.get("crop")) is not None:
        wanted = Crop.of(crop)
        _check_places(at, (wanted.height, wanted.width))
    threads, stream = options.get("threads"), options.get("stream")
    with open_video(found, threads=threads, stream=stream, stop=stop) as video:
        # Refuse a wrong place before the recovery, which takes long.
        properties = video.properties
        _check_places(at, properties.displayed_size((properties.height, properties.width)))
    return recover(source, progress=progress, stop=stop, **options)


def _check_numbers(at: Sequence[Place], row_height: int, max_width: int) -> None:
    if not 1 <= len(at) <= MAX_PLACES:
        raise InvalidParameter(f"at: {len(at)} pixels; choose 1 to {MAX_PLACES}")
    check_range("row_height", row_height, 8, 200)
    check_range("max_width", max_width, 100, 10_000)


def _check_places(at: Sequence[Place], size: tuple[int, ...]) -> None:
    height, width = size
    for x, y in at:
        if not (0 <= x < width and 0 <= y < height):
            raise InvalidParameter(
                f"at: {x},{y} lies outside the picture of {width}x{height}; "
                f"choose X from 0 to {width - 1} and Y from 0 to {height - 1}"
            )
