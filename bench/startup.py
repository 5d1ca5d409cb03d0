"""Start-up time: help, the first run on a new machine, and later runs.

All are wall times of whole processes. The first run has an empty NUMBA_CACHE_DIR and compiles every
kernel; the same command with the filled cache gives the cost of compiling. The time until a later
run starts to decode is bounded from above by the whole run on a clip of one small frame, which
takes almost no time to decode, count or write. Writes `bench/results/startup.json` and the table in
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from bench import report
from bench.calls import Call, one_frame_clip, warm_up_clip
from bench.machine import describe


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--method", default="farend")
    options = parser.parse_args()

    machine = describe()
    several, single = warm_up_clip(), one_frame_clip()
    helps = [_seconds(["--help"])[0] for _ in range(options.repeats)]
    with tempfile.TemporaryDirectory() as folder:
        cache, out = Path(folder) / "cache", Path(folder) / "out"
        cache.mkdir()
        environment = {"NUMBA_CACHE_DIR": str(cache)}
        first, output = _seconds(_recover(several, out, options.method), environment)
        quiet = [*_recover(several, out, options.method), "--quiet"]
        again = [_seconds(quiet, environment)[0] for _ in range(options.repeats)]
        quiet = [*_recover(single, out, options.method), "--quiet"]
        short = [_seconds(quiet, environment)[0] for _ in range(options.repeats)]
    report.save(
        "startup",
        {
            "machine": machine,
            "repeats": options.repeats,
            "method": options.method,
            "help_seconds": median(helps),
            "first_run_seconds": first,
            "first_run_says_it_compiles": "compil" in output.lower(),
            "same_run_later_seconds": median(again),
            "compile_seconds": first - median(again),
            "one_frame_run_seconds": median(short),
        },
    )


def _recover(call: Call, out: Path, method: str) -> list[str]:
    return ["recover", str(call.path), "-o", str(out), "--method", method, "--force"]


def _seconds(arguments: Sequence[str], more: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Run `unveil`; return its wall time and its output."""
    start = perf_counter()
    done = subprocess.run(
        [*_program(), *arguments],
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = perf_counter() - start
    if done.returncode:
        raise SystemExit(f"unveil {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    print(f"unveil {arguments[0]}: {seconds:.2f} s", file=sys.stderr, flush=True)
    return seconds, done.stdout + done.stderr


def _program() -> list[str]:
    """Return the installed command, which users run, or else `python -m unveil`."""
    command = Path(sys.executable).with_name("unveil")
    return [str(command)] if command.exists() else [sys.executable, "-m", "unveil"]


if __name__ == "__main__":
    main()
