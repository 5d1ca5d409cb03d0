"""The demonstration with a person, on a short call."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.astronaut_call import use_small_astronaut
from unveil.demo.person import run_person_demo
from unveil.demo.result import PersonDemo
from unveil.errors import OutputExists
from unveil.files import read_image
from unveil.scoring.leak import RIGHT_DISTANCE
from unveil.scoring.photo import compare_colours
from unveil.scoring.truth import Truth

N_FRAMES, FRAME_RATE = 45, 5.0
"""The person leaves after five seconds: the whole movement, in few frames."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "person"


@pytest.fixture(scope="module")
def demo(folder: Path) -> PersonDemo:
    pytest.importorskip("ai_edge_litert")
    with pytest.MonkeyPatch.context() as patch:
        use_small_astronaut(patch)
        return run_person_demo(folder, n_frames=N_FRAMES, frame_rate=FRAME_RATE)


def test_the_call_leaks_and_the_protected_one_shows_less(demo: PersonDemo) -> None:
    assert demo.grade in ("C", "D")
    assert demo.right_share > 0.05
    assert demo.recovered_share >= demo.right_share
    assert demo.protected_right_share < 0.2 * demo.right_share


def test_the_shares_are_those_of_the_written_rooms(demo: PersonDemo, folder: Path) -> None:
    truth = Truth.read(folder / "truth.npz").room
    assert np.array_equal(read_image(demo.true_room), truth)
    for page, claimed, right in (
        (demo.page, demo.recovered_share, demo.right_share),
        (demo.protected_page, demo.protected_recovered_share, demo.protected_right_share),
    ):
        room = read_image(page.parent / "room.png")
        shown = room[..., 3] > 0
        assert claimed == pytest.approx(shown.mean())
        near = compare_colours(room[..., :3], truth) < RIGHT_DISTANCE
        assert right == pytest.approx((shown & near).mean())


def test_both_calls_are_audited(demo: PersonDemo) -> None:
    for page, grade in ((demo.page, demo.grade), (demo.protected_page, demo.protected_grade)):
        assert page.read_text("utf-8").startswith("<!doctype html>")
        assert json.loads((page.parent / "audit.json").read_text("utf-8"))["grade"] == grade


def test_an_earlier_one_is_kept_without_force(demo: PersonDemo, folder: Path) -> None:
    before = demo.protected.read_bytes()
    with pytest.raises(OutputExists, match="--force"):
        run_person_demo(folder, n_frames=N_FRAMES, frame_rate=FRAME_RATE)
    assert demo.protected.read_bytes() == before


def test_one_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("stop")

    monkeypatch.setattr("unveil.auditing.audit.audit", fail)
    with pytest.raises(RuntimeError):
        run_person_demo(tmp_path / "out", n_frames=3)
    assert list(tmp_path.iterdir()) == []
