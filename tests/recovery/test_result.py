"""What a recovery holds and writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unveil.counting.times import TimeIndex
from unveil.errors import OutputExists, OutputUnwritable
from unveil.recovery import statistics
from unveil.recovery.leak_times import LeakTimes
from unveil.recovery.result import FILES, Recovery
from unveil.recovery.statistics import COLUMNS, PixelCounts

Array = npt.NDArray[Any]


def make_recovery(height: int = 13, width: int = 10, *, timed: bool = True) -> Recovery:
    """Make a recovery with random content, recovered at about half of the pixels."""
    rng = np.random.default_rng(0)
    shape = height, width
    room = rng.integers(0, 256, (*shape, 4), np.uint8)
    room[..., 3] *= rng.random(shape) < 0.5
    background = rng.integers(0, 256, (*shape, 4), np.uint8)
    background[..., 3] = np.where(rng.random(shape) < 0.7, 255, 0)
    first = rng.integers(-1, 50, shape)
    counts = PixelCounts(
        background_count=rng.integers(0, 2**32, shape, np.uint32),
        room_count=rng.integers(0, 9, shape).astype(np.uint32),
        episodes=rng.integers(0, 9, shape).astype(np.uint32),
        first_frame=first,
        last_frame=np.where(first < 0, -1, first + 7),
        ciede2000=rng.uniform(0, 50, shape).astype(np.float32),
        colours_seen=rng.integers(1, 99, shape).astype(np.uint32),
        evictions=rng.integers(0, 2**16, shape).astype(np.uint16),
        blurred=np.zeros(shape, np.bool_),
    )
    times = TimeIndex()
    if timed:
        times.append(10 + np.arange(60) / 30)
    else:
        times.append(np.full(60, np.nan))
    report = {
        "unveil": "1.2.3",
        "parameters": {"method": "rarest", "threshold": 5.06},
        "input": {"path": "call.mp4"},
        "frames_read": 60,
        "seconds": {"open": float("nan")},
    }
    confidence = room[..., 3] / np.float32(255)
    seconds = np.arange(10.0, 12)
    leaks = LeakTimes(
        seconds, seconds + 1, np.array([0.5, 0]), np.zeros(2), np.array([0.5, 0]), height * width
    )
    return Recovery(
        room,
        background,
        confidence,
        counts,
        times,
        report,
        leak_times=leaks if timed else None,
    )


def column(table: pa.Table, name: str, shape: tuple[int, int]) -> Array:
    """Return a column as a picture, null as NaN."""
    values = table[name].to_pylist()
    return np.array([np.nan if v is None else v for v in values], np.float64).reshape(shape)


def test_one_row_a_pixel_in_order() -> None:
    recovery = make_recovery()
    stats = recovery.stats
    assert stats.num_rows == 130
    assert stats["y"].to_pylist() == [y for y in range(13) for _ in range(10)]
    assert stats["x"].to_pylist() == [*range(10)] * 13


def test_names_types_units_and_meaning() -> None:
    schema = make_recovery().stats.schema
    assert schema.names == list(COLUMNS)
    assert schema.names == [
        *("y", "x", "background_r", "background_g", "background_b", "background_count"),
        *("room_r", "room_g", "room_b", "room_count", "episodes"),
        *("first_frame", "last_frame", "first_seconds", "last_seconds"),
        *("ciede2000", "confidence", "room_is_blurred", "colours_seen", "evictions"),
    ]
    for name, (kind, unit, meaning) in COLUMNS.items():
        field = schema.field(name)
        assert field.type == pa.type_for_alias(kind)
        assert field.metadata == {b"unit": unit.encode(), b"meaning": meaning.encode()}
        assert unit
        assert meaning
    assert json.loads(schema.metadata[b"unveil"]) == {
        "unveil": "1.2.3",
        "parameters": {"method": "rarest", "threshold": 5.06},
        "input": {"path": "call.mp4"},
    }


def test_values_are_those_of_the_arrays() -> None:
    recovery = make_recovery()
    stats, shape = recovery.stats, (13, 10)
    known, recovered = recovery.background[..., 3] > 0, recovery.room[..., 3] > 0
    for channel, letter in enumerate("rgb"):
        background = np.where(known, recovery.background[..., channel], np.nan)
        np.testing.assert_array_equal(column(stats, f"background_{letter}", shape), background)
        room = np.where(recovered, recovery.room[..., channel], np.nan)
        np.testing.assert_array_equal(column(stats, f"room_{letter}", shape), room)
    counts = recovery.counts
    for name in ("background_count", "room_count", "episodes", "colours_seen", "evictions"):
        np.testing.assert_array_equal(column(stats, name, shape), getattr(counts, name))
    for which in ("first", "last"):
        frames = getattr(counts, f"{which}_frame")
        np.testing.assert_array_equal(
            column(stats, f"{which}_frame", shape), np.where(frames < 0, np.nan, frames)
        )
        np.testing.assert_allclose(
            column(stats, f"{which}_seconds", shape),
            np.where(frames < 0, np.nan, 10 + frames / 30),
        )
    np.testing.assert_array_equal(
        column(stats, "ciede2000", shape), np.where(known & recovered, counts.ciede2000, np.nan)
    )
    np.testing.assert_array_equal(column(stats, "confidence", shape), recovery.confidence)


def test_unknown_times_are_null() -> None:
    stats = make_recovery(timed=False).stats
    assert stats["first_seconds"].null_count == stats["last_seconds"].null_count == 130
    assert stats["first_frame"].null_count < 130


def test_counts_and_recovered() -> None:
    recovery = make_recovery()
    assert recovery.recovered == np.count_nonzero(recovery.room[..., 3])
    assert repr(recovery) == "Recovery()"


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a row group every forty pixels."""
    monkeypatch.setattr(statistics, "ROW_GROUP_PIXELS", 40)


