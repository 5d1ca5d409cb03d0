"""The truth of a call: what a file holds, and which files are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unveil.errors import InvalidParameter, MissingInput, OutputUnwritable, UnreadableTruth
from unveil.scoring.truth import NAMES, Truth


def make_truth(height: int = 6, width: int = 8, seed: int = 0) -> Truth:
    """Make a truth of random arrays."""
    rng = np.random.default_rng(seed)
    size = (height, width)
    return Truth(
        room=rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        background=rng.integers(0, 256, (*size, 3), dtype=np.uint8),
        leak=rng.integers(0, 256, size, dtype=np.uint8),
        hits=rng.integers(0, 5, size, dtype=np.uint16),
        seen=rng.integers(0, 9, size, dtype=np.uint16),
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    truth = make_truth()
    truth.write(tmp_path / "truth.npz")
    again = Truth.read(tmp_path / "truth.npz")
    for name in NAMES.values():
        stored, wanted = getattr(again, name), getattr(truth, name)
        assert stored.dtype == wanted.dtype
        assert np.array_equal(stored, wanted)
    assert (again.height, again.width) == (6, 8)
    assert [entry.name for entry in tmp_path.iterdir()] == ["truth.npz"]


def test_the_file_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        make_truth().write(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_arrays_bear_the_documented_names(tmp_path: Path) -> None:
    make_truth().write(tmp_path / "truth.npz")
    with np.load(tmp_path / "truth.npz") as stored:
        assert set(stored.files) == {"room", "vb", "leak", "hits", "seen"}


def test_blend_and_strength() -> None:
    truth = make_truth()
    for y, x in np.ndindex(6, 8):
        share = int(truth.leak[y, x]) / 255
        for channel in range(3):
            mixed = (
                truth.background[y, x, channel] * (1 - share) + truth.room[y, x, channel] * share
            )
            assert truth.blend[y, x, channel] == int(mixed)
        assert truth.strong[y, x] == (truth.hits[y, x] >= 2)


def test_narrower_counts_are_taken(tmp_path: Path) -> None:
    truth = make_truth()
    arrays = {name: getattr(truth, attribute) for name, attribute in NAMES.items()}
    arrays["hits"] = truth.hits.astype(np.uint8)
    np.savez(tmp_path / "truth.npz", **arrays)
    assert np.array_equal(Truth.read(tmp_path / "truth.npz").hits, truth.hits)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"room": None}, "room"),
        ({"hits": None}, "hits"),
        ({"leak": np.zeros((6, 7), np.uint8)}, "leak"),
        ({"leak": np.zeros((6, 8))}, "leak"),
        ({"hits": np.zeros((6, 8))}, "truth.npz"),
        ({"room": np.zeros((6, 8, 4), np.uint8)}, "room"),
        ({"room": np.zeros(3, np.uint8)}, "room"),
        ({"room": np.array([{}], object)}, "truth.npz"),
    ],
)
def test_arrays_that_are_no_truth(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    truth = make_truth()
    arrays = {name: getattr(truth, attribute) for name, attribute in NAMES.items()} | change
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "truth.npz", **kept)
    with pytest.raises(UnreadableTruth, match=said) as caught:
        Truth.read(tmp_path / "truth.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"text", b"\x93NUMPY\x01"])
def test_files_that_are_no_truth(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "truth.npz"
    path.write_bytes(content)
    with pytest.raises(UnreadableTruth, match=r"truth\.npz"):
        Truth.read(path)


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "truth.npz"
    make_truth(40, 40).write(path)
    content = bytearray(path.read_bytes())
    for place in range(200, 1200):
        content[place] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(UnreadableTruth):
        Truth.read(path)


def test_a_single_array_is_no_truth(tmp_path: Path) -> None:
    with (tmp_path / "truth.npz").open("wb") as file:
        np.save(file, np.zeros((6, 8)))
    with pytest.raises(UnreadableTruth):
        Truth.read(tmp_path / "truth.npz")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no\.npz"):
        Truth.read(tmp_path / "no.npz")
    with pytest.raises(OutputUnwritable):
        make_truth().write(tmp_path / "no" / "truth.npz")


def test_arrays_that_do_not_belong_together() -> None:
    truth = make_truth()
    with pytest.raises(InvalidParameter, match="seen"):
        Truth(truth.room, truth.background, truth.leak, truth.hits, truth.seen[:3])
