"""A guard on quality: a recovery may not become worse unseen.

The call is small and made here: an astronaut sways in a drawn room and leaves it, and a real
segmenter, six frames late, lets the room through. `python tests/test_quality.py` prints the
figures of `RECORDED`. Record them anew where a change improves them, or where a poorer figure
on this one call is worth it: then say why in the commit.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

import unveil
from tests import DATA
from unveil.scoring.leak import measure_recovery
from unveil.scoring.truth import Truth
from unveil.simulation.simulate import Simulation

ASTRONAUT = DATA / "astronaut.png"

RECORDED: dict[str | None, tuple[float, float]] = {
    None: (0.410, 0.581),
    "transitions": (0.553, 0.692),
}
"""F and precision by method, of the default for None."""

WORSE = 0.02
"""By how much a figure may fall: networks differ in the last digit between processors."""


def make_call(folder: Path) -> Simulation:
    return unveil.simulate_call(
        folder,
        ASTRONAUT,
        height=180,
        width=320,
        n_frames=150,
        frame_rate=12,
        scale=0.5,
        motions=["sway", "leave"],
        segmenter="selfie",
        lag=6,
        camera_noise=1.0,
        threads=1,
    )


def figures(call: Simulation, method: str | None, threads: int) -> tuple[float, float]:
    """Recover a call; give F and precision."""
    choice: dict[str, Any] = {} if method is None else {"method": method}
    room = unveil.recover(call.call, threads=threads, **choice).room
    score = measure_recovery(room, Truth.read(call.truth))
    return score.f, score.precision


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    pytest.importorskip("ai_edge_litert")
    return make_call(tmp_path_factory.mktemp("call"))


@pytest.mark.parametrize("method", RECORDED)
def test_f_and_precision_do_not_fall(call: Simulation, method: str | None) -> None:
    f, precision = figures(call, method, threads=1)
    least_f, least_precision = RECORDED[method]
    assert f >= least_f - WORSE
    assert precision >= least_precision - WORSE
    assert figures(call, method, threads=2) == (f, precision)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = make_call(Path(folder) / "call")
        for name in RECORDED:
            print(name, *(round(figure, 3) for figure in figures(made, name, threads=1)))
