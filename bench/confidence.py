"""How often claims of each confidence are right, on simulated calls of eight people.

`python -m bench.confidence` makes the calls (`bench/confidence_calls.py`), recovers each by
`farend`, and compares the claims with the truth as `unveil score --truth` does. A tenth of
confidence is averaged over the claims of all calls. Writes `bench/results/confidence.json` and the
table in docs/benchmarks.md; with `--numbers` it prints the rows of these calls and stores nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from bench import report
from bench.confidence_calls import VariedCall, made, varied_calls
from bench.machine import describe
from unveil import Truth, recover
from unveil.scoring.leak import measure_recovery


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", type=int, nargs="+", metavar="N", help="only these calls")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    machine, rows = describe(), []
    for call in varied_calls():
        if options.numbers is None or call.number in options.numbers:
            rows.append(_measure(call, options.threads))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    if options.numbers is None:
        report.save("confidence", {"machine": machine, "rows": rows})


def _measure(call: VariedCall, threads: int | None) -> dict[str, Any]:
    """Recover a call and compare its claims with the truth."""
    folder = made(call, threads=threads)
    recovery = recover(folder / "call.mp4", method="farend", threads=threads)
    score = measure_recovery(recovery.room, Truth.read(folder / "truth.npz")).as_dict()
    kept = ("f", "precision", "confident_precision", "coverage", "confident_coverage")
    return {
        "call": call.name,
        "person": call.person,
        "pixels": recovery.confidence.size,
        **{name: score[name] for name in kept},
        "tenths": [[part["pixels"], part["precision"]] for part in score["calibration"]],
    }


if __name__ == "__main__":
    main()
