"""The call of demonstrations and evaluations, with fewer pixels and frames than its makers draw."""

from __future__ import annotations

from functools import partial

import pytest

from unveil.demo.person import run_person_demo
from unveil.evaluation import evaluate_background
from unveil.video.geometry import Shape

HEIGHT, WIDTH = 180, 320
"""A quarter of the pixels."""

_tiny_evaluation = partial(evaluate_background, n_frames=4, frame_rate=1.0)
_tiny_person_demo = partial(run_person_demo, n_frames=8, frame_rate=2.0)


def use_small_astronaut(patch: pytest.MonkeyPatch) -> None:
    """Let demonstrations and evaluations draw a quarter of the pixels."""
    for module in ("simulation.astronaut", "demo.person"):
        patch.setattr(f"unveil.{module}.HEIGHT", HEIGHT)
        patch.setattr(f"unveil.{module}.WIDTH", WIDTH)
    patch.setattr("unveil.evaluation.evaluate._CALL", Shape(HEIGHT, WIDTH))


def use_tiny_evaluation(patch: pytest.MonkeyPatch) -> None:
    """Let evaluations take four frames: their figures do not matter."""
    use_small_astronaut(patch)
    patch.setattr("unveil.evaluation.evaluate_background", _tiny_evaluation)


def use_tiny_person_demo(patch: pytest.MonkeyPatch) -> None:
    """Let demonstrations with a person take eight frames: their figures do not matter."""
    use_small_astronaut(patch)
    patch.setattr("unveil.demo.run.run_person_demo", _tiny_person_demo)
