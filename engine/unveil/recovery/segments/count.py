"""`count_segment` counts one segment, in any process; `merge_states` merges what was counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from unveil.arrays import U8
from unveil.counting.state_file import read_state, write_state
from unveil.counting.times import TimeIndex
from unveil.errors import IncompatibleTable
from unveil.interruption import StopRequested, never
from unveil.memory import return_freed_memory
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.passes.ahead import CHUNKS_HELD, CountingAhead
from unveil.recovery.passes.counting import Counting
from unveil.recovery.passes.plan import Pass, run_pass
from unveil.recovery.passes.section import Section, TileFrames, section_of
from unveil.recovery.segments.state import SavedState, SegmentState
from unveil.tiles.model import Showing
from unveil.video.chunk import Chunk, Layout
from unveil.video.reader import Video, open_video
from unveil.video.selection import Segment
from unveil.video.source import Source

KIND: Final = "segments"
"""Field `method` of the files' headers."""


@dataclass(frozen=True, slots=True)
class SegmentTask:
    """How the segments of a recording are counted; can be pickled.

    Attributes
    ----------
    source
        The recording.
    options
        As for `unveil.recover`, without the picture of the background: counting needs none.
    first_layout
        Of the first selected frame, for a crop.
    tiles
        Where and when each tile of a meeting is shown; each is counted by itself. Empty: the
        whole picture or the crop is counted.
    """

    source: Source
    options: RecoverOptions
    first_layout: Layout | None = None
    tiles: tuple[tuple[Showing, ...], ...] = ()

    def open(self, segment: Segment, stop: StopRequested = never) -> Video:
        """Open the recording for a segment."""
        return open_video(
            self.source,
            **self.options.reading,
            segment=segment,
            chunks_held=CHUNKS_HELD,
            stop=stop,
        )

    def counted_pixels(self, video: Video) -> int:
        """Return how many pixels of a frame are counted, at most, or decoded."""
        tiles = sum(showings[0].stored.area for showings in self.tiles)
        return max(tiles, video.properties.width * video.properties.height)

    def countings(self, video: Video, picture: U8 | None = None) -> tuple[Counting, ...]:
        """Make what counts the frames: one, or one for each tile."""
        properties = video.properties
        sections: list[Section] = [TileFrames(showings, properties) for showings in self.tiles]
        if not sections:
            sections = [section_of(self.options.crop, properties, self.first_layout)]
        return tuple(
            Counting(self.options, picture, properties, video.pixel_aspect, section)
            for section in sections
        )


def count_segment(
    task: SegmentTask,
    segment: Segment,
    *,
    stop: StopRequested = never,
    on_frames: Callable[[int, float], object] = lambda n_frames, seconds: None,
    picture: U8 | None = None,
) -> SegmentState:
    """Count the frames of one segment.

    Parameters
    ----------
    task, segment
        What is counted; the result depends on nothing else.
    stop
        Returns whether to stop.
    on_frames
        Called after each chunk with the number of frames counted and the time of the last one.
    picture
        (m, n, 3) RGB uint8 picture of the background, for previews.

    Raises
    ------
    Interrupted, UnreadableVideo, FrameTooLarge, MissingRuntime
        As for `unveil.recover`.
    """
    with task.open(segment, stop) as video:
        countings = task.countings(video, picture)
        times = TimeIndex()
        ahead = CountingAhead(countings, task.options.n_threads, ahead=True)

        def step(first_frame: int, chunk: Chunk) -> None:
            times.append(chunk.pts_seconds)
            ahead.step(first_frame, chunk)

        with closing(ahead.searched(video.chunks())) as chunks:
            run_pass(
                Pass(f"count segment {segment.number}", step),
                chunks,
                lambda n_frames, chunk: on_frames(n_frames, float(chunk.pts_seconds[-1])),
            )
    return_freed_memory()
    return SegmentState(countings, video.tally, times)


def write_segment_state(
    state: SegmentState, task: SegmentTask, path: Path, *, durable: bool = False
) -> None:
    """Write the state of segments to a file; a durable one survives a power failure.

    Raises
    ------
    OutputUnwritable
        The file cannot be written.
    """
    saved = SavedState.of(state)
    parameters = task.options.parameters.as_dict()
    header = {"method": KIND, "parameters": parameters, **saved.header(parameters)}
    write_state(path, header, saved.stored, durable=durable)


def read_segment_state(path: Path, countings: tuple[Counting, ...]) -> SegmentState:
    """Read what `write_segment_state` wrote; `countings` are new ones of the same task.

    Raises
    ------
    MissingInput, IncompatibleTable
        There is no such file, or it is damaged.
    """
    saved, parameters = read_state(path, {KIND: SavedState})
    if parameters != countings[0].parameters:
        raise IncompatibleTable(f"{path}: was counted with other parameters; count again")
    return saved.resumed(countings)


def merge_states(task: SegmentTask, paths: Iterable[Path], first: Segment, target: Path) -> None:
    """Merge the files of consecutive groups or segments in their order into one file.

    For a cluster, whose reduction calls it for at most `GROUP_SEGMENTS` segments, and then for
    the groups, so that the result is that of `Fold`.

    Parameters
    ----------
    task, first
        What was counted, and any of the segments: for the properties of the recording.
    paths
        Files of `write_segment_state`.
    target
        Gets the merged state.

    Raises
    ------
    IncompatibleTable
        A file is damaged, or was counted with other parameters.
    """
    with task.open(first) as video:
        merged: SegmentState | None = None
        for path in paths:
            state = read_segment_state(path, task.countings(video))
            if merged is None:
                merged = state
            else:
                merged.merge(state)
    if merged is None:
        raise ValueError("no state to merge")
    write_segment_state(merged, task, target)
