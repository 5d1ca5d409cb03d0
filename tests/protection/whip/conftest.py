"""What all tests of publishing need."""

from __future__ import annotations

import pytest

from tests.protection.whip.server import use_loopback_if_alone
from unveil.protection.whip.token import VARIABLE


@pytest.fixture(autouse=True, scope="session")
def network() -> None:
    use_loopback_if_alone()


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
