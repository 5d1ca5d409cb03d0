"""Scores of every method on every call with a known truth.

`python -m bench.quality` makes the simulated calls (`bench/simulated.py`), recovers each call by
each method (`bench/methods.py`) in its own process, and scores the recovery as
`unveil score --truth` does. `--calls FOLDER` adds other calls: pairs of NAME.mp4 and NAME.npz, or
folders with call.mp4 and truth.npz.

Writes `bench/results/quality.json` and the table in docs/benchmarks.md. Rows that `--names` or
`--methods` exclude are kept; each row has its date. The recovered pictures are kept in
`bench/work/rooms/` for `bench.sheets`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from bench import report
from bench.calls import WORK
from bench.machine import describe, peak_rss_bytes
from bench.methods import METHODS
from bench.quality_tables import quality_table
from bench.simulated import RECIPES, made, recording
from unveil.scoring.leak import measure_recovery, score_truth
from unveil.scoring.truth import Truth

ROOMS = WORK / "rooms"
KEPT = (
    "leak_score",
    "floor",
    "f",
    "recall",
    "close_recall",
    "precision",
    "confident_precision",
    "coverage",
    "background_error",
)


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call with a known truth."""

    name: str
    call: Path
    truth: Path


def simulated(names: list[str] | None = None, *, small: bool = False) -> list[KnownCall]:
    """Return the simulated calls; make those that are missing."""
    folders = {name: made(name, small=small) for name in (RECIPES if names is None else names)}
    return [
        # The suffix keeps the pictures of a small call apart from those of the full one.
        KnownCall(f"{name}-small" if small else name, recording(folder), folder / "truth.npz")
        for name, folder in folders.items()
    ]


def found(folder: Path) -> list[KnownCall]:
    """Return the calls with a truth in a folder."""
    pairs = [
        KnownCall(truth.stem, truth.with_suffix(".mp4"), truth)
        for truth in sorted(folder.glob("*.npz"))
        if truth.with_suffix(".mp4").exists()
    ]
    folders = [
        KnownCall(truth.parent.name, truth.parent / "call.mp4", truth)
        for truth in sorted(folder.glob("*/truth.npz"))
    ]
    return pairs + folders


def room_of(call: str, method: str) -> Path:
    """Return the folder for a method's pictures of a call."""
    plain = "".join(sign if sign.isalnum() else "-" for sign in method.lower())
    return ROOMS / call / "-".join(part for part in plain.split("-") if part)


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=Path, metavar="FOLDER", help="further calls with a truth")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="only these calls")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", choices=METHODS)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--small", action="store_true", help="tiny calls; nothing is written")
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        _run(*options.run, threads=options.threads)
        return
    own = found(options.calls) if options.calls else []
    wanted = options.names or [call.name for call in own] + list(RECIPES)
    calls = [call for call in own if call.name in wanted]
    calls += simulated([name for name in RECIPES if name in wanted], small=options.small)
    missing = sorted(set(wanted) - {call.name.removesuffix("-small") for call in calls})
    if missing:
        parser.error(f"no such call: {', '.join(missing)}")

    machine = describe()
    rows: list[dict[str, Any]] = []
    for call in calls:
        for method in options.methods or METHODS:
            rows.append(_measure(call, method, options.threads))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            if not options.small:
                _store(machine, rows)
    if options.small:
        print(quality_table({"rows": rows}))
    else:
        report.save("quality", _store(machine, rows))


def _measure(call: KnownCall, method: str, threads: int | None) -> dict[str, Any]:
    """Recover in a new process and score the result."""
    folder = room_of(call.name, method)
    cost = run_apart(call, method, folder, threads)
    score = score_truth(folder, call.truth).as_dict()
    return {
        "call": call.name,
        "method": method,
        **{name: score[name] for name in KEPT},
        **cost,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def run_apart(call: KnownCall, method: str, folder: Path, threads: int | None) -> dict[str, float]:
    """Recover in a new process and write the pictures; return seconds and peak memory."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bench.quality", "--run"]
    command += [str(call.call), str(call.truth), method, str(folder)]
    if threads is not None:
        command += ["--threads", str(threads)]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{method} on {call.name}: {done.stderr.strip()[-2000:]}")
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def _run(call: str, truth_path: str, method: str, folder: str, *, threads: int | None) -> None:
    """Recover one call by one method; print the cost as JSON on the last line."""
    truth = Truth.read(truth_path)
    started = time.perf_counter()
    room, background = METHODS[method](Path(call), truth, threads)
    seconds = time.perf_counter() - started
    peak = peak_rss_bytes()
    measure_recovery(room, truth)  # raises if the room does not fit, before it is written
    Image.fromarray(room).save(Path(folder) / "room.png")
    stale = Path(folder) / "background.png"
    stale.unlink(missing_ok=True)
    if background is not None:
        Image.fromarray(background).save(stale)
    print(json.dumps({"seconds": seconds, "peak_rss_bytes": peak}))


def _store(machine: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the new rows and the earlier ones that they do not replace, in the table's order."""
    path = report.RESULTS / "quality.json"
    stored = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    by_key = {(row["call"], row["method"]): row for row in [*stored, *rows]}
    names = [*dict.fromkeys(call for call, _ in by_key if call not in RECIPES), *RECIPES]
    result = {
        "machine": machine,
        "rows": [
            by_key[name, method] for name in names for method in METHODS if (name, method) in by_key
        ],
    }
    report.RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    main()
