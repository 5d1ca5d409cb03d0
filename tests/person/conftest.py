"""What several tests of networks need."""

from __future__ import annotations

from collections import defaultdict

import pytest

from unveil.person import network


@pytest.fixture
def none_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without the networks that other tests have used."""
    monkeypatch.setattr(network, "_idle", defaultdict(list))
