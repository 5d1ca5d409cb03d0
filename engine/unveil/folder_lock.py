"""Claims on names in a folder: of two processes that want to write the same one, one is refused.

A folder's claims are in its file `.unveil.lock`. A process reads and changes them while it holds
the system's lock on that file, which the kernel releases if the process dies. Claims of a process
that no longer runs are taken over.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from unveil.errors import OutputBusy
from unveil.files import replacing, unwritable
from unveil.interruption import before_abort

logger = logging.getLogger(__name__)

LOCK: Final = ".unveil.lock"

_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""Errors of file systems that have no locks."""
_MAX_LOCK_BYTES: Final = 64 * 2**20


@contextmanager
def claimed(folder: Path, names: Iterable[str]) -> Iterator[frozenset[str]]:
    """Claim names in a folder during the block.

    Parameters
    ----------
    folder
        It exists.
    names
        Case is ignored, as some file systems do.

    Yields
    ------
    abandoned
        Those of the names that a process claimed which has died.

    Raises
    ------
    OutputBusy
        A process that runs, or that may run on another machine, has claimed one of them.
    OutputUnwritable
        The folder cannot be written.
    """
    wanted = {name.casefold(): name for name in names}
    own = secrets.token_hex(8)
    abandoned: set[str] = set()
    with _locked(folder) as runs:
        kept = []
        for run in runs:
            shared = wanted.keys() & {name.casefold() for name in run["names"]}
            if may_run(run):
                if shared:
                    raise OutputBusy(_who(folder, run, wanted[min(shared)]))
                kept.append(run)
                continue
            logger.debug("%s: claims of the ended process %d are taken over", folder, run["pid"])
            abandoned |= shared
            # What is not claimed now may be half written, too, as long as its folder is there.
            left = [n for n in run["names"] if n.casefold() not in shared and (folder / n).exists()]
            if left:
                kept.append({**run, "names": left})
        runs[:] = [*kept, {**this_process(), "id": own, "names": sorted(wanted.values())}]

    def release(*, wait: bool = True) -> None:
        with _locked(folder, wait=wait) as runs:
            runs[:] = [run for run in runs if run["id"] != own]

    with before_abort(lambda: release(wait=False)):
        try:
            yield frozenset(wanted[name] for name in abandoned)
        finally:
            with suppress(OSError):  # the folder is gone, or the disk is full
                release()


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block, or claims names, in this folder.

    For short blocks: what is read and written in one is not changed by another meanwhile.

    Raises
    ------
    OutputUnwritable
        The folder cannot be written.
    """
    with _locked(folder):
        yield


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[list[dict[str, Any]]]:
    """Yield the claims in a folder, to be changed in place, under the system's lock."""
    path = folder / LOCK
    try:
        descriptor = _open_locked(path, wait=wait)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        before = _runs_in(descriptor)
        runs = list(before)
        try:
            yield runs
        except BaseException:
            if not before:
                _write(path, [])
            raise
        if runs != before or not runs:
            _write(path, runs)
    finally:
        os.close(descriptor)


def _write(path: Path, runs: list[dict[str, Any]]) -> None:
    if not runs:
        # On Windows this fails if another process waits for the lock, which then removes it.
        with suppress(OSError):
            path.unlink()
        return
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"runs": runs}), encoding="utf-8")


def _open_locked(path: Path, *, wait: bool) -> int:
    """Open the lock file and lock it; the file may be replaced or removed while this waits."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            _lock(descriptor, wait=wait)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116 - beside fstat
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, wait: bool) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            logger.warning("this file system has no locks: simultaneous runs are not detected")


def _runs_in(descriptor: int) -> list[dict[str, Any]]:
    """Read the claims; a file that is empty or damaged has none."""
    if os.fstat(descriptor).st_size > _MAX_LOCK_BYTES:
        return []
    with os.fdopen(os.dup(descriptor), "rb") as file:
        content = file.read()
    try:
        runs = json.loads(content)["runs"]
        assert all(
            isinstance(run["pid"], int)
            and isinstance(run["host"], str)
            and isinstance(run["id"], str)
            and all(isinstance(name, str) for name in run["names"])
            for run in runs
        )
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
        return []
    return list(runs)


def this_process() -> dict[str, Any]:
    """Return what tells others whether this process still runs."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": _start_of(os.getpid()),
    }


def may_run(run: dict[str, Any]) -> bool:
    """Whether the process of `this_process` runs; one of another machine may."""
    if run["host"] != socket.gethostname() or sys.platform == "win32":
        return True
    pid = run["pid"]
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    # The number of a process that has ended is given to another one.
    return _start_of(pid) == run.get("started")


def _start_of(pid: int) -> str | None:
    """Return what identifies a process of this number on Linux; None elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _who(folder: Path, run: dict[str, Any], name: str) -> str:
    place = "" if run["host"] == socket.gethostname() else f" on {run['host']}"
    remedy = "wait for it or choose another folder"
    if place or sys.platform == "win32":
        remedy += f"; if it no longer runs, remove {folder / LOCK}"
    return f"{folder / name}: process {run['pid']}{place} writes it now; {remedy}"
