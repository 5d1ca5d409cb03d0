"""`Figures`: rates and times of a session's frames, second by second."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

from unveil.live.safe_protector import Protected


class Figures:
    """Counts frames and their times; used by one thread.

    Attributes
    ----------
    n_frames, n_failed, n_dropped
        Frames answered, those of them that show the background because something failed, and
        frames that were refused or replaced by newer ones.
    """

    def __init__(self) -> None:
        self.n_frames = self.n_failed = self.n_dropped = 0
        self._begin()

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._person_ms: list[float] = []
        self._compose_ms: list[float] = []
        self._wait_ms: list[float] = []

    def add(self, protected: Protected, wait_ms: float) -> None:
        """Count an answered frame; `wait_ms` is the time before its protection began."""
        self.n_frames += 1
        self.n_failed += protected.failure is not None
        self._person_ms.append(protected.person_ms)
        self._compose_ms.append(protected.compose_ms)
        self._wait_ms.append(wait_ms)

    def take(self) -> dict[str, Any]:
        """Return the totals, and rate and median times since the last call, ready for JSON."""
        seconds = time.monotonic() - self._since
        taken = {
            "frames": self.n_frames,
            "frames_per_second": round(len(self._wait_ms) / seconds, 2) if seconds > 0 else 0.0,
            "person_ms": _median(self._person_ms),
            "compose_ms": _median(self._compose_ms),
            "wait_ms": _median(self._wait_ms),
            "dropped": self.n_dropped,
            "failed": self.n_failed,
            "memory_mb": resident_mb(),
        }
        self._begin()
        return taken


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 3) if values else None


def resident_mb() -> float | None:
    """Return the memory that this process uses in MB, None where it is not known.

    Where the present use is not known, it is the largest use so far.
    """
    try:
        import resource
    except ImportError:  # Windows
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return round(pages * resource.getpagesize() / 1e6, 1)
    except (OSError, ValueError, IndexError):
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(largest * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)
