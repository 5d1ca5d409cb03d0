"""One small call, and its audit, for all tests of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

import unveil
from tests.command import write_call


@pytest.fixture(scope="session")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a call of a green background, at whose edge an orange room shows."""
    return write_call(tmp_path_factory.mktemp("audited") / "call.mp4")


@pytest.fixture(scope="session")
def audited(call: Path) -> unveil.Audit:
    return unveil.audit(call, method="transitions")
