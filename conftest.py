"""How pytest spreads the tests over processes (pytest-xdist)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
"""Name of this process among those that share the tests; None where it runs them alone."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Stay in this process for single tests, which start sooner, and for benchmarks."""
    single = all("::" in argument for argument in config.args)
    benchmarks = any("bench" in argument.split("/") for argument in config.args)
    return 0 if single or benchmarks else None


def pytest_configure(config: pytest.Config) -> None:
    """Give each process a folder of its own for compiled kernels.

    Numba writes the index of its cache before the code that the index names, without a lock:
    of two processes that compile one kernel for different types, or after a change of its
    source, one may load the other's code. Each process compiles at the same time what the
    others do, so that the first run takes no longer than with one shared folder.
    """
    if WORKER is None:
        return
    shared = os.environ.get("NUMBA_CACHE_DIR")
    if shared is None:
        own = config.rootpath / str(config.getini("cache_dir")) / "numba" / WORKER
    else:
        own = Path(shared) / WORKER
    os.environ["NUMBA_CACHE_DIR"] = str(own)
