"""Measure the countermeasures: `python -m bench.countermeasures`.

Two matrices on short simulated calls: resisting backgrounds against attacks, and ways to cut out
the person, judged by the exact matte. Writes `bench/results/shields.json` and `edges.json`, the
tables in docs/countermeasures.md, and what the page of `unveil audit` shows of them. Rows that
`--names` and `--only` exclude are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from bench import report
from bench.countermeasures import backgrounds, edges
from bench.countermeasures.advice import write_advice
from bench.countermeasures.calls import CALLS, Simulator
from bench.machine import describe


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", nargs="+", default=list(CALLS), choices=CALLS)
    parser.add_argument("--only", choices=("shields", "edges"))
    parser.add_argument("--frames", type=int, default=200, help="length of the calls")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--advice", action="store_true", help="measure nothing; write the advice")
    options = parser.parse_args()
    machine = describe()
    if not options.advice:
        for name in options.names:
            simulator = Simulator(name, options.frames, options.threads)
            if options.only != "edges":
                rows = backgrounds.measured(simulator, list(backgrounds.MEASURES), options.threads)
                _store("shields", "measure", machine, rows)
            if options.only != "shields":
                rows = edges.measured(simulator, edges.EDGES, options.threads)
                _store("edges", "edge", machine, rows)
    write_advice()


def _store(name: str, key: str, machine: dict[str, Any], rows: Iterator[dict[str, Any]]) -> None:
    """Add each row to the stored ones when it is measured; it replaces an earlier one."""
    path = report.RESULTS / f"{name}.json"
    for row in rows:
        print(json.dumps(row), file=sys.stderr, flush=True)
        stored = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
        by_key = {(old["call"], old[key]): old for old in [*stored, row]}
        report.save(name, {"machine": machine, "rows": list(by_key.values())})


if __name__ == "__main__":
    main()
