"""Networks are created late, and the library leaves the process's standard error alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from unveil.person.models import MODELS
from unveil.person.network import Network, networks_created_inside

pytest.importorskip("ai_edge_litert")


def test_the_runtime_is_loaded_when_it_is_needed() -> None:
    code = """
import sys
import unveil, unveil.recovery.engine, unveil.person
from unveil.person import Segmenter
assert "ai_edge_litert" not in sys.modules
Segmenter("selfie-landscape")
assert "ai_edge_litert" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_standard_error_is_not_redirected() -> None:
    """File descriptor 2 stays the same file while the runtime creates a network."""
    code = """
import os
from ai_edge_litert import interpreter as litert
from unveil.person import Segmenter

before = os.fstat(2)
create = litert.Interpreter

def checked(**options):
    assert os.path.samestat(os.fstat(2), before)
    created = create(**options)
    print("created")
    return created

litert.Interpreter = checked
Segmenter("selfie-landscape")
os.write(2, b"still there")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "created\n"
    assert done.stderr.endswith("still there")


def test_a_program_can_surround_the_creation_of_networks() -> None:
    events = []

    @contextmanager
    def noted() -> Iterator[None]:
        events.append("enter")
        yield
        events.append("leave")

    model = MODELS["selfie-landscape"]
    with networks_created_inside(noted):
        Network(model, 1)
        Network(model, 1)
        assert events == ["enter", "leave"] * 2
    Network(model, 1)
    assert events == ["enter", "leave"] * 2
