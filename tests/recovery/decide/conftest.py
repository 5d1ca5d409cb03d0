"""The call that the tests of `farend` share."""

from __future__ import annotations

import pytest

from tests.recovery.decide.leaking_call import Call, leaking_call


@pytest.fixture(scope="module")
def call() -> Call:
    return leaking_call()
