"""The first pass: count all frames, with an engine for each layout of frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from unveil.arrays import U8
from unveil.errors import IncompatibleTable
from unveil.recovery.engine import Engine
from unveil.recovery.engine_state import EngineState
from unveil.recovery.parameters import Method, RecoverOptions
from unveil.recovery.passes.section import Section, WholeFrames
from unveil.video.chunk import Chunk, Layout
from unveil.video.container import VideoProperties
from unveil.video.geometry import as_decoded

MAX_ENGINES: Final = 4
MAX_PIXELS: Final = 2
"""Engines together have at most so many pixels, counted in frames of the largest layout."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A part of a chunk with the person mask, and the engine that counts it."""

    engine: Engine
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Counts:
    """What a `Counting` has counted.

    Attributes
    ----------
    engines
        States of the engines, of one layout each, in the order in which they began.
    n_given_up
        Frames of each layout that were given up.
    first, current
        Layout of the first and of the last frame; None without a frame.
    n_changes, n_left_out
        As in `Counting`.
    times
        Of the section.
    """

    engines: tuple[EngineState, ...]
    n_given_up: Mapping[Layout, int]
    first: Layout | None
    current: Layout | None
    n_changes: int
    n_left_out: int
    times: tuple[tuple[float, float], ...] = ()


