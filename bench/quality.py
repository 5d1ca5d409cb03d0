"""Scores of every method on every call whose truth is known.

`python -m bench.quality` makes the simulated calls (`bench/simulated.py`), recovers each with
each method (`bench/methods.py`), each in a process of its own, and scores it as
`unveil score --truth` does. `--calls FOLDER` adds calls of one's own: pairs of NAME.mp4 and
NAME.npz, or folders with call.mp4 and truth.npz.

Writes `bench/results/quality.json` and the table in docs/benchmarks.md. Rows that `--names` or
`--methods` leave out stay as they were; each row has its date. The recovered pictures stay in
`bench/work/rooms/`, where `bench.sheets` finds them.
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
from bench.simulated import RECIPES, made
from bench.tables import quality_table
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
    """A call and its truth."""

    name: str
    call: Path
    truth: Path


def simulated(names: list[str] | None = None, *, small: bool = False) -> list[KnownCall]:
    """Make and list the simulated calls."""
    folders = {name: made(name, small=small) for name in (RECIPES if names is None else names)}
    return [
        # A small call's pictures must not take the place of the whole one's.
        KnownCall(f"{name}-small" if small else name, folder / "call.mp4", folder / "truth.npz")
        for name, folder in folders.items()
    ]


def found(folder: Path) -> list[KnownCall]:
    """List the calls with a truth in a folder."""
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
    """Name the folder in which a method's pictures of a call are kept."""
    plain = "".join(sign if sign.isalnum() else "-" for sign in method.lower())
    return ROOMS / call / "-".join(part for part in plain.split("-") if part)


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=Path, metavar="FOLDER", help="calls beside the simulated")
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
    """Recover in a process of its own and score what it wrote."""
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
    """Recover in a process of its own, write the pictures, tell seconds and peak memory."""
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
    """Recover one call by one method; the last line printed tells what it cost."""
    truth = Truth.read(truth_path)
    started = time.perf_counter()
    room, background = METHODS[method](Path(call), truth, threads)
    seconds = time.perf_counter() - started
    peak = peak_rss_bytes()
    measure_recovery(room, truth)  # refuses what does not fit before it is written
    Image.fromarray(room).save(Path(folder) / "room.png")
    stale = Path(folder) / "background.png"
    stale.unlink(missing_ok=True)
    if background is not None:
        Image.fromarray(background).save(stale)
    print(json.dumps({"seconds": seconds, "peak_rss_bytes": peak}))


def _store(machine: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the rows measured so far and those kept from before, in the order of the table."""
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
