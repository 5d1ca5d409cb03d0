"""Covers the pixels of frames that show the room with the virtual background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from PIL import Image

from unveil.arrays import U8, Bool
from unveil.auditing.boxes import bounds, soft_opacity
from unveil.auditing.leaking_pixels import LeakingPixels
from unveil.auditing.people import PersonFinder, person_finder
from unveil.auditing.regions import Region, Showing, cut, part_layout
from unveil.protection.frames import Converter
from unveil.video.chunk import Layout, Planes

REACH: Final = 1 / 180
"""Pixels by which a leak is dilated, as a share of the frame's height: 4 at 720p."""

MIN_REACH: Final = 2
"""Smallest number of these pixels."""

OPAQUE: Final = 255


@dataclass(slots=True)
class _Part:
    """What is needed to cover a region in frames of one layout."""

    pixels: LeakingPixels
    person: PersonFinder | None
    backgrounds: list[Planes]
    reach: int


@dataclass(frozen=True, slots=True)
class _Found:
    """What leaks in a part of a frame, (h, w) bool; the person's mask; the background's number."""

    part: _Part
    leaking: Bool
    person: U8 | None
    background: int

    def cover(self, planes: Planes) -> None:
        """Blend the background over what leaks, in place."""
        if not self.leaking.any():
            return
        opacity = soft_opacity(self.leaking, self.part.reach)
        if self.person is not None:
            # Beside a leak the person stays as sharp as it is.
            opacity = np.minimum(opacity, _beside(self.person, self.part.pixels.layout))
            opacity = np.maximum(opacity, soft_opacity(self.leaking, MIN_REACH))
        behind = self.part.backgrounds[self.background]
        for plane, colours in zip(planes, behind, strict=True):
            _blend(plane, colours, opacity)


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
            if showing is None or (found := self._found(number, planes, layout, showing)) is None:
                continue
            shown = cut(planes, layout, showing)
            assert shown is not None
            written: Planes = (shown[0].copy(), shown[1].copy(), shown[2].copy())
            found.cover(written)
            yield number, found.background, written, found.part.pixels.layout

    def add_claims(self, number: int, background: int, room: U8) -> None:
        """Cover what else was found behind a background of a region, too."""
        for (region, _), part in self._parts.items():
            if region == number:
                part.pixels.add(background, room)

    def begin_again(self) -> None:
        """Forget the person of the last frame: the next one is the first again."""
        for (region, _), part in self._parts.items():
            part.person = self._person(region)

    def _cover(
        self,
        number: int,
        planes: Planes,
        layout: Layout,
        target: tuple[U8, ...],
        showing: Showing,
    ) -> int:
        """Cover a region, and return the number of its pixels that showed the room."""
        found = self._found(number, planes, layout, showing)
        if found is None:
            self.n_missed += 1
            return 0
        luma, cb, cr = (plane[:, : planes[i].shape[1]] for i, plane in enumerate(target))
        written = cut((luma, cb, cr), layout, showing)
        assert written is not None
        found.cover(written)
        return int(np.count_nonzero(found.leaking))

    def _found(
        self, number: int, planes: Planes, layout: Layout, showing: Showing
    ) -> _Found | None:
        """Find what leaks in a region; None in a frame of another size than was recovered."""
        shown = cut(planes, layout, showing)
        inner = part_layout(layout, showing)
        if shown is None or (inner.height, inner.width) != self._size(number):
            return None
        part = self._part(number, inner)
        person = None if part.person is None else part.person.find(shown, inner)
        background = part.pixels.shown_background(shown)
        return _Found(part, part.pixels.find(shown, person, background), person, background)

    def _size(self, number: int) -> tuple[int, ...]:
        return self._regions[number].recovery.confidence.shape

    def _person(self, number: int) -> PersonFinder | None:
        recovery = self._regions[number].recovery
        every = int(recovery.report["parameters"]["person_every"])
        return person_finder(recovery, self._threads, every)

    def _part(self, number: int, layout: Layout) -> _Part:
        key = number, layout
        if key not in self._parts:
            recovery = self._regions[number].recovery
            pixels = LeakingPixels(recovery, layout)
            self._parts[key] = _Part(
                pixels,
                self._person(number),
                [_planes_of(one.background[..., :3], layout) for one in pixels.recoveries],
                max(MIN_REACH, round(REACH * layout.height)),
            )
        return self._parts[key]


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
