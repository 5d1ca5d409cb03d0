"""Ranges of the parameters."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any, get_args

import pytest

from unveil.errors import InvalidParameter, UnveilError
from unveil.parallel import available_cores
from unveil.person import MODELS
from unveil.recovery.parameters import Parameters, Person


def test_defaults() -> None:
    parameters = Parameters()
    assert parameters.method == "auto"
    assert parameters.accumulators == ("farend", "transitions")
    assert [parameters.slots_of(a) for a in parameters.accumulators] == [8, 5]
    assert parameters.person == "auto"
    assert parameters.person_every == 4
    assert parameters.distance_threshold == 5.06
    assert Parameters(metric="cosine").distance_threshold == 0.75
    assert Parameters(threshold=0.0).distance_threshold == 0


def test_what_is_told_resolves_defaults_and_leaves_out_threads() -> None:
    told = Parameters("farend", metric="cosine", threads=3).as_dict()
    assert told == {
        "method": "farend",
        "metric": "cosine",
        "threshold": 0.75,
        "noise_frames": 1,
        "slots": 8,
        "bits": 8,
        "tolerance": 6,
        "person": "auto",
        "person_every": 4,
    }
    again = Parameters(**told, threads=3)
    assert again == Parameters("farend", metric="cosine", threshold=0.75, slots=8, threads=3)


def test_slots_are_resolved_where_one_method_counts() -> None:
    assert Parameters().as_dict()["slots"] is None
    assert Parameters(slots=6).as_dict()["slots"] == 6
    assert Parameters(person="none").as_dict()["slots"] == 5


@pytest.mark.parametrize(
    ("method", "person", "accumulators"),
    [
        ("auto", "lite", ("farend", "transitions")),
        ("auto", "none", ("transitions",)),
        ("farend", "selfie", ("farend",)),
        ("farend", "none", ("transitions",)),
        ("transitions", "lite", ("transitions",)),
        ("rarest", "none", ("rarest",)),
    ],
)
def test_what_counts(method: Any, person: Any, accumulators: tuple[str, ...]) -> None:
    assert Parameters(method, person=person).accumulators == accumulators


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "rare"},
        {"metric": "euclid"},
        {"threshold": -0.1},
        {"threshold": 100.1},
        {"threshold": math.nan},
        {"threshold": math.inf},
        {"metric": "cosine", "threshold": 1.1},
        {"noise_frames": -1},
        {"noise_frames": 2**31},
        {"slots": 1},
        {"slots": 4097},
        {"bits": 0},
        {"bits": 9},
        {"tolerance": -1},
        {"tolerance": 256},
        {"threads": 0},
        {"threads": 1025},
    ],
)
def test_what_is_outside_its_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Parameters(**wrong)
    name = list(wrong)[-1]
    assert str(caught.value).startswith(f"{name}: ")
    assert str(wrong[name]) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, (ValueError, UnveilError))


@pytest.mark.parametrize(
    "edge",
    [
        {"threshold": 0},
        {"threshold": 100},
        {"metric": "cosine", "threshold": 1},
        {"noise_frames": 0},
        {"slots": 2},
        {"slots": 4096},
        {"bits": 1},
        {"tolerance": 0},
        {"tolerance": 255},
        {"threads": 1},
    ],
)
def test_the_edges_are_allowed(edge: dict[str, Any]) -> None:
    assert Parameters(**edge)


def test_threads_default_to_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Parameters(threads=7).n_threads == 7
    assert Parameters().n_threads == available_cores()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 6}, raising=False)
    assert Parameters().n_threads == 3


def test_every_model_of_the_person_can_be_chosen_and_none_of_them() -> None:
    assert get_args(Person) == ("auto", *MODELS, "none")
    for person in get_args(Person):
        assert Parameters(person=person).person == person


def test_the_names_of_parameters_need_neither_numpy_nor_ffmpeg() -> None:
    code = """
import sys
import unveil.recovery.parameters
assert not {"numpy", "numba", "av", "ai_edge_litert"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
