"""Single frames of a call: the worst moments, read by seeking."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np

from unveil.arrays import U8, Bool
from unveil.auditing.leaking_pixels import LeakingPixels
from unveil.auditing.people import PersonFinder, person_finder
from unveil.auditing.pictures import fitted
from unveil.auditing.regions import Region, cut, part_layout
from unveil.auditing.sampled_room import SampledRoom
from unveil.errors import Interrupted, NoFrames, UnveilError
from unveil.interruption import StopRequested, never
from unveil.protection.batches import Batches
from unveil.protection.frames import Converter, frame_of
from unveil.video.chunk import Layout, Planes
from unveil.video.reader import open_video
from unveil.video.source import Source

T = TypeVar("T")

MAX_FRAMES: Final = 3
"""Frames that are looked at in each moment."""

GAP_SECONDS: Final = 4.0
"""Moments that are no farther apart are read in one go: keyframes are often farther apart."""

MIN_SECONDS: Final = 1e-3
"""Length of a stretch that has only the frame at its beginning."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame of a call.

    Attributes
    ----------
    seconds
        Its time.
    picture
        (h, w, 3) uint8 RGB, of the region, as displayed.
    leaking
        (h, w) bool, the pixels that show the room.
    """

    seconds: float
    picture: U8 = field(repr=False)
    leaking: Bool = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldFrame:
    """A copy of a frame's region, of which no `Shot` is made yet.

    Attributes
    ----------
    seconds, planes, layout
        Its time; its upright planes; their layout.
    """

    seconds: float
    planes: Planes = field(repr=False)
    layout: Layout


class ShotReader:
    """Reads single frames of a region of a call, which is a file.

    Parameters
    ----------
    source
        It is read from the last keyframe before what is wanted.
    region
        What is looked at.
    threads, stream
        As for `open_video`.
    stop
        Returns whether to stop.
    on_seek
        Called before the file is opened at another place.
    """

    def __init__(
        self,
        source: Source,
        region: Region,
        *,
        threads: int,
        stream: int | None,
        stop: StopRequested = never,
        on_seek: Callable[[], object] = lambda: None,
    ) -> None:
        self._source = source
        self._region = region
        self._threads = threads
        self._stream = stream
        self._stop = stop
        self._on_seek = on_seek
        self._pixels: dict[Layout, LeakingPixels] = {}
        self._people: dict[Layout, PersonFinder | None] = {}
        self._sampled: dict[Layout, SampledRoom] = {}

    def worst_of(self, stretches: Sequence[tuple[float, float]]) -> list[Shot | None]:
        """Read, of each stretch of seconds, the frame in which most pixels show the room.

        At most `MAX_FRAMES` frames of a stretch are compared. None where a stretch has no frame
        that shows the region.
        """
        best: list[Shot | None] = [None] * len(stretches)
        most = [-1] * len(stretches)
        for number, seconds, planes, layout in self._parts(stretches, MAX_FRAMES):
            leaking = self._leaking(planes, layout)
            n_leaking = int(np.count_nonzero(leaking))
            if n_leaking > most[number]:
                most[number] = n_leaking
                best[number] = _shot(seconds, planes, layout, leaking)
        return best

    def most_shown(
        self, stretches: Sequence[tuple[float, float]]
    ) -> list[tuple[float, HeldFrame | None]]:
        """Read all frames of stretches, and look for the claimed room inside the person mask, too.

        Returns
        -------
        Of each stretch the share of the sampled pixels that show the room in any frame, and the
        frame that shows most; 0 and None where no frame shows the region in its size.
        """
        seen: list[Bool | None] = [None] * len(stretches)
        held: list[HeldFrame | None] = [None] * len(stretches)
        most, n_samples = [-1] * len(stretches), 1
        size = self._region.recovery.confidence.shape
        for number, seconds, planes, layout in self._parts(stretches, None):
            if (layout.height, layout.width) != size:
                continue
            if layout not in self._sampled:
                self._sampled[layout] = SampledRoom(self._region.recovery, layout)
            sampled = self._sampled[layout]
            shown, before = sampled.find(planes), seen[number]
            n_samples = sampled.n_samples
            seen[number] = shown if before is None else before | shown
            if np.count_nonzero(shown) > most[number]:
                most[number] = int(np.count_nonzero(shown))
                luma, cb, cr = (plane.copy() for plane in planes)
                held[number] = HeldFrame(seconds, (luma, cb, cr), layout)
        shares = [0.0 if one is None else np.count_nonzero(one) / n_samples for one in seen]
        return list(zip(shares, held, strict=True))

    def shot_of(self, held: HeldFrame) -> Shot:
        """Mark what leaks in a frame."""
        leaking = self._leaking(held.planes, held.layout)
        return _shot(held.seconds, held.planes, held.layout, leaking)

    def _parts(
        self, stretches: Sequence[tuple[float, float]], n_frames: int | None
    ) -> Iterator[tuple[int, float, Planes, Layout]]:
        """Yield the region in `n_frames` evenly spaced frames of each stretch, or in all of them.

        With it the number of the stretch, the seconds, and the region's layout.
        """
        for group in _grouped(stretches):
            wanted = [stretches[number] for number in group]
            for position, seconds, planes, layout in self._frames(wanted, n_frames):
                showing = self._region.showing_at(seconds)
                part = None if showing is None else cut(planes, layout, showing)
                if showing is not None and part is not None:
                    yield group[position], seconds, part, part_layout(layout, showing)

    def _leaking(self, planes: Planes, layout: Layout) -> Bool:
        """Mark what leaks, nothing in a frame of another size than those that were counted."""
        size = self._region.recovery.confidence.shape
        if (layout.height, layout.width) != size:
            return np.zeros(size, np.bool_)
        if layout not in self._pixels:
            self._pixels[layout] = LeakingPixels(self._region.recovery, layout)
            self._people[layout] = person_finder(self._region.recovery, self._threads)
        pixels, people = self._pixels[layout], self._people[layout]
        person = None if people is None else people.find(planes, layout)
        return pixels.find(planes, person, pixels.shown_background(planes))

    def _frames(
        self, stretches: Sequence[tuple[float, float]], n_frames: int | None
    ) -> Iterator[tuple[int, float, Planes, Layout]]:
        """Yield frames of stretches as `_parts`: number of the stretch, seconds, frame."""
        start = max(0.0, min(begin for begin, _ in stretches))
        end = max(end for _, end in stretches)
        self._on_seek()
        with (
            suppress(NoFrames),
            open_video(
                self._source,
                threads=self._threads,
                stream=self._stream,
                start_seconds=start,
                end_seconds=max(end, start + MIN_SECONDS),
                chunk_frames=1,
                stop=self._stop,
            ) as video,
        ):
            next_seconds = [begin for begin, _ in stretches]
            for batch in Batches(video):
                ((planes, seconds),) = batch.frames
                for number, (begin, until) in enumerate(stretches):
                    # A stretch without length is the frame at its beginning.
                    inside = begin <= seconds < until or (begin == until and seconds >= begin)
                    if inside and seconds >= next_seconds[number]:
                        step = 0.0 if n_frames is None else (until - begin) / n_frames
                        once = begin == until
                        next_seconds[number] = math.inf if once else seconds + step
                        yield number, seconds, planes, batch.layout


def _grouped(stretches: Sequence[tuple[float, float]]) -> list[list[int]]:
    """Group the numbers of stretches that are read in one go, because they lie close together."""
    groups: list[list[int]] = []
    reached = -math.inf
    for number in sorted(range(len(stretches)), key=lambda number: stretches[number]):
        begin, end = stretches[number]
        if begin - reached > GAP_SECONDS:
            groups.append([])
        groups[-1].append(number)
        reached = max(reached, end)
    return groups


def _rgb(planes: Planes, layout: Layout) -> U8:
    """Convert upright planes to (h, w, 3) uint8 RGB."""
    contiguous = tuple(np.ascontiguousarray(plane) for plane in planes)
    luma, cb, cr = contiguous
    return Converter().picture(frame_of((luma, cb, cr), layout), "rgb24")


def shots_of(
    reader: ShotReader, stretches: Sequence[tuple[float, float]]
) -> tuple[list[Shot | None], str | None]:
    """Read the worst frame of each stretch; of a file that can no longer be read none, and why."""
    return _or_note(lambda: reader.worst_of(stretches), [None] * len(stretches))


def worst_shots(
    reader: ShotReader, stretches: Sequence[tuple[float, float]], n: int
) -> tuple[list[tuple[int, Shot | None]], str | None]:
    """Choose `n` of the stretches, and read a frame of each; as `shots_of` if that is impossible.

    The first stretch is chosen, and of the others those in which the room shows most, inside the
    person mask, too: what a network takes for the person is in no bin of the leaks over time.

    Parameters
    ----------
    stretches
        The stretch that leaks most first.

    Returns
    -------
    chosen, note
        Numbers of the stretches, in their order, with the frame that shows most; and why there are
        no frames.
    """

    def read() -> list[tuple[int, Shot | None]]:
        shown = reader.most_shown(stretches)
        others = sorted(range(1, len(shown)), key=lambda number: -shown[number][0])
        chosen = sorted([0, *others][:n])
        held = [shown[number][1] for number in chosen]
        shots = [None if one is None else reader.shot_of(one) for one in held]
        return list(zip(chosen, shots, strict=True))

    return _or_note(read, [(number, None) for number in range(min(n, len(stretches)))])


def _or_note(read: Callable[[], T], unread: T) -> tuple[T, str | None]:
    """Return what is read; of a file that can no longer be read `unread`, and why."""
    try:
        return read(), None
    except Interrupted:
        raise
    except UnveilError as error:
        return unread, f"no frames of the call are shown: {error}"


def _shot(seconds: float, planes: Planes, layout: Layout, leaking: Bool) -> Shot:
    return Shot(seconds, fitted(_rgb(planes, layout), *leaking.shape), leaking)
