"""`find_tiles`: the tiles of a recorded meeting, and when they are shown."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from unveil.errors import InvalidParameter, MissingRuntime
from unveil.interruption import StopRequested, check, never
from unveil.parallel import available_cores
from unveil.tiles.believe import TOLERANCE, Leaf, tiles_of
from unveil.tiles.cutting import may_be_cut
from unveil.tiles.evidence import Box, evidence_of
from unveil.tiles.layouts import WINDOW, stretches
from unveil.tiles.model import Showing, Tile, whole_samples
from unveil.tiles.overlaid import overlaid_tiles
from unveil.tiles.people import Finding, PersonTest
from unveil.tiles.reference import Reference
from unveil.tiles.samples import Sample, keyframes, spread
from unveil.video.chunk import Layout
from unveil.video.container import VideoProperties
from unveil.video.crop import Rectangle, displayed_rectangle, stored_rectangle
from unveil.video.reader import open_video
from unveil.video.source import Source, source_of

logger = logging.getLogger(__name__)

MIN_TILE_SIDE: Final = 48
"""Rows and columns of the smallest tile from which anything is recovered."""

NOBODY, STILL = "shows no person", "shows a person who does not move, such as a picture"
SCREEN = "shows a shared screen, of which other tiles cover a part"
TOO_SMALL = f"is smaller than {MIN_TILE_SIDE} pixels"
TOO_SHORT = "the layout is shown for too short a time"
UNSTABLE = "the layout changes too often to be followed"

REASONS: Final[dict[Finding, str | None]] = {
    "person": None,
    "nobody": NOBODY,
    "still": STILL,
    "screen": SCREEN,
}


def find_tiles(
    path: str | os.PathLike[str] | Source,
    *,
    grid: tuple[int, int] | None = None,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    stream: int | None = None,
    threads: int | None = None,
    stop: StopRequested = never,
) -> tuple[Tile, ...]:
    """Find the tiles of a recorded meeting: galleries, a speaker with a strip, over a screen.

    The recording is looked at in a bounded number of sample frames. One picture, the usual call,
    is told by a few keyframes.

    Parameters
    ----------
    path
        A file, which is read more than once.
    grid
        Rows and columns of a gallery of equal tiles without gaps, instead of a search for borders.
    start_seconds, end_seconds, stream
        Selection of frames and of the video stream, as in `recover`.
    threads
        Threads for decoding and networks; None takes one per core.
    stop
        Returns whether to stop, see `unveil.interruption`.

    Returns
    -------
    tiles
        The tiles by their times, and from the top left to the bottom right, those without a person
        included. One picture is one tile, whose `person` is None.

    Raises
    ------
    InvalidParameter
        A camera, a pipe or an address is given, or a tile of `grid` would have no pixel.
    MissingInput, UnreadableVideo, NoFrames
        As for any recovery.
    MissingRuntime
        The network that finds people cannot run here, and the picture is cut.
    """
    source = path if isinstance(path, Source) else source_of(path)
    reading: dict[str, Any] = {
        "start_seconds": start_seconds,
        "end_seconds": end_seconds,
        "stream": stream,
        "threads": threads or available_cores(),
    }
    tiles = search_tiles(source, grid, reading, stop)
    if tiles:
        return tiles
    with open_video(source, **reading, stop=stop) as video:
        properties = video.properties
    height, width = properties.displayed_size((properties.height, properties.width))
    return (Tile(Rectangle(width, height, 0, 0), start_seconds or 0.0),)


def search_tiles(
    source: Source,
    grid: tuple[int, int] | None,
    reading: Mapping[str, Any],
    stop: StopRequested,
) -> tuple[Tile, ...]:
    """Return the tiles as `find_tiles` does, none for one picture.

    Parameters
    ----------
    source, grid, stop
        As for `find_tiles`.
    reading
        Keywords of `unveil.video.reader.open_video`, which select frames.
    """
    if not source.can_rewind:
        raise InvalidParameter(f"tiles: {source.name} is read only once; record it to a file first")
    threads = reading.get("threads") or available_cores()
    search = _Search(source, reading, PersonTest(threads), stop)
    if grid is not None:
        return search.fixed(*grid)
    start, end = reading.get("start_seconds"), reading.get("end_seconds")
    seen = keyframes(source, reading.get("stream"), start or 0.0, end or math.inf)
    if any(may_be_cut(sample.planes[0]) for sample in seen) or search.overlaid(seen):
        return search.tiles()
    return ()


@dataclass(slots=True)
class _Search:
    """The search for the tiles of one recording."""

    source: Source
    reading: Mapping[str, Any]
    people: PersonTest
    stop: StopRequested

    def fixed(self, rows: int, columns: int) -> tuple[Tile, ...]:
        """Return the tiles of a grid, shown all the time."""
        samples, properties = spread(self.source, self.reading, self.stop)
        layout = _most_frequent([sample.layout for sample in samples])
        frames = [sample for sample in samples if sample.layout == layout]
        size = layout.height, layout.width
        height, width = properties.displayed_size(size)
        if height // rows < 2 or width // columns < 2:
            raise InvalidParameter(
                f"tiles: {rows}x{columns} tiles do not fit into a picture of {width}x{height}"
            )
        tiles = []
        for row in range(rows):
            for column in range(columns):
                top, bottom = height * row // rows, height * (row + 1) // rows
                left, right = width * column // columns, width * (column + 1) // columns
                shown = Rectangle(right - left, bottom - top, left, top)
                stored = stored_rectangle(shown, size, properties)
                box = (stored.y, stored.x, stored.y + stored.height, stored.x + stored.width)
                finding = self._looked_again(frames, Leaf(box, self._look(frames, box))).finding
                showing = Showing(layout, whole_samples(box, layout), -math.inf, math.inf)
                tiles.append(_tile(showing, finding, 0.0, None, properties))
        return tuple(tiles)

    def tiles(self) -> tuple[Tile, ...]:
        """Return the tiles of each layout of the recording; none for one picture."""
        samples, properties = spread(self.source, self.reading, self.stop)
        parts = stretches(samples)
        leaves = []
        for first, end in parts:
            check(self.stop)
            leaves.append(self._leaves(samples[first:end]) if end - first >= WINDOW else None)
        if _mostly_one_person(parts, leaves):
            overlaid = self.overlaid(samples)
            if overlaid and not (len(parts) == 1 and _same_people(leaves[0] or [], overlaid)):
                # A shared screen changes, and its lines cut it: one stretch, whatever it shows.
                parts, leaves = [(0, len(samples))], [overlaid]
        if len(parts) > 1:
            leaves = [
                self.overlaid(samples[first:end]) if found == [] else found
                for (first, end), found in zip(parts, leaves, strict=True)
            ]
        if not any(leaves):
            if not self._is_unstable(samples):
                return ()
            height, width = properties.displayed_size((properties.height, properties.width))
            return (Tile(Rectangle(width, height, 0, 0), reason=UNSTABLE),)
        tiles: list[Tile] = []
        for number, ((first, end), found) in enumerate(zip(parts, leaves, strict=True)):
            tiles += self._shown(samples, first, end, found, properties)
            logger.debug("layout %d: %s", number, found)
        return tuple(_joined(tiles))

    def _leaves(self, samples: Sequence[Sample]) -> list[Leaf]:
        """Return the tiles of a stretch; empty where it is one picture."""
        layout = samples[0].layout
        evidence = evidence_of([sample.planes for sample in samples], layout)
        leaves = tiles_of(evidence, lambda box: self._look(samples, box))
        return [self._looked_again(samples, leaf) for leaf in leaves]

    def overlaid(self, samples: Sequence[Sample]) -> list[Leaf]:
        """Return the small pictures that cover a shared screen, and the screen; empty for none."""
        layout = samples[0].layout if samples else None
        if layout is None or any(sample.layout != layout for sample in samples):
            return []
        return overlaid_tiles([sample.planes for sample in samples], layout, self.people)

    def _look(self, samples: Sequence[Sample], box: Box) -> Finding:
        layout = samples[0].layout
        part = whole_samples(box, layout)
        if min(part.width, part.height) < MIN_TILE_SIDE:
            return "nobody"
        return self.people.look([sample.planes for sample in samples], layout, part)

    def _looked_again(self, samples: Sequence[Sample], leaf: Leaf) -> Leaf:
        layout = samples[0].layout
        part = whole_samples(leaf.box, layout)
        if leaf.finding != "nobody" or min(part.width, part.height) < MIN_TILE_SIDE:
            return leaf
        planes = [sample.planes for sample in samples]
        return replace(leaf, finding=self.people.look_again(planes, layout, part))

    def _is_unstable(self, samples: Sequence[Sample]) -> bool:
        """Whether single frames show several people in tiles, though no layout lasts."""
        chosen = samples[:: max(1, len(samples) // 3)][:3]
        try:
            alone = [self._leaves([sample]) for sample in chosen]
        except MissingRuntime:
            return False
        in_tiles = sum(sum(leaf.has_person for leaf in leaves) > 1 for leaves in alone)
        return 2 * in_tiles > len(alone)

    def _shown(
        self,
        samples: Sequence[Sample],
        first: int,
        end: int,
        leaves: list[Leaf] | None,
        properties: VideoProperties,
    ) -> list[Tile]:
        """Return the tiles of the samples [first, end)."""
        layout = samples[first].layout
        times = (
            samples[first].seconds if first else self.reading.get("start_seconds") or 0.0,
            samples[end - 1].seconds if end < len(samples) else None,
        )
        after = samples[first - 1].seconds if first else -math.inf
        before = samples[end].seconds if end < len(samples) else math.inf
        whole = (0, 0, layout.height, layout.width)
        if leaves is None:
            showing = Showing(layout, whole_samples(whole, layout), after, before)
            return [replace(_tile(showing, "nobody", *times, properties), reason=TOO_SHORT)]
        tiles = []
        luma = [sample.planes[0] for sample in samples[first:end]]
        for leaf in leaves or [Leaf(whole, self._look(samples[first:end], whole))]:
            stored = whole_samples(leaf.box, layout)
            reference = Reference.of(luma, stored)
            showing = Showing(layout, stored, after, before, reference)
            tiles.append(_tile(showing, leaf.finding, *times, properties))
        return tiles


def _tile(
    showing: Showing,
    finding: Finding,
    start_seconds: float,
    end_seconds: float | None,
    properties: VideoProperties,
) -> Tile:
    stored, layout = showing.stored, showing.layout
    too_small = min(stored.width, stored.height) < MIN_TILE_SIDE
    return Tile(
        displayed_rectangle(stored, (layout.height, layout.width), properties),
        start_seconds,
        end_seconds,
        finding == "person",
        TOO_SMALL if too_small else REASONS[finding],
        (showing,),
    )


def _mostly_one_person(
    parts: Sequence[tuple[int, int]], leaves: Sequence[Sequence[Leaf] | None]
) -> bool:
    """Whether most samples are not of a layout that shows several people in tiles."""
    several = sum(
        end - first
        for (first, end), found in zip(parts, leaves, strict=True)
        if sum(leaf.has_person for leaf in found or ()) > 1
    )
    return 2 * several < sum(end - first for first, end in parts)


def _same_people(leaves: Sequence[Leaf], others: Sequence[Leaf]) -> bool:
    """Whether people are in the same tiles."""
    boxes, theirs = ([leaf.box for leaf in some if leaf.has_person] for some in (leaves, others))
    return len(boxes) == len(theirs) and all(
        max(abs(one - other) for one, other in zip(box, their, strict=True)) <= TOLERANCE
        for box, their in zip(sorted(boxes), sorted(theirs), strict=True)
    )


def _joined(tiles: list[Tile]) -> list[Tile]:
    """Join a tile with the one of the next layout at the same place, where it shows the same."""
    joined: list[Tile] = []
    for tile in tiles:
        for number, earlier in enumerate(joined):
            if _continues(tile, earlier):
                joined[number] = replace(
                    earlier,
                    end_seconds=tile.end_seconds,
                    person=earlier.person or tile.person,
                    reason=None if None in (earlier.reason, tile.reason) else earlier.reason,
                    showings=(*earlier.showings, *tile.showings),
                )
                break
        else:
            joined.append(tile)
    return joined


def _continues(tile: Tile, earlier: Tile) -> bool:
    """Whether a tile is an earlier one in the next layout."""
    (now,), before = tile.showings, earlier.showings[-1]
    adjoins = earlier.end_seconds is not None and now.after_seconds == earlier.end_seconds
    same_place = now.layout == before.layout and all(
        abs(one - other) <= TOLERANCE
        for one, other in zip(tile.rectangle.as_list(), earlier.rectangle.as_list(), strict=True)
    )
    if not (adjoins and same_place) or None in (now.reference, before.reference):
        return False
    assert now.reference is not None
    assert before.reference is not None
    return before.reference.is_same_background(now.reference)


def _most_frequent(layouts: Sequence[Layout]) -> Layout:
    return max(dict.fromkeys(layouts), key=layouts.count)
