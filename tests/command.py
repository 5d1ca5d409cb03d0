"""Runs the command line in this process, or in one of its own, on a small call."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from typer.testing import CliRunner, Result

from tests import command_server
from tests.command_server import ForkedProcess
from tests.footage import write_video
from unveil.cli import app

Argument: TypeAlias = str | Path

Process: TypeAlias = subprocess.Popen[str] | ForkedProcess

CALL_FRAMES = 40

RECOVER = ("recover", "--method", "transitions")
"""The command by a method that needs no person: the calls below show none."""

_PROGRAM = """
import resource, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells have it ignored
for name in ("SIGTERM", "SIGHUP"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
for name in {ignored}:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
if {file_bytes}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({file_bytes}, {file_bytes}))
from unveil.cli import main
main()
"""


@cache
def _compile_kernels() -> None:
    """Fill the cache of kernels, so that no command says that it compiles."""
    from unveil.protection import Protector
    from unveil.protection.protector import prepare as prepare_protector
    from unveil.recovery.warmup import prepare

    prepare("auto")
    prepare("rarest")
    for mode, background in (("replace", "white"), ("blur", None)):
        with Protector(mode, background=background, model="lite", threads=1) as protector:
            prepare_protector(protector)


def unveil(*arguments: Argument) -> Result:
    """Run a command in this process."""
    _compile_kernels()
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def start_unveil(
    *arguments: Argument,
    file_bytes: int | None = None,
    ignored: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Process:
    """Start a command in a process of its own.

    Parameters
    ----------
    file_bytes
        Size in bytes that no file of the process may exceed.
    ignored
        Names of signals that the process ignores.
    environment, options
        As for `start_program`.
    """
    program = _PROGRAM.format(file_bytes=file_bytes, ignored=ignored)
    return start_program(
        program,
        *arguments,
        environment={"NO_COLOR": "1", **(environment or {})},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def start_program(
    program: str,
    *arguments: Argument,
    environment: Mapping[str, str] | None = None,
    new_interpreter: bool = False,
    closed: tuple[int, ...] = (),
    **streams: Any,
) -> Process:
    """Start a program that uses unveil in a process of its own.

    Parameters
    ----------
    program
        Its text; warnings are errors.
    environment
        Variables that differ from those of this process.
    new_interpreter
        Start Python, too. Needed for what happens in its start, and takes two seconds of CPU
        more; otherwise the process is forked from one that has loaded unveil.
    closed
        Numbers of standard streams that are closed when the program begins.
    streams
        `stdin`, `stdout` and `stderr` as for `subprocess.Popen`; with a new interpreter, all of
        its options.
    """
    _compile_kernels()
    words = [str(argument) for argument in arguments]
    variables = {**os.environ, **(environment or {})}
    if not new_interpreter and command_server.IS_AVAILABLE:
        names = {*(environment or {})} - {"PYTHONIOENCODING"}
        assert not any(name.startswith(("PYTHON", "LC_")) for name in names)
        return command_server.running().start(program, words, variables, closed=closed, **streams)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *words],
        text=True,
        errors="backslashreplace",
        env=variables,
        preexec_fn=(lambda: [os.close(number) for number in closed]) if closed else None,
        **streams,
    )


def wait_until(happened: Callable[[], object], process: Process, seconds: float = 60) -> None:
    """Wait until something has happened while a process runs."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finished(process: Process) -> tuple[int, str, str]:
    """Wait for a process; give its exit code, stdout and stderr."""
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def call_frames(n: int = CALL_FRAMES, height: int = 48, width: int = 64) -> Iterator[av.VideoFrame]:
    """Give a green background, a dark bar that crosses it twice, and an orange room at its edge."""
    for number in range(n):
        picture = np.full((height, width, 3), (40, 160, 60), np.uint8)
        left = int(2 * number * (width + 12) / n) % (width + 12) - 12
        picture[:, max(0, left - 4) : max(0, left)] = (230, 130, 40)
        picture[:, max(0, left) : max(0, left + 8)] = (20, 20, 30)
        yield av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv444p")


def write_call(path: Path) -> Path:
    """Encode `call_frames` without loss."""
    return write_video(path, call_frames())
