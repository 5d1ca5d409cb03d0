"""Worker processes on one long recording: against one process, and against decoding only.

    python -m bench.workers --minutes 10

A 1080p call is recovered by `unveil recover` with one process of two threads, and with two of one,
and is decoded only, by PyAV with as many threads. All take turns in each round, each in a new
process; a ratio is to decoding in the same round. `others_cores` is what other processes on the
machine used meanwhile, in cores (Linux); with more than a few hundredths, CPU times are more
reliable than wall times, and `--trial` prints the table without storing it. Writes
`bench/results/workers.json` and the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from statistics import median
from typing import Any

from bench import report
from bench.calls import SIZES, WORK, Call, looped, made, read_ahead
from bench.machine import describe
from bench.processes import LoadMeter, Run, run_unveil
from bench.tables import TABLES
from bench.trial import measure

PART_FRAMES = 600
"""Length of the call that is repeated."""

FRAME_RATE = 30

DECODING = "decoding only (PyAV)"


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=1080, choices=SIZES)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--threads", type=int, default=2, help="threads of all workers together")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--trial", action="store_true", help="print the table, store nothing")
    options = parser.parse_args()

    machine = describe()
    n_parts = max(1, round(options.minutes * 60 * FRAME_RATE / PART_FRAMES))
    call = looped(made(options.height, PART_FRAMES), n_parts * PART_FRAMES)
    rounds = []
    for number in range(options.repeats):
        rounds.append(_round(call, options))
        _say(f"round {number + 1}: {rounds[-1]}")
    result: dict[str, Any] = {
        "machine": machine,
        "height": call.height,
        "frames": call.n_frames,
        "threads": options.threads,
        "method": options.method,
        "repeats": options.repeats,
        "rows": [_row(name, [one[name] for one in rounds], rounds) for name in rounds[0]],
    }
    if options.trial:
        print(TABLES["workers"](result))
    else:
        report.save("workers", result)


def _round(call: Call, options: argparse.Namespace) -> dict[str, Run]:
    read_ahead(call)
    runs = {DECODING: _decoded(call, options.threads)}
    for workers in options.workers:
        threads = options.threads // workers
        name = f"`--workers {workers}`, {threads} thread{'s' * (threads != 1)} each"
        arguments = ["--workers", str(workers), "--threads", str(options.threads)]
        arguments += ["--method", options.method, "--force", "--quiet"]
        with tempfile.TemporaryDirectory(dir=WORK) as out:
            runs[name] = run_unveil("recover", call.path, "-o", out, *arguments)
    return runs


def _decoded(call: Call, threads: int) -> Run:
    """Decode a call in a new process; its start and its warm-up are not counted."""
    load = LoadMeter()
    done = measure(DECODING, call, threads=threads)
    return Run(done.seconds, done.cpu_seconds, load.result().others_cores)


def _row(name: str, runs: list[Run], rounds: list[dict[str, Run]]) -> dict[str, Any]:
    floors = [one[DECODING] for one in rounds]
    pairs = list(zip(runs, floors, strict=True))
    return {
        "contender": name,
        "seconds": median(run.seconds for run in runs),
        "cpu_seconds": median(run.cpu_seconds for run in runs),
        "times_decoding": median(run.seconds / floor.seconds for run, floor in pairs),
        "times_decoding_cpu": median(run.cpu_seconds / floor.cpu_seconds for run, floor in pairs),
        "runs": [asdict(run) for run in runs],
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
