"""Interlaced frames become whole ones, one for each."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.footage import U8, numbered_frames, rows_of
from unveil.video.deinterlace import deinterlaced
from unveil.video.reader import open_video

HEIGHT, WIDTH = 64, 96


def interlaced_frames(n: int, top_first: bool = True) -> Iterator[av.VideoFrame]:
    """Move a bar by 4 columns a field; the frames are flagged."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=WIDTH,
        height=HEIGHT,
        format=av.VideoFormat("yuv420p"),
        time_base=Fraction(1, 25),
    )
    flag = graph.add("setfield", "tff" if top_first else "bff")
    graph.link_nodes(source, flag, graph.add("buffersink")).configure()
    for number in range(n):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            rows_of(plane)[:] = 128
        luma = rows_of(frame.planes[0])
        luma[:] = 40
        for field in range(2):
            row = field if top_first else 1 - field
            luma[row::2, 8 * number + 4 * field :][:, :16] = 210
        frame.pts, frame.time_base = number, Fraction(1, 25)
        graph.push(frame)
        yield graph.vpull()


def combing(luma: U8) -> float:
    """Return how much rows differ from their neighbours above and below."""
    rows = luma.astype(int)
    return float(np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean())


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_each_frame_gives_one(n: int, top_first: bool) -> None:
    made = list(deinterlaced((frame, i) for i, frame in enumerate(interlaced_frames(n, top_first))))
    assert [companion for _, companion in made] == list(range(n))
    if n == 1:
        return  # the field of another time has no neighbour to be mended from
    for frame, number in made:
        assert not frame.interlaced_frame
        luma = rows_of(frame.planes[0])[:, :WIDTH]
        assert combing(luma) < 3
        shown = np.flatnonzero(luma[32] > 120)
        assert abs(int(shown[0]) - 8 * number) <= 4
        assert len(shown) == pytest.approx(16, abs=5)


def test_progressive_frames_are_the_same_objects() -> None:
    frames = [(frame, n) for n, frame in enumerate(numbered_frames(4))]
    noticed: list[int] = []
    made = list(deinterlaced(frames, lambda: noticed.append(1)))
    assert all(one is other for (one, _), (other, _) in zip(frames, made, strict=True))
    assert not noticed


def test_sizes_and_kinds_may_alternate() -> None:
    noticed: list[int] = []
    frames = [
        *numbered_frames(2),
        *interlaced_frames(3),
        *numbered_frames(2, 32, 32),
        *interlaced_frames(2),
    ]
    made = list(deinterlaced(((f, i) for i, f in enumerate(frames)), lambda: noticed.append(1)))
    assert [companion for _, companion in made] == list(range(9))
    assert [frame.height for frame, _ in made] == [frame.height for frame in frames]
    assert len(noticed) >= 1


def test_the_reader_deinterlaces_where_it_is_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "tape.mkv"
    with av.open(str(path), "w") as output:
        options = {"flags": "+ildct+ilme", "qscale": "2"}
        stream = output.add_stream("mpeg2video", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in interlaced_frames(8):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    seen = {}
    for asked in (False, True):
        with open_video(path, deinterlace=asked) as video:
            (chunk,) = video.chunks()
            seen[asked] = [combing(luma) for luma in chunk.planes[0]]
            assert chunk.pts_seconds.tolist() == pytest.approx([n / 25 for n in range(8)])
            assert video.tally.warnings == ["interlaced frames: deinterlaced"] * asked
    assert min(seen[False]) > 10
    assert max(seen[True]) < 4
