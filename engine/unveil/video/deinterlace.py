"""Deinterlacing: one whole frame for each interlaced one, by FFmpeg's filter bwdif."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TypeVar

import av
import av.error
from av.filter import Graph

_With = TypeVar("_With")

_MIN_HEIGHT, _MIN_WIDTH = 4, 3  # of what bwdif takes


def deinterlaced(
    frames: Iterable[tuple[av.VideoFrame, _With]], noticed: Callable[[], object] = lambda: None
) -> Iterator[tuple[av.VideoFrame, _With]]:
    """Yield frames in their order, deinterlaced where they are flagged as interlaced.

    An output of a person before another background is no interlaced video: encoders, players
    and the scaling of chroma would need to know of its fields. Each frame gives one frame, with
    what came with it; progressive frames are not changed.

    Parameters
    ----------
    frames
        Frames and what belongs to each of them.
    noticed
        Called at the first interlaced frame.
    """
    graph: Graph | None = None
    key: tuple[str, int, int] | None = None
    waiting: deque[_With] = deque()
    for frame, companion in frames:
        own = frame.format.name, frame.height, frame.width
        if graph is not None and own != key:
            yield from _drained(graph, waiting)
            graph = None
        if graph is None:
            if not frame.interlaced_frame or own[1] < _MIN_HEIGHT or own[2] < _MIN_WIDTH:
                yield frame, companion
                continue
            noticed()
            graph, key = _graph_for(frame), own
        waiting.append(companion)
        graph.push(frame)
        yield from _pulled(graph, waiting)
    if graph is not None:
        yield from _drained(graph, waiting)


def _graph_for(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1  # the decoder's threads already use all cores
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 1000),
    )
    bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph, waiting: deque[_With]) -> Iterator[tuple[av.VideoFrame, _With]]:
    while waiting:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame, waiting.popleft()


def _drained(graph: Graph, waiting: deque[_With]) -> Iterator[tuple[av.VideoFrame, _With]]:
    graph.vpush(None)
    yield from _pulled(graph, waiting)
    waiting.clear()
