"""Covers the pixels of frames that show the room with the virtual background."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from PIL import Image

from unveil.arrays import U8, Bool
from unveil.auditing.boxes import bounds, soft_opacity
from unveil.auditing.leaking_pixels import LeakingPixels
from unveil.auditing.people import PersonFinder, person_finder
from unveil.auditing.regions import Region, Showing, cut, holds, part_layout
from unveil.protection.frames import Converter
from unveil.video.chunk import Layout, Planes

REACH: Final = 1 / 180
"""Pixels by which a leak is dilated, as a share of the frame's height: 4 at 720p."""

MIN_REACH: Final = 2
"""Smallest number of these pixels."""

OPAQUE: Final = 255


@dataclass(frozen=True, slots=True)
class _Round:
    """What finds the leaks that are left after the rounds before it."""

    pixels: LeakingPixels
    person: PersonFinder | None


@dataclass(frozen=True, slots=True)
class _Part:
    """What is needed to cover a region in frames of one layout."""

    layout: Layout
    rounds: list[_Round]
    backgrounds: list[Planes]
    reach: int

    def cover(self, planes: Planes) -> tuple[int, Bool]:
        """Cover a frame in place; return its background's number, and what leaked, (h, w) bool."""
        background = self.rounds[0].pixels.shown_background(planes)
        leaked = np.zeros((self.layout.height, self.layout.width), np.bool_)
        for one in self.rounds:
            person = None if one.person is None else one.person.find(planes, self.layout)
            leaking = one.pixels.find(planes, person, background)
            if leaking.any():
                opacity = soft_opacity(leaking, self.reach)
                if person is not None:
                    # Beside a leak the person stays as sharp as it is.
                    opacity = np.minimum(opacity, _beside(person, self.layout))
                    opacity = np.maximum(opacity, soft_opacity(leaking, MIN_REACH))
                for plane, behind in zip(planes, self.backgrounds[background], strict=True):
                    _blend(plane, behind, opacity)
                leaked |= leaking
        return background, leaked


