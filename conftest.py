"""How pytest spreads the tests over processes (pytest-xdist)."""

from __future__ import annotations

import pytest

from unveil.parallel import available_cores


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Stay in this process for single tests, which start sooner, and for benchmarks.

    Else there is one process more than cores: many tests wait, for a browser, a signal or a server.
    """
    single = all("::" in argument for argument in config.args)
    benchmarks = any("bench" in argument.split("/") for argument in config.args)
    return 0 if single or benchmarks else available_cores() + 1
