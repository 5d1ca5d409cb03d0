"""The catalogue: a row a recording, readable at any instant."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.command import write_call
from unveil.errors import InvalidParameter, MissingInput, OutputExists, OutputUnwritable
from unveil.recovery.batch import gather_inputs, recover_all
from unveil.recovery.jobs import catalogue
from unveil.recovery.jobs.catalogue import OWN, Catalogue, is_catalogue
from unveil.recovery.jobs.job import FurtherColumn, FurtherFiles
from unveil.recovery.jobs.manifest import Manifest
from unveil.recovery.jobs.outcome import Outcome

REPORT = {
    "unveil": "0.1.0",
    "decided_by": "farend",
    "frames_read": 40,
    "coverage": 0.5,
    "warnings": ["one", "two"],
    "parameters_hash": "sha256:p",
    "content_hash": "sha256:c",
}


def outcome(number: int, **fields: Any) -> Outcome:
    return Outcome(f"{number}.mp4", "recovered", report=REPORT, number=number, **fields)


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_a_row_has_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "new" / "catalogue.parquet"
    with Catalogue(path) as table:
        table.add(outcome(0, stem="call", video_seconds=1.5, wall_seconds=2.5))
        table.add(Outcome("b.mp4", "failed", error=MissingInput("b.mp4: no such file")))
    first, second = rows(path)
    assert first == {
        "number": 0,
        "name": "0.mp4",
        "status": "recovered",
        "error": None,
        "folder": "call",
        "method": "farend",
        "frames": 40,
        "seconds": 1.5,
        "wall_seconds": 2.5,
        "coverage": 0.5,
        "warnings": ["one", "two"],
        "version": "0.1.0",
        "parameters_hash": "sha256:p",
        "content_hash": "sha256:c",
        "manifest_row": None,
    }
    known = {name: value for name, value in second.items() if value not in (None, [])}
    assert known == {"name": "b.mp4", "status": "failed", "error": "b.mp4: no such file"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["catalogue.parquet"]


def test_it_is_complete_and_readable_after_every_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_MAX_PENDING", 3)
    monkeypatch.setattr(catalogue, "_COPIED_ROWS", 4)
    path = tmp_path / "catalogue.parquet"
    with Catalogue(path) as table:
        for number in range(20):
            table.add(outcome(number))
            numbers = pq.read_table(path)["number"].to_pylist()
            assert numbers == list(range(len(numbers)))
            assert number + 1 - len(numbers) < 3  # so few wait in memory
    assert pq.read_table(path)["number"].to_pylist() == list(range(20))
    # Row groups are joined, or a long batch would have one for each write.
    assert pq.ParquetFile(path).num_row_groups <= 7


def test_after_an_error_no_row_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    with suppress(ZeroDivisionError), Catalogue(path) as table:
        for number in range(5):
            table.add(outcome(number))
        raise ZeroDivisionError
    assert len(rows(path)) == 5
    with Catalogue(path):  # a run without inputs
        pass
    assert rows(path) == []
    assert is_catalogue(path)


def test_another_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    pq.write_table(pa.table({"mine": [1]}), path)
    with pytest.raises(OutputExists, match="is no catalogue"):
        Catalogue(path)
    path.write_text("notes")
    with pytest.raises(OutputExists, match="is no catalogue"):
        Catalogue(path)
    with Catalogue(path, force=True) as table:
        table.add(outcome(0))
    assert len(rows(path)) == 1


def test_columns_of_a_manifest_are_kept_beside_the_own_ones(tmp_path: Path) -> None:
    columns = pa.table({"id": [7, 8], "name": ["Ann", "Bob"], "tags": [["x"], None]})
    with Catalogue(tmp_path / "c.parquet", manifest=columns) as table:
        table.add(outcome(0), 1)
        table.add(outcome(1), None)
    first, second = rows(tmp_path / "c.parquet")
    assert (first["id"], first["manifest_name"], first["name"]) == (8, "Bob", "0.mp4")
    assert first["tags"] is second["id"] is second["manifest_name"] is None
    assert pq.read_schema(tmp_path / "c.parquet").names == [*OWN, "id", "manifest_name", "tags"]


class Graded(FurtherFiles):
    """Says of each folder what its name is, and leaves a share out."""

    columns = (
        FurtherColumn("grade", "string", "1", "Its name"),
        FurtherColumn("share", "float64", "1", "Nothing"),
    )

    def write(self, *_: Any) -> None:
        """Write nothing."""

    def is_complete(self, folder: Path) -> bool:
        """Return True."""
        return True

    def row(self, folder: Path) -> dict[str, Any]:
        """Return the name."""
        return {"grade": folder.name}


def test_further_files_have_columns_of_their_own(tmp_path: Path) -> None:
    columns = pa.table({"grade": ["mine"], "id": [7]})
    path = tmp_path / "c.parquet"
    with Catalogue(path, manifest=columns, further=Graded()) as table:
        table.add(outcome(0, folder=tmp_path / "call"), 0)
        table.add(Outcome("b.mp4", "failed", folder=tmp_path / "call"))
    first, second = rows(path)
    assert (first["grade"], first["share"], first["id"]) == ("call", None, 7)
    assert first["manifest_grade"] == "mine"
    assert second["grade"] is None
    names = pq.read_schema(path).names
    assert names == [*OWN, "grade", "share", "manifest_grade", "id"]
    assert pq.read_schema(path).field("share").metadata[b"meaning"] == b"Nothing"


def test_columns_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    twice = pa.table({"name": ["a"], "manifest_name": ["b"]})
    with pytest.raises(InvalidParameter, match=r"^from_file: two columns"):
        Catalogue(tmp_path / "c.parquet", manifest=twice)
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1]), pa.array(["x"])])
    with pytest.raises(InvalidParameter, match=r"^from_file: a column cannot be kept"):
        Catalogue(tmp_path / "c.parquet", manifest=pa.table({"odd": union}))


def test_a_batch_writes_one_and_a_second_run_the_same_rows(tmp_path: Path) -> None:
    call = write_call(tmp_path / "call.mp4")
    found = gather_inputs([tmp_path / "no.mp4"], Manifest((str(call),), pa.table({"id": [7]})))
    path = tmp_path / "out" / "all.parquet"
    told = []
    for _ in range(2):
        recover_all(found, tmp_path / "out", catalogue=path, method="transitions")
        told.append(rows(path))
    (missing, first), (_, second) = told
    assert missing["status"] == "failed"
    assert (first["status"], second["status"]) == ("recovered", "skipped")
    assert first["folder"] == "call"
    assert first["id"] == 7
    varying = {"status": None, "wall_seconds": None, "warnings": None}
    assert first | varying == second | varying
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["all.parquet", "call"]


def test_a_catalogue_that_cannot_be_written_is_told_before_work(tmp_path: Path) -> None:
    call = write_call(tmp_path / "call.mp4")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable):
        recover_all([call], tmp_path / "out", catalogue=tmp_path / "file" / "c.parquet")
    assert not (tmp_path / "out").exists()
