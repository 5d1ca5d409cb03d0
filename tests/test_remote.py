"""Inputs and outputs behind fsspec: memory, local files and a server on this machine."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import unveil, write_call
from unveil import remote
from unveil.errors import MissingExtra, MissingInput, OutputExists, UnreadableVideo
from unveil.recovery.batch import recover_all
from unveil.recovery.result import FILES
from unveil.video.source import resolve_inputs, source_of

fsspec = pytest.importorskip("fsspec", reason="fsspec is in the extra remote")

SECRET = "hunter2"


@pytest.fixture
def memory() -> Iterator[Any]:
    """Give an empty file system in memory."""
    file_system = fsspec.filesystem("memory")
    file_system.rm("/", recursive=True) if file_system.ls("/") else None
    yield file_system
    file_system.rm("/", recursive=True) if file_system.ls("/") else None


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return write_call(tmp_path / "call.mp4")


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Serves parts of files, as object stores do."""

    def do_GET(self) -> None:
        """Send a part, or a whole file."""
        path = Path(self.translate_path(self.path))
        content = path.read_bytes() if path.is_file() else b""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not content or wanted is None:
            super().do_GET()
            return
        begin, end = int(wanted[1]), int(wanted[2] or len(content) - 1)
        part = content[begin : end + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {begin}-{begin + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def end_headers(self) -> None:
        """Offer parts."""
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve a folder; gives its address."""

    def handler(*arguments: Any) -> RangeHandler:
        return RangeHandler(*arguments, directory=str(tmp_path))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("s3://bucket/call.mp4", True),
        ("GS://bucket/call.mp4", True),
        ("memory://call.mp4", True),
        ("fsspec+https://example.org/call.mp4", True),
        ("fsspec+simplecache::s3://bucket/call.mp4", True),
        ("https://example.org/call.mp4", False),
        ("rtmp://example.org/live", False),
        ("calls/s3.mp4", False),
        ("C:/s3.mp4", False),
    ],
)
def test_fsspec_opens_what_ffmpeg_does_not_know(address: str, wanted: bool) -> None:
    assert remote.goes_through_fsspec(address) is wanted


def test_a_call_in_memory_is_recovered_into_memory(memory: Any, call: Path, tmp_path: Path) -> None:
    memory.pipe_file("/calls/a.mp4", call.read_bytes())
    memory.pipe_file("/calls/b.mp4", call.read_bytes())
    outcomes = recover_all(["memory://calls/*.mp4"], "memory://results/run", method="transitions")
    assert [outcome.state for outcome in outcomes] == ["recovered", "recovered"]
    assert [outcome.address for outcome in outcomes] == [
        "memory://results/run/a",
        "memory://results/run/b",
    ]
    for name in ("a", "b"):
        found = {path.rpartition("/")[2] for path in memory.ls(f"/results/run/{name}", False)}
        assert found == set(FILES)
    recover_all([call], tmp_path / "here", method="transitions")
    here = (tmp_path / "here" / "call" / "room.png").read_bytes()
    assert memory.cat_file("/results/run/a/room.png") == here
    report = json.loads(memory.cat_file("/results/run/a/report.json"))
    assert report["input"]["name"].startswith("memory://")
    assert report["input"]["name"].endswith("/a.mp4")
    again = recover_all(["memory://calls/a.mp4"], "memory://results/run", method="transitions")
    assert [outcome.state for outcome in again] == ["skipped"]
    (other,) = recover_all(["memory://calls/a.mp4"], "memory://results/run", method="rarest")
    assert isinstance(other.error, OutputExists)
    assert list(tmp_path.glob("unveil-*")) == []


def test_the_report_is_the_last_file_to_come(
    memory: Any, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real = remote.RemoteFolder.put

    def put(self: Any, local: Path, place: str) -> None:
        order.append(place)
        real(self, local, place)

    monkeypatch.setattr(remote.RemoteFolder, "put", put)
    recover_all([call], "memory://results", method="transitions")
    assert order[-1] == "call/report.json"
    assert len(order) == len(FILES)

    def fail(self: Any, local: Path, place: str) -> None:
        raise remote.OutputUnwritable("memory://results: cannot be written")

    monkeypatch.setattr(remote.RemoteFolder, "put", fail)
    (outcome,) = recover_all([call], "memory://results", force=True, method="transitions")
    assert outcome.state == "failed"
    assert not memory.exists("/results/call/report.json")  # nobody takes the rest for complete


def test_a_server_is_read_by_parts(call: Path, server: str, tmp_path: Path) -> None:
    address = f"fsspec+{server}/call.mp4?token={SECRET}"
    (outcome,) = recover_all([address], tmp_path / "out", method="transitions")
    assert outcome.state == "recovered", outcome.problem
    text = (tmp_path / "out" / "call" / "report.json").read_text()
    assert SECRET not in text
    assert json.loads(text)["frames_read"] == 40
    (missing,) = recover_all(
        [f"fsspec+{server}/no.mp4?token={SECRET}"], tmp_path / "out", method="transitions"
    )
    assert isinstance(missing.error, MissingInput)
    assert SECRET not in str(missing.error)


def test_a_file_address_is_a_path(call: Path, tmp_path: Path) -> None:
    assert source_of(f"file://{call}").path == call
    address = f"fsspec+file://{call}"
    (outcome,) = recover_all([address], f"fsspec+file://{tmp_path}/out", method="transitions")
    assert outcome.state == "recovered", outcome.problem
    assert {path.name for path in (tmp_path / "out" / "call").iterdir()} == set(FILES)


def test_errors_of_a_store_are_ours_and_hold_no_secret(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(Exception):
        pass

    def fail(*arguments: object, **more: object) -> None:
        raise Refused(f"denied: https://user:{SECRET}@store.example/x?sig={SECRET}")

    monkeypatch.setattr(type(memory), "_open", fail)
    with pytest.raises(MissingInput, match="Refused: denied") as refused:
        remote.open_remote("memory://x/call.mp4", "memory://x/call.mp4")
    assert SECRET not in str(refused.value)


def test_a_file_without_places_is_refused(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe_file("/call.mp4", b"x")
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.seekable", lambda self: False)
    with pytest.raises(UnreadableVideo, match="download it first"):
        remote.open_remote("memory://call.mp4", "call.mp4")


def test_without_fsspec_the_extra_is_named(
    call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    (outcome,) = recover_all(["s3://bucket/call.mp4"], tmp_path / "out")
    assert isinstance(outcome.error, MissingExtra)
    assert "pip install 'unveil[remote]'" in str(outcome.error)
    with pytest.raises(MissingExtra, match=r"unveil\[remote\]"):
        recover_all([call], "s3://bucket/out")


def test_a_store_without_its_library_is_named(tmp_path: Path) -> None:
    if _has("s3fs"):
        pytest.skip("s3fs is installed")
    (outcome,) = recover_all(["s3://bucket/call.mp4"], tmp_path / "out")
    assert isinstance(outcome.error, MissingExtra)
    assert "s3fs" in str(outcome.error)


def _has(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def test_an_address_that_cannot_be_written_is_refused(call: Path) -> None:
    done = unveil("recover", call, "-o", "http://example.org/out")
    assert done.exit_code == 2
    assert "--out: http://example.org/out is an address" in done.stderr


def test_patterns_that_match_nothing_are_missing(memory: Any) -> None:
    with pytest.raises(MissingInput, match="nothing matches"):
        resolve_inputs(["memory://nothing/*.mp4"])


@pytest.mark.parametrize(
    ("step", "act"),
    [
        ("size", lambda folder: folder.read("a/b", 9) is None),
        ("cat_file", lambda folder: folder.read("a/b", 9) is None),
        ("ls", lambda folder: folder.names("a") == []),
        ("rm_file", lambda folder: folder.remove("a/b") is None),
        ("rm", lambda folder: folder.remove_folder("a") is None),
    ],
)
def test_what_another_run_removes_meanwhile_is_missing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    act: Callable[[remote.RemoteFolder], bool],
) -> None:
    folder = remote.RemoteFolder(f"fsspec+file://{tmp_path.as_posix()}")
    folder.write("a/b", b"content")
    real = getattr(folder._file_system, step)

    def late(*arguments: Any, **options: Any) -> Any:
        shutil.rmtree(tmp_path / "a")
        return real(*arguments, **options)

    monkeypatch.setattr(folder._file_system, step, late)
    assert act(folder)
