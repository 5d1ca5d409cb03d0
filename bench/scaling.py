"""How recovery scales past this machine: a table from measured costs of the stages.

    python -m bench.scaling

The stages of a 720p recording are measured by `bench.stage_costs` in as many processes at once as
there are cores, and the cost of a task for the client and of a state that goes from process to
process with a local cluster. `bench.cluster_model` then predicts the wall time for

- weak scaling: an hour of recording for each core, as recordings of one hour;
- strong scaling: one recording of three hours;
- a batch of 1,000 recordings of one hour.

Efficiency is the time of one core without waiting / (wall time * cores). The limit is what raises
the efficiency most when the model runs without it; "segments" if nothing does and there are more
cores than segments; "-" if the efficiency is over 95 %. The prediction for a local cluster of as
many workers as this machine has cores is compared with a run. Writes `bench/results/scaling.json`
and the tables in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from queue import SimpleQueue
from statistics import fmean
from typing import Any

from bench import report
from bench.calls import SIZES, WORK, Call
from bench.cluster_model import Cluster, Costs, part_of, predict, without_limits
from bench.long_call import long_call
from bench.machine import describe
from bench.processes import LoadMeter
from bench.tables import TABLES

CORES = (1, 2, 4, 16, 64, 256, 1000)
BITS_PER_SECOND = (1e9, 1e10)
N_BATCH = 1000
STRONG_HOURS = 3
LINEAR = 0.95
"""Efficiency from which on nothing limits."""

Json = dict[str, Any]

SCENARIOS = (
    ("Weak scaling, one hour of recording per core", None, 1),
    (f"Strong scaling, one recording of {STRONG_HOURS} hours", 1, STRONG_HOURS),
    (f"Batch, {N_BATCH:,} recordings of one hour", N_BATCH, 1),
)
"""Name, number of recordings (None: one per core), and hours of each."""


def main() -> None:
    """Measure, predict and store what the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=720, choices=SIZES)
    parser.add_argument("--hours", type=float, default=0.1, help="length of the measured call")
    parser.add_argument("--segments", type=int, default=4, help="segments measured a process")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--cores-per-machine", type=int, default=4)
    parser.add_argument("--cores", type=int, nargs="+", default=CORES)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--no-check", action="store_true", help="run no local cluster to compare")
    parser.add_argument("--trial", action="store_true", help="print the tables, store nothing")
    options = parser.parse_args()
    machine = describe()
    call = long_call(options.height, options.hours)
    measured = _measured(call, options)
    stages = measured["stages"]
    measured["client"] = _client_costs(measured["state_bytes"])
    costs = Costs(
        # Of an hour: planning reads all packets, and all bytes for the hash of the content.
        plan_seconds=stages["plan"]["cpu_seconds"] * 3600 / _seconds(call),
        count_seconds=stages["count"]["cpu_seconds"],
        merge_seconds=stages["merge"]["cpu_seconds"],
        recover_seconds=stages["recover"]["cpu_seconds"],
        copy_seconds=measured["client"]["copy_seconds"],
        client_seconds=measured["client"]["task_seconds"],
        state_bytes=measured["state_bytes"],
    )
    result = {
        "machine": machine,
        "height": options.height,
        "processes": options.processes,
        "cores_per_machine": options.cores_per_machine,
        **measured,
        "check": None if options.no_check else _check(call, costs, measured, options),
        "rows": list(rows(costs, measured["segment_seconds"], options)),
    }
    if options.trial:
        print(TABLES["scaling"](result))
    else:
        report.save("scaling", result)


def rows(costs: Costs, segment_seconds: float, options: argparse.Namespace) -> Iterator[Json]:
    """Yield the predictions: scenario by scenario, by the number of cores and the bandwidth."""
    in_an_hour = round(3600 / segment_seconds)
    cases = [
        (scenario, n_recordings, hours, Cluster(cores, options.cores_per_machine, bandwidth))
        for scenario, recordings, hours in SCENARIOS
        for cores in options.cores
        for bandwidth in BITS_PER_SECOND
        for n_recordings in [recordings or cores]
    ]
    # Spawned: the threads of the local cluster must not be copied.
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        predicted = [
            pool.submit(
                _predicted, n_recordings, hours * in_an_hour, costs.scaled_plan(hours), cluster
            )
            for _, n_recordings, hours, cluster in cases
        ]
        for (scenario, *_), future in zip(cases, predicted, strict=True):
            yield {"scenario": scenario, **future.result()}


