"""Starts the command line in processes that are forked from one that has loaded it.

A new interpreter loads Numba, PyAV and the compiled kernels for two seconds of CPU before the
command begins. `CommandServer` starts one interpreter that loads them, and forks it for each
command: the process has its own descriptors, signals, environment and exit code. Closed standard
streams and `PYTHONIOENCODING` give it what an interpreter makes of them. Variables that change the
rest of an interpreter's start, such as `PYTHONUTF8`, need a new one.

Linux alone: the server waits for its children by `pidfd_open`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, NoReturn, TextIO, TypeAlias

IS_AVAILABLE: Final = hasattr(os, "pidfd_open")

Stream: TypeAlias = int | IO[Any] | None
"""A standard stream, as `subprocess.Popen` takes it."""

_NUMBER = struct.Struct("q")


class ForkedProcess:
    """A command in a process of the server; what `subprocess.Popen` with text streams offers."""

    def __init__(
        self, status: int, stdin: TextIO | None, stdout: TextIO | None, stderr: TextIO | None
    ) -> None:
        self._status = status
        self.pid = self._read_number()
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr

    def _read_number(self) -> int:
        content = os.read(self._status, _NUMBER.size)
        assert content, "the server of commands has ended"
        number: int = _NUMBER.unpack(content)[0]
        return number

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code, or minus the number of a signal."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._status, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired("unveil", timeout or 0)
            self.returncode = self._read_number()
            os.close(self._status)
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str | None, str | None]:
        """Close standard input, read the other streams to their end, and wait."""
        deadline = None if timeout is None else time.monotonic() + timeout

        def remaining() -> float | None:
            return None if deadline is None else max(0, deadline - time.monotonic())

        if self.stdin is not None:
            with suppress(BrokenPipeError):
                self.stdin.close()
        shown: dict[str, str] = {}

        def read(name: str, stream: TextIO) -> None:
            with stream:
                shown[name] = stream.read()

        threads = [
            threading.Thread(target=read, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self.stdout), ("stderr", self.stderr))
            if stream is not None and not stream.closed
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(remaining())
            if thread.is_alive():
                raise subprocess.TimeoutExpired("unveil", timeout or 0)
        self.wait(remaining())
        return shown.get("stdout"), shown.get("stderr")

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class CommandServer:
    """The process that commands are forked from; it ends with the one that started it."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        # A process must have a single thread when it is forked; OpenBLAS starts others.
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", __name__, str(theirs.fileno())],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        atexit.register(self.close)

    def close(self) -> None:
        """End the server."""
        self._channel.close()
        self._process.wait()

    def start(
        self,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        closed: Sequence[int] = (),
    ) -> ForkedProcess:
        """Start a process, as `python -c program arguments...` in the current folder.

        Parameters
        ----------
        program
            The text of the program.
        environment
            All variables.
        stdin, stdout, stderr
            None: those of this process.
        closed
            Numbers of standard streams that are closed.
        """
        request = {
            "program": program,
            "arguments": [*arguments],
            "environment": {**environment},
            "closed": [*closed],
            "folder": str(Path.cwd()),
        }
        ours: list[TextIO | None] = []
        with ExitStack() as theirs:
            content = theirs.enter_context(tempfile.TemporaryFile())
            content.write(json.dumps(request).encode())
            content.flush()
            descriptors = [content.fileno()]
            for number, stream in enumerate((stdin, stdout, stderr)):
                descriptor, our_end = _open_stream(number, stream, theirs.callback)
                descriptors.append(descriptor)
                ours.append(our_end)
            status, written_status = os.pipe()
            theirs.callback(os.close, written_status)
            socket.send_fds(self._channel, [b"\0"], [*descriptors, written_status])
            # The server has its copies as soon as it has written the number of the process.
            return ForkedProcess(status, *ours)


def _open_stream(
    number: int, stream: Stream, when_sent: Callable[..., object]
) -> tuple[int, TextIO | None]:
    """Return the descriptor for the process, and our end of a pipe."""
    if stream is None:
        return number, None
    if stream == subprocess.DEVNULL:
        null = os.open(os.devnull, os.O_RDWR)
        when_sent(os.close, null)
        return null, None
    if stream == subprocess.PIPE:
        reading, writing = os.pipe()
        given, kept, mode = (reading, writing, "w") if number == 0 else (writing, reading, "r")
        when_sent(os.close, given)
        return given, open(kept, mode, errors="backslashreplace")  # noqa: PTH123 - no path
    return (stream if isinstance(stream, int) else stream.fileno()), None


@cache
def running() -> CommandServer:
    """Start the server of this process when it is needed first."""
    return CommandServer()


# What runs in the server.

_IMPORTED_LATE = (
    "PIL.PngImagePlugin",
    "rich.progress",
    "rich.table",
    "typer._adapters",
    "unveil.cli",
    "unveil.demo",
    "unveil.recovery.batch",
    "unveil.recovery.recover",
    "unveil.simulation",
)
"""What a command imports when it needs it. Not PyArrow, which starts a thread."""


def _load() -> None:
    """Import what commands import, and load their kernels; no network, which has threads."""
    for name in _IMPORTED_LATE:
        import_module(name)
    from unveil.protection import Protector
    from unveil.protection.protector import prepare as prepare_protector
    from unveil.recovery.warmup import prepare

    prepare("transitions", person="none")
    prepare("rarest", person="none")
    for mode, background in (("replace", "white"), ("blur", None)):
        with Protector(mode, background=background, segmenter=_NoPerson(), threads=1) as protector:
            prepare_protector(protector)
    n_threads = len(list(Path("/proc/self/task").iterdir()))
    assert n_threads == 1, f"{n_threads} threads: the process cannot be forked"


class _NoPerson:
    """A segmenter that finds nobody."""

    def mask_planes(self, planes: object, layout: object) -> None:
        return None

    def reset(self) -> None:
        pass


def _serve(channel: socket.socket) -> None:
    """Fork a process for each request, and write how it ended, until the channel is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the runner of the tests
    gc.freeze()
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    message, descriptors, _, _ = socket.recv_fds(channel, 1, 5)
                    if not message:
                        return
                    content, *streams, status = descriptors
                    pid = os.fork()
                    if pid == 0:
                        selector.close()
                        channel.close()
                        os.close(status)
                        _run(content, streams)
                    os.write(status, _NUMBER.pack(pid))
                    for descriptor in (content, *streams):
                        os.close(descriptor)
                    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))
                else:
                    pid, status = key.data
                    selector.unregister(key.fileobj)
                    os.close(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with suppress(BrokenPipeError):
                        os.write(status, _NUMBER.pack(code))
                    os.close(status)


def _run(content: int, streams: Sequence[int]) -> NoReturn:
    """Run the program of a request in a process that was forked; it ends the process."""
    try:
        with open(content, "rb") as file:
            file.seek(0)
            request = json.load(file)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        # As an interpreter opens them.
        encoding = request["environment"].get("PYTHONIOENCODING")
        sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115 - stays open
        sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - stays open
        sys.stderr = open(  # noqa: SIM115 - stays open
            2, "w", buffering=1, encoding=encoding, errors="backslashreplace", closefd=False
        )
        os.chdir(request["folder"])
        for number in request["closed"]:
            setattr(sys, ("stdin", "stdout", "stderr")[number], None)
            os.close(number)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv[1:] = request["arguments"]
        exec(request["program"], {"__name__": "__main__"})
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    _load()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        _serve(channel)
