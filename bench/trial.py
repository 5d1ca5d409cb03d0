"""One run of one contender: warms up on a tiny clip, runs, and prints the cost as JSON.

`measure` starts it in a new process, so that the peak memory is that of the run alone and no thread
pool or cache of another contender affects its time.
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
    """The cost of one run of one contender; `stages` are seconds by stage, if known."""

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
        """Wall time per frame, fixed costs included."""
        return self.seconds / self.frames


class TrialError(RuntimeError):
    """A contender's process failed; the message holds the end of its standard error."""


def measure(
    contender: str,
    call: Call,
    *,
    threads: int,
    limit: int | None = None,
    pin: bool = False,
) -> Measurement:
    """Run `contender` on `call` in a new process; `pin` restricts it to `threads` cores."""
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
    """Recover the whole file: decode, count, finalise and write all outputs."""
    if limit is not None:
        raise ValueError("limit: unveil is measured on whole files only")
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
    """Run the contender that the command line names; print the result on the last line."""
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
