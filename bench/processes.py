"""Processor time and memory of processes and their children, from Linux's /proc; runs of unveil."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def with_descendants(pid: int) -> list[int]:
    """Return a process and all that descend from it, as far as they run."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            fields = _stat(int(folder.name))
            if fields:
                parents[int(folder.name)] = int(fields[1])
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the time that processes have computed, in user and kernel mode."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def resident_bytes(pid: int) -> int:
    """Return the memory that a process uses now."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE


def proportional_bytes(pid: int) -> int:
    """Return the memory of a process, shared pages divided by those who share them; 0: it ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command.

    Attributes
    ----------
    seconds, cpu_seconds
        Wall time, and time in all its processes.
    others_cores
        Cores that other processes used meanwhile; None where the system does not tell.
    """

    seconds: float
    cpu_seconds: float
    others_cores: float | None


class LoadMeter:
    """What a command costs, and what other processes use meanwhile, since the construction."""

    def __init__(self) -> None:
        self._cpu, self._busy, self._start = _of_children(), _of_machine(), perf_counter()

    def result(self) -> Run:
        """Return the cost of the children that have ended since."""
        seconds = perf_counter() - self._start
        cpu, busy = _of_children() - self._cpu, _of_machine()
        others = None
        if busy is not None and self._busy is not None:
            others = max(0.0, busy - self._busy - cpu) / seconds
        return Run(seconds, cpu, others)


def run_unveil(*arguments: str | Path) -> Run:
    """Run a command of unveil in a new process, and measure it.

    Raises
    ------
    SystemExit
        It failed.
    """
    load = LoadMeter()
    command = [sys.executable, "-m", "unveil", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"unveil {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return load.result()


def _of_children() -> float:
    """Return the CPU time of all children that have ended, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _of_machine() -> float | None:
    """Return the CPU time of all processes of the machine since it started."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _idle, _wait, irq, softirq, *_ = stat.read_text("ascii").split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / _TICKS
