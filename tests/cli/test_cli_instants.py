"""A signal at a random instant of each kind of work; `bench.interruptions` tries many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bench.interruptions import interrupt, make_kinds

from unveil.recovery.warmup import prepare

if os.name == "nt":
    pytest.skip("sends POSIX signals", allow_module_level=True)


@pytest.mark.parametrize(
    "name", ["recover a file", "recover live", "protect", "simulate", "a batch"]
)
def test_promises_hold_at_a_random_instant(tmp_path: Path, name: str) -> None:
    prepare("transitions")
    (kind,) = (one for one in make_kinds(tmp_path) if one.name == name)
    _, broken = interrupt(kind, n_instants=1, seed=1)
    assert broken == []
