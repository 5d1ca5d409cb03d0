"""A signal at a random instant of each kind of work; `bench.interruptions` tries many."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from bench.interruptions import interrupt, make_kinds

from tests.command import Process, finished, start_unveil

if os.name == "nt":
    pytest.skip("sends POSIX signals", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def started() -> None:
    """Load the program before its usual duration is measured."""
    finished(start_unveil("--version"))


def start(arguments: Sequence[str | Path]) -> Process:
    return start_unveil(*arguments, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "name", ["recover a file", "recover live", "protect", "simulate", "a batch"]
)
def test_promises_hold_at_a_random_instant(tmp_path: Path, name: str) -> None:
    (kind,) = (one for one in make_kinds(tmp_path) if one.name == name)
    _, broken = interrupt(kind, n_instants=1, seed=1, start=start)
    assert broken == []
