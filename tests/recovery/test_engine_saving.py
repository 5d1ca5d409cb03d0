"""Engines that are saved and loaded again, and engines that are merged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.footage import numbered_frame
from tests.recovery.engine_calls import HEIGHT, METHODS, WIDTH, an_engine, assert_same, call_frames
from unveil import Engine
from unveil.errors import IncompatibleTable, OutputUnwritable
from unveil.recovery.parameters import Method


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_engine_goes_on_exactly(tmp_path: Path, method: Method) -> None:
    frames = call_frames()
    choice: dict[str, Any] = {
        "method": method,
        "metric": "cosine",
        "threshold": 0.97,
        "noise_frames": 0,
        "slots": 4,
        "bits": 7,
        "tolerance": 3,
    }
    engine = Engine(HEIGHT, WIDTH, **choice)
    engine.push(frames[:70], np.arange(70) / 25)
    engine.save(tmp_path / "call.npz")
    loaded = Engine.load(str(tmp_path / "call.npz"), threads=1)
    assert loaded.n_frames == 70
    assert (loaded.height, loaded.width) == (HEIGHT, WIDTH)
    assert loaded.parameters.as_dict() == engine.parameters.as_dict()
    assert loaded.parameters.n_threads == 1
    assert_same(loaded.finalise(), engine.finalise())
    for each in (engine, loaded):
        each.push(frames[70:], np.arange(70, 150) / 25)
    assert_same(loaded.finalise(), engine.finalise())


def test_an_engine_without_frames_can_be_saved(tmp_path: Path) -> None:
    an_engine(slots=3).save(tmp_path / "call.npz")
    loaded = Engine.load(tmp_path / "call.npz")
    assert loaded.n_frames == 0
    loaded.push(numbered_frame(0, HEIGHT, WIDTH))
    assert loaded.finalise().report["frames_read"] == 1


def test_what_is_loaded_takes_frames_of_one_kind(tmp_path: Path) -> None:
    engine = an_engine()
    engine.push(call_frames(3))
    engine.save(tmp_path / "call.npz")
    loaded = Engine.load(tmp_path / "call.npz")

    def go_on() -> None:
        loaded.push(numbered_frame(0, HEIGHT, WIDTH))
        loaded.finalise()

    with pytest.raises(ValueError, match="does not fit"):
        go_on()


def test_files_that_are_no_state(tmp_path: Path) -> None:
    path = tmp_path / "call.npz"
    np.savez(path, frames=np.zeros(3))
    with pytest.raises(IncompatibleTable, match=str(path)):
        Engine.load(path)
    path.write_bytes(b"")
    with pytest.raises(IncompatibleTable, match=str(path)):
        Engine.load(path)


@pytest.mark.parametrize("change", [{"median": True}, {"threshold": 1000}, {"metric": "euclid"}])
def test_parameters_of_another_version(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "call.npz"
    engine = an_engine()
    engine.push(call_frames(3))
    engine.save(path)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    header = json.loads(arrays["header"].tobytes())
    header["parameters"] |= change
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(IncompatibleTable, match="not a state"):
        Engine.load(path)


def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("missing", "file"):
        with pytest.raises(OutputUnwritable):
            an_engine().save(tmp_path / folder / "call.npz")


# Merging


def test_merged_engines_equal_one() -> None:
    frames = call_frames()
    choice: dict[str, Any] = {"method": "rarest", "tolerance": 0, "slots": 20}
    whole, merged = Engine(HEIGHT, WIDTH, **choice), Engine(HEIGHT, WIDTH, **choice)
    times = np.arange(len(frames)) / 25
    whole.push(frames, times)
    for start, end in ((0, 0), (0, 61), (61, 62), (62, 150)):
        part = Engine(HEIGHT, WIDTH, **choice)
        part.push(frames[start:end], times[start:end])
        merged.merge(part)
        assert part.n_frames == end - start, "the other is left as it was"
    assert merged.n_frames == 150
    assert_same(merged.finalise(), whole.finalise())


@pytest.mark.parametrize(
    "other",
    [{"method": "rarest"}, {"slots": 4}, {"bits": 7}, {"tolerance": 5}],
    ids=str,
)
@pytest.mark.parametrize("n_frames", [0, 3])
def test_engines_that_count_otherwise_cannot_be_merged(
    other: dict[str, Any], n_frames: int
) -> None:
    one, two = an_engine(), an_engine(**other)
    one.push(call_frames(3)[:n_frames])
    two.push(call_frames(3))
    with pytest.raises(IncompatibleTable):
        one.merge(two)
    assert one.n_frames == n_frames


@pytest.mark.parametrize("n_frames", [0, 3])
def test_engines_of_another_size_cannot_be_merged(n_frames: int) -> None:
    one, two = an_engine(), an_engine(width=WIDTH - 2)
    one.push(call_frames(3)[:n_frames])
    two.push(call_frames(3)[:, :, 2:])
    with pytest.raises(IncompatibleTable):
        one.merge(two)
    assert one.finalise().room.shape == (HEIGHT, WIDTH, 4)
