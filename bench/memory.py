"""Peak memory of the recovery of a short and of a long call: 600 and 6,000 frames.

The long call is the short one repeated ten times (the same packets, nothing re-encoded), so only
the length differs. Each run is a new process; medians are reported. Writes
`bench/results/memory.json` and the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median
from typing import Any

from bench import report
from bench.calls import SIZES, Call, looped, made, warm_up_clip
from bench.machine import describe
from bench.trial import measure


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=720, choices=SIZES)
    parser.add_argument("--frames", type=int, default=600, help="length of the short call")
    parser.add_argument(
        "--rounds", type=int, default=10, help="repetitions of the short call in the long one"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=["farend", "transitions", "rarest"])
    options = parser.parse_args()

    machine = describe()
    short = made(options.height, options.frames)
    long = looped(short, options.frames * options.rounds)
    rows: list[dict[str, Any]] = []
    for method in options.methods:
        contender = f"unveil {method}"
        # Fill the cache first: compiling uses memory.
        measure(contender, warm_up_clip(), threads=options.threads)
        peaks: dict[int, list[int]] = {short.n_frames: [], long.n_frames: []}
        for _ in range(options.repeats):
            for call in (short, long):
                peaks[call.n_frames].append(_peak(contender, call, options.threads))
        low, high = median(peaks[short.n_frames]), median(peaks[long.n_frames])
        rows.append(
            {
                "contender": contender,
                "height": options.height,
                "short_frames": short.n_frames,
                "long_frames": long.n_frames,
                "short_peak_rss_bytes": low,
                "long_peak_rss_bytes": high,
                "difference_percent": 100 * (high - low) / low,
                "peak_rss_bytes_by_run": list(peaks.values()),
            }
        )
    settings = {"threads": options.threads, "repeats": options.repeats}
    report.save("memory", {"machine": machine, **settings, "rows": rows})


def _peak(contender: str, call: Call, threads: int) -> int:
    done = measure(contender, call, threads=threads)
    if done.frames != call.n_frames:
        raise SystemExit(f"{contender} read {done.frames} of {call.n_frames} frames")
    print(
        f"{contender}, {call.n_frames} frames: {done.peak_rss_bytes / 1e6:.1f} MB peak",
        file=sys.stderr,
        flush=True,
    )
    return done.peak_rss_bytes


if __name__ == "__main__":
    main()
