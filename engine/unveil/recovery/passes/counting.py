"""The first pass: count all frames, with an engine for each run of frames of one layout."""

from __future__ import annotations

from dataclasses import replace

from unveil.arrays import U8
from unveil.recovery.engine import Engine
from unveil.recovery.parameters import Method, RecoverOptions
from unveil.video.chunk import Chunk, Layout
from unveil.video.container import VideoProperties


class Counting:
    """Counts the frames of a recording; where they change in size or colour, the longest run.

    Parameters
    ----------
    options
        How frames are counted.
    picture
        (m, n, 3) RGB picture of the background as displayed, None where none was given.
    properties
        Of the recording: the orientation of its frames.

    Attributes
    ----------
    current
        The engine that counts the present run; None before the first frame.
    n_runs
        Runs of frames of one layout so far.
    """

    def __init__(
        self, options: RecoverOptions, picture: U8 | None, properties: VideoProperties
    ) -> None:
        self._options = options
        self._picture = None if picture is None else properties.undo_display_matrix(picture)
        self._longest: Engine | None = None
        self._layout: Layout | None = None
        self.current: Engine | None = None
        self.n_runs = 0

    def step(self, first_frame: int, chunk: Chunk) -> None:
        """Count a chunk."""
        if self.current is None or chunk.layout != self._layout:
            self._longest = self.longest
            self._layout = chunk.layout
            self.current = self.new_engine(chunk.layout)
            self.n_runs += 1
        self.current.update(chunk)

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
    def layout(self) -> Layout:
        """Of the frames of the present run."""
        if self._layout is None:
            raise RuntimeError("no frame was counted yet")
        return self._layout

    def forget(self) -> None:
        """Free the engines and what they counted."""
        self._longest = self.current = None

    @property
    def longest(self) -> Engine | None:
        """The engine that counted most frames, the first of equals; None before the first frame."""
        if self._longest is None or self.current is None:
            return self.current
        longer = self.current.n_frames > self._longest.n_frames
        return self.current if longer else self._longest
