"""How hypothesis tries examples, without a limit of time, and which modules assert for tests."""

from __future__ import annotations

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
