"""A long recording: memory over time, the cost of checkpoints, and what a kill costs.

    python -m bench.long --hours 3 --kill-hours 0.5 --kills 3

A call of `bench.long_call` is recovered by `unveil recover` as a process. Its memory, with that of
its workers, is sampled all the time (Linux; shared pages are divided among the processes that
share them). Then a shorter call is recovered again and again: each time all processes get SIGKILL
at a random time, the same command goes on, and its files are compared with those of a run that was
not killed. The work that a kill cost is the frames that were counted and are not in the newest
checkpoint, in seconds at the speed of that run. Writes `bench/results/long.json` and the table in
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import report
from bench.calls import SIZES, WORK, Call
from bench.long_call import long_call
from bench.machine import describe
from bench.processes import LoadMeter, proportional_bytes, with_descendants
from bench.tables import TABLES
from unveil.counting.state_file import read_header
from unveil.errors import UnveilError
from unveil.recovery.result import REPORT, checkpoint_folder

EARLY_SECONDS = (600.0, 900.0)
"""Part of the footage in which the early memory is sampled: after the first ten minutes."""

TELL_SECONDS = 600.0
"""Length of footage after which the memory is told while a run goes on."""

LATE_SECONDS = 300.0
"""Length of the part at the end."""

VARYING = ("seconds", "wall_seconds")
"""Fields of a report that differ from run to run."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory of all processes, when the footage before a time was counted."""

    video_seconds: float
    stage: str
    resident_bytes: int
    n_processes: int


@dataclass(slots=True)
class Watched:
    """A run of `unveil recover`, with samples of its memory.

    Attributes
    ----------
    ended
        Its last event; None if it was killed.
    seconds
        Until its end.
    frames, frames_seconds
        Frames counted when it last told, and the time of that since the start of the counting.
    """

    samples: list[Sample] = field(default_factory=list)
    ended: dict[str, Any] | None = None
    seconds: float = 0.0
    frames: int = 0
    frames_seconds: float = 0.0


class Command:
    """`unveil recover` of a call into a folder."""

    def __init__(self, call: Call, out: Path, options: argparse.Namespace) -> None:
        self.folder = out / call.path.stem
        self._arguments = ["recover", str(call.path), "-o", str(out), "--events"]
        self._arguments += ["--threads", str(options.threads), "--workers", str(options.workers)]
        self._arguments += ["--method", options.method]
        self._sample_seconds = options.sample_seconds

    def run(self, *, kill_after_seconds: float | None = None) -> Watched:
        """Run it to its end, or kill all its processes after a time."""
        watched = Watched()
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "unveil", *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        last: dict[str, Any] = {}
        reader = threading.Thread(target=_read_events, args=(process, last, watched))
        reader.start()
        while process.poll() is None:
            elapsed = time.perf_counter() - started
            if kill_after_seconds is not None and elapsed >= kill_after_seconds:
                for pid in with_descendants(process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                break
            _sample(process.pid, last, watched)
            left = float("inf") if kill_after_seconds is None else kill_after_seconds - elapsed
            with suppress(subprocess.TimeoutExpired):
                process.wait(min(self._sample_seconds, max(0.0, left)))
        process.wait()
        watched.seconds = time.perf_counter() - started
        reader.join()
        if kill_after_seconds is None and process.returncode:
            raise SystemExit(f"unveil recover failed: {watched.ended}")
        return watched

    def frames_in_checkpoint(self) -> int:
        """Return the number of frames that the newest readable checkpoint has."""
        found = [0]
        for path in checkpoint_folder(self.folder).glob("*.npz"):
            with suppress(UnveilError):
                header = read_header(path)
                parts = [header[name] for name in ("total", "group") if header[name]]
                found.append(sum(part["tally"]["frames_read"] for part in parts))
        return max(found)

    def files(self) -> dict[str, bytes]:
        """Return the files of the result; of the report what does not differ between runs."""
        found = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        told = json.loads(found[REPORT])
        kept = {key: value for key, value in told.items() if key not in VARYING}
        return {**found, REPORT: json.dumps(kept).encode()}


def _read_events(process: subprocess.Popen[str], last: dict[str, Any], watched: Watched) -> None:
    """Keep the last progress of a process, and its end; the body of a thread."""
    assert process.stdout is not None
    counting_since: float | None = None
    for line in process.stdout:
        with suppress(json.JSONDecodeError):  # a line that the kill has cut
            event = json.loads(line)
            if event["event"] == "progress":
                last.update(event)
                if event["stage"] == "count":
                    now = time.perf_counter()
                    counting_since = counting_since or now
                    watched.frames = event["frames"]
                    watched.frames_seconds = now - counting_since
            elif event["event"] in ("finished", "failed", "skipped"):
                watched.ended = event


def _sample(pid: int, last: dict[str, Any], watched: Watched) -> None:
    sizes = [size for one in with_descendants(pid) if (size := proportional_bytes(one))]
    seconds, stage = last.get("video_seconds", 0.0), last.get("stage", "")
    before = watched.samples[-1].video_seconds if watched.samples else 0.0
    watched.samples.append(Sample(seconds, stage, sum(sizes), len(sizes)))
    if seconds // TELL_SECONDS > before // TELL_SECONDS:
        print(f"{seconds:.0f} s of footage: {sum(sizes) / 1e6:.0f} MB", file=sys.stderr, flush=True)


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=720, choices=SIZES)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--kill-hours", type=float, default=0.5, help="length of the killed call")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2, help="threads of all workers together")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    parser.add_argument("--sample-seconds", type=float, default=2.0)
    parser.add_argument("--trial", action="store_true", help="print the table, store nothing")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "machine": describe(),
        "height": options.height,
        "workers": options.workers,
        "threads": options.threads,
        "method": options.method,
    }
    # Stored before the kills, too: hours of work must not be lost with them.
    result |= {"long": _long_run(options), "kills": []}
    _show(result, trial=options.trial)
    if options.kills:
        result["kills"] = list(_kills(options))
        _show(result, trial=options.trial)


