"""Scores of a recovery, by method, on calls whose truth is known.

`python -m bench.quality CALL.mp4 TRUTH.npz [CALL.mp4 TRUTH.npz ...]` recovers each call with
each method and scores it (`bench/truth.py`). Beside them stands the floor: what painting the
virtual background itself would score. Writes `bench/results/quality.json` and README's table.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import unveil
from bench import report
from bench.machine import describe
from bench.truth import Score, Truth, floor, score
from unveil.parameters import Method

METHODS: tuple[Method, ...] = get_args(Method)


def main() -> None:
    """Score as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", type=Path, nargs="+", metavar="CALL.mp4 TRUTH.npz")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    options = parser.parse_args()
    if len(options.paths) % 2:
        parser.error("give each call with its truth: CALL.mp4 TRUTH.npz")

    machine = describe()
    rows: list[dict[str, Any]] = []
    for call, truth_path in zip(options.paths[::2], options.paths[1::2], strict=True):
        truth = Truth.load(truth_path)
        rows.append(_row(call, "painting the background", floor(truth)))
        for method in options.methods:
            recovery = unveil.recover(call, method=method)
            rows.append(_row(call, method, score(recovery.room, recovery.background, truth)))
    report.save("quality", {"machine": machine, "rows": rows})


def _row(call: Path, method: str, result: Score) -> dict[str, Any]:
    print(f"{call.stem}, {method}: {result}", file=sys.stderr, flush=True)
    return {"call": call.stem, "method": method, **asdict(result)}


if __name__ == "__main__":
    main()
