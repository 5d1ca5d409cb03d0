"""`unveil recover` of many inputs: lists, events, what is done, sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.command import RECOVER, unveil, write_call
from unveil.cli.options import n_bytes
from unveil.errors import InvalidParameter


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Folder with two calls, a text and a list of all."""
    write_call(tmp_path / "a.mp4")
    write_call(tmp_path / "b.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "list.txt").write_text("# all\na.mp4\n\n  b.mp4\r\ntext.mp4\nno.mp4\n")
    return tmp_path


def events_of(stdout: str) -> list[dict[str, Any]]:
    """Read the lines, of which each is strict JSON."""

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in stdout.splitlines()]


def test_a_list_is_recovered_and_again_only_what_is_left(calls: Path) -> None:
    arguments = (*RECOVER, "--from-file", calls / "list.txt", "-o", calls / "out", "--events")
    done = unveil(*arguments, "--catalog", calls / "all.parquet")
    assert done.exit_code == 1
    events = events_of(done.stdout)
    ends = [(event["event"], event["input"]) for event in events if "state" in event]
    assert ends[0] == ("failed", str(calls / "no.mp4"))
    # Several are processed at once, so the order is that in which they end.
    assert sorted(ends[1:]) == [
        ("failed", "text.mp4"),
        ("finished", "a.mp4"),
        ("finished", "b.mp4"),
    ]
    starts = [event for event in events if event["event"] == "started"]
    assert sorted(one["input"] for one in starts) == ["a.mp4", "b.mp4", "text.mp4"]
    assert [(one["number"], one["inputs"]) for one in starts] == [(2, 4), (3, 4), (4, 4)]
    for name in ("a.mp4", "b.mp4", "text.mp4"):
        own = [event["event"] for event in events if event.get("input") == name]
        assert own[0] == "started"
        assert own[-1] in ("finished", "failed")
        assert set(own[1:-1]) <= {"progress"}
    assert {one["stage"] for one in events if one["event"] == "progress"} >= {"prepare", "finalise"}
    assert events[-1] == {
        "event": "summary",
        "inputs": 4,
        "finished": 2,
        "skipped": 0,
        "failed": 2,
        "interrupted": 0,
        "not_started": 0,
        "wall_seconds": pytest.approx(events[-1]["wall_seconds"]),
    }
    assert done.stderr.count("\n") == 2  # the two errors, and no progress
    rows = pq.read_table(calls / "all.parquet").to_pylist()
    places = {row["name"]: (row["number"], row["manifest_row"]) for row in rows}
    assert places == {
        str(calls / "no.mp4"): (None, 3),
        "a.mp4": (0, 0),
        "b.mp4": (1, 1),
        "text.mp4": (2, 2),
    }

    (calls / "text.mp4").unlink()
    write_call(calls / "text.mp4")
    again = events_of(unveil(*arguments, "--no-isolate").stdout)
    assert sorted((one["event"], one["input"]) for one in again if "state" in one)[1:] == [
        ("finished", "text.mp4"),
        ("skipped", "a.mp4"),
        ("skipped", "b.mp4"),
    ]


def test_what_was_done_before_is_told_and_a_success(calls: Path) -> None:
    arguments = (*RECOVER, calls / "a.mp4", "-o", calls / "out")
    assert unveil(*arguments).exit_code == 0
    done = unveil(*arguments)
    assert done.exit_code == 0
    assert "unveil: a.mp4: done before" in done.stderr
    assert "done before" in done.stdout
    (line,) = events_of(unveil(*arguments, "--json").stdout)
    assert line["state"] == "skipped"
    assert "event" not in line
    (line,) = events_of(unveil(*arguments, "--json", "--force").stdout)
    assert line["state"] == "recovered"


def test_a_parquet_list_goes_into_the_catalogue(calls: Path) -> None:
    pq.write_table(pa.table({"path": ["a.mp4"], "room": ["blue"]}), calls / "list.parquet")
    listed = ("--from-file", calls / "list.parquet", "--catalog", calls / "all.parquet")
    assert unveil(*RECOVER, *listed, "-o", calls / "out", "--quiet").exit_code == 0
    (row,) = pq.read_table(calls / "all.parquet").to_pylist()
    assert (row["name"], row["status"], row["room"]) == ("a.mp4", "recovered", "blue")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a call, or a list with --from-file"),
        (("--from-file", "no.txt"), "--from-file: no.txt: no such file"),
        (("--from-file", "."), "--from-file: .: cannot be read"),
        (("-", "--from-file", "-"), "--from-file: standard input cannot be"),
        (("a.mp4", "--json", "--events"), "--json and --events exclude each other"),
        (("a.mp4", "--max-memory", "much"), "--max-memory: 'much' is not a size"),
        (("a.mp4", "--watchdog", "0"), "--watchdog: 0 is not a positive number"),
        (("a.mp4", "--watchdog", "nan"), "--watchdog: nan is not a positive number"),
    ],
)
def test_a_wrong_use_is_refused(
    calls: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(calls)
    done = unveil("recover", *arguments, "-o", "out")
    assert done.exit_code == 2, done.output
    assert told in done.stderr
    assert not (calls / "out").exists()


@pytest.mark.parametrize("content", [b"\x7fELF\x00\x01", b"a\x00b", b"PAR1PAR1", b"x" * 9000])
def test_a_hostile_list_is_refused(calls: Path, content: bytes) -> None:
    (calls / "list.txt").write_bytes(content)
    done = unveil("recover", "--from-file", calls / "list.txt", "-o", calls / "out")
    assert done.exit_code == 2
    assert done.stderr.startswith("unveil: --from-file: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("1500M", 1500 * 2**20),
        ("2g", 2**31),
        ("2 GiB", 2**31),
        ("1.5K", 1536),
        ("2T", 2**41),
        ("10B", 10),
    ],
)
def test_sizes_are_read(text: str, expected: int) -> None:
    assert n_bytes("max_memory", text) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "1X", "nan", "1e9", "G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^max_memory: .* is not a size"):
        n_bytes("max_memory", text)


def test_a_local_cluster_does_the_work(calls: Path) -> None:
    pytest.importorskip("distributed", reason="distributed is in the extra cluster")
    files = ("room.png", "background.png", "stats.parquet", "timeline.parquet")
    arguments = (*RECOVER, calls / "a.mp4", calls / "text.mp4")
    alone = unveil(*arguments, "-o", calls / "alone", "--json", "--no-isolate")
    done = unveil(*arguments, "-o", calls / "out", "--json", "--cluster", "local", "--workers", "1")
    assert done.exit_code == alone.exit_code == 1
    assert done.stderr == alone.stderr
    states = [json.loads(line)["state"] for line in done.stdout.splitlines()]
    assert sorted(states) == ["failed", "recovered"]
    for name in files:
        here, there = (calls / out / "a" / name for out in ("alone", "out"))
        assert here.read_bytes() == there.read_bytes(), name


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--preview", "5", "--cluster", "local"], 2, "--preview: cannot be chosen with --cluster"),
        (["--no-resume", "--cluster", "local"], 2, "cannot be chosen with --cluster"),
        (["--cluster", "nowhere"], 1, "nowhere: no scheduler of Dask answers"),
        (["--cluster", "tcp://127.0.0.1:1", "--workers", "2"], 2, "--workers"),
    ],
)
def test_a_wrong_use_of_a_cluster_is_refused(
    calls: Path, options: list[str], code: int, message: str
) -> None:
    pytest.importorskip("distributed", reason="distributed is in the extra cluster")
    done = unveil(*RECOVER, calls / "a.mp4", "-o", calls / "out", *options)
    assert done.exit_code == code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