class Counting:
    """Counts the frames of a recording; each size and colour of frames by itself.

    Recordings of WebRTC begin small, grow, and shrink again: the stretches of one layout are
    counted together. Where there are more layouts than `MAX_ENGINES` and `MAX_PIXELS` allow, the
    counts of the layout with the fewest frames are given up.

    Parameters
    ----------
    options
        How frames are counted.
    picture
        (m, n, 3) RGB picture of the background as displayed, None where none was given.
    properties
        Of the recording: the orientation of its frames.
    pixel_aspect
        Width of a pixel of the frames divided by its height; None: square.
    section
        The part of the recording that is counted; None: all of it.

    Attributes
    ----------
    section
        The part of the recording that is counted.
    n_changes
        Changes of the layout so far.
    n_left_out
        Frames so far that are not in the section.
    """

    def __init__(
        self,
        options: RecoverOptions,
        picture: U8 | None,
        properties: VideoProperties,
        pixel_aspect: Fraction | None = None,
        section: Section | None = None,
    ) -> None:
        self._options = options
        self._picture = None if picture is None else as_decoded(picture, properties, pixel_aspect)
        self._engines: dict[Layout, Engine] = {}
        self._n_frames: Counter[Layout] = Counter()
        self._n_given_up: Counter[Layout] = Counter()
        self._first: Layout | None = None
        self._current: Layout | None = None
        self.section = section or WholeFrames()
        self.n_changes = 0
        self.n_left_out = 0

    def step(self, first_frame: int, chunk: Chunk) -> None:
        """Count what a chunk shows of the section."""
        self.count(self.masked(chunk))

    def masked(self, chunk: Chunk, *, network_threads: int | None = None) -> list[Masked]:
        """Find the person in what a chunk shows of the section, for `count`.

        It may run beside `count` with what the chunk before showed; `network_threads` as in
        `Engine.masked`.
        """
        parts, n_shown = [], 0
        for part in self.section.of(chunk):
            engine = self._engine(part.layout)
            parts.append(Masked(engine, engine.masked(part, network_threads=network_threads)))
            self._n_frames[part.layout] += len(part)
            n_shown += len(part)
        self.n_left_out += len(chunk) - n_shown
        return parts

    def count(self, parts: Iterable[Masked]) -> None:
        """Count what `masked` returned, in the order of the chunks."""
        for part in parts:
            part.engine.update(part.chunk)

    def _engine(self, layout: Layout) -> Engine:
        """Return the engine for the next frames, which have this layout."""
        if layout != self._current:
            self.n_changes += self._current is not None
            self._current = layout
            self._first = self._first or layout
        if layout not in self._engines:
            self._make_room(layout)
            self._engines[layout] = self.new_engine(layout)
        return self._engines[layout]

    def _make_room(self, layout: Layout) -> None:
        """Give up engines until one for a layout fits."""
        engines = self._engines
        while engines:
            areas = [known.height * known.width for known in (*engines, layout)]
            if len(areas) <= MAX_ENGINES and sum(areas) <= MAX_PIXELS * max(areas):
                return
            given_up = min(engines, key=lambda known: self._n_frames[known])
            del engines[given_up]
            self._n_given_up[given_up] += self._n_frames.pop(given_up)

    def merge(self, later: Counting) -> None:
        """Add what was counted of the frames after these, which belongs to this from then on.

        Engines are given up as in one pass, so that each has counted consecutive frames.

        Raises
        ------
        IncompatibleTable
            The two were counted with other options.
        """
        for layout, n_given_up in later._n_given_up.items():
            if layout in self._engines:
                n_given_up += self._engines.pop(layout).n_frames
                del self._n_frames[layout]
            self._n_given_up[layout] += n_given_up
        for layout, engine in later._engines.items():
            if layout in self._engines:
                self._engines[layout].merge(engine)
            else:
                self._make_room(layout)
                self._engines[layout] = engine
            self._n_frames[layout] = self._engines[layout].n_frames
        joins = self._current is None or later._first in (None, self._current)
        self.n_changes += later.n_changes + (not joins)
        self._first = self._first or later._first
        self._current = later._current or self._current
        self.n_left_out += later.n_left_out
        self.section.times = [
            (float(np.fmin(first, later_first)), float(np.fmax(last, later_last)))
            for (first, last), (later_first, later_last) in zip(
                self.section.times, later.section.times, strict=True
            )
        ]

    def counts(self) -> Counts:
        """Return what was counted; the states are shared, not copied."""
        return Counts(
            tuple(engine.state for engine in self._engines.values()),
            {layout: n for layout, n in self._n_given_up.items() if n},
            self._first,
            self._current,
            self.n_changes,
            self.n_left_out,
            tuple(self.section.times),
        )

    def go_on(self, counts: Counts) -> None:
        """Take over what was counted by a `Counting` of the same options and section.

        Raises
        ------
        IncompatibleTable
            It was another section.
        """
        if len(counts.times) != len(self.section.times):
            raise IncompatibleTable("another section of the recording was counted")
        self.section.times = list(counts.times)
        for state in counts.engines:
            self._engines[state.table.layout] = Engine.of_state(
                state,
                self._options.parameters,
                chunk_frames=self._options.chunk_frames,
                background=self._picture,
            )
            self._n_frames[state.table.layout] = state.table.n_frames
        self._n_given_up.update(counts.n_given_up)
        self._first, self._current = counts.first, counts.current
        self.n_changes, self.n_left_out = counts.n_changes, counts.n_left_out

    def new_engine(self, layout: Layout, method: Method | None = None) -> Engine:
        """Make an engine for frames of a layout, of another method if one is given."""
        parameters = self._options.parameters
        if method is not None:
            parameters = replace(parameters, method=method)
        return Engine(
            layout.height,
            layout.width,
            parameters=parameters,
            chunk_frames=self._options.chunk_frames,
            background=self._picture,
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of counting, as they are saved with a state."""
        return self._options.parameters.as_dict()

    @property
    def layout(self) -> Layout:
        """Of the frames that `best` counted."""
        if not self._engines:
            raise RuntimeError("no frame was counted yet")
        # The first of equals: dictionaries keep their order. A copy: `masked` may run meanwhile.
        engines = self._engines.copy()
        return max(engines, key=lambda known: engines[known].n_frames)

    @property
    def best(self) -> Engine | None:
        """The engine that counted most frames; None before the first frame."""
        return self._engines[self.layout] if self._engines else None

    @property
    def n_skipped(self) -> int:
        """Frames of `layout` that came before those that `best` counted."""
        return self._n_given_up[self.layout]

    def forget(self) -> None:
        """Free the engines and what they counted."""
        self._engines.clear()
