"""Chunks, buffers, the decoding thread and its end."""

from __future__ import annotations

import functools
import gc
import hashlib
import http.server
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.footage import U8, noise_frames, numbered_frames, numbers_of, rows_of, write_video
from unveil.errors import FrameTooLarge, MissingInput, UnreadableVideo
from unveil.video import chunk_buffer
from unveil.video.chunk import Colour, Layout
from unveil.video.pixel_format import PlaneReader
from unveil.video.reader import BUFFERS, open_video
from unveil.video.source import resolve_inputs


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert not set(threading.enumerate()) - before


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make 100 numbered frames."""
    return write_video(tmp_path_factory.mktemp("decode") / "call.mp4", numbered_frames(100))


def numbers(path: Path | str, **options: int) -> list[int]:
    with open_video(path, **options) as video:
        return [n for chunk in video.chunks() for n in numbers_of(chunk.planes)]


def digest(path: Path, **options: int) -> str:
    """Hash all frames, whatever their chunks."""
    planes: list[list[U8]] = [[], [], []]
    with open_video(path, **options) as video:
        for chunk in video.chunks():
            for plane, collected in zip(chunk.planes, planes, strict=True):
                collected.append(plane.copy())
    return hashlib.sha256(b"".join(np.concatenate(p).tobytes() for p in planes)).hexdigest()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (2, 2), (48, 64), (16, 16384)])
@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("ffv1", "yuv420p"),
        ("ffv1", "yuv422p"),
        ("ffv1", "yuv444p"),
        ("ffv1", "bgr0"),
        ("ffv1", "gray"),
        ("rawvideo", "yuvj420p"),
        ("rawvideo", "nv12"),
        ("rawvideo", "rgb24"),
        ("rawvideo", "gbrp"),
    ],
)
def test_every_pixel_comes_through(
    tmp_path: Path, codec: str, name: str, size: tuple[int, int]
) -> None:
    """Lossless codecs: what was put in comes out, by way of the same plane reader."""
    frames = list(noise_frames(3, *size, name))
    options = {"level": "1"} if codec == "ffv1" else {}  # its slices want larger frames
    path = write_video(tmp_path / "call.nut", frames, codec=codec, options=options)
    reader = PlaneReader()
    with open_video(path) as video:
        (chunk,) = [
            (chunk.layout, [plane.copy() for plane in chunk.planes]) for chunk in video.chunks()
        ]
    layout, planes = chunk
    for i, frame in enumerate(frames):
        source = reader.layout_of(frame)
        assert (layout.height, layout.width) == size
        assert layout.chroma_height == source.chroma_height
        assert layout.chroma_width == source.chroma_width
        wanted = source.empty(1)
        reader.copy_into(frame, wanted, 0)
        for plane, wanted_plane in zip(planes, wanted, strict=True):
            assert (plane[i] == wanted_plane[0]).all()


@pytest.mark.parametrize("size", [(1079, 1919), (1080, 1920)])
def test_h264_of_odd_size_is_cropped_right(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = list(noise_frames(2, *size, "yuv444p"))
    path = write_video(tmp_path / "call.mkv", frames)
    with open_video(path) as video:
        for chunk in video.chunks():
            for i, frame in enumerate(frames):
                for plane, source in zip(chunk.planes, frame.planes, strict=True):
                    assert (plane[i] == rows_of(source)[:, : size[1]]).all()


def test_one_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "call.mp4", numbered_frames(1, first=77))
    with open_video(path) as video:
        assert video.expected_frames == 1
        assert [numbers_of(chunk.planes) for chunk in video.chunks()] == [[77]]


@pytest.mark.parametrize("threads", [None, 1, 2, 5])
@pytest.mark.parametrize("chunk_frames", [1, 7, 64])
def test_chunk_size_and_threads_change_no_frame(
    call: Path, chunk_frames: int, threads: int | None
) -> None:
    with open_video(call, chunk_frames=chunk_frames, threads=threads) as video:
        sizes = []
        found = []
        for chunk in video.chunks():
            sizes.append(len(chunk))
            found += numbers_of(chunk.planes)
    assert found == list(range(100))
    assert set(sizes[:-1]) <= {chunk_frames}
    assert sizes[-1] <= chunk_frames


def test_threads_give_the_same_bytes(tmp_path: Path) -> None:
    frames = noise_frames(20, 64, 96, "yuv420p")
    path = write_video(tmp_path / "call.mp4", frames, options={"crf": "30"})
    assert len({digest(path, threads=threads) for threads in (1, 2, 3)}) == 1


def test_planes_are_contiguous_and_recycled(call: Path) -> None:
    addresses = set()
    with open_video(call, chunk_frames=4) as video:
        for chunk in video.chunks():
            assert all(plane.flags.c_contiguous for plane in chunk.planes)
            assert chunk.pts_seconds.dtype == np.float64
            addresses.add(chunk.planes[0].ctypes.data)
    assert len(addresses) <= BUFFERS


def test_large_frames_come_in_smaller_chunks(call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame_bytes = 48 * 64 * 3 // 2
    for limit, n_frames in ((5 * frame_bytes + 1, 5), (1, 1)):
        monkeypatch.setattr(chunk_buffer, "MAX_BUFFER_BYTES", limit)
        with open_video(call) as video:
            assert {len(chunk) for chunk in video.chunks()} == {n_frames}
            assert video.tally.frames_read == 100


def test_the_thread_runs_ahead_by_two_chunks(call: Path) -> None:
    with open_video(call, chunk_frames=5) as video:
        chunks = video.chunks()
        for n_taken in (1, 2, 3):
            numbers_before = numbers_of(next(chunks).planes)
            deadline = time.monotonic() + 5
            while video.tally.frames_read < 5 * (n_taken + 2) and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(0.02)
            assert video.tally.frames_read == 5 * (n_taken + 2)
            assert numbers_before == list(range(5 * n_taken - 5, 5 * n_taken))


def test_a_chunk_is_valid_until_the_next_is_asked_for(call: Path) -> None:
    found = []
    with open_video(call, chunk_frames=3) as video:
        for chunk in video.chunks():
            time.sleep(0.001)
            found += numbers_of(chunk.planes)
    assert found == list(range(100))


def test_two_chunks_are_valid_where_two_are_held(call: Path) -> None:
    with open_video(call, chunk_frames=3, chunks_held=2) as video:
        for last, chunk in pairwise(video.chunks()):
            time.sleep(0.001)
            numbers = numbers_of(last.planes) + numbers_of(chunk.planes)
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[-1] == 99


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("n_taken", [0, 1, 3])
def test_stopping_early(call: Path, n_taken: int, threads: int) -> None:
    for _ in range(5):
        with open_video(call, chunk_frames=4, threads=threads) as video:
            chunks = video.chunks()
            for _ in range(n_taken):
                next(chunks)
        assert list(chunks) == []
        video.close()


def test_closing_without_decoding(call: Path) -> None:
    with open_video(call) as video:
        pass
    with pytest.raises(RuntimeError, match="open the video again"):
        video.chunks()


def test_frames_are_given_once(call: Path) -> None:
    with open_video(call) as video:
        list(video.chunks())
        with pytest.raises(RuntimeError, match="open the video again"):
            video.chunks()


def test_an_error_of_the_consumer_stops_the_thread(call: Path) -> None:
    def consume() -> None:
        with open_video(call, chunk_frames=2) as video:
            for _ in video.chunks():
                raise KeyError("the consumer's own")

    with pytest.raises(KeyError, match="the consumer's own"):
        consume()


@pytest.mark.parametrize(
    ("error", "surfaces"),
    [(RuntimeError("broken"), RuntimeError), (MemoryError("no room"), FrameTooLarge)],
)
def test_an_error_of_the_thread_reaches_the_consumer(
    call: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    surfaces: type[Exception],
) -> None:
    original = PlaneReader.copy_into
    calls = iter(range(100))

    def failing(*arguments: object) -> None:
        if next(calls) == 10:
            raise error
        original(*arguments)

    monkeypatch.setattr(PlaneReader, "copy_into", failing)
    with open_video(call, chunk_frames=4) as video:
        chunks = video.chunks()
        taken = [len(next(chunks)), len(next(chunks))]
        with pytest.raises(surfaces, match=str(error)):
            next(chunks)
    assert taken == [4, 4]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads by /proc")
def test_the_decoder_s_own_threads_end_too(call: Path) -> None:
    def n_threads() -> int:
        gc.collect()
        return len(list(Path("/proc/self/task").iterdir()))

    numbers(call, threads=4)
    before = n_threads()
    for _ in range(5):
        numbers(call, threads=4)
        with open_video(call, threads=4, chunk_frames=2) as video:
            next(video.chunks())
        with open_video(call, threads=4):
            pass
    # The system's count of a process's threads falls a moment after a thread was joined.
    deadline = time.monotonic() + 10
    while n_threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert n_threads() <= before


def test_two_videos_at_once(call: Path) -> None:
    with open_video(call, chunk_frames=3) as one, open_video(call, chunk_frames=3) as two:
        for first, second in zip(one.chunks(), two.chunks(), strict=True):
            assert numbers_of(first.planes) == numbers_of(second.planes)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("container", ["h264", "mpegts"])
def test_a_stream_that_changes_its_size(tmp_path: Path, container: str, threads: int) -> None:
    parts = []
    for i, (height, width) in enumerate([(48, 64), (64, 128), (48, 64)]):
        frames = numbered_frames(10 + i, height, width, first=20 * i)
        parts.append(write_video(tmp_path / f"{i}", frames, container=container).read_bytes())
    path = tmp_path / "call"
    path.write_bytes(b"".join(parts))
    runs: list[tuple[Layout, list[int]]] = []
    with open_video(path, chunk_frames=4, threads=threads) as video:
        for chunk in video.chunks():
            if not runs or runs[-1][0] != chunk.layout:
                runs.append((chunk.layout, []))
            runs[-1][1].extend(numbers_of(chunk.planes))
    assert [(layout.height, layout.width) for layout, _ in runs] == [(48, 64), (64, 128), (48, 64)]
    assert [found for _, found in runs] == [
        list(range(10)),
        list(range(20, 31)),
        list(range(40, 52)),
    ]
    assert (video.properties.height, video.properties.width) == (48, 64)


def test_a_stream_that_changes_its_pixel_format(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / name, noise_frames(5, 48, 64, name), container="h264").read_bytes()
        for name in ("yuv420p", "yuv444p")
    ]
    path = tmp_path / "call.h264"
    path.write_bytes(b"".join(parts))
    with open_video(path) as video:
        layouts = [(len(chunk), chunk.layout) for chunk in video.chunks()]
    assert layouts == [
        (5, Layout(48, 64, 1, 1, Colour("bt601"))),
        (5, Layout(48, 64, 0, 0, Colour("bt601"))),
    ]


class _Stdin:
    """Stands for `sys.stdin`."""

    def __init__(self, buffer: io.BytesIO | io.BufferedReader) -> None:
        self.buffer = buffer


def test_standard_input_that_is_a_file(call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with call.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", _Stdin(file))
        with open_video("-", start_seconds=2) as video:
            assert video.properties.name == "standard input"
            assert next(video.chunks()).pts_seconds[0] == 2


def test_standard_input_that_is_no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(io.BytesIO(b"no video " * 100)))
    with pytest.raises(UnreadableVideo, match=r"^standard input: no video that can be read from"):
        open_video("-")


def test_closing_while_the_source_keeps_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waits for a pipe cannot be stopped: closing does not wait for it."""
    data = write_video(tmp_path / "call.nut", noise_frames(60, 32, 32, "yuv420p"), codec="ffv1")
    receiver, sender = os.pipe()
    with os.fdopen(receiver, "rb") as reading, os.fdopen(sender, "wb") as writing:
        monkeypatch.setattr(sys, "stdin", _Stdin(reading))
        monkeypatch.setattr("unveil.video.reader._LIVE_JOIN_SECONDS", 0.05)
        feed = data.read_bytes()
        feeder = threading.Thread(target=lambda: (writing.write(feed[:-5000]), writing.flush()))
        feeder.start()
        with open_video("-", chunk_frames=4) as video:
            chunks = video.chunks()
            for _ in range(10):
                next(chunks)
            feeder.join()
            started = time.monotonic()
        assert time.monotonic() - started < 2
        writing.close()
        assert list(chunks) == []


