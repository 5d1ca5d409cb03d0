"""Signals at random instants of real commands: no torn state, no leftover, the promised result.

    python -m bench.interruptions --instants 30

Each of five kinds of work is started as a process of its own, gets SIGINT, SIGTERM or SIGHUP in
turn at a random instant between its start and a little after its usual end, and is checked
against what docs/outputs.md promises. The exit code is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq

from unveil.simulation.astronaut import ASTRONAUT

RESULT = {"room.png", "background.png", "stats.parquet", "timeline.parquet", "report.json"}

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

HEIGHT, WIDTH, RATE, SOUND_RATE = 144, 192, 25, 48000

LIVE_SECONDS = 5.0
"""A live source has no usual end: signals come within this time."""

LATEST = 1.1
"""Share of the usual duration after which the last signals come."""

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, the signal that it got, what it said, its folder."""

    code: int
    number: int
    said: str
    folder: Path

    @property
    def was_stopped(self) -> bool:
        """Whether the signal ended it: by the handler, or while Python was still starting."""
        return self.code in (128 + self.number, -self.number)

    @property
    def was_loading(self) -> bool:
        """Whether Python was still loading the program: Ctrl-C then gives Python's own message."""
        raised = "KeyboardInterrupt" in self.said and "Exception ignored" not in self.said
        return raised and re.search(r'__main__\.py", line \d+, in main', self.said) is None


Check = Callable[[Ended], Iterator[str]]

Start = Callable[[Sequence[str | Path]], Any]
"""Starts a command of unveil; returns what behaves as a `subprocess.Popen` of text."""


@dataclass(frozen=True)
class Kind:
    """A kind of work: arguments for an output folder, and a check that yields broken promises."""

    name: str
    arguments: Callable[[Path], Sequence[str | Path]]
    check: Check
    is_live: bool = False


def make_kinds(material: Path) -> tuple[Kind, ...]:
    """Write the inputs into a folder, and return the kinds of work on them."""
    call = write_talk(material / "call.mkv", 150)
    other = write_talk(material / "other.mkv", 60)
    recover = ("recover", "--method", "transitions", "-q")
    camera = f"lavfi:testsrc=size={WIDTH}x{HEIGHT}:rate=100,realtime"
    return (
        Kind("recover a file", lambda out: (*recover, call, "-o", out), check_file),
        Kind("recover live", lambda out: (*recover, camera, "-o", out), check_live, is_live=True),
        Kind(
            "protect",
            lambda out: ("protect", call, "-o", out / "out.mkv", "--model", "selfie", "-q"),
            check_protect,
        ),
        Kind(
            "simulate",
            lambda out: (
                *("simulate", ASTRONAUT, "-o", out / "sim", "--frames", "60", "-q"),
                *("--height", str(HEIGHT), "--width", str(WIDTH)),
            ),
            check_simulate,
        ),
        Kind("a batch", lambda out: (*recover, other, call, "-o", out), check_batch),
    )


def write_talk(path: Path, n_frames: int) -> Path:
    """Write a bar that crosses a noisy picture, with a tone of the same length."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as output:
        pictures = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        pictures.width, pictures.height = WIDTH, HEIGHT
        tone = output.add_stream("pcm_s16le", rate=SOUND_RATE, layout="mono")
        n_samples = SOUND_RATE // RATE
        for number in range(n_frames):
            picture = rng.integers(60, 70, (HEIGHT, WIDTH, 3), np.uint8)
            left = number * 4 % WIDTH
            picture[:, left : left + 16] = 220
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(pictures.encode(frame))
            wave = np.sin(0.05 * np.arange(number * n_samples, (number + 1) * n_samples))
            samples = (9000 * wave).astype(np.int16)[None]
            sound = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            sound.sample_rate, sound.pts = SOUND_RATE, number * n_samples
            output.mux(tone.encode(sound))
        output.mux([*pictures.encode(None), *tone.encode(None)])
    return path


def files_in(folder: Path) -> set[str]:
    """Return the files below a folder, as paths relative to it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def check_file(ended: Ended) -> Iterator[str]:
    """Check that a file gives all of its result, or nothing."""
    found = files_in(ended.folder)
    if found not in (set(), {f"call/{name}" for name in RESULT}):
        yield f"half a result: {sorted(found)}"
    if (ended.code == 0) != bool(found):
        yield f"exit code {ended.code} with {len(found)} files"
    yield from torn_counts(ended.folder)


def check_live(ended: Ended) -> Iterator[str]:
    """Check that a live source gives the result of what was read, if a frame was."""
    found = files_in(ended.folder)
    if {Path(name).name for name in found} not in (set(), RESULT):
        yield f"half a result: {sorted(found)}"
    if (ended.code == 0) != bool(found):
        yield f"exit code {ended.code} with {len(found)} files"
    yield from torn_counts(ended.folder)


def torn_counts(folder: Path) -> Iterator[str]:
    """Check that no pixel counts more frames than were used."""
    for path in folder.rglob("stats.parquet"):
        n_frames = json.loads(path.with_name("report.json").read_text("utf-8"))["frames_used"]
        stats = pq.read_table(path)
        for name in ("background_count", "room_count", "episodes", "last_frame"):
            most = max(stats[name].drop_null().to_pylist(), default=0)
            if most > n_frames:
                yield f"{name} {most} of {n_frames} frames"


