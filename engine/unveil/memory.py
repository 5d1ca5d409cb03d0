"""How much memory this process may use: that of the machine, or what limits the process further."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_UNLIMITED: Final = 1 << 60
"""cgroup v1 states the largest multiple of a page for "no limit"; no machine has so much."""


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the bytes that this process may use at most, None where nothing tells.

    That is the smallest of the machine's memory, `RLIMIT_AS` and the limits of the process's
    control groups, which containers and systemd set (`memory.max` of cgroup v2 and
    `memory.limit_in_bytes` of v1, of the group and of those around it).

    Parameters
    ----------
    root
        Where `proc` and `sys` are.
    """
    limits = [*_physical(), *_process(), *_groups(root)]
    return min(limits, default=None)


def _physical() -> Iterator[int]:
    try:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on every system
        return


def _process() -> Iterator[int]:
    if resource is None:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
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