def _predicted(n_recordings: int, n_segments: int, costs: Costs, cluster: Cluster) -> Json:
    part, own, simulated = part_of(n_recordings, costs, cluster)
    prediction = predict(part, n_segments, own, simulated)
    limit = "-"
    if prediction.efficiency < LINEAR:
        without = {
            name: predict(part, n_segments, *changed).efficiency
            for name, changed in without_limits(own, simulated).items()
        }
        name, best = max(without.items(), key=lambda one: one[1])
        limit = name if best > prediction.efficiency * 1.02 else "segments"
    work = costs.on_one_core(n_recordings, n_segments)
    return {
        "cores": cluster.n_cores,
        "bits_per_second": cluster.bits_per_second,
        "recordings": n_recordings,
        "segments": n_recordings * n_segments,
        "seconds": work / (prediction.efficiency * cluster.n_cores),
        "efficiency": prediction.efficiency,
        "client_share": prediction.client_share,
        "link_share": prediction.link_share,
        "limit": limit,
    }


def _measured(call: Call, options: argparse.Namespace) -> Json:
    """Return the means over all processes of the stages' costs."""
    command = [sys.executable, "-m", "bench.stage_costs", str(call.path)]
    command += ["--segments", str(options.segments), "--method", options.method]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(options.processes)
    ]
    texts = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("bench.stage_costs failed")
    results = [json.loads(text.splitlines()[-1]) for text in texts]
    first: Json = results[0]
    first["stages"] = {
        name: {
            key: fmean(result["stages"][name][key] for result in results)
            for key in ("seconds", "cpu_seconds")
        }
        for name in first["stages"]
    }
    return first


def _client_costs(state_bytes: int, n_tasks: int = 300) -> Json:
    """Measure what a task costs the client, and what a state costs from process to process."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as local,
        Client(local) as client,
    ):
        ended: SimpleQueue[Any] = SimpleQueue()

        def submit(number: int) -> None:
            future = client.submit(_nothing, number, pure=False, priority=1)
            future.add_done_callback(ended.put)

        for number in range(10):
            submit(number)
        for _ in range(10):
            ended.get()
        before = time.perf_counter()
        for number in range(4):
            submit(number)
        for number in range(n_tasks):
            ended.get()
            client.nthreads()
            submit(number)
        task_seconds = (time.perf_counter() - before) / n_tasks
        workers = sorted(client.nthreads())
        copies = []
        for _ in range(3):
            state = client.submit(_state, state_bytes, workers=[workers[0]], pure=False)
            client.submit(len, state, workers=[workers[0]], pure=False).result()
            before = time.perf_counter()
            client.submit(len, state, workers=[workers[1]], pure=False).result()
            copies.append(time.perf_counter() - before)
    return {"task_seconds": task_seconds, "copy_seconds": min(copies)}


def _nothing(number: int) -> int:
    return number


def _state(size: int) -> bytes:
    return os.urandom(size)


def _check(call: Call, costs: Costs, measured: Json, options: argparse.Namespace) -> Json:
    """Recover a recording on a local cluster, and predict that."""
    from unveil.cluster import recover_many

    workers = options.processes
    chosen: Any = {"method": options.method}
    with tempfile.TemporaryDirectory(dir=WORK) as out:
        load = LoadMeter()
        (outcome,) = recover_many([call.path], out, cluster="local", workers=workers, **chosen)
        run = load.result()
    if outcome.wall_seconds is None and outcome.state != "recovered":
        raise SystemExit(f"recover_many failed: {outcome.problem}")
    own = costs.scaled_plan(_seconds(call) / 3600)
    cluster = Cluster(workers, workers, BITS_PER_SECOND[0])
    return {
        "workers": workers,
        "segments": measured["n_segments"],
        "measured_seconds": run.seconds,
        "predicted_seconds": predict(1, measured["n_segments"], own, cluster).seconds,
        "cpu_seconds": run.cpu_seconds,
        "others_cores": run.others_cores,
    }


def _seconds(call: Call) -> float:
    return call.path.stat().st_size * 8 / call.bits_per_second


if __name__ == "__main__":
    main()
