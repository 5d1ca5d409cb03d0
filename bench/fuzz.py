"""Mutated recordings of many formats: no crash, no hang, no stray file, nothing but clear errors.

    python -m bench.fuzz --inputs 20000 --seconds 3600

Small real files are made by FFmpeg's encoders, mutated, and recovered in a process of their own,
one for each `--processes`, which is kept from input to input. An input has failed if the process
crashed or made no progress for `--patience` seconds, if an exception was raised that is not
unveil's, or if a file is left outside of the result's folder. Failing inputs are kept in `--keep`.
The exit code is 1 if there are any. The same `--seed` gives the same inputs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from unveil.errors import UnveilError, WorkerLost
from unveil.interruption import never
from unveil.progress import silent
from unveil.recovery.jobs.job import Job
from unveil.recovery.jobs.worker import Worker
from unveil.video.source import source_of

HEIGHT, WIDTH, N_FRAMES = 32, 48, 10

FORMATS = {
    "mp4": ("libx264", "yuv420p"),
    "mov": ("mpeg4", "yuv420p"),
    "mkv": ("libx264", "yuv444p"),
    "webm": ("libvpx", "yuv420p"),
    "avi": ("mjpeg", "yuvj420p"),
    "flv": ("flv", "yuv420p"),
    "ts": ("mpeg2video", "yuv420p"),
    "mpg": ("mpeg1video", "yuv420p"),
    "y4m": ("rawvideo", "yuv420p"),
    "gif": ("gif", "rgb8"),
    "apng": ("apng", "rgb24"),
    "h264": ("libx264", "yuv420p"),
    "nut": ("ffv1", "yuv420p"),
    "asf": ("msmpeg4", "yuv420p"),
    "3gp": ("h263", "yuv420p"),
    "ogv": ("libtheora", "yuv420p"),
}
"""Codec and pixel format by the container's extension."""

SIZES = {"h263": (96, 128)}
"""Height and width of codecs that know only a few."""

NUMBERS = (0, 1, 7, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Lengths and counts at which arithmetic goes wrong."""

RESULT = frozenset({"out", "background-2", "background-3", "background-4"})


@dataclass(frozen=True)
class Failure:
    """An input that did what none may do."""

    name: str
    why: str


def sample(path: Path, codec: str, pixel_format: str) -> Path:
    """Encode a few frames of a moving texture."""
    height, width = SIZES.get(codec, (HEIGHT, WIDTH))
    texture = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    with av.open(path, "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(N_FRAMES):
            picture = np.roll(texture, number, axis=1)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def samples(folder: Path) -> dict[str, bytes]:
    """Make a file of each format; those whose encoder this FFmpeg lacks are left out."""
    made = {}
    for extension, (codec, pixel_format) in FORMATS.items():
        try:
            path = sample(folder / f"sample.{extension}", codec, pixel_format)
        except (av.error.FFmpegError, ValueError):
            continue
        made[extension] = path.read_bytes()
    return made


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Change a file in one to four ways: bits, numbers, cuts, repeats, zeros, moved parts."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        size = len(data)
        if size < 16:
            break
        # Headers decide most.
        place = int(rng.integers(0, size if rng.random() < 0.5 else min(size, 400)))
        length = int(rng.integers(1, max(2, size // 8)))
        kind = int(rng.integers(0, 7))
        if kind == 0:
            for at in rng.integers(0, size, int(rng.integers(1, 20))):
                data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            number = int(rng.choice(NUMBERS))
            data[place : place + 4] = number.to_bytes(4, "big" if rng.random() < 0.5 else "little")
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = data[place : place + length]
        elif kind == 4:
            data[place : place + length] = bytes(length)
        elif kind == 5:
            del data[max(16, place) :]
        else:
            data[place : place + length] = rng.bytes(length)
    return bytes(data)


def inputs(made: dict[str, bytes], seed: int, first: int = 0) -> Iterator[tuple[str, bytes]]:
    """Give mutated files without end, the formats in turn."""
    extensions = sorted(made)
    number = first
    while True:
        extension = extensions[number % len(extensions)]
        rng = np.random.default_rng([seed, number])
        yield f"{number}.{extension}", mutated(made[extension], rng)
        number += 1


class Fuzzer:
    """Recovers inputs in a kept process, and says what went wrong; not thread-safe."""

    def __init__(self, folder: Path, patience_seconds: float) -> None:
        self._folder = folder
        self._worker = Worker(watchdog_seconds=patience_seconds, memory_bytes=2**31)
        self.outcomes: Counter[str] = Counter()

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def run(self, name: str, content: bytes) -> Failure | None:
        """Recover one input."""
        folder = self._folder / "case"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        path = folder / name
        path.write_bytes(content)
        job = Job(source_of(path), folder / "out", {"method": "transitions", "threads": 1})
        outcome = self._worker.run(job, silent, never)
        error = outcome.error
        self.outcomes["recovered" if error is None else type(error).__name__] += 1
        if isinstance(error, WorkerLost) or not (error is None or isinstance(error, UnveilError)):
            return Failure(name, str(outcome.problem))
        if outcome.problem is not None and len(outcome.problem.splitlines()) != 1:
            return Failure(name, f"not one line: {outcome.problem}")
        left = {found.relative_to(folder).parts[0] for found in folder.rglob("*")} - {name}
        if left - RESULT or (error is not None and left):
            return Failure(name, f"left files: {sorted(left)}")
        return None


def fuzz(
    cases: Iterator[tuple[str, bytes]], n_inputs: int, seconds: float, fuzzer: Fuzzer, keep: Path
) -> list[Failure]:
    """Run inputs until their number or the time is reached."""
    failures = []
    until = time.monotonic() + seconds
    for number, (name, content) in enumerate(cases):
        if number >= n_inputs or time.monotonic() > until:
            break
        failure = fuzzer.run(name, content)
        if failure is not None:
            failures.append(failure)
            keep.mkdir(parents=True, exist_ok=True)
            (keep / name).write_bytes(content)
            print(f"{failure.name}: {failure.why}", flush=True)
    return failures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--patience", type=float, default=60.0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="unveil-fuzz-") as folder:
        made = samples(Path(folder))
        fuzzers = [
            Fuzzer(Path(folder) / f"process-{number}", chosen.patience)
            for number in range(chosen.processes)
        ]
        share = -(-chosen.inputs // chosen.processes)
        with ThreadPoolExecutor(chosen.processes) as pool:
            runs = [
                pool.submit(
                    fuzz,
                    inputs(made, chosen.seed, chosen.first + number * share),
                    min(share, chosen.inputs - number * share),
                    chosen.seconds,
                    fuzzer,
                    chosen.keep,
                )
                for number, fuzzer in enumerate(fuzzers)
            ]
            failures = [failure for run in runs for failure in run.result()]
        for fuzzer in fuzzers:
            fuzzer.close()
    outcomes = sum((fuzzer.outcomes for fuzzer in fuzzers), Counter())
    seconds = time.monotonic() - started
    print(f"{outcomes.total()} inputs, {len(made)} formats, {seconds:.0f} s, seed {chosen.seed}")
    for outcome, count in outcomes.most_common():
        print(f"  {count} {outcome}")
    print(f"{len(failures)} failures")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
