"""Claims on names in a folder, of this process, of others and of dead ones."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.errors import OutputBusy, OutputUnwritable
from unveil.folder_lock import LOCK, claimed, one_at_a_time

HOLD = """
import sys
from pathlib import Path
from unveil.folder_lock import claimed
with claimed(Path(sys.argv[1]), sys.argv[2:]):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path, *names: str) -> subprocess.Popen[str]:
    """Start a process that holds claims until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()


def stale(**changes: Any) -> dict[str, Any]:
    """Give the claims of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run = {"pid": process.pid, "host": socket.gethostname(), "started": "x:1", "id": "a"}
    return {**run, "names": ["call"], **changes}


def write_lock(folder: Path, *runs: dict[str, Any]) -> None:
    (folder / LOCK).write_text(json.dumps({"runs": runs}))


def test_no_file_is_left_after_the_block(tmp_path: Path) -> None:
    with claimed(tmp_path, ["call"]) as abandoned:
        assert (tmp_path / LOCK).exists()
        assert abandoned == frozenset()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), claimed(tmp_path, ["call"]):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_name_is_claimed_once_whatever_its_case(tmp_path: Path) -> None:
    with claimed(tmp_path, ["Call", "other"]):
        with (
            pytest.raises(OutputBusy, match=f"process {os.getpid()} writes it now"),
            claimed(tmp_path, ["new", "cALL"]),
        ):
            pytest.fail("claimed twice")
        with claimed(tmp_path, ["new"]):
            pass
    with claimed(tmp_path, ["call"]):
        pass


def test_another_process_is_refused_and_named(tmp_path: Path) -> None:
    process = holder(tmp_path, "call")
    with (
        pytest.raises(OutputBusy, match=f"call: process {process.pid} writes"),
        claimed(tmp_path, ["call"]),
    ):
        pytest.fail("claimed twice")
    with claimed(tmp_path, ["other"]):
        pass
    end(process)
    assert list(tmp_path.iterdir()) == []


def test_claims_of_a_killed_process_are_taken_over(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    process = holder(tmp_path, "call", "half", "never begun")
    process.kill()
    # It is still there as a zombie, which does not run.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with claimed(tmp_path, ["call"]) as abandoned:
        assert abandoned == {"call"}
    # What it may have half written is still known, and is gone when it was dealt with.
    with claimed(tmp_path, ["half", "never begun"]) as abandoned:
        assert abandoned == {"half"}
    assert not (tmp_path / LOCK).exists()
    end(process)


def test_of_many_threads_one_wins(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    won: list[int] = []
    refused: list[int] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            with claimed(tmp_path, ["call"]):
                won.append(number)
                done.wait(20)
        except OutputBusy:
            refused.append(number)
            if len(refused) == 7:
                done.set()

    done = threading.Event()
    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(refused) == 7
    assert list(tmp_path.iterdir()) == []


def test_short_blocks_follow_each_other_and_leave_no_file(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter() -> None:
        for _ in range(20):
            with one_at_a_time(tmp_path):
                inside.append(1)
                most.append(len(inside))
                (tmp_path / "index").write_text("changed")
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80
    with pytest.raises(ZeroDivisionError), one_at_a_time(tmp_path):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    with claimed(tmp_path, ["a"]):
        with one_at_a_time(tmp_path):
            pass
        assert LOCK in {path.name for path in tmp_path.iterdir()}


def test_a_number_that_another_process_got_is_stale(tmp_path: Path) -> None:
    write_lock(tmp_path, stale(pid=os.getpid()))
    with claimed(tmp_path, ["call"]) as abandoned:
        assert abandoned == {"call"}


def test_another_machine_is_believed_and_the_file_is_named(tmp_path: Path) -> None:
    write_lock(tmp_path, stale(host="elsewhere"))
    with (
        pytest.raises(OutputBusy, match=r"on elsewhere writes .*remove .*\.unveil\.lock"),
        claimed(tmp_path, ["call"]),
    ):
        pytest.fail("claimed twice")


@settings(max_examples=12, database=None)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.integers() | st.text() | st.floats(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps({"runs": value}).encode()),
        st.fixed_dictionaries(
            {
                "pid": st.integers(),
                "host": st.just(socket.gethostname()),
                "started": st.none() | st.text(),
                "id": st.text(),
                "names": st.lists(st.text()),
            }
        ).map(lambda run: json.dumps({"runs": [run]}).encode()),
    )
)
def test_no_content_of_the_file_is_fatal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("lock")
    (folder / LOCK).write_bytes(content)
    try:
        with claimed(folder, ["call"]):
            pass
    except OutputBusy:
        assert b'"call"' in content


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputUnwritable, match=r"\.unveil\.lock"),
        claimed(tmp_path / "missing", ["call"]),
    ):
        pytest.fail("claimed")
