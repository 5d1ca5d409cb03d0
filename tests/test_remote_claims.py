"""Claims behind an address: one run wins, whatever the order; ended runs count for nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from unveil import remote_claims
from unveil.errors import OutputBusy, OutputUnwritable
from unveil.folder_lock import this_process
from unveil.remote import RemoteFolder
from unveil.remote_claims import RUNS, claimed

fsspec = pytest.importorskip("fsspec")

ELSEWHERE = {"pid": 7, "host": "another-machine", "started": None}


@pytest.fixture
def folder(tmp_path: Path) -> RemoteFolder:
    return RemoteFolder(f"fsspec+file://{tmp_path}")


def claim_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / RUNS).glob("*"))


def write_claim(tmp_path: Path, number: str, **fields: Any) -> Path:
    claim = {**ELSEWHERE, "names": ["call"], "state": "holds", "renewed": time.time(), **fields}
    path = tmp_path / RUNS / f"{number}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(claim))
    return path


def test_of_two_runs_one_is_refused_and_names_the_other(
    folder: RemoteFolder, tmp_path: Path
) -> None:
    with claimed(folder, ["a", "b"]):
        with (
            pytest.raises(OutputBusy, match=r"/b: process \d+ on .* writes it now"),
            claimed(folder, ["b", "c"]),
        ):
            pass
        with claimed(folder, ["c"]):
            assert len(claim_files(tmp_path)) == 2
    assert claim_files(tmp_path) == []
    with claimed(folder, ["b"]):
        pass


@pytest.mark.parametrize("number", ["0" * 16, "f" * 16])
def test_a_run_of_another_machine_that_holds_a_name_wins(
    folder: RemoteFolder, tmp_path: Path, number: str
) -> None:
    write_claim(tmp_path, number)
    with pytest.raises(OutputBusy, match="process 7 on another-machine"), claimed(folder, ["call"]):
        pass
    assert len(claim_files(tmp_path)) == 1


def test_of_two_that_ask_the_smaller_number_wins(folder: RemoteFolder, tmp_path: Path) -> None:
    write_claim(tmp_path, "0" * 16, state="asks")
    with pytest.raises(OutputBusy), claimed(folder, ["call"]):
        pass


def test_one_that_asks_with_a_larger_number_is_waited_for(
    folder: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_claim(tmp_path, "f" * 16, state="asks")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            other.unlink()  # it has withdrawn

    monkeypatch.setattr(remote_claims.time, "sleep", sleep)
    with claimed(folder, ["call"]):
        assert len(slept) == 3
    write_claim(tmp_path, "f" * 16, state="asks")
    monkeypatch.setattr(
        remote_claims.time, "sleep", lambda seconds: write_claim(tmp_path, "f" * 16)
    )  # it had read before this run asked
    with pytest.raises(OutputBusy), claimed(folder, ["call"]):
        pass


@pytest.mark.parametrize(
    "fields",
    [
        {"renewed": 0.0},
        {**this_process(), "pid": 2**22 + 1},
        {**this_process(), "started": "an earlier process of this number"},
        {"names": "call"},
        {"state": "sleeps"},
        {"renewed": "today"},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_an_ended_run_and_a_damaged_file_count_for_nothing(
    folder: RemoteFolder, tmp_path: Path, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_claims, "_WAIT_SECONDS", 0.001)
    write_claim(tmp_path, "0" * 16, **fields)
    with claimed(folder, ["call"]):
        assert len(claim_files(tmp_path)) == 1


def test_a_file_that_is_being_written_is_read_again(
    folder: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_claim(tmp_path, "f" * 16)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(remote_claims.time, "sleep", lambda seconds: path.write_bytes(whole))
    with pytest.raises(OutputBusy), claimed(folder, ["call"]):
        pass


def test_a_claim_is_renewed(
    folder: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_claims, "RENEW_SECONDS", 0.01)
    renewed = threading.Event()
    write = RemoteFolder.write
    writes: list[str] = []

    def count(self: RemoteFolder, place: str, content: bytes) -> None:
        writes.append(json.loads(content)["state"])
        if len(writes) == 3:
            raise OutputUnwritable("the store does not answer")
        write(self, place, content)
        if len(writes) > 4:
            renewed.set()

    monkeypatch.setattr(RemoteFolder, "write", count)
    with claimed(folder, ["call"]):
        assert renewed.wait(60)
        assert len(claim_files(tmp_path)) == 1
    assert writes[:2] == ["asks", "holds"]
    assert claim_files(tmp_path) == []


def test_a_killed_process_leaves_no_claim(folder: RemoteFolder, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from unveil.remote import RemoteFolder\n"
        "from unveil.remote_claims import claimed\n"
        "with claimed(RemoteFolder(sys.argv[1]), ['call']):\n"
        "    print('holds', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, f"fsspec+file://{tmp_path}"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        with pytest.raises(OutputBusy, match=f"process {process.pid} "), claimed(folder, ["call"]):
            pass
        process.kill()
    with claimed(folder, ["call"]):
        pass


def test_of_many_that_begin_at_once_one_holds_at_a_time(folder: RemoteFolder) -> None:
    holding: list[int] = []
    refused: list[OutputBusy] = []
    begin = threading.Barrier(6)

    @contextmanager
    def held(number: int) -> Iterator[None]:
        holding.append(number)
        assert holding == [number]
        yield
        holding.remove(number)

    def attempt(number: int) -> bool:
        begin.wait()
        try:
            with ExitStack() as entered:
                entered.enter_context(claimed(folder, ["call"]))
                entered.enter_context(held(number))
                time.sleep(0.05)
        except OutputBusy as error:
            refused.append(error)
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(attempt, range(6)))
    assert any(won)
    assert len(refused) == won.count(False)


def test_names_are_read_anew_from_a_store_that_keeps_listings(
    folder: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def invalidate(path: str = "") -> None:
        told.append(path)

    monkeypatch.setattr(folder._file_system, "invalidate_cache", invalidate)
    with claimed(folder, ["call"]):
        assert told[0].endswith(RUNS)
