"""The peers of unveil in the speed benchmark: one function each, from a path to a `Result`.

Each runs in its own process and imports its library inside the function, so that its peak memory
contains no other peer's library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from sys import getsizeof
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, TypeAlias

from bench.machine import peak_rss_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image: TypeAlias = NDArray[np.uint8]

ZOOMG_CROP = 64
ZOOMG_THRESHOLD = 5.06


@dataclass(frozen=True, slots=True)
class Result:
    """The cost of one run.

    Attributes
    ----------
    background
        (h, w, 3) uint8 RGB; None if the peer makes none.
    scaled
        Whether seconds and memory were measured on a crop and multiplied by whole / crop.
    stages
        Seconds by stage.
    """

    frames: int
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    background: Image | None = field(default=None, repr=False)
    scaled: bool = False
    stages: dict[str, float] = field(default_factory=dict)


Peer: TypeAlias = Callable[[Path, int, int | None], Result]
"""(path, threads, maximum number of frames or None for all) -> Result."""


class Stopwatch:
    """Measures wall time, and CPU time of all threads, since its construction."""

    def __init__(self) -> None:
        self._wall, self._cpu = perf_counter(), process_time()

    def result(self, frames: int, background: Image | None = None, **more: Any) -> Result:
        """Return the cost of `frames` frames so far."""
        seconds, cpu_seconds = perf_counter() - self._wall, process_time() - self._cpu
        return Result(frames, seconds, cpu_seconds, peak_rss_bytes(), background, **more)


def decode_pyav(path: Path, threads: int, limit: int | None = None) -> Result:
    """Decode only, with PyAV: the lower bound for programs that decode with it."""
    import av

    watch = Stopwatch()
    frames = 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        for _ in container.decode(video=0):
            frames += 1
            if frames == limit:
                break
    return watch.result(frames)


def decode_opencv(path: Path, threads: int, limit: int | None = None) -> Result:
    """Decode only, with OpenCV: the lower bound for the background subtractors."""
    watch = Stopwatch()
    return watch.result(sum(1 for _ in _opencv_frames(path, threads, limit)))


def mog2(path: Path, threads: int, limit: int | None = None) -> Result:
    """Model the background as a mixture of Gaussians (OpenCV, default settings)."""
    import cv2

    return _subtract(cv2.createBackgroundSubtractorMOG2, path, threads, limit)


def knn(path: Path, threads: int, limit: int | None = None) -> Result:
    """Model the background by nearest neighbours (OpenCV, default settings)."""
    import cv2

    return _subtract(cv2.createBackgroundSubtractorKNN, path, threads, limit)


def zoomg(path: Path, threads: int, limit: int | None = None) -> Result:
    """Run zoomg's rule, a dictionary per pixel, on the centre of the frame, and scale its cost.

    Decoding is measured on whole frames. Counting, choosing and the memory of the dictionaries are
    measured on a square crop of `ZOOMG_CROP` pixels and multiplied by whole / crop. One thread.
    """
    import numpy as np

    side = ZOOMG_CROP
    tables: list[dict[int, list[int]]] = [{} for _ in range(side * side)]
    watch = Stopwatch()
    frames, counting, height, width = 0, 0.0, side, side
    for frame in _opencv_frames(path, threads, limit):
        start = perf_counter()
        height, width = frame.shape[:2]
        top, left = (height - side) // 2, (width - side) // 2
        crop = frame[top : top + side, left : left + side].astype(np.uint32)
        _count(tables, (crop[..., 2] << 16) | (crop[..., 1] << 8) | crop[..., 0])
        counting += perf_counter() - start
        frames += 1
    start = perf_counter()
    zoomg_choices(tables)
    counting += perf_counter() - start
    cropped = watch.result(frames)
    times = height * width / (side * side)
    return Result(
        frames,
        cropped.seconds + counting * (times - 1),
        cropped.cpu_seconds + counting * (times - 1),
        round(cropped.peak_rss_bytes + _held_bytes(tables) * (times - 1)),
        scaled=True,
    )


PEERS: dict[str, Peer] = {
    "decoding only (PyAV)": decode_pyav,
    "decoding only (OpenCV)": decode_opencv,
    "OpenCV MOG2": mog2,
    "OpenCV KNN": knn,
    "zoomg's rule in Python": zoomg,
}


def _opencv_frames(path: Path, threads: int, limit: int | None) -> Any:
    import cv2

    cv2.setNumThreads(threads)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])
    frames = 0
    while frames != limit:
        ok, frame = capture.read()
        if not ok:
            break
        frames += 1
        yield frame
    capture.release()


def _subtract(create: Callable[[], Any], path: Path, threads: int, limit: int | None) -> Result:
    watch = Stopwatch()
    subtractor = create()
    frames = 0
    for frame in _opencv_frames(path, threads, limit):
        subtractor.apply(frame)
        frames += 1
    return watch.result(frames, subtractor.getBackgroundImage()[..., ::-1])


def _count(tables: list[dict[int, list[int]]], colours: NDArray[np.uint32]) -> None:
    """Count one frame: each pixel's dictionary maps a colour to [count, first appearance]."""
    for table, colour in zip(tables, colours.ravel().tolist(), strict=True):
        entry = table.get(colour)
        if entry is None:
            table[colour] = [1, len(table)]
        else:
            entry[0] += 1


def zoomg_choices(tables: list[dict[int, list[int]]]) -> NDArray[np.uint32]:
    """Return each pixel's rarest colour that differs from its most frequent one, else that one."""
    import numpy as np
    from skimage.color import deltaE_ciede2000, rgb2lab

    ranked = [sorted(table, key=lambda c: (table[c][0], -table[c][1])) for table in tables]
    lengths = np.array([len(colours) for colours in ranked])
    packed = np.array([colour for colours in ranked for colour in colours], np.uint32)
    rgb = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)
    lab = rgb2lab(rgb)
    most = lengths.cumsum() - 1
    reference = np.repeat(lab[most], lengths, axis=0)
    far = deltaE_ciede2000(lab, reference) > ZOOMG_THRESHOLD
    far[most] = True
    chosen = np.minimum.reduceat(np.where(far, np.arange(len(far)), len(far)), most - lengths + 1)
    return packed[chosen]


def _held_bytes(tables: list[dict[int, list[int]]]) -> int:
    """Return the bytes of the dictionaries, their keys and lists; counts are shared integers."""
    return sum(
        getsizeof(table) + sum(getsizeof(key) + getsizeof(entry) for key, entry in table.items())
        for table in tables
    )
