"""Speed of a recovery relative to decoding the same file (the floor).

Every contender runs in a new process, in turn in each round. Its ratio is to the floor of the same
round, so that a change in the machine's speed affects both. Medians over the rounds are reported.
Writes `bench/results/speed.json` and the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from bench import report
from bench.calls import SIZES, Call, made, read_ahead, warm_up_clip
from bench.machine import describe
from bench.trial import CONTENDERS, Measurement, TrialError, measure

FLOOR = "decoding only (PyAV)"
SLOW = ("OpenCV MOG2", "OpenCV KNN", "zoomg's rule in Python")
ONE_THREADED = ("zoomg's rule in Python",)


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heights", type=int, nargs="+", default=[720, 1080], choices=SIZES)
    parser.add_argument(
        "--frames", type=int, nargs="+", default=[3600, 600], help="lengths of calls"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--slow-frames", type=int, default=300, help="number of frames that slow peers read"
    )
    parser.add_argument(
        "--only", nargs="+", default=list(CONTENDERS), choices=CONTENDERS, metavar="CONTENDER"
    )
    parser.add_argument("--pin", action="store_true", help="allow N threads only N cores (Linux)")
    options = parser.parse_args()

    machine = describe()
    calls = [made(height, n) for n in options.frames for height in options.heights]
    contenders = _runnable([FLOOR, *(name for name in options.only if name != FLOOR)])
    if contenders[:1] != [FLOOR]:
        raise SystemExit("decoding only failed; without it nothing can be compared")
    rows = [
        row
        for call in calls
        for threads in options.threads
        for row in _compare(contenders, call, threads, options)
    ]
    report.save(
        "speed",
        {
            "machine": machine,
            "repeats": options.repeats,
            "slow_frames": options.slow_frames,
            "pinned": options.pin,
            "calls": [asdict(call) | {"path": call.path.name} for call in calls],
            "rows": rows,
        },
    )


def _runnable(contenders: Sequence[str]) -> list[str]:
    """Run each contender once, and return those that work.

    This also fills the kernel cache, because compiling uses memory.
    """
    return [name for name in contenders if _try(name, warm_up_clip(), threads=1) is not None]


def _compare(
    contenders: Sequence[str], call: Call, threads: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Run all contenders in turn in each of `repeats` rounds, and summarise each contender."""
    read_ahead(call)
    rounds: list[dict[str, Measurement]] = []
    for number in range(1, options.repeats + 1):
        this_round: dict[str, Measurement] = {}
        for name in contenders:
            if name in ONE_THREADED and threads > 1:
                continue
            limit = min(options.slow_frames, call.n_frames) if name in SLOW else None
            done = _try(name, call, threads=threads, limit=limit, pin=options.pin)
            if done is None and name == FLOOR:
                break  # without the floor there is no ratio in this round
            if done is None:
                continue
            this_round[name] = done
            _say(
                f"{call.label} {call.n_frames} frames, {threads} threads, round {number}: "
                f"{name} {1 / done.seconds_per_frame:.1f} frames/s, "
                f"{done.seconds_per_frame / this_round[FLOOR].seconds_per_frame:.2f} x floor"
            )
        rounds.append(this_round)
    return [
        _summary(call, [(this[name], this[FLOOR]) for this in rounds if name in this])
        for name in contenders
        if any(name in this for this in rounds)
    ]


def _summary(call: Call, pairs: Sequence[tuple[Measurement, Measurement]]) -> dict[str, Any]:
    """Summarise one contender from its (own, floor) measurements, one pair per round."""
    own = [mine for mine, _ in pairs]
    ratios = [mine.seconds_per_frame / floor.seconds_per_frame for mine, floor in pairs]
    return {
        "contender": own[0].contender,
        "threads": own[0].threads,
        "height": call.height,
        "call_frames": call.n_frames,
        "measured_frames": own[0].frames,
        "scaled": own[0].scaled,
        "frames_per_second": median(1 / mine.seconds_per_frame for mine in own),
        "times_floor": median(ratios),
        "times_floor_by_round": ratios,
        "seconds_by_round": [mine.seconds for mine in own],
        "cpu_seconds_per_frame": median(mine.cpu_seconds / mine.frames for mine in own),
        "peak_rss_bytes": median(mine.peak_rss_bytes for mine in own),
        "stages": {
            stage: median(mine.stages.get(stage, 0.0) for mine in own) for stage in own[0].stages
        },
    }


def _try(
    name: str, call: Call, *, threads: int, limit: int | None = None, pin: bool = False
) -> Measurement | None:
    """Measure; on a failure print the error and return None, so that the others still run."""
    try:
        return measure(name, call, threads=threads, limit=limit, pin=pin)
    except TrialError as error:
        _say(str(error))
        return None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
