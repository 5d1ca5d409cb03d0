"""Parameters of a recovery, and the checks of their ranges."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, get_args

from unveil.counting.capacity import MAX_SLOTS, Accumulator, slots_of
from unveil.errors import InvalidParameter, check_choice, check_positive, check_range
from unveil.person.models import ModelName
from unveil.video.crop import Crop, CropArgument
from unveil.video.metric import MAX_THRESHOLD, Metric

if TYPE_CHECKING:
    from unveil.arrays import U8
    from unveil.video.selection import Selection

Method: TypeAlias = Literal["auto", "farend", "transitions", "rarest"]
Person: TypeAlias = Literal["auto", ModelName, "none"]

DEFAULT_THRESHOLD: dict[Metric, float] = {"ciede2000": 5.06, "cosine": 0.75}
"""zoomg's defaults: the distance above which, or similarity below which, a colour is not the
background."""

WATCHDOG_SECONDS: Final = 300.0
"""Default of the time without progress after which a process is taken to hang."""

CHUNK_FRAMES: Final = 16
"""Frames counted at once: enough to reuse a row's state in the CPU cache, few enough for memory."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """How colours are counted, and how room and background are chosen among them.

    Parameters
    ----------
    method
        How the room is found. "farend": per pixel, the colour outside the person mask with the
        largest CIEDE2000 distance from the background. "transitions": the colour seen in most
        separate changes from or to the background. "rarest": zoomg's rule, the rarest colour that
        differs from the most frequent one. "auto": "farend" if a person is found, else
        "transitions".
    metric, threshold
        A colour differs from the background if its CIEDE2000 distance is above `threshold`
        (0 to 100), or its cosine similarity below it (0 to 1). None uses zoomg's default for the
        metric.
    noise_frames
        Colours that are counted in at most this many frames are discarded as noise.
    slots
        Colours kept per pixel; memory is proportional to it. None uses the method's default, 8
        for "farend" and 5 for the others; "auto" uses both.
    bits
        Bits kept of each channel when colours are compared, 1 to 8.
    tolerance
        Two colours are equal if each channel differs by at most this many levels, 0 to 255.
    person, person_every
        The network that finds the person for "auto" and "farend"; it runs on every
        `person_every`-th frame. "auto" joins "lite" and "selfie-landscape". With "none" these
        methods count as "transitions" does.
    threads
        Threads for decoding and counting; None uses one per available core.

    Raises
    ------
    InvalidParameter
        A value is out of range.
    """

    method: Method = "auto"
    metric: Metric = "ciede2000"
    threshold: float | None = None
    noise_frames: int = 1
    slots: int | None = None
    bits: int = 8
    tolerance: int = 6
    person: Person = "auto"
    person_every: int = 4
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check every range."""
        check_choice("method", self.method, get_args(Method))
        check_choice("metric", self.metric, get_args(Metric))
        if self.threshold is not None:
            check_range("threshold", self.threshold, 0, MAX_THRESHOLD[self.metric])
        check_range("noise_frames", self.noise_frames, 0, 2**31 - 1)
        if self.slots is not None:
            check_range("slots", self.slots, 2, MAX_SLOTS)
        check_range("bits", self.bits, 1, 8)
        check_range("tolerance", self.tolerance, 0, 255)
        check_choice("person", self.person, get_args(Person))
        check_range("person_every", self.person_every, 1, 2**31 - 1)
        if self.threads is not None:
            check_range("threads", self.threads, 1, 1024)

    @property
    def distance_threshold(self) -> float:
        """`threshold`, or the metric's default."""
        return DEFAULT_THRESHOLD[self.metric] if self.threshold is None else self.threshold

    @property
    def accumulators(self) -> tuple[Accumulator, ...]:
        """The accumulators that count: two for "auto", which chooses between them at the end.

        Without a network that finds the person, "auto" and "farend" use "transitions".
        """
        if self.method in ("transitions", "rarest"):
            return (self.method,)
        if self.person == "none":
            return ("transitions",)
        return ("farend",) if self.method == "farend" else ("farend", "transitions")

    def slots_of(self, accumulator: Accumulator) -> int:
        """Return `slots`, or an accumulator's default."""
        return slots_of(accumulator, self.slots)

    @property
    def n_threads(self) -> int:
        """`threads`, or the number of cores this process may use."""
        # Imported late: `unveil --help` needs the names and defaults, but no thread pool.
        from unveil.parallel import available_cores

        return self.threads or available_cores()

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return all parameters with resolved defaults, except `threads`: it changes no result.

        With two accumulators, a default of `slots` stays None because they differ in it.
        """
        only, *further = self.accumulators
        chosen = {f.name: getattr(self, f.name) for f in fields(Parameters)} | {
            "threshold": self.distance_threshold,
            "slots": self.slots if further else self.slots_of(only),
        }
        del chosen["threads"]
        return chosen


class ParameterKeywords(TypedDict, total=False):
    """The fields of `Parameters` as keywords."""

    method: Method
    metric: Metric
    threshold: float | None
    noise_frames: int
    slots: int | None
    bits: int
    tolerance: int
    person: Person
    person_every: int
    threads: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverOptions(Parameters):
    """All options of the recovery of a recording.

    Parameters
    ----------
    chunk_frames
        Frames decoded and counted at once; changes no result.
    start_seconds, end_seconds, stride, stream
        Selection of frames and of the video stream, as in `unveil.video.reader.open_video`.
    background
        Picture of the virtual background as displayed, known or guessed: an image file, or
        (m, n, 3) RGB uint8. It may have another size, be cropped or mirrored.
        `report["background_match"]` describes how it was fitted.
    crop
        Part of the displayed picture to recover from: "W:H:X:Y" or (W, H, X, Y), in FFmpeg's order
        and rounded down to whole chroma samples as its filter `crop` does it; without X and Y the
        middle. Frames of another size than the first one are left out. None: the whole picture.

    The others are those of `Parameters`.

    Raises
    ------
    InvalidParameter
        A value is out of range.
    """

    chunk_frames: int = CHUNK_FRAMES
    start_seconds: float | None = None
    end_seconds: float | None = None
    stride: int = 1
    stream: int | None = None
    background: str | os.PathLike[str] | U8 | None = None
    crop: CropArgument | None = None

    def __post_init__(self) -> None:
        """Check every range."""
        Parameters.__post_init__(self)
        check_positive("chunk_frames", self.chunk_frames)
        # Imported late: `unveil --help` needs no PyAV.
        from unveil.video.selection import check_stream

        _ = self.selection  # checks its range
        check_stream(self.stream)
        if self.crop is not None:
            Crop.of(self.crop)

    @property
    def parameters(self) -> Parameters:
        """The options that concern counting."""
        return Parameters(**{f.name: getattr(self, f.name) for f in fields(Parameters)})

    @property
    def selection(self) -> Selection:
        """The frames that are used."""
        from unveil.video.selection import Selection

        return Selection.between(self.start_seconds, self.end_seconds, self.stride)

    @property
    def reading(self) -> dict[str, Any]:
        """The options that concern reading, as keywords of `unveil.video.reader.open_video`."""
        return {
            "threads": self.n_threads,
            "start_seconds": self.start_seconds,
            "end_seconds": self.end_seconds,
            "stride": self.stride,
            "stream": self.stream,
            "chunk_frames": self.chunk_frames,
        }


class RecoverKeywords(ParameterKeywords, total=False):
    """The fields of `RecoverOptions` as keywords."""

    chunk_frames: int
    start_seconds: float | None
    end_seconds: float | None
    stride: int
    stream: int | None
    background: str | os.PathLike[str] | U8 | None
    crop: CropArgument | None


TilesArgument: TypeAlias = str
"""How the tiles of a meeting are chosen: "auto", "off", or ROWSxCOLUMNS such as "2x3"."""

_GRID: Final = re.compile(r"([1-9]\d?)x([1-9]\d?)")


def grid_of(tiles: TilesArgument) -> tuple[int, int] | None:
    """Read ROWSxCOLUMNS; None for "auto" and "off".

    Raises
    ------
    InvalidParameter
        It is none of these.
    """
    if tiles in ("auto", "off"):
        return None
    match = _GRID.fullmatch(tiles)
    if match is None:
        raise InvalidParameter(
            f"tiles: {tiles!r} is not auto, off or ROWSxCOLUMNS from 1x1 to 99x99, such as 2x3"
        )
    return int(match[1]), int(match[2])


def check_tiles(tiles: TilesArgument, options: RecoverOptions) -> None:
    """Raise `InvalidParameter` where tiles are not allowed with the other options."""
    if grid_of(tiles) is not None and options.crop is not None:
        raise InvalidParameter(
            "tiles: a grid of tiles and a crop exclude each other; leave out one of them"
        )
