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


NOT_TRACED = (
    "tests/cluster/",
    "tests/demo/",
    "tests/docs/",
    "tests/kernels/",
    "tests/live/page/",
    "tests/test_first_contact.py",
)
"""Tests of whole commands, which others cover part by part, and of kernels, which cannot be traced
while they are compiled: with branch coverage Python takes half as much time again."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out of the measured coverage, unless kernels alone are tested."""
    if config.getoption("markexpr") != "kernels":
        for item in items:
            if item.nodeid.startswith(NOT_TRACED):
                item.add_marker("no_cover")
