"""One contender, once, in this process: warm up on a tiny clip, run, print what it cost as JSON.

`measure` starts such a process. A fresh one for each run makes the peak memory the run's own
and keeps one contender's thread pools and caches from another's clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.calls import Call, warm_up_clip
from bench.peers import PEERS, Peer, Result, Stopwatch

if TYPE_CHECKING:
    from unveil.recovery.parameters import Method


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one contender; `stages` are seconds by stage where the contender tells."""

    contender: str
    threads: int
    frames: int
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    scaled: bool = False
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def seconds_per_frame(self) -> float:
        """Wall time of a frame, fixed costs included."""
        return self.seconds / self.frames


class TrialError(RuntimeError):
    """A contender's process ended with an error; the message holds what it said last."""


def measure(
    contender: str,
    call: Call,
    *,
    threads: int,
    limit: int | None = None,
    pin: bool = False,
) -> Measurement:
    """Run `contender` over `call` in a fresh process; `pin` allows it `threads` cores only."""
    command = [sys.executable, "-m", "bench.trial", contender, str(call.path)]
    command += ["--threads", str(threads)]
    if limit is not None:
        command += ["--limit", str(limit)]
    if pin:
        command.append("--pin")
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TrialError(f"{contender}: {done.stderr.strip()[-2000:]}")
    return Measurement(contender, threads, **json.loads(done.stdout.splitlines()[-1]))


def unveil(
    path: Path,
    threads: int,
    limit: int | None = None,
    *,
    method: Method,
) -> Result:
    """Recover the whole file: decode, count, finalise, and write every output."""
    if limit is not None:
        raise ValueError("unveil is measured on whole files")
    import unveil

    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch()
        recovery = unveil.recover(path, method=method, threads=threads)
        decided = watch.result(0)
        recovery.save(Path(folder) / "out")
        done = watch.result(0)
    report = recovery.report
    stages = {name: float(spent) for name, spent in report.get("seconds", {}).items()}
    stages["write"] = done.seconds - decided.seconds
    return Result(
        int(report["frames_read"]),
        done.seconds,
        done.cpu_seconds,
        done.peak_rss_bytes,
        recovery.background[..., :3],
        stages=stages,
    )


CONTENDERS: dict[str, Peer] = {
    "unveil farend": partial(unveil, method="farend"),
    "unveil transitions": partial(unveil, method="transitions"),
    "unveil rarest": partial(unveil, method="rarest"),
    **PEERS,
}


def main() -> None:
    """Run one contender as the command line says; the last line printed is the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("path", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--pin", action="store_true")
    options = parser.parse_args()
    if options.pin:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    run = CONTENDERS[options.contender]
    run(warm_up_clip().path, options.threads, None)
    result = asdict(run(options.path, options.threads, options.limit))
    del result["background"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
