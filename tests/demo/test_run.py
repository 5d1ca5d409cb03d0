"""The demonstration, from the drawn call to the measured recovery."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.astronaut_call import use_tiny_person_demo
from unveil.demo import DemoResult, make_call, run_demo
from unveil.errors import InvalidParameter, OutputExists, OutputUnwritable
from unveil.files import read_image
from unveil.scoring.leak import RIGHT_DISTANCE
from unveil.scoring.photo import compare_colours

small_call = partial(make_call, height=180, width=320, n_frames=120)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """Run it in a folder with an earlier one, which `force` replaces."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "call.mp4").write_bytes(b"earlier")
    return run_demo(folder, "plain", force=True)


def use_small_calls(patch: pytest.MonkeyPatch) -> None:
    """Let demonstrations draw a quarter of the pixels and half of the frames, or few frames."""
    patch.setattr("unveil.demo.run.make_call", small_call)
    use_tiny_person_demo(patch)


@pytest.mark.parametrize("kind", ["plain", "photo", "noise-frame"])
def test_the_demonstration_recovers_the_room(
    tmp_path: Path, plain: DemoResult, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first kind in full size."""
    result, call = plain, make_call()
    if kind != "plain":
        use_small_calls(monkeypatch)
        result, call = run_demo(tmp_path / "out", kind), small_call(kind)
    assert result.kind == kind
    assert result.recovered_share > 0.9
    assert result.right_share > 0.85
    assert np.array_equal(read_image(result.true_room), call.room)
    assert np.array_equal(read_image(result.true_background), call.background)
    with av.open(str(result.call)) as container:
        assert sum(1 for _ in container.decode(video=0)) == call.n_frames
    room = read_image(result.recovery / "room.png")
    assert (room[..., 3] > 0).mean() == pytest.approx(result.recovered_share)
    right = (room[..., 3] > 0) & (compare_colours(room[..., :3], call.room) < RIGHT_DISTANCE)
    assert right.mean() == pytest.approx(result.right_share)
    assert json.loads(json.dumps(result.as_dict()))["right_share"] == result.right_share


def test_the_picture_shows_call_and_room_side_by_side(plain: DemoResult) -> None:
    picture = read_image(plain.picture)
    assert picture.shape == (390, 1288, 3)
    call = make_call()
    assert (picture[:360, :640] == call.background).all(axis=2).mean() > 0.5
    right = compare_colours(picture[:360, 648:], call.room) < RIGHT_DISTANCE
    assert right.mean() > 0.85
    assert (picture[360:] < 100).any()


def test_an_earlier_demonstration_is_kept_without_force(tmp_path: Path) -> None:
    (tmp_path / "call.mp4").write_bytes(b"earlier")
    with pytest.raises(OutputExists, match="force"):
        run_demo(tmp_path, "plain")
    assert [entry.name for entry in tmp_path.iterdir()] == ["call.mp4"]
    assert (tmp_path / "call.mp4").read_bytes() == b"earlier"


@pytest.mark.parametrize("name", ["demo.png", "true_room.png", "call/report.json"])
def test_parts_of_an_earlier_demonstration_are_refused_first(tmp_path: Path, name: str) -> None:
    (tmp_path / "call").mkdir()
    (tmp_path / name).write_text("earlier")
    with pytest.raises(OutputExists, match="--force"):
        run_demo(tmp_path, "plain")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
        {"call", name.split("/")[0]}
    )


def test_a_demonstration_that_fails_leaves_none_of_the_earlier_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("stop")

    use_small_calls(monkeypatch)
    (tmp_path / "call").mkdir()
    for name in ("call.mp4", "demo.png", "true_room.png", "call/report.json", "call/stats.parquet"):
        (tmp_path / name).write_text("earlier")
    monkeypatch.setattr("unveil.recovery.recover.recover", fail)
    with pytest.raises(RuntimeError):
        run_demo(tmp_path, "plain", force=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_in_the_way_is_reported(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputUnwritable, match="out"):
        run_demo(tmp_path / "out", "plain")


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="person, plain, photo, noise-frame"):
        run_demo(tmp_path / "out", "other")
    assert not (tmp_path / "out").exists()
