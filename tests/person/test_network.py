"""Networks are created late, and the library leaves the process's standard error alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pytest

from unveil.person import network
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


@pytest.mark.usefixtures("none_idle")
def test_a_program_can_surround_the_creation_of_networks() -> None:
    events = []

    @contextmanager
    def noted() -> Iterator[None]:
        events.append("enter")
        yield
        events.append("leave")

    model = MODELS["selfie-landscape"]
    with networks_created_inside(noted):
        used = [Network(model, 1), Network(model, 1)]
        assert events == ["enter", "leave"] * 2
    used.append(Network(model, 1))
    assert events == ["enter", "leave"] * 2


@pytest.mark.usefixtures("none_idle")
def test_a_network_that_is_not_used_any_more_is_used_again() -> None:
    """With what it computed before, and only by a network of its kind and number of threads."""
    events = []

    @contextmanager
    def noted() -> Iterator[None]:
        events.append("made")
        yield

    def answer(used: Network, seed: int) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        used.tensor[:] = rng.random(used.tensor.shape, np.float32)
        used.run()
        return used.output(0)

    model = MODELS["selfie-landscape"]
    with networks_created_inside(noted):
        first = Network(model, 1)
        told = [answer(first, seed) for seed in (1, 2)]
        del first
        again = Network(model, 1)
        assert len(events) == 1
        np.testing.assert_array_equal([answer(again, seed) for seed in (1, 2)], told)
        beside = Network(model, 1)
        assert len(events) == 2
        np.testing.assert_array_equal([answer(beside, seed) for seed in (1, 2)], told)
        Network(model, 2)
        Network(MODELS["selfie"], 1)
        assert len(events) == 4
        del again, beside
        assert [len(idle) for idle in network._idle.values()] == [1, 1, 1]


def test_a_network_runs_while_someone_looks_at_its_input() -> None:
    """A profiler in another thread keeps the frame of the function that filled it, and its view."""
    one = Network(MODELS["selfie"], 1)
    held = one.tensor
    held[:] = 0.5
    one.run()
    first = one.output(0)
    held[:] = np.linspace(0, 1, held.size).reshape(held.shape)
    one.run()
    assert not np.array_equal(one.output(0), first)
