"""Speed of a batch of short calls by the number of workers.

The calls are simulated: an astronaut who sways and leaves, 640x360, a few seconds each. Each run is
a new process of `unveil recover` with the same threads in all; the numbers of workers take turns in
each round, and a ratio is to one worker in the same round. The CPU time includes that of the
workers. `others_cores` is what other processes on the machine used meanwhile, in cores (Linux):
with more than a few hundredths of a core, wall times are not to be compared, and
`--trial` prints the table without storing it. Writes `bench/results/batch.json` and the table in
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from bench import report
from bench.calls import WORK
from bench.machine import describe
from bench.processes import Run, run_unveil
from bench.tables import TABLES

HEIGHT, WIDTH, FRAME_RATE = 360, 640, 25
N_SCENES = 5
"""Different calls; the batch repeats them."""


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=5, help="length of a call")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--threads", type=int, default=2, help="threads of all workers together")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--trial", action="store_true", help="print the table, store nothing")
    options = parser.parse_args()
    if options.workers[0] != 1:
        raise SystemExit("--workers: the first number is 1, to which the others are compared")

    machine = describe()
    result = {
        "machine": machine,
        "calls": options.calls,
        "call_seconds": options.seconds,
        "height": HEIGHT,
        "width": WIDTH,
        "threads": options.threads,
        "method": options.method,
        "repeats": options.repeats,
        "rows": _measured(options),
    }
    if options.trial:
        print(TABLES["batch"](result))
    else:
        report.save("batch", result)


def _measured(options: argparse.Namespace) -> list[dict[str, Any]]:
    scenes = [_made(number, options.seconds) for number in range(N_SCENES)]
    rounds: list[list[Run]] = []
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        calls = [Path(folder) / f"call-{number:03}.mp4" for number in range(options.calls)]
        for number, call in enumerate(calls):
            shutil.copyfile(scenes[number % N_SCENES], call)
        out = Path(folder) / "out"
        _run(calls[:1], out, 1, options)  # compiles what is not in the cache
        for number in range(options.repeats):
            this_round = []
            for workers in options.workers:
                this_round.append(_run(calls, out, workers, options))
                _say(f"round {number + 1}, {workers} workers: {this_round[-1]}")
            rounds.append(this_round)
    return [
        {
            "workers": workers,
            "seconds": median(run.seconds for run in runs),
            "cpu_seconds": median(run.cpu_seconds for run in runs),
            "times_one_worker": median(
                alone.seconds / run.seconds for (alone, *_), run in zip(rounds, runs, strict=True)
            ),
            "runs": [asdict(run) for run in runs],
        }
        for workers, runs in zip(options.workers, zip(*rounds, strict=True), strict=True)
    ]


def _made(seed: int, seconds: int) -> Path:
    """Return a simulated call; make it if it is missing."""
    folder = WORK / f"batch-{seed}-{seconds}s"
    path = folder / "call.mp4"
    if not path.exists():
        # Imported late: a runner whose calls exist stays a small process.
        from unveil.simulation.astronaut import ASTRONAUT
        from unveil.simulation.simulate import simulate_call

        simulate_call(
            folder,
            ASTRONAUT,
            "furnished",
            "landscape",
            height=HEIGHT,
            width=WIDTH,
            n_frames=seconds * FRAME_RATE,
            frame_rate=FRAME_RATE,
            scale=0.8,
            motions=("sway", "leave"),
            camera_noise=0.5,
            bit_rate=1_000_000,
            seed=seed,
            force=True,
        )
    return path


def _run(calls: list[Path], out: Path, workers: int, options: argparse.Namespace) -> Run:
    """Recover calls in a new process."""
    arguments = ["--workers", str(workers), "--threads", str(options.threads)]
    arguments += ["--method", options.method, "--isolate", "--force", "--quiet"]
    return run_unveil("recover", *calls, "-o", out, *arguments)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
