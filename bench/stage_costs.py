"""Costs of the stages of a recovery in segments, measured in this process with one thread.

    python -m bench.stage_costs CALL --segments 4

The functions are those that the workers of a cluster run. CPU time is that of all threads of the
process: where all cores work, a decoder in a thread of its own takes time from others. Prints JSON.
`bench.scaling` runs it in as many processes at once as there are cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from unveil.cluster import tasks
from unveil.cluster.tasks import CountingPlan, Planned, Recording
from unveil.recovery.recover import recover_counted
from unveil.recovery.segments.count import read_segment_state, write_segment_state
from unveil.recovery.warmup import prepare
from unveil.video.source import source_of


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall and CPU time of a stage, in seconds."""

    seconds: float
    cpu_seconds: float


class Stages:
    """Times of each stage, by its name."""

    def __init__(self) -> None:
        self._costs: dict[str, list[Cost]] = {}

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure what is done in the context, a run of the stage."""
        wall, cpu = perf_counter(), process_time()
        yield
        cost = Cost(perf_counter() - wall, process_time() - cpu)
        self._costs.setdefault(name, []).append(cost)

    def as_dict(self) -> dict[str, Any]:
        """Return the median of the runs of each stage."""
        return {
            name: asdict(
                Cost(
                    median(cost.seconds for cost in costs),
                    median(cost.cpu_seconds for cost in costs),
                )
            )
            for name, costs in self._costs.items()
        }


def measure(call: Path, n_segments: int, method: str) -> dict[str, Any]:
    """Measure the stages on the first segments of a call; the first one only warms up."""
    stages = Stages()
    options: Any = {"threads": 1, "method": method}
    with tempfile.TemporaryDirectory(prefix="unveil-") as name:
        folder = Path(name)
        recording = Recording(source_of(call), str(folder), options)
        prepare(recording.chosen.method, person=recording.chosen.person)
        with stages.measured("plan"):
            planned = tasks.plan(recording)
        if not isinstance(planned, Planned) or planned.how is None:
            raise SystemExit(f"{call.name} is not cut into segments: {planned}")
        how = planned.how
        if len(how.segments) <= n_segments + 1:
            raise SystemExit(f"{call.name} has {len(how.segments)} segments; give a longer call")
        tasks.count(how, 0)
        states = []
        for number in range(1, n_segments + 1):
            with stages.measured("decode"), how.task.open(how.segments[number]) as video:
                n_frames = sum(len(chunk.pts_seconds) for chunk in video.chunks())
            with stages.measured("count"):
                states.append(tasks.count(how, number))
        merged = states[0]
        for state in states[1:]:
            with stages.measured("merge"):
                merged = tasks.merge(how, merged, state)
        _measure_files(stages, how, states, folder)
        path = folder / tasks.STATE
        path.write_bytes(merged)
        with stages.measured("recover"):
            recovery = recover_counted(how.task, len(states), path, recording.chosen)
            recovery.save(folder / "result")
    return {
        "stages": stages.as_dict(),
        "n_segments": len(how.segments),
        "segment_frames": n_frames,
        "segment_seconds": median(
            segment.end_seconds - segment.begin_seconds for segment in how.segments[:-1]
        ),
        "state_bytes": len(states[-1]),
        "file_bytes": call.stat().st_size,
        "further_passes": recovery.report["further_passes"],
        "method": recovery.report["decided_by"],
    }


def _measure_files(stages: Stages, how: CountingPlan, states: list[bytes], folder: Path) -> None:
    """Measure the parts of a merge: reading a state, merging it in memory, writing it."""
    path, written = folder / "read.npz", folder / "written.npz"
    with how.task.open(how.segments[0]) as video:
        new_countings = partial(how.task.countings, video)
        path.write_bytes(states[0])
        merged = read_segment_state(path, new_countings())
        for state in states[1:]:
            path.write_bytes(state)
            with stages.measured("read a state"):
                later = read_segment_state(path, new_countings())
            with stages.measured("merge in memory"):
                merged.merge(later)
            with stages.measured("write a state"):
                write_segment_state(merged, how.task, written)


def main() -> None:
    """Measure the call that the command line names; print JSON on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("call", type=Path)
    parser.add_argument("--segments", type=int, default=4, help="number of segments to measure")
    parser.add_argument("--method", default="auto")
    options = parser.parse_args()
    print(json.dumps(measure(options.call, options.segments, options.method)))


if __name__ == "__main__":
    main()
