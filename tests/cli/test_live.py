"""`unveil live` as a process: its lines, its exit codes, signals, and what is missing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.command import finished, start_unveil, wait_until
from unveil.cli import app

pytest.importorskip("aiohttp", reason="aiohttp is in the extra live")

READY = "unveil: live at http://127.0.0.1:"
TOKEN = "correct-horse-battery"


def started(*arguments: str, **options: object) -> tuple[subprocess.Popen[str], str]:
    """Start a server, and wait until it says its address."""
    process = start_unveil(
        "live",
        "--port",
        "0",
        "--model",
        "lite",
        *arguments,
        **options,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(READY), process.communicate()
    return process, line.split()[3].rstrip(",")


def status_of(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(number: signal.Signals) -> None:
    process, address = started()
    assert status_of(address) == 200
    assert status_of(address + "health") == 200
    process.send_signal(number)
    assert finished(process) == (0, "unveil: live ended\n", "")


@pytest.mark.skipif(os.name == "nt", reason="names a browser by a shell script")
def test_the_page_is_opened(tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    process, address = started("--open", environment={"BROWSER": f"{browser} %s"})
    wait_until(opened.exists, process)
    assert opened.read_text() == f"{address}\n"
    process.terminate()
    assert finished(process)[0] == 0


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["live", "--port", str(port)])
    assert done.exit_code == 1
    assert done.output == f"unveil: port {port} of 127.0.0.1: is in use; choose another --port\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "--host: 0.0.0.0 can be reached by other machines; add --allow-r"),
        (["--host", "0.0.0.0", "--allow-remote"], "--allow-remote: needs a token"),
        (["--allow-remote"], "--allow-remote: needs a token"),
        (["--port", "70000"], "--port: 70000 is outside 0 to 65535"),
        (["--mode", "blur", "--background", "wall"], "--background: mode blur shows none"),
        (["--background", "no-such.png", "--port", "0"], "--background: 'no-such.png' is no file"),
    ],
)
def test_wrong_options(arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNVEIL_LIVE_TOKEN", raising=False)
    done = CliRunner().invoke(app, ["live", *arguments])
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.splitlines()) == 1


def test_a_token_that_is_too_short_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("secret123\n")
    done = CliRunner().invoke(app, ["live", "--access-token-file", str(path)])
    assert done.exit_code == 2
    assert "token: needs at least 16 characters" in done.output
    assert "secret123" not in done.output


@pytest.mark.parametrize(("content", "problem"), [("", "is empty"), ("x" * 20_000, "is too long")])
def test_a_token_file_that_holds_none_is_refused(
    tmp_path: Path, content: str, problem: str
) -> None:
    """The page must not be served without the token that was asked for."""
    path = tmp_path / "token"
    path.write_text(content)
    done = CliRunner().invoke(app, ["live", "--access-token-file", str(path)])
    assert done.exit_code == 2
    assert f"token: {problem}" in done.output


def test_a_token_file_that_is_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["live", "--access-token-file", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "the token cannot be read (No such file or directory)" in done.output


def test_a_token_is_asked_for_and_never_printed() -> None:
    process, address = started("--allow-remote", environment={"UNVEIL_LIVE_TOKEN": TOKEN})
    assert status_of(address) == 403
    assert status_of(f"{address}?token=wrong") == 403
    process.terminate()
    code, out, err = finished(process)
    assert (code, err) == (0, "")
    assert TOKEN not in out


def test_without_the_extra_one_line_says_what_to_install() -> None:
    program = "import sys; sys.modules['aiohttp'] = None; from unveil.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "live", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "unveil: live: needs aiohttp; install it with pip install 'unveil[live]'\n"
    )


def test_no_other_command_loads_a_server() -> None:
    program = (
        "import sys\nimport unveil.cli, unveil\nunveil.Protector, unveil.Engine\n"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in ('aiohttp', 'aiortc')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "[]\n"