class Cover:
    """A `FrameChange` that covers what leaks; not thread-safe.

    Parameters
    ----------
    regions
        What was recovered of the call.
    start_seconds
        Start of the selection that is copied.
    threads
        Threads of the networks.

    Attributes
    ----------
    n_frames, n_covered
        Frames so far, and those of them in which something was covered.
    n_missed
        Frames whose size differs from that of the recovery, in which nothing could be covered.
    """

    transparent = False

    def __init__(self, regions: tuple[Region, ...], start_seconds: float, threads: int) -> None:
        self._regions = regions
        self._start = start_seconds
        self._threads = threads
        self._parts: dict[tuple[int, Layout], _Part] = {}
        self._further: list[Mapping[tuple[int, int], U8]] = []
        self.n_frames = 0
        self.n_covered = 0
        self.n_missed = 0
        self._covered_shares = 0.0
        self._most = 0.0

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the recovery."""
        return dict(self._regions[0].recovery.report["parameters"])

    @property
    def counts(self) -> dict[str, Any]:
        """Counts of the frames so far, for the report."""
        return {
            "frames": self.n_frames,
            "frames_covered": self.n_covered,
            "covered_share": self._covered_shares / max(1, self.n_frames),
            "most_covered_share": self._most,
        }

    def prepare(self) -> None:
        """Load nothing: the recovery has loaded all that is needed."""

    def notes(self, layout: Layout) -> list[str]:
        """Return what a user should know beforehand."""
        if any(region.recovery.recovered for region in self._regions):
            return []
        return ["nothing of the room was found, so nothing is covered"]

    def detect(self, planes: Planes, layout: Layout) -> None:
        """Do nothing: where to look depends on the time."""

    def change(
        self, planes: Planes, layout: Layout, detected: None, target: tuple[U8, ...], seconds: float
    ) -> None:
        """Copy a frame, with what leaks covered."""
        for plane, copied in zip(target, planes, strict=True):
            plane[:, : copied.shape[1]] = copied
        n_pixels = 0
        for number, region in enumerate(self._regions):
            showing = region.showing_at(seconds + self._start)
            if showing is not None:
                n_pixels += self._cover(number, planes, layout, target, showing)
        share = n_pixels / (layout.height * layout.width)
        self.n_frames += 1
        self.n_covered += n_pixels > 0
        self._covered_shares += share
        self._most = max(self._most, share)

    def covered_parts(
        self, planes: Planes, layout: Layout, seconds: float
    ) -> Iterator[tuple[int, int, Planes, Layout]]:
        """Yield each region of a frame with what leaks covered.

        Its number, that of the background that it shows, its planes, and their layout.
        """
        for number, region in enumerate(self._regions):
            showing = region.showing_at(seconds)
            part = None if showing is None else self._part(number, layout, showing)
            if showing is None or part is None:
                continue
            shown = cut(planes, layout, showing)
            assert shown is not None
            copied: Planes = (shown[0].copy(), shown[1].copy(), shown[2].copy())
            background, _ = part.cover(copied)
            yield number, background, copied, part.layout

    def add_round(self, rooms: Mapping[tuple[int, int], U8]) -> None:
        """Begin again, and cover what was found in the covered frames, too.

        Parameters
        ----------
        rooms
            (h, w, 4) uint8 RGBA by the numbers of the region and of its background.
        """
        self._parts.clear()
        self._further.append(rooms)

    def _cover(
        self,
        number: int,
        planes: Planes,
        layout: Layout,
        target: tuple[U8, ...],
        showing: Showing,
    ) -> int:
        """Cover a region, and return the number of its pixels that showed the room."""
        part = self._part(number, layout, showing)
        if part is None:
            self.n_missed += 1
            return 0
        luma, cb, cr = (plane[:, : planes[i].shape[1]] for i, plane in enumerate(target))
        written = cut((luma, cb, cr), layout, showing)
        assert written is not None
        return int(np.count_nonzero(part.cover(written)[1]))

    def _part(self, number: int, layout: Layout, showing: Showing) -> _Part | None:
        """Return what covers a region; None in a frame of another size than was recovered."""
        recovery = self._regions[number].recovery
        inner = part_layout(layout, showing)
        if not holds(layout, showing) or (inner.height, inner.width) != recovery.confidence.shape:
            return None
        key = number, inner
        if key not in self._parts:
            rounds = [
                self._round(number, inner, None),
                *(self._round(number, inner, rooms) for rooms in self._further),
            ]
            shown = rounds[0].pixels.recoveries
            self._parts[key] = _Part(
                inner,
                rounds,
                [_planes_of(one.background[..., :3], inner) for one in shown],
                max(MIN_REACH, round(REACH * inner.height)),
            )
        return self._parts[key]

    def _round(
        self, number: int, layout: Layout, rooms: Mapping[tuple[int, int], U8] | None
    ) -> _Round:
        recovery = self._regions[number].recovery
        claimed = None
        if rooms is not None:
            nothing = np.zeros_like(recovery.room)
            n_backgrounds = 1 + len(recovery.others)
            claimed = [rooms.get((number, one), nothing) for one in range(n_backgrounds)]
        every = int(recovery.report["parameters"]["person_every"])
        return _Round(
            LeakingPixels(recovery, layout, claimed),
            person_finder(recovery, self._threads, every),
        )


def _beside(person: U8, layout: Layout) -> U8:
    """Return the opacity that the person allows, (h, w) uint8, from its blocks."""
    side = layout.block_size
    rows, columns = person.shape
    blocks = Image.fromarray(np.where(person < 2, np.uint8(OPAQUE), np.uint8(0)))
    whole = blocks.resize((columns * side, rows * side), Image.Resampling.BILINEAR)
    return np.asarray(whole)[: layout.height, : layout.width]


def _blend(plane: U8, behind: U8, opacity: U8) -> None:
    """Blend a plane (ch, cw) with that of the background, in place; the opacity is (h, w)."""
    if opacity.shape != plane.shape:
        image = Image.fromarray(opacity).resize(plane.shape[::-1], Image.Resampling.BOX)
        opacity = np.asarray(image)
    inside = bounds(opacity > 0, 0)
    if inside is None:
        return
    weight = opacity[inside].astype(np.int32)
    shown = plane[inside].astype(np.int32)
    blended = OPAQUE * shown + weight * (behind[inside].astype(np.int32) - shown)
    plane[inside] = (blended + OPAQUE // 2) // OPAQUE


def _planes_of(picture: U8, layout: Layout) -> Planes:
    """Convert an RGB picture (h, w, 3) uint8 to planes of a layout."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    return Converter().planes(frame, layout)