def _show(result: dict[str, Any], *, trial: bool) -> None:
    if trial:
        print(TABLES["long"](result))
    else:
        report.save("long", result)


def _long_run(options: argparse.Namespace) -> dict[str, Any]:
    call = long_call(options.height, options.hours)
    with tempfile.TemporaryDirectory(dir=WORK) as out:
        load = LoadMeter()
        command = Command(call, Path(out), options)
        watched = command.run()
        run = load.result()
        told = json.loads((command.folder / REPORT).read_text("utf-8"))
    counted = [sample for sample in watched.samples if sample.stage == "count"]
    end = max(sample.video_seconds for sample in counted)
    early = [s.resident_bytes for s in counted if _within(s.video_seconds, *EARLY_SECONDS)]
    late = [s.resident_bytes for s in counted if _within(s.video_seconds, end - LATE_SECONDS, end)]
    first = [s.resident_bytes for s in counted if s.video_seconds < EARLY_SECONDS[1]]
    rest = [s.resident_bytes for s in counted if s.video_seconds >= EARLY_SECONDS[1]]
    return {
        "hours": told["video_seconds"] / 3600,
        "frames": told["frames_read"],
        "segments": told["segments"],
        "further_passes": told["further_passes"],
        "decided_by": told["decided_by"],
        "seconds": run.seconds,
        "cpu_seconds": run.cpu_seconds,
        "others_cores": run.others_cores,
        "report_seconds": told["seconds"],
        "early_bytes": median(early) if early else None,
        "late_bytes": median(late),
        "early_peak_bytes": max(first),
        "later_peak_bytes": max(rest or late),
        "peak_bytes": max(sample.resident_bytes for sample in watched.samples),
        "minutes_bytes": list(_by_minute(counted)),
    }


def _within(value: float, low: float, high: float) -> bool:
    return low <= value <= high


def _by_minute(samples: list[Sample]) -> Iterator[int]:
    """Yield the largest memory in each minute of the footage."""
    largest: dict[int, int] = {}
    for sample in samples:
        minute = int(sample.video_seconds // 60)
        largest[minute] = max(largest.get(minute, 0), sample.resident_bytes)
    for minute in sorted(largest):
        yield largest[minute]


def _kills(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    call = long_call(options.height, options.kill_hours)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        command = Command(call, Path(folder), options)
        whole = command.run()
        wanted = command.files()
        for _ in range(options.kills):
            shutil.rmtree(command.folder)
            after = rng.uniform(0.1, 0.95) * whole.seconds
            killed = command.run(kill_after_seconds=after)
            kept = command.frames_in_checkpoint()
            resumed = command.run()
            assert resumed.ended is not None
            lost = max(0, killed.frames - kept)
            speed = killed.frames / killed.frames_seconds if killed.frames_seconds else 0.0
            result = {
                "whole_seconds": whole.seconds,
                "killed_after_seconds": killed.seconds,
                "ended_before": killed.ended is not None,
                "frames_counted": killed.frames,
                "frames_kept": kept,
                "lost_seconds": lost / speed if speed else 0.0,
                "resumed_seconds": resumed.seconds,
                "same_files": command.files() == wanted,
                "notes": resumed.ended.get("notes", []),
            }
            print(result, file=sys.stderr, flush=True)
            yield result


if __name__ == "__main__":
    main()
