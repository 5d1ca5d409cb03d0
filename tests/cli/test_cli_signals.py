"""SIGINT, SIGTERM and SIGHUP to real processes: the promised result, exit code, no leftover."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.command import RECOVER, finished, start_unveil, unveil, wait_until
from tests.footage import noise_frames, textured_frames, write_video
from tests.sitter import decoded, frame
from unveil.recovery.result import FILES
from unveil.recovery.warmup import prepare

if os.name == "nt":
    pytest.skip("sends POSIX signals", allow_module_level=True)

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

Y4M = b"YUV4MPEG2 W64 H48 F30:1 C420jpeg\n"


@pytest.fixture(scope="module", autouse=True)
def kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compile what the cache does not hold, so that no signal comes while it is compiled."""
    prepare("transitions")
    folder = tmp_path_factory.mktemp("warm")
    talk = write_video(folder / "talk.mp4", map(frame, range(3)), rate=25)
    done = unveil("protect", talk, "-o", folder / "out.mp4", "--background", "white")
    assert done.exit_code == 0


def video_of(number: int) -> bytes:
    """Give raw frames of a grey picture, a header before them."""
    picture = np.full(64 * 48 * 3 // 2, 128, np.uint8).tobytes()
    return Y4M + number * (b"FRAME\n" + picture)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# recover


@pytest.mark.parametrize("number", SIGNALS)
def test_a_file_gives_no_half_result(tmp_path: Path, number: signal.Signals) -> None:
    slow = write_video(tmp_path / "slow.mkv", textured_frames(300))
    out = tmp_path / "out"
    process = start_unveil(*RECOVER, slow, "-o", out, "--preview", "0.000001", "--chunk", "1")
    wait_until((out / "slow" / "room.png").exists, process)
    process.send_signal(number)
    assert finished(process) == (
        128 + number,
        "",
        "unveil: interrupted; not finished: slow.mkv; finished results stay\n",
    )
    assert set(names_in(out)) == {"room.png", "background.png"}  # the previews that were asked for


@pytest.mark.parametrize("number", SIGNALS)
def test_a_live_source_gives_its_result(tmp_path: Path, number: signal.Signals) -> None:
    camera = "lavfi:testsrc=size=64x48:rate=25,realtime"
    process = start_unveil(*RECOVER, camera, "-o", tmp_path, "--preview", "0.1", "--json")
    wait_until(lambda: "background.png" in names_in(tmp_path), process)
    process.send_signal(number)
    code, out, _ = finished(process)
    assert code == 0
    assert json.loads(out)["interrupted"]
    assert names_in(tmp_path) == sorted(FILES)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_pipe_without_more_data_gives_the_result_of_all_that_came(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Nobody knows whether it ends. The last frames fill no chunk."""
    process = start_unveil(
        *(*RECOVER, "-", "-o", tmp_path, "--preview", "0.000001", "--json"), stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.buffer.write(video_of(20))
    process.stdin.flush()
    wait_until(lambda: "room.png" in names_in(tmp_path), process)
    process.send_signal(number)
    code, out, _ = finished(process)
    assert code == 0
    told = json.loads(out)
    assert told["interrupted"]
    assert told["frames_used"] == 20
    assert names_in(tmp_path) == sorted(FILES)


def test_a_pipe_that_ends_a_batch_names_what_was_not_started(tmp_path: Path) -> None:
    later = write_video(tmp_path / "later.mkv", textured_frames(3))
    out = tmp_path / "out"
    process = start_unveil(
        *(*RECOVER, "-", later, "-o", out, "--preview", "0.000001"), stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.buffer.write(video_of(20))
    process.stdin.flush()
    wait_until(lambda: "room.png" in names_in(out), process)
    process.send_signal(signal.SIGTERM)
    code, shown, said = finished(process)
    assert code == 143
    assert "not finished: nothing; not started: later.mkv; finished results stay\n" in said
    assert "not started" in shown
    assert names_in(out) == sorted(FILES)
    assert (out / "stdin" / "report.json").exists()


@pytest.mark.parametrize("command", ["recover", "protect"])
def test_a_pipe_that_nobody_writes_to_is_left(tmp_path: Path, command: str) -> None:
    pipe, out = tmp_path / "pipe.mkv", tmp_path / "out.mp4"
    os.mkfifo(pipe)
    process = start_unveil(command, pipe, "-o", out)
    writers: list[int] = []

    def is_read() -> bool:
        try:
            writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody has opened it to read
            return False
        return True

    wait_until(is_read, process)
    process.send_signal(signal.SIGTERM)
    code, _, said = finished(process)
    os.close(writers[0])
    assert code == 143
    assert said.splitlines()[-1].startswith("unveil: interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.mkv"]


def test_a_server_that_does_not_answer_is_left(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/call.mp4"
        process = start_unveil(*RECOVER, url, "-o", tmp_path / "out")
        server.settimeout(60)
        with server.accept()[0]:
            process.send_signal(signal.SIGHUP)
            code, _, said = finished(process)
    assert (code, said) == (
        129,
        f"unveil: interrupted; not finished: {url}; finished results stay\n",
    )
    assert not list(tmp_path.iterdir())


def test_an_ignored_sighup_stays_ignored(tmp_path: Path) -> None:
    """As `nohup` makes it."""
    camera = "lavfi:testsrc=size=64x48:rate=25,realtime"
    process = start_unveil(
        *(*RECOVER, camera, "-o", tmp_path, "--preview", "0.1", "--json"), ignored=("SIGHUP",)
    )
    wait_until(lambda: "background.png" in names_in(tmp_path), process)
    process.send_signal(signal.SIGHUP)
    (room,) = tmp_path.rglob("room.png")
    written = {room.stat().st_mtime_ns}

    def is_written_again() -> bool:
        written.add(room.stat().st_mtime_ns)
        return len(written) > 3

    wait_until(is_written_again, process)
    process.send_signal(signal.SIGTERM)
    code, out, _ = finished(process)
    assert code == 0
    assert json.loads(out)["interrupted"]


# protect


@pytest.mark.parametrize("number", SIGNALS)
def test_protect_completes_the_file(tmp_path: Path, number: signal.Signals) -> None:
    talk = write_video(tmp_path / "talk.mp4", map(frame, range(1000)), rate=25)
    out = tmp_path / "out.mp4"
    process = start_unveil("protect", talk, "-o", out, "--model", "heavy")
    wait_until(lambda: list(tmp_path.glob(".out*")), process)
    process.send_signal(number)
    code, shown, said = finished(process)
    assert (code, shown) == (128 + number, "")
    assert re.search(r"interrupted; .*out.mp4 ends at \d+\.\d s, the rest is not done\n$", said)
    assert 0 < len(decoded(out)) < 1000
    assert json.loads((tmp_path / "out.report.json").read_text())["interrupted"]
    assert names_in(tmp_path) == ["out.mp4", "out.report.json", "talk.mp4"]


@pytest.mark.parametrize(
    "camera", ["lavfi:testsrc=size=64x48:rate=25,realtime", "-"], ids=["camera", "pipe"]
)
@pytest.mark.parametrize("number", SIGNALS[1:])
def test_protect_completes_a_recording_of_what_has_no_end(
    tmp_path: Path, camera: str, number: signal.Signals
) -> None:
    out = tmp_path / "out.mp4"
    process = start_unveil(
        *("protect", camera, "-o", out, "--model", "selfie", "--background", "white"),
        stdin=subprocess.PIPE,
    )
    assert process.stdin is not None
    if camera == "-":
        process.stdin.buffer.write(video_of(20))
        process.stdin.flush()
    wait_until(lambda: list(tmp_path.glob(".out*")), process)
    process.send_signal(number)
    code, shown, said = finished(process)
    assert code == 0, said
    assert "frames at" in shown
    assert decoded(out)
    assert names_in(tmp_path) == ["out.mp4", "out.report.json"]


def test_protect_does_not_wait_for_a_reader_who_does_not_read(tmp_path: Path) -> None:
    import fcntl
    import termios

    talk = write_video(tmp_path / "talk.mkv", noise_frames(60, 192, 256, "yuv420p"))
    process = start_unveil(
        *("protect", talk, "-o", "-", "--model", "selfie", "--mode", "blur", "--blur", "4"),
        *("--crf", "1"),
    )
    assert process.stdout is not None
    reader = process.stdout.fileno()
    waiting = np.zeros(1, np.int32)

    def is_full() -> bool:
        before = int(waiting[0])
        fcntl.ioctl(reader, termios.FIONREAD, waiting)
        return before == waiting[0] > 32_000

    wait_until(is_full, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert process.stderr is not None
    assert process.stderr.read().endswith(
        "unveil: interrupted; standard output is not complete, nobody reads it\n"
    )
    process.stdout.close()
    process.stderr.close()


# simulate and demo


@pytest.mark.parametrize(
    ("command", "begun"),
    [
        (
            ("simulate", "PERSON", "--matte", "selfie", "--height", "96", "--width", "128"),
            lambda out: list(out.glob(".call.*")),
        ),
        (("demo",), lambda out: list(out.glob(".call.*"))),
        (("demo", "--kind", "plain"), lambda out: (out / "true_background.png").exists()),
    ],
    ids=["simulate", "demo-encoding", "demo-recovering"],
)
@pytest.mark.parametrize("number", SIGNALS[:2])
def test_simulate_and_demo_leave_nothing(
    tmp_path: Path,
    command: tuple[str, ...],
    begun: Callable[[Path], object],
    number: signal.Signals,
) -> None:
    person = write_video(tmp_path / "person.mkv", textured_frames(400))
    arguments = [person if argument == "PERSON" else argument for argument in command]
    out = tmp_path / "new" / "out"
    process = start_unveil(*arguments, "-o", out)
    wait_until(lambda: begun(out), process)
    process.send_signal(number)
    assert finished(process) == (128 + number, "", "unveil: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["person.mkv"]
