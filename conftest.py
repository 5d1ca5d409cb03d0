"""How pytest spreads the tests over processes (pytest-xdist)."""

from __future__ import annotations

import pytest


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Stay in this process for single tests, which start sooner, and for benchmarks."""
    single = all("::" in argument for argument in config.args)
    benchmarks = any("bench" in argument.split("/") for argument in config.args)
    return 0 if single or benchmarks else None
