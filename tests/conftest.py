"""For all tests: no time limit of hypothesis, assertions of shared modules, a frozen heap."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# They assert for several test modules; rewritten, a failure shows the values.
pytest.register_assert_rewrite(
    "tests.kernels.counting.outside_calls",
    "tests.live.clients",
    "tests.live.pages",
    "tests.recovery.decide.leaking_call",
    "tests.recovery.engine_calls",
)


def pytest_collection_finish() -> None:
    """Leave modules and tests out of later garbage collections, which else outlast most tests."""
    gc.collect()
    gc.freeze()