def test_standard_input_that_is_a_pipe(tmp_path: Path) -> None:
    path = write_video(tmp_path / "call.mkv", numbered_frames(40))
    script = (
        "from unveil.video.reader import open_video\n"
        "with open_video('-', start_seconds=1) as video:\n"
        "    print([c.planes[0][:, 0, 0].tolist() for c in video.chunks()])\n"
    )
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(
            [sys.executable, "-c", script], stdin=cat.stdout, capture_output=True, check=True
        )
    assert done.stdout.decode().strip() == str([list(range(30, 40))])
    assert done.stderr == b""


def test_a_url(call: Path) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(call.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            assert numbers(f"{address}/call.mp4") == list(range(100))
            with pytest.raises(UnreadableVideo, match=r"gone\.mp4: cannot be opened .*Not Found"):
                open_video(f"{address}/gone.mp4")
        finally:
            server.shutdown()
            thread.join()


def test_a_device_without_end() -> None:
    (source,) = resolve_inputs(["lavfi:testsrc=size=64x48:rate=30"])
    with open_video(source, chunk_frames=2) as video:
        assert video.expected_frames is None
        assert video.properties.duration_seconds is None
        for n_chunks, chunk in enumerate(video.chunks()):
            assert chunk.layout == Layout(48, 64, colour=Colour("rgb", True))
            if n_chunks == 10:
                break


def test_a_device_for_a_time() -> None:
    with open_video("lavfi:color=size=64x48:rate=25", start_seconds=1, end_seconds=2) as video:
        assert sum(len(chunk) for chunk in video.chunks()) == 25


def test_a_source_that_went_away(tmp_path: Path) -> None:
    path = write_video(tmp_path / "call.mp4", numbered_frames(2))
    (source,) = resolve_inputs([str(path)])
    path.unlink()
    with pytest.raises(MissingInput, match=r"call\.mp4: no such file"):
        open_video(source)
