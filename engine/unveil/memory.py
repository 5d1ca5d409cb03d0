"""How much memory this process may use: that of the machine, or what limits the process further."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_UNLIMITED: Final = 1 << 60
"""cgroup v1 states the largest multiple of a page for "no limit"; no machine has so much."""


_granted: list[int] = []


@contextmanager
def limited_to(n_bytes: int | None) -> Iterator[None]:
    """Let `memory_limit` return at most so many bytes in the block; None changes nothing.

    What does not fit is refused before it is allocated. Nothing limits the process itself. Of
    several blocks at the same time, in whatever threads, the smallest number holds for all: the
    work of one is spread over threads of its own.
    """
    if n_bytes is None:
        yield
        return
    _granted.append(n_bytes)
    try:
        yield
    finally:
        _granted.remove(n_bytes)


def limit_this_process(n_bytes: int) -> None:
    """Let this process use at most so many bytes more than now, where the system can do that.

    By `RLIMIT_DATA`, which counts what can be written: `RLIMIT_AS` also counts addresses that
    LLVM, the allocator and mapped files reserve and never use. An allocation beyond it fails.
    Linux alone.
    """
    if resource is None:
        return
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return
    used = next(int(line.split()[1]) for line in status.splitlines() if line[:7] == "VmData:")
    limit = used * 1024 + n_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def return_freed_memory() -> None:
    """Give the system what was freed and the allocator keeps; with glibc alone.

    glibc keeps what a thread frees for later threads. After work in many threads that end, such
    as those of the segments of a long recording, it kept several times what was in use, and more
    with each of them.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the bytes that this process may use at most, None where nothing tells.

    That is the smallest of the machine's memory, `RLIMIT_AS`, `RLIMIT_DATA`, what `limited_to`
    grants, and the limits of the process's control groups, which containers and systemd set
    (`memory.max` of cgroup v2 and `memory.limit_in_bytes` of v1, of the group and of those
    around it).

    Parameters
    ----------
    root
        Where `proc` and `sys` are.
    """
    limits = [*_physical(), *_process(), *_granted, *_groups(root)]
    return min(limits, default=None)


def _physical() -> Iterator[int]:
    try:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on every system
        return


def _process() -> Iterator[int]:
    if resource is None:
        return
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            yield limit


def _groups(root: Path) -> Iterator[int]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container the path may be that of the host, of which only the top is mounted.
        group = PurePosixPath(path.lstrip("/"))
        for ancestor in (group, *group.parents):
            yield from _stated(top / ancestor / name)


def _stated(file: Path) -> Iterator[int]:
    try:
        limit = int(file.read_text())
    except (OSError, ValueError):  # no such group, or "max"
        return
    if limit < _UNLIMITED:
        yield limit