def test_the_parquet_file(tmp_path: Path, small_groups: None) -> None:
    recovery = make_recovery()
    recovery.save(tmp_path / "out")
    with pq.ParquetFile(tmp_path / "out" / "stats.parquet") as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        assert [group.num_rows for group in groups] == [40, 40, 40, 10], "bands of four rows"
        for group in groups:
            for i in range(group.num_columns):
                assert group.column(i).compression == "ZSTD"
        written = file.read()
    assert written.equals(recovery.stats, check_metadata=True)
    assert written.schema.field("y").metadata[b"unit"] == b"pixel"
    assert json.loads(written.schema.metadata[b"unveil"])["unveil"] == "1.2.3"


def test_a_usual_picture_has_few_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "stats.parquet"
    make_recovery(300, 1000).write_stats(path)
    metadata = pq.read_metadata(path)
    assert metadata.num_rows == 300_000
    assert metadata.num_row_groups == 3
    assert metadata.row_group(0).num_rows % 1000 == 0


def test_a_row_wider_than_a_group(tmp_path: Path, small_groups: None) -> None:
    path = tmp_path / "stats.parquet"
    make_recovery(3, 50).write_stats(path)
    assert pq.read_metadata(path).num_row_groups == 3


def test_what_is_saved(tmp_path: Path) -> None:
    recovery = make_recovery()
    recovery.save(str(tmp_path / "a" / "out"))
    folder = tmp_path / "a" / "out"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    for name, picture in (("room", recovery.room), ("background", recovery.background)):
        with Image.open(folder / f"{name}.png") as image:
            assert image.mode == "RGBA"
            np.testing.assert_array_equal(np.asarray(image), picture)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report == {**recovery.report, "seconds": {"open": None}}


def test_the_same_recovery_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_recovery().save(tmp_path / name)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("earlier", FILES)
def test_an_earlier_result_is_only_replaced_by_force(tmp_path: Path, earlier: str) -> None:
    (tmp_path / earlier).write_text("earlier")
    with pytest.raises(OutputExists, match="--force"):
        make_recovery().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [earlier]
    assert (tmp_path / earlier).read_text() == "earlier"
    make_recovery().save(tmp_path, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def tree_of(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder, by their paths in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("n_earlier", [2, 3])
@pytest.mark.parametrize("n_others", [0, 1])
def test_force_leaves_nothing_of_a_result_with_more_backgrounds(
    tmp_path: Path, n_earlier: int, n_others: int
) -> None:
    earlier = make_recovery(9, 11)
    replace(earlier, others=(earlier,) * n_earlier).save(tmp_path / "out")
    recovery = replace(make_recovery(), others=(make_recovery(5, 6),) * n_others)
    recovery.save(tmp_path / "out", force=True)
    recovery.save(tmp_path / "fresh")
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "fresh")


@pytest.mark.parametrize("n_earlier", [0, 1])
def test_force_replaces_a_result_with_no_more_backgrounds(tmp_path: Path, n_earlier: int) -> None:
    earlier = make_recovery(9, 11)
    replace(earlier, others=(earlier,) * n_earlier).save(tmp_path / "out")
    recovery = replace(make_recovery(), others=(make_recovery(5, 6),))
    recovery.save(tmp_path / "out", force=True)
    recovery.save(tmp_path / "fresh")
    assert tree_of(tmp_path / "out") == tree_of(tmp_path / "fresh")


def test_a_leftover_of_another_background_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    make_recovery(9, 11).save(tmp_path / "background-2")
    before = tree_of(tmp_path)
    with pytest.raises(OutputExists, match="--force"):
        replace(make_recovery(), others=(make_recovery(5, 6),)).save(tmp_path)
    assert tree_of(tmp_path) == before


def test_force_leaves_what_is_no_result(tmp_path: Path) -> None:
    earlier = make_recovery(9, 11)
    replace(earlier, others=(earlier,)).save(tmp_path)
    for name in ("background-2/notes.txt", "notes.txt", "background-x.png"):
        (tmp_path / name).write_text("dear")
    make_recovery().save(tmp_path, force=True)
    dear = {path for path, content in tree_of(tmp_path).items() if content == b"dear"}
    assert dear == {"background-2/notes.txt", "notes.txt", "background-x.png"}
    assert tree_of(tmp_path).keys() == dear | set(FILES)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputUnwritable):
        make_recovery().save(tmp_path / "out")


def test_a_full_disk_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_groups: None
) -> None:
    """The third band of the statistics cannot be written; the report is then not written."""
    write_batch = pq.ParquetWriter.write_batch
    written = []

    def fill_the_disk(self: Any, batch: Any, *args: Any, **options: Any) -> None:
        written.append(batch)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        write_batch(self, batch, *args, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", fill_the_disk)
    with pytest.raises(OutputUnwritable, match="No space left"):
        make_recovery().save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["background.png", "room.png"]


def test_a_turned_recovery() -> None:
    recovery = make_recovery()
    turned = recovery.mapped(lambda array: np.ascontiguousarray(np.rot90(array)))
    assert turned.room.shape == (10, 13, 4)
    np.testing.assert_array_equal(turned.counts.episodes, np.rot90(recovery.counts.episodes))
    assert turned.stats["y"].to_pylist()[-1] == 9
    assert turned.recovered == recovery.recovered
