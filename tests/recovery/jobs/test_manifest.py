"""Manifests: what is listed, and what is refused."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.errors import InvalidParameter
from unveil.recovery.jobs import manifest
from unveil.recovery.jobs.manifest import read_manifest

FUZZ = settings(max_examples=150, database=None)


def write(folder: Path, content: bytes, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def write_table(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "list.parquet")
    return folder / "list.parquet"


def test_a_text_lists_paths_from_its_folder_and_addresses(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        b"\xef\xbb\xbf# calls of May\r\n\r\n  a b.mp4 \r\n/abs/c.mkv\n\t#x\n"
        b"https://example.org/d.mp4?token=x#y\ns3://bucket/e.mp4\nv4l2:/dev/video0\n"
        b"sub/caf\xc3\xa9.mp4\n\xff.mp4",
    )
    assert read_manifest(path).entries == (
        str(tmp_path / "a b.mp4"),
        "/abs/c.mkv",
        "https://example.org/d.mp4?token=x#y",
        "s3://bucket/e.mp4",
        "v4l2:/dev/video0",
        str(tmp_path / "sub/café.mp4"),
        os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4"),
    )
    assert read_manifest(path).columns is None


def test_standard_input_lists_paths_from_the_current_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.mp4\n")))
    assert read_manifest("-").entries == ("a.mp4",)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InvalidParameter, match="standard input: is closed"):
        read_manifest("-")


def test_a_table_keeps_its_other_columns(tmp_path: Path) -> None:
    texts = pa.array(["a.mp4", "memory://b/c.mp4"]).dictionary_encode()
    path = write_table(tmp_path, id=[7, None], path=texts, tags=[["x"], []])
    found = read_manifest(path)
    assert found.entries == (str(tmp_path / "a.mp4"), "memory://b/c.mp4")
    assert found.columns is not None
    assert found.columns.to_pydict() == {"id": [7, None], "tags": [["x"], []]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "lists no recording"),
        (b"# nothing\n\n", "lists no recording"),
        (b"a.mp4\x00b\n", "line 1 has control characters"),
        (b"a\n\x7fELF\x02\x01\n", "line 2 has control characters"),
        (b"ok.mp4\n" + b"x" * 8193 + b"\n", "line 2 is longer than 8192 bytes"),
        (b"-\n", "lists standard input"),
        (b"PAR1", "damaged Parquet"),
        (b"PAR1" + bytes(100) + b"PAR1", "damaged Parquet"),
        (b"x\n" * 1_000_000, "more than 100000 recordings"),
        (b"\n" * 1_000_000, "lists no recording"),
    ],
)
def test_a_hostile_text_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^from_file: .*list.txt: .*{why}") as refused:
        read_manifest(write(tmp_path, content))
    assert "\n" not in str(refused.value)


def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("missing.txt", "", "nul\x00", "x" * 300):
        with pytest.raises(InvalidParameter, match=r"^from_file: "):
            read_manifest(tmp_path / name)
    monkeypatch.setattr(manifest, "MAX_BYTES", 1000)
    with pytest.raises(InvalidParameter, match="is larger than"):
        read_manifest("/dev/zero" if Path("/dev/zero").exists() else write(tmp_path, b"x" * 2000))


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"file": ["a.mp4"]}, "has no column 'path'"),
        ({"path": [1, 2]}, "holds int64, not text"),
        ({"path": [b"a.mp4"]}, "holds binary, not text"),
        ({"path": [["a.mp4"]]}, "not text"),
        ({"path": ["a.mp4", None]}, "row 1 of column 'path'"),
        ({"path": ["a.mp4", ""]}, "row 1 of column 'path'"),
        ({"path": ["a\x00b"]}, "row 0 of column 'path'"),
        ({"path": ["a\nb"]}, "row 0 of column 'path'"),
        ({"path": ["x" * 8193]}, "row 0 of column 'path'"),
        ({"path": pa.array([], pa.string())}, "lists no recording"),
        ({"path": pa.repeat("a.mp4", 100_001)}, "more than 100000 recordings"),
        ({"path": ["a"], "more": [bytes(2**20)]}, "unpacks to more than"),
    ],
)
def test_a_hostile_table_is_refused(
    tmp_path: Path, columns: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "MAX_BYTES", 2**20)
    with pytest.raises(InvalidParameter, match=f"^from_file: .*{why}"):
        read_manifest(write_table(tmp_path, **columns))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["path", "path"])
    pq.write_table(table, tmp_path / "list.parquet")
    with pytest.raises(InvalidParameter, match=r"^from_file: "):
        read_manifest(tmp_path / "list.parquet")


@FUZZ
@given(content=st.binary(max_size=400))
def test_any_bytes_are_listed_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("list"), content)
    try:
        found = read_manifest(path)
    except InvalidParameter as refused:
        told = str(refused)
    else:
        told = "from_file: nothing is wrong"
        assert 0 < len(found.entries) <= content.count(b"\n") + 1
        assert not any("\x00" in entry for entry in found.entries)
    assert told.startswith("from_file: ")
    assert len(told.splitlines()) == 1


@FUZZ
@given(
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12),
    length=st.floats(0.5, 1),
)
def test_any_damage_of_a_table_is_refused_or_changes_texts(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[float, int]], length: float
) -> None:
    folder = tmp_path_factory.mktemp("list")
    path = write_table(folder, path=["a.mp4", "b.mp4"] * 20, n=list(range(40)))
    content = bytearray(path.read_bytes())
    for place, value in places:
        content[min(len(content) - 1, int(place * len(content)))] = value
    path.write_bytes(content[: int(len(content) * length)] if length < 0.9 else content)
    try:
        found = read_manifest(path)
    except InvalidParameter as refused:
        told = str(refused)
    else:
        told = f"{len(found.entries)} entries"
    assert len(told.splitlines()) == 1