def check_protect(ended: Ended) -> Iterator[str]:
    """Check that the output is playable, its sound as long as its pictures, as the report says."""
    found = files_in(ended.folder)
    if found not in (set(), {"out.mkv", "out.report.json"}):
        yield f"half a result: {sorted(found)}"
        return
    if not found:
        if ended.code == 0:
            yield "exit code 0 without an output"
        return
    report = json.loads((ended.folder / "out.report.json").read_text("utf-8"))
    if report["interrupted"] != (ended.code != 0):
        yield f"exit code {ended.code}, but interrupted is {report['interrupted']}"
    with av.open(str(ended.folder / "out.mkv")) as container:
        n_frames = sum(1 for _ in container.decode(video=0))
    if n_frames != report["frames"]:
        yield f"{n_frames} frames, the report says {report['frames']}"
    with av.open(str(ended.folder / "out.mkv")) as container:
        n_samples = sum(sound.samples for sound in container.decode(audio=0))
    apart = n_samples / SOUND_RATE - n_frames / RATE
    if abs(apart) > 0.1:
        yield f"sound is {apart:+.2f} s longer than the pictures"


def check_simulate(ended: Ended) -> Iterator[str]:
    """Check that there are the call and its truth, or nothing."""
    found = files_in(ended.folder)
    if found not in (set(), {"sim/call.mp4", "sim/truth.npz"}):
        yield f"half a result: {sorted(found)}"
    if (ended.code == 0) != bool(found):
        yield f"exit code {ended.code} with {len(found)} files"


def check_batch(ended: Ended) -> Iterator[str]:
    """Check that each input has all of its result or nothing, and that the rest is named."""
    missing = []
    for name in ("other", "call"):
        folder = ended.folder / name
        found = files_in(folder) if folder.exists() else set()
        if found not in (set(), RESULT):
            yield f"half a result of {name}: {sorted(found)}"
        if not found:
            missing.append(f"{name}.mkv")
    if (ended.code == 0) != (not missing):
        yield f"exit code {ended.code} without {missing}"
    if ended.code > 0 and "not finished" in ended.said:
        for name in missing:
            if name not in ended.said:
                yield f"{name} is not done and not named"
    yield from torn_counts(ended.folder)


def start_interpreter(arguments: Sequence[str | Path]) -> subprocess.Popen[str]:
    """Start a command in a new interpreter."""
    return subprocess.Popen(
        [sys.executable, "-m", "unveil", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        preexec_fn=_default_handlers,
    )


def run(
    kind: Kind, number: int, after_seconds: float | None, start: Start = start_interpreter
) -> Ended:
    """Run a kind of work in a new folder; send the signal after so long, None sends none."""
    folder = Path(tempfile.mkdtemp(prefix="unveil-interruption-"))
    process = start(kind.arguments(folder))
    try:
        if after_seconds is not None:
            time.sleep(after_seconds)
            process.send_signal(number)
        said = "".join(text or "" for text in process.communicate(timeout=PATIENCE_SECONDS))
    finally:
        process.kill()
        process.wait()
    return Ended(process.returncode, number, said, folder)


def _default_handlers() -> None:
    """Undo what a shell or a test runner has changed."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def broken_promises(kind: Kind, ended: Ended) -> list[str]:
    """Return what is wrong with how a run ended, one line each."""
    found = list(kind.check(ended))
    if ended.was_loading:
        return found
    if ended.code != 0 and not ended.was_stopped:
        found.append(f"exit code {ended.code}")
    leftovers = [name for name in files_in(ended.folder) if ".part" in name or ".tmp" in name]
    if leftovers:
        found.append(f"left behind: {leftovers}")
    if "Traceback" in ended.said or "this is a bug" in ended.said:
        found.append(f"said: {ended.said.strip()[-300:]}")
    return found


def remove(folder: Path) -> None:
    """Remove a run's folder."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def interrupt(
    kind: Kind, n_instants: int, seed: int, start: Start = start_interpreter
) -> tuple[Counter[str], list[str]]:
    """Interrupt a kind of work; return how the runs ended, and the broken promises."""
    usual_seconds = LIVE_SECONDS
    if not kind.is_live:
        before = time.perf_counter()
        whole = run(kind, 0, None, start)
        usual_seconds = time.perf_counter() - before
        problems = broken_promises(kind, whole)
        remove(whole.folder)
        if whole.code != 0 or problems:
            return Counter(), [f"{kind.name}, not interrupted: {whole.said} {problems}"]
    rng = random.Random(f"{seed} {kind.name}")
    ends: Counter[str] = Counter()
    broken = []
    for n in range(n_instants):
        number, after = SIGNALS[n % len(SIGNALS)], rng.uniform(0, LATEST * usual_seconds)
        ended = run(kind, number, after, start)
        kept = "with" if files_in(ended.folder) else "without"
        ends[f"{'complete' if ended.code == 0 else 'stopped'}, {kept} a result"] += 1
        broken += [
            f"{kind.name}, {signal.Signals(number).name} after {after:.3f} s: {problem}"
            for problem in broken_promises(kind, ended)
        ]
        remove(ended.folder)
    return ends, broken


def main() -> None:
    """Interrupt all kinds of work, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instants", type=int, default=30, help="Signals to each kind of work.")
    parser.add_argument("--seed", type=int, default=0, help="Of the instants.")
    chosen = parser.parse_args()
    all_broken = []
    with tempfile.TemporaryDirectory() as material:
        for kind in make_kinds(Path(material)):
            ends, broken = interrupt(kind, chosen.instants, chosen.seed)
            print(f"{kind.name}: {dict(sorted(ends.items()))}, {len(broken)} broken", flush=True)
            for line in broken:
                print(f"  {line}", flush=True)
            all_broken += broken
    sys.exit(1 if all_broken else 0)


if __name__ == "__main__":
    main()
